//! Whether a job is worth claiming: a pure answer with a name for each no.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::id::{JobId, KeyDigest, ProviderId};
use ciro_protocol::order::{JobOrder, Mode, Offer};
use ciro_protocol::wire::Message;

use super::input::Head;

/// What the operator decides.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The provider's number on the ledger.
    pub provider: ProviderId,
    /// Jobs that are claimed or held at once at most, 1 or more.
    pub capacity: u16,
    /// Children that prove at once, 1 to `capacity`.
    pub children: u16,
    /// Attempts that the table keeps at most, those that are over included; above `capacity`.
    pub rows_max: usize,
    /// Memory for one child, in MiB.
    pub memory_mb: u32,
    /// Cells that a child commits to in a second, as measured; zero claims nothing.
    pub cells_per_s: u64,
    /// The least price for 2^30 cells.
    pub price_per_gcell: Amount,
    /// The most collateral that is put at stake for one job.
    pub collateral_max: Amount,
    /// The longest input, in bytes.
    pub input_bytes_max: u64,
    /// Bytes of an input that come in a second; zero claims nothing.
    pub bytes_per_s: u64,
    /// Keys that are proven here, of whatever model an order names: a proof is judged by its key.
    pub models: BTreeMap<KeyDigest, Served>,
    /// Whether offers are looked at and never claimed.
    pub listen_only: bool,
    /// Whether jail is left as soon as its time is over.
    pub unjail: bool,
    /// How long a transaction is valid, in ms of ledger time; below the network's
    /// `validity_max_ms`.
    pub validity_ms: u64,
    /// After how long without an answer an effect is repeated, in ms.
    pub retry_ms: u64,
    /// How long each provider that ranks before has for its claim, in ms.
    pub rank_ms: u64,
    /// The longest that an open job may keep a child, in ms, so that direct orders come to their
    /// turn: [`Places::job_ms_max`](super::Places::job_ms_max); `u64::MAX` without such orders.
    pub open_ms_max: u64,
}

/// How fast a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// Cells that a child commits to in a second.
    pub cells_per_s: u64,
    /// Bytes of an input that come in a second.
    pub bytes_per_s: u64,
}

/// A key that is proven here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Cells that a prover commits to.
    pub cells: u64,
    /// Memory that this takes, in MiB.
    pub memory_mb: u32,
    /// How long the preparation of its prover took, in ms: a child that has not proven it lately
    /// prepares it again.
    pub prepare_ms: u64,
    /// What claim and proof of a job cost, by the bytes that a bundle is expected to have: a job
    /// that pays no more is worth no work.
    pub fees: Amount,
}

/// What the decision depends on beside the order.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// The end of the chain, once one was heard of.
    pub head: Option<Head>,
    /// Jobs claimed or held, and inputs that are looked at for a claim.
    pub busy: usize,
    /// Collateral of claims that are on their way.
    pub claiming: Amount,
    /// Whether nothing more is claimed.
    pub draining: bool,
}

/// Why a job is not claimed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    thiserror::Error,
)]
pub enum Denial {
    /// `listen_only` is set.
    #[error("this worker only listens")]
    ListenOnly,
    /// The worker drains.
    #[error("this worker claims nothing more")]
    Draining,
    /// The order names another provider.
    #[error("the order is for another provider")]
    OtherProvider,
    /// The input is sealed for others.
    #[error("the input is sealed for other providers")]
    NotRecipient,
    /// The key is not among `models`.
    #[error("the key is not served here")]
    NotServed,
    /// A child would need more memory than it has.
    #[error("a proof needs more memory than a child has")]
    Memory,
    /// More collateral is asked for than this worker puts at stake.
    #[error("the collateral is more than this worker puts at stake")]
    Collateral,
    /// The input is longer than this worker fetches.
    #[error("the input is longer than this worker fetches")]
    Input,
    /// The time to fetch the input, and half as much time again as the proof is expected to take,
    /// do not fit into the lease.
    #[error("a proof takes too much of the lease")]
    Lease,
    /// The same for the deadline.
    #[error("a proof does not fit before the deadline")]
    Deadline,
    /// The price never reaches the least one.
    #[error("the highest price is below this worker's")]
    PriceMax,
    /// The price is below the least one, and rises.
    #[error("the price is still below this worker's")]
    PriceNow,
    /// No block was heard of yet.
    #[error("the state of the ledger is not known yet")]
    NoHead,
    /// In jail, or below the least bond.
    #[error("the provider may not claim")]
    Inactive,
    /// Less of the bond is free than the collateral.
    #[error("less of the bond is free than the collateral")]
    Bond,
    /// As many jobs are claimed or held as may be.
    #[error("as many jobs are held as this worker takes")]
    Capacity,
    /// Jobs that are held come first, and after them the lease would be too short.
    #[error("jobs that are held take too much of the lease")]
    Queue,
    /// Once the price is the least one, no time is left before the deadline.
    #[error("the price reaches this worker's too late for the deadline")]
    PriceLate,
    /// It would keep a child from direct orders for longer than their terms leave.
    #[error("a proof would keep direct orders waiting for too long")]
    Direct,
}

