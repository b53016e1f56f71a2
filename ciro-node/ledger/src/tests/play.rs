//! What people do at random: mostly something sensible, often something that is refused.

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, ModelId, OutputDigest, ProviderId};
use ciro_protocol::model::Listing;
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, Profile};
use ciro_protocol::sign::Signature;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{
    AddBond, Body, Cancel, Claim, Proven, RegisterModel, RegisterProvider, Release, ReleaseReason,
    Renew, ReportFraud, RetireModel, SetAsks, SignedTx, SubmitProof, Transfer, Unbond, UpdateModel,
};
use ciro_protocol::wire::{Bytes, List};

use super::naive::{Naive, Status};
use super::support::{PEOPLE, RICHES, card, key, units, unsigned};

/// A small generator of numbers: equal seeds give equal histories.
pub(super) struct Dice(u64);

impl Dice {
    /// Begins far away from other seeds: the numbers of a seed are not those of the next one, moved
    /// by a place.
    pub(super) const fn new(seed: u64) -> Self {
        Self(mixed(seed.wrapping_add(0xd134_2543_de82_ef95)))
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn place(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    /// True once in `of` times.
    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        if of.is_empty() { None } else { Some(of[self.place(of.len())].clone()) }
    }

    /// The first value usually, the other one sometimes.
    fn usually<T>(&mut self, value: T, other: T) -> T {
        if self.one_in(12) { other } else { value }
    }
}

/// The finaliser of SplitMix64.
const fn mixed(mut number: u64) -> u64 {
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// One who plays.
pub(super) struct Play<'a> {
    pub(super) dice: &'a mut Dice,
    pub(super) naive: &'a Naive,
    pub(super) sent: &'a [SignedTx],
    pub(super) salt: u64,
}

impl Play<'_> {
    /// Returns a transaction in which somebody does something, or one that was sent before.
    pub(super) fn transaction(&mut self, (person, body): (usize, Body)) -> SignedTx {
        let recent = &self.sent[self.sent.len().saturating_sub(100)..];
        if self.dice.one_in(40)
            && let Some(again) = self.dice.pick(recent)
        {
            return again;
        }
        // Some have little or nothing.
        let pauper = 12 + self.dice.place(4);
        let person = self.dice.usually(person, pauper);
        let now = self.naive.now;
        let ahead = 1_000 + self.dice.below(59_000);
        let until = match self.dice.below(24) {
            0 => now.saturating_sub(1),
            1 => now + 60_001,
            2 => now,
            _ => now + ahead,
        };
        let mut tx = unsigned(person, self.salt, until, body);
        if self.dice.one_in(30) {
            tx.body.header.fee_max = units(20);
        }
        tx
    }

    /// Returns what somebody does next on the market.
    pub(super) fn next(&mut self) -> (usize, Body) {
        let anyone = self.dice.place(12);
        let provider = 4 + self.dice.place(4);
        // There is a market before long.
        if self.naive.models.is_empty() && self.dice.one_in(4) {
            return self.register_model();
        }
        if self.naive.providers.len() < 4 && self.dice.one_in(8) {
            return (provider, self.register_provider());
        }
        match self.dice.below(40) {
            0 => (anyone, self.transfer()),
            1 => (anyone, Body::Faucet),
            2 => self.register_model(),
            3 => (self.dice.place(4), self.update_model()),
            4 if self.dice.one_in(2) => {
                let model = self.model();
                (self.dice.place(4), Body::RetireModel(RetireModel { model }))
            }
            5 => (provider, self.register_provider()),
            6 => {
                let asks = self.asks();
                (self.dice.usually(provider, anyone), Body::SetAsks(SetAsks { asks }))
            }
            7 => {
                let amount = match self.dice.below(10) {
                    9 => RICHES,
                    thousands => u128::from(thousands) * 1_000,
                };
                let amount = units(amount);
                (self.dice.usually(provider, anyone), Body::AddBond(AddBond { amount }))
            }
            8 => {
                let amount = units(u128::from(self.dice.below(9)) * 700);
                (self.dice.usually(provider, anyone), Body::Unbond(Unbond { amount }))
            }
            9 => (self.dice.usually(provider, anyone), Body::Unjail),
            10 => self.cancel(),
            11..=18 if self.runs(|it| *it == Status::Open) => self.claim(),
            19..=30 if self.runs(|it| matches!(it, Status::Held { .. })) => self.of_holder(),
            31 => self.claim(),
            32 => self.of_holder(),
            _ => {
                let order = Box::new(self.order());
                let requester = self.dice.place(4);
                (self.dice.usually(requester, 12), Body::Order(order))
            }
        }
    }

