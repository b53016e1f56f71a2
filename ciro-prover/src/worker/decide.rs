//! Whether a job is worth claiming: a pure answer with a name for each no.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::id::{JobId, KeyDigest, ProviderId};
use ciro_protocol::order::{JobOrder, Mode};
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
}

/// A key that is proven here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Cells that a prover commits to.
    pub cells: u64,
    /// Memory that this takes, in MiB.
    pub memory_mb: u32,
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
    let ms = work_ms(settings, order, served.cells);
    if head.time_ms.saturating_add(ms) > order.offer.deadline_ms {
        return Err(Denial::Deadline);
    }
    let least = least_price(settings, served.cells);
    if least.is_none_or(|least| order.offer.price_max < least) {
        return Err(Denial::PriceMax);
    }
    if least.is_none_or(|least| order.offer.price_at(head.time_ms) < least) {
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
    let rounds = situation.busy / usize::from(settings.children.max(1));
    let queue = u64::try_from(rounds).unwrap_or(u64::MAX).saturating_mul(ms);
    if queue.saturating_add(ms) > order.offer.lease_ms {
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
    if work_ms(settings, order, served.cells) > order.offer.lease_ms {
        return Err(Denial::Lease);
    }
    Ok(served)
}

/// Returns the time that is set aside for a job: to fetch its input and to prove.
fn work_ms(settings: &Settings, order: &JobOrder, cells: u64) -> u64 {
    let bytes = u128::from(order.input.bytes) * 1_000;
    let fetch = bytes
        .checked_div(settings.bytes_per_s.into())
        .map_or(u64::MAX, |ms| u64::try_from(ms).unwrap_or(u64::MAX));
    fetch.saturating_add(prove_ms(settings, cells))
}

/// Returns the time that is set aside for a proof: half as much again as the measured speed says,
/// rounded up.
fn prove_ms(settings: &Settings, cells: u64) -> u64 {
    let speed = u128::from(settings.cells_per_s);
    let work = u128::from(cells) * 1_500;
    if speed == 0 {
        return u64::MAX;
    }
    u64::try_from(work.div_ceil(speed)).unwrap_or(u64::MAX)
}

fn least_price(settings: &Settings, cells: u64) -> Option<Amount> {
    // Neither product leaves 128 bits: the supply is below 2^90, and so is what is asked for 2^30
    // cells.
    let units = settings.price_per_gcell.units();
    let (whole, rest) = (cells >> 30, cells & ((1 << 30) - 1));
    let whole = settings.price_per_gcell.checked_mul(whole)?;
    whole.checked_add(Amount::from_units((units * u128::from(rest)).div_ceil(1 << 30))?)
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