impl Denial {
    /// Whether it can pass: the job is looked at again.
    #[must_use]
    pub const fn can_pass(self) -> bool {
        matches!(
            self,
            Self::PriceNow
                | Self::NoHead
                | Self::Inactive
                | Self::Bond
                | Self::Capacity
                | Self::Queue
        )
    }
}

/// Decides about a claim.
///
/// # Errors
///
/// The first [`Denial`] that applies.
pub fn decide(settings: &Settings, order: &JobOrder, situation: &Situation) -> Result<(), Denial> {
    if settings.listen_only {
        return Err(Denial::ListenOnly);
    }
    if situation.draining {
        return Err(Denial::Draining);
    }
    let served = able(settings, order)?;
    let head = situation.head.ok_or(Denial::NoHead)?;
    let ms = work_ms(settings, order, served);
    if ms > settings.open_ms_max {
        return Err(Denial::Direct);
    }
    if head.time_ms.saturating_add(ms) > order.offer.deadline_ms {
        return Err(Denial::Deadline);
    }
    let ready_ms = ready_ms(settings, order)?;
    if head.time_ms < ready_ms {
        return Err(Denial::PriceNow);
    }
    if !head.active {
        return Err(Denial::Inactive);
    }
    if situation.busy >= usize::from(settings.capacity) {
        return Err(Denial::Capacity);
    }
    let wanted = situation.claiming.checked_add(order.offer.collateral);
    if wanted.is_none_or(|wanted| wanted > head.bond_free) {
        return Err(Denial::Bond);
    }
    // While the ledger catches up, leases and deadlines last half as long as they say.
    let ms = head.ledger_ms(ms);
    let rounds = situation.busy / usize::from(settings.children.max(1));
    let queue = u64::try_from(rounds).unwrap_or(u64::MAX).saturating_mul(ms);
    let left = order.offer.deadline_ms.saturating_sub(head.time_ms).min(order.offer.lease_ms);
    if queue.saturating_add(ms) > left {
        return Err(Denial::Queue);
    }
    Ok(())
}

/// Checks what no time changes: whether this machine can do the job at all.
///
/// # Errors
///
/// The first [`Denial`] that applies; none of them can pass.
pub fn able(settings: &Settings, order: &JobOrder) -> Result<Served, Denial> {
    if matches!(order.offer.mode, Mode::Direct(provider) if provider != settings.provider) {
        return Err(Denial::OtherProvider);
    }
    let recipients = &order.input.recipients;
    if !recipients.is_empty() && !recipients.contains(&settings.provider) {
        return Err(Denial::NotRecipient);
    }
    let served = *settings.models.get(&order.key).ok_or(Denial::NotServed)?;
    if served.memory_mb > settings.memory_mb {
        return Err(Denial::Memory);
    }
    if order.offer.collateral > settings.collateral_max {
        return Err(Denial::Collateral);
    }
    if order.input.bytes > settings.input_bytes_max {
        return Err(Denial::Input);
    }
    if work_ms(settings, order, served) > order.offer.lease_ms {
        return Err(Denial::Lease);
    }
    Ok(served)
}

/// Checks whether an order may be worth that its model is fetched and prepared, by what its key
/// says of the work; an order that is refused here is denied whatever the preparation says.
///
/// # Errors
///
/// The first [`Denial`] that applies.
pub fn promising(settings: &Settings, order: &JobOrder, cells: u64) -> Result<(), Denial> {
    if settings.listen_only {
        return Err(Denial::ListenOnly);
    }
    // Neither memory nor preparation nor a bundle's length is known before it was prepared.
    let served = Served { cells, memory_mb: 0, prepare_ms: 0, fees: Amount::ZERO };
    let settings = Settings { models: [(order.key, served)].into(), ..settings.clone() };
    able(&settings, order)?;
    // What is given to this provider is held already, whatever it pays.
    if order.offer.mode == Mode::Open {
        ready_ms(&settings, order)?;
    }
    Ok(())
}