    /// Whether there is a job that stands so.
    fn runs(&self, wanted: fn(&Status) -> bool) -> bool {
        self.naive.jobs.values().any(|job| wanted(&job.status))
    }

    fn transfer(&mut self) -> Body {
        let to = PEOPLE[self.dice.place(12)];
        let amount = match self.dice.below(6) {
            0 => units(0),
            1 => units(RICHES),
            _ => units(self.dice.below(900).into()),
        };
        Body::Transfer(Transfer { to, amount })
    }

    fn listing(&mut self) -> Listing {
        let some: Vec<ProviderId> =
            (0..4).filter(|_| self.dice.one_in(2)).map(ProviderId).collect();
        let providers = if self.dice.one_in(2) { Vec::new() } else { some };
        Listing { providers: List::new(providers).unwrap(), price_hint: units(1) }
    }

    fn register_model(&mut self) -> (usize, Body) {
        let (owner, number) = (self.dice.place(4), u8::try_from(self.dice.below(4)).unwrap());
        let owner = self.dice.usually(owner, 12);
        let keys = match self.dice.below(12) {
            0 => vec![],
            1 => vec![key(1, Route::Tensor), key(1, Route::Tensor)],
            2 => vec![key(1, Route::Cairo)],
            _ => vec![key(1, Route::Tensor), key(2, Route::Tensor)],
        };
        let mut card = card(owner, number, keys);
        card.bytes = match self.dice.below(10) {
            0 => (4 << 20) + 1,
            _ => card.bytes,
        };
        let listing = self.listing();
        let by = if self.dice.one_in(4) { self.dice.place(4) } else { owner };
        (by, Body::RegisterModel(Box::new(RegisterModel { card, listing })))
    }

    fn update_model(&mut self) -> Body {
        let (model, listing) = (self.model(), self.listing());
        Body::UpdateModel(UpdateModel { model, listing })
    }

    fn model(&mut self) -> ModelId {
        let known: Vec<ModelId> = self.naive.models.keys().copied().collect();
        let one = self.dice.pick(&known).unwrap_or(ModelId([9; 32]));
        self.dice.usually(one, ModelId([9; 32]))
    }

    fn asks(&mut self) -> Asks {
        let price = units(u128::from(self.dice.below(12)) * 100);
        let ask = |class| Ask { class, price };
        let prices = match self.dice.below(10) {
            0 => vec![],
            1 => vec![ask(Class::Xs), ask(Class::Xs)],
            2 => vec![ask(Class::S)],
            _ => vec![ask(Class::Xs), ask(Class::S)],
        };
        let capacity = u16::try_from(1 + self.dice.below(4)).unwrap();
        let capacity = self.dice.usually(capacity, 5);
        let listed = |numbers: &[u8]| {
            let keys = numbers.iter().map(|number| KeyDigest([*number; 32])).collect();
            DirectKeys::Listed(List::new(keys).unwrap())
        };
        let keys = match self.dice.below(4) {
            0 => DirectKeys::Any,
            1 => listed(&[2]),
            _ => listed(&[2, 1]),
        };
        let direct = DirectTerms {
            keys,
            collateral_max: units(self.dice.usually(1_500, 300)),
            lease_min_ms: self.dice.usually(2_000, 9_000),
            input_bytes_max: self.dice.usually(1_000, 999),
        };
        let direct = (!self.dice.one_in(4)).then_some(direct);
        Asks { prices: List::new(prices).unwrap(), capacity, direct, sealing: None }
    }

    fn register_provider(&mut self) -> Body {
        let region = Region::new(self.dice.usually(*b"DE", *b"FR")).unwrap();
        let memory_mb = self.dice.usually(1_000, 100);
        let name = Text::new("provider").unwrap();
        let bond = match self.dice.below(12) {
            0 => 4_000,
            1 => RICHES,
            _ => 8_000,
        };
        let bond = units(bond);
        let asks = self.asks();
        let profile = Profile { name, region, memory_mb };
        Body::RegisterProvider(RegisterProvider { profile, asks, bond })
    }

    fn order(&mut self) -> JobOrder {
        let now = self.naive.now;
        // One thing is wrong at most: an order with several flaws shows the first one only.
        let flaw = self.dice.below(26);
        let provider = ProviderId(u32::try_from(self.dice.below(5)).unwrap());
        let direct = self.dice.one_in(4);
        let max = 200 + u128::from(self.dice.below(1_000));
        let attempts = u8::try_from(1 + self.dice.below(4)).unwrap();
        let attempts = flawed(flaw == 0, attempts, 5);
        let lease_ms = 2_000 + self.dice.below(8_000);
        let deadline_ms = now + 3_000 + self.dice.below(30_000);
        let price_max = flawed(flaw == 2, max, RICHES);
        let least = price_max / 10;
        let collateral = least + u128::from(self.dice.below(1_300));
        let collateral = flawed(flaw == 5, collateral, 9_000);
        let offer = Offer {
            mode: if direct { Mode::Direct(provider) } else { Mode::Open },
            price_min: units(flawed(flaw == 1, max / 3, max + 1)),
            price_max: units(price_max),
            ramp_start_ms: now + self.dice.below(4_000),
            ramp_ms: self.dice.below(9_000),
            lease_ms: flawed(flaw == 3, lease_ms, 1_999),
            deadline_ms: flawed(flaw == 4, deadline_ms, now),
            collateral: units(flawed(flaw == 17, collateral, least - 1)),
            attempts_max: if direct { flawed(flaw == 6, 1, 2) } else { attempts },
        };
        let regions = if self.dice.one_in(3) { vec![Region::new(*b"DE").unwrap()] } else { vec![] };
        let recipients =
            if self.dice.one_in(5) { vec![ProviderId(0), ProviderId(2)] } else { vec![] };
        let bits = match flaw {
            14 => 99,
            15 => 101,
            _ => 100,
        };
        JobOrder {
            model: self.model(),
            key: KeyDigest([flawed(flaw == 7, 1, 7); 32]),
            input: Input {
                blob: BlobId([3; 32]),
                bytes: flawed(flaw == 8, 1_000, 1_001),
                statement: InputDigest([4; 32]),
                recipients: List::new(recipients).unwrap(),
            },
            offer,
            policy: Policy { bits, proven: flaw == 16 },
            needs: Needs {
                memory_mb: flawed(flaw == 9, 500, 2_000),
                regions: List::new(regions).unwrap(),
            },
            memo: Bytes::default(),
        }
    }

    /// Returns an order that any provider may claim.
    pub(super) fn plain_order(&mut self) -> JobOrder {
        let mut order = self.order();
        let now = self.naive.now;
        order.key = KeyDigest([1; 32]);
        order.input.bytes = 1;
        order.policy = Policy { bits: 100, proven: false };
        order.offer = Offer {
            mode: Mode::Open,
            price_min: units(1),
            price_max: units(100),
            ramp_start_ms: now,
            ramp_ms: 0,
            lease_ms: 5_000,
            deadline_ms: now + 30_000,
            collateral: units(10),
            attempts_max: 2,
        };
        order
    }

    /// Picks a job, one that runs if possible.
    fn job(&mut self, wanted: fn(&Status) -> bool) -> JobId {
        let all: Vec<JobId> = self.naive.jobs.keys().copied().collect();
        let fitting: Vec<JobId> = self
            .naive
            .jobs
            .iter()
            .filter(|(_, job)| wanted(&job.status))
            .map(|(id, _)| *id)
            .collect();
        match self.dice.below(10) {
            0 => JobId([8; 32]),
            1 => self.dice.pick(&all).unwrap_or(JobId([8; 32])),
            _ => self.dice.pick(&fitting).unwrap_or(JobId([8; 32])),
        }
    }

    fn attempt(&mut self, job: JobId) -> u8 {
        let attempt = self.naive.jobs.get(&job).map_or(1, |job| job.attempt);
        let other = if self.dice.one_in(2) { attempt + 1 } else { attempt.saturating_sub(1) };
        if self.dice.one_in(6) { other } else { attempt }
    }