/// Returns the ledger time in ms from which an open job pays this worker's least price.
///
/// # Errors
///
/// [`Denial::NotServed`], [`Denial::PriceMax`], or [`Denial::PriceLate`] if a proof that is begun
/// then does not fit before the deadline.
pub(super) fn ready_ms(settings: &Settings, order: &JobOrder) -> Result<u64, Denial> {
    let served = *settings.models.get(&order.key).ok_or(Denial::NotServed)?;
    let least = least_price(settings, served).ok_or(Denial::PriceMax)?;
    let ready_ms = reaches_ms(&order.offer, least).ok_or(Denial::PriceMax)?;
    let ends_ms = ready_ms.saturating_add(work_ms(settings, order, served));
    if ends_ms > order.offer.deadline_ms { Err(Denial::PriceLate) } else { Ok(ready_ms) }
}

/// Returns the first ledger time in ms at which a price is offered; `None` if it never is. Prices
/// do not fall.
fn reaches_ms(offer: &Offer, price: Amount) -> Option<u64> {
    if offer.price_at(0) >= price {
        return Some(0);
    }
    let at = |passed: u64| offer.ramp_start_ms.saturating_add(passed);
    let (mut low, mut high) = (0, offer.ramp_ms);
    if offer.price_at(at(high)) < price {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if offer.price_at(at(middle)) >= price {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(at(low))
}

/// Returns the time that is set aside for a job: to fetch its input, to prepare and to prove.
fn work_ms(settings: &Settings, order: &JobOrder, served: Served) -> u64 {
    settings.speed().work_ms(order.input.bytes, served.cells).saturating_add(served.prepare_ms)
}

impl Settings {
    /// Returns how fast the machine is.
    #[must_use]
    pub const fn speed(&self) -> Speed {
        Speed { cells_per_s: self.cells_per_s, bytes_per_s: self.bytes_per_s }
    }
}

impl Speed {
    /// Returns the time that is set aside for a job with an input of so many bytes and a proof of
    /// so many cells, in ms: to fetch the one, and half as much again as was measured for the
    /// other.
    #[must_use]
    pub fn work_ms(&self, bytes: u64, cells: u64) -> u64 {
        let fetch = match self.bytes_per_s {
            0 => u64::MAX,
            speed => {
                u64::try_from(u128::from(bytes) * 1_000 / u128::from(speed)).unwrap_or(u64::MAX)
            }
        };
        fetch.saturating_add(proof_ms(u128::from(cells) * 1_500, self.cells_per_s))
    }

    /// Returns the time that a proof of so many cells takes as it was measured, in ms.
    #[must_use]
    pub(crate) fn proof_ms(&self, cells: u64) -> u64 {
        proof_ms(u128::from(cells) * 1_000, self.cells_per_s)
    }
}

/// Work by speed, rounded up.
fn proof_ms(work: u128, speed: u64) -> u64 {
    match speed {
        0 => u64::MAX,
        speed => u64::try_from(work.div_ceil(speed.into())).unwrap_or(u64::MAX),
    }
}

/// Returns what a job must pay: its work, and its fees.
fn least_price(settings: &Settings, Served { cells, fees, .. }: Served) -> Option<Amount> {
    // Neither product leaves 128 bits: the supply is below 2^90, and so is what is asked for 2^30
    // cells.
    let units = settings.price_per_gcell.units();
    let (whole, rest) = (cells >> 30, cells & ((1 << 30) - 1));
    let whole = settings.price_per_gcell.checked_mul(whole)?;
    let rest = Amount::from_units((units * u128::from(rest)).div_ceil(1 << 30))?;
    whole.checked_add(rest)?.checked_add(fees)
}

/// One draw of a provider for a job.
#[derive(BorshSerialize, BorshDeserialize)]
struct Draw {
    job: JobId,
    provider: ProviderId,
    number: u16,
}

impl Message for Draw {
    const NAME: &'static str = "CIRO_RANK_V1";
    const BYTES_MAX: usize = 64;
}

/// Draws of one provider at most, so that a rank costs a bounded number of hashes.
const DRAWS_MAX: u16 = 32;

/// Returns how many providers claim before this one: rendezvous hashing in which a provider draws
/// once for each job that it can hold and its lowest number counts. A convention: whoever claims
/// earlier breaks no rule.
#[must_use]
pub fn rank(job: JobId, provider: ProviderId, peers: &BTreeMap<ProviderId, u16>) -> u64 {
    let lowest = |provider: ProviderId, capacity: u16| {
        let draws = 0..capacity.clamp(1, DRAWS_MAX);
        draws.map(|number| Draw { job, provider, number }.digest()).min()
    };
    let Some(own) = peers.get(&provider) else { return 0 };
    let own = lowest(provider, *own);
    let before = peers.iter().filter(|(id, _)| **id != provider);
    before.filter(|(id, capacity)| lowest(**id, **capacity) < own).count() as u64
}