    /// Picks a job that nobody holds, or at times one that is held.
    fn open_job(&mut self) -> JobId {
        if self.dice.one_in(8) {
            self.job(|status| matches!(status, Status::Held { .. }))
        } else {
            self.job(|status| *status == Status::Open)
        }
    }

    fn cancel(&mut self) -> (usize, Body) {
        let job = self.open_job();
        let by = self.naive.jobs.get(&job).and_then(|job| number(&job.by)).unwrap_or(0);
        let other = self.dice.place(4);
        (self.dice.usually(by, other), Body::Cancel(Cancel { job }))
    }

    fn claim(&mut self) -> (usize, Body) {
        let job = self.open_job();
        let attempt = self.attempt(job);
        let provider = 4 + self.dice.place(4);
        (self.dice.usually(provider, 0), Body::Claim(Claim { job, attempt }))
    }

    /// A direct order that its provider gives back before it has renewed the lease: rare, and with
    /// rules of its own.
    fn given_back(&mut self) -> Option<(usize, Body)> {
        let fresh = self.naive.jobs.iter().find_map(|(id, job)| match job.status {
            Status::Held { provider, renewals: 0, .. } => {
                let direct = matches!(job.order.offer.mode, Mode::Direct(_));
                direct.then_some((*id, job.attempt, provider))
            }
            _ => None,
        });
        let (job, attempt, provider) = fresh.filter(|_| !self.dice.one_in(4))?;
        let by = number(&self.naive.providers[provider as usize].account)?;
        let reason = match self.dice.below(4) {
            0 => ReleaseReason::Unable,
            1 => ReleaseReason::InputUnavailable,
            _ => ReleaseReason::NotServed,
        };
        Some((by, Body::Release(Release { job, attempt, reason })))
    }

    /// What the holder of a job does, or somebody in its place.
    fn of_holder(&mut self) -> (usize, Body) {
        if let Some(given_back) = self.given_back() {
            return given_back;
        }
        let job = self.job(|status| matches!(status, Status::Held { .. }));
        let attempt = self.attempt(job);
        let holder = self.naive.jobs.get(&job).and_then(|job| job.holder());
        let account = holder.map(|it| self.naive.providers[it as usize].account);
        let by = account.and_then(|account| number(&account)).unwrap_or(4);
        let other = self.dice.place(8);
        let by = self.dice.usually(by, other);
        let body = match self.dice.below(12) {
            0..=1 => {
                let reason = match self.dice.below(3) {
                    0 => ReleaseReason::Unable,
                    1 => ReleaseReason::InputUnavailable,
                    _ => ReleaseReason::NotServed,
                };
                Body::Release(Release { job, attempt, reason })
            }
            2..=5 => Body::Renew(Renew { job, attempt }),
            6 => return (self.dice.place(9), self.report(by, job, attempt)),
            _ => Body::SubmitProof(self.proof(job, attempt)),
        };
        (by, body)
    }

    fn proof(&mut self, job: JobId, attempt: u8) -> SubmitProof {
        let proven = Proven {
            verifier: self.dice.usually(1, 2),
            key_blob: BlobId([1; 32]),
            bundle: BlobId([2; 32]),
            bundle_bytes: 30,
            key: KeyDigest([self.dice.usually(1, 2); 32]),
            input: InputDigest([self.dice.usually(4, 5); 32]),
            output: OutputDigest([6; 32]),
        };
        SubmitProof { job, attempt, proven }
    }

    fn report(&mut self, by: usize, job: JobId, attempt: u8) -> Body {
        let header = unsigned(by, self.salt, self.naive.now, Body::Unjail).body.header;
        let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
        let (submitted, signature) = (self.proof(job, attempt), Signature(zero));
        Body::ReportFraud(Box::new(ReportFraud { header, submitted, signature }))
    }
}

/// Returns `wrong` if this is what is wrong.
fn flawed<T>(is: bool, right: T, wrong: T) -> T {
    if is { wrong } else { right }
}

fn number(account: &ciro_protocol::Address) -> Option<usize> {
    PEOPLE.iter().position(|person| person == account)
}
