//! Money, models, providers and jobs once more, as plainly as possible: whole copies instead of
//! overlays, plain numbers, no table. It shares values with the ledger, and no rule. What it lacks,
//! the clock, stake and votes, is in the model of the economy, which holds this one.

mod job;
mod member;

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{JobId, ModelId, ProviderId, TxId};
use ciro_protocol::order::{Class, JobOrder};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Body, SignedTx};
use ciro_protocol::wire::Message;

#[derive(Clone, Debug)]
pub(crate) struct Naive {
    pub(crate) spec: ChainSpec,
    pub(crate) now: u64,
    pub(crate) money: BTreeMap<Purse, u128>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) providers: Vec<Provider>,
    pub(crate) models: BTreeMap<ModelId, Model>,
    pub(crate) seen: BTreeMap<TxId, u64>,
    given: BTreeMap<u64, u128>,
    takers: BTreeSet<Address>,
    pub(crate) timers: Vec<Timer>,
    alarms: u64,
    /// How often what happened that nobody sent a transaction for.
    pub(crate) happened: BTreeMap<&'static str, u64>,
}

/// When something happens, its number, and what.
pub(crate) type Timer = (u64, u64, Alarm);

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) by: Address,
    pub(crate) order: JobOrder,
    class: Class,
    pub(crate) attempt: u8,
    failed: Vec<u32>,
    /// Whom the model was listed for when it was ordered.
    listed: Vec<u32>,
    pub(crate) status: Status,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Status {
    Open,
    Held { provider: u32, price: u128, renewals: u8, any_key: bool },
    Settled,
    Refunded,
}

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) account: Address,
    memory: u32,
    region: [u8; 2],
    classes: BTreeMap<Class, u128>,
    capacity: u16,
    direct: Option<Direct>,
    strikes: Vec<u64>,
    pub(crate) jail: Option<u64>,
    pub(crate) settled: u64,
    pub(crate) lost: u64,
}

/// What a provider asks of direct orders.
#[derive(Clone, Debug)]
struct Direct {
    /// Its keys; without them any.
    keys: Option<Vec<[u8; 32]>>,
    collateral: u128,
    lease: u64,
    bytes: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) owner: Address,
    keys: Vec<([u8; 32], u16, u16, Class)>,
    listed: Vec<u32>,
    /// Whom it is listed for a minute after somebody was left out, and when that was.
    next: Option<(u64, Vec<u32>)>,
    pub(crate) retired: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Alarm {
    Lease(JobId),
    Deadline(JobId),
    Free(u32, u128),
    Epoch,
    AirdropEnds,
    Departs(u64),
    VoteEnds(usize),
    Enact(usize),
    LaunchEnds(usize),
}

type Result = std::result::Result<(), Refusal>;

impl Naive {
    pub(crate) fn new(spec: ChainSpec) -> Self {
        let mut money: BTreeMap<Purse, u128> = BTreeMap::new();
        for account in spec.accounts.iter() {
            money.insert(Purse::Account(account.address), account.amount.units());
        }
        if let Some(faucet) = spec.faucet {
            money.insert(Purse::Faucet, faucet.total.units());
        }
        let rest = 10_u128.pow(27) - money.values().sum::<u128>();
        money.insert(Purse::Treasury, rest);
        Self {
            now: spec.genesis_ms,
            spec,
            money,
            jobs: BTreeMap::new(),
            providers: Vec::new(),
            models: BTreeMap::new(),
            seen: BTreeMap::new(),
            given: BTreeMap::new(),
            takers: BTreeSet::new(),
            timers: Vec::new(),
            alarms: 0,
            happened: BTreeMap::new(),
        }
    }

    /// Counts what nobody sent a transaction for.
    pub(crate) fn happens(&mut self, what: &'static str) {
        *self.happened.entry(what).or_default() += 1;
    }

    pub(crate) fn has(&self, purse: Purse) -> u128 {
        self.money.get(&purse).copied().unwrap_or(0)
    }

    pub(crate) fn give(&mut self, from: Purse, to: Purse, amount: u128) -> Result {
        if self.has(from) < amount {
            return Err(Refusal::InsufficientFunds);
        }
        *self.money.entry(from).or_default() -= amount;
        *self.money.entry(to).or_default() += amount;
        self.money.retain(|_, amount| *amount > 0);
        Ok(())
    }

    fn burn_part(&mut self, from: Purse, fee: u128) {
        let burned = fee * u128::from(self.spec.fees.burn_bps) / 10_000;
        self.give(from, Purse::Burned, burned).unwrap();
        self.give(from, Purse::Treasury, fee - burned).unwrap();
    }

    pub(crate) fn alarm(&mut self, at: u64, alarm: Alarm) {
        self.alarms += 1;
        self.timers.push((at, self.alarms, alarm));
    }

    /// Checks what every transaction must fulfil and takes its fee, which it returns.
    pub(crate) fn admit(&mut self, tx: &SignedTx) -> std::result::Result<u128, Refusal> {
        let (header, id, fee) = (tx.body.header, tx.body.id(), self.fee(tx));
        let account = Purse::Account(header.account);
        match () {
            () if header.valid_until_ms < self.now => return Err(Refusal::Expired),
            () if header.valid_until_ms - self.now > self.spec.time.validity_max_ms => {
                return Err(Refusal::ValidityTooLong);
            }
            () if self.seen.contains_key(&id) => return Err(Refusal::Duplicate),
            () if fee > header.fee_max.units() => return Err(Refusal::FeeAboveMax),
            () if self.has(account) < fee => return Err(Refusal::FeeUnaffordable),
            () => {}
        }
        self.burn_part(account, fee);
        self.seen.insert(id, header.valid_until_ms);
        Ok(fee)
    }

    fn fee(&self, tx: &SignedTx) -> u128 {
        let fees = &self.spec.fees;
        let (checks, kept) = match &tx.body.body {
            Body::Faucet => return 0,
            Body::SubmitProof(submit) => {
                let kept = u128::from(submit.proven.bundle_bytes) * fees.per_bundle_byte.units();
                (1, kept)
            }
            Body::Order(order) => (0, u128::from(order.input.bytes) * fees.per_input_byte.units()),
            Body::ReportFraud(_) | Body::RegisterValidator(_) | Body::ReportOffence(_) => (1, 0),
            Body::RegisterModel(model) => (model.card.keys.len(), 0),
            _ => (0, 0),
        };
        let bytes = tx.to_bytes().len() as u128;
        fees.base.units()
            + bytes * fees.per_byte.units()
            + checks as u128 * fees.per_check.units()
            + kept
    }

    /// Does what a transaction is about, which leaves a mess behind if it is refused.
    pub(crate) fn perform(&mut self, id: TxId, by: Address, body: &Body) -> Result {
        match body {
            Body::Order(order) => self.order(id.into(), by, order),
            Body::Cancel(body) => self.cancel(body.job, by),
            Body::Claim(body) => self.claim(body.job, by, body.attempt),
            Body::Release(body) => self.release(body.job, by, body.attempt, body.reason),
            Body::Renew(body) => self.renew(body.job, by, body.attempt),
            Body::SubmitProof(body) => {
                let (provider, price) = self.holder(body.job, by, body.attempt)?;
                let order = self.jobs[&body.job].order.clone();
                match () {
                    () if self.now > order.offer.deadline_ms => Err(Refusal::DeadlinePassed),
                    () if body.proven.verifier != 1 => Err(Refusal::VerifierInactive),
                    () if body.proven.key != order.key => Err(Refusal::WrongKey),
                    () if body.proven.input != order.input.statement => Err(Refusal::WrongInput),
                    () => self.settle(body.job, provider, price),
                }
            }
            Body::ReportFraud(body) => {
                let (job, attempt) = (body.submitted.job, body.submitted.attempt);
                let (provider, _) = self.holder(job, body.header.account, attempt)?;
                self.fraud(job, provider, by);
                Ok(())
            }
            other => self.perform_other(by, other),
        }
    }

    /// Returns what is due at the end of a block, the first of it.
    pub(crate) fn due(&mut self) -> Vec<Timer> {
        self.timers.sort_by_key(|(at, number, _)| (*at, *number));
        let due = self.timers.iter().filter(|it| it.0 <= self.now);
        due.take(self.spec.limits.timers_per_block as usize).copied().collect()
    }

    /// Takes a timer away; `false` if something has done that already.
    pub(crate) fn take(&mut self, timer: &Timer) -> bool {
        let before = self.timers.len();
        self.timers.retain(|it| it != timer);
        self.timers.len() < before
    }

    /// Lets happen what is due of jobs and bonds.
    pub(crate) fn fire(&mut self, alarm: Alarm) {
        match alarm {
            Alarm::Free(provider, amount) => {
                self.happens("a bond is free");
                let account = Purse::Account(self.providers[provider as usize].account);
                let bound = Purse::Unbonding(ProviderId(provider));
                self.give(bound, account, amount).unwrap();
            }
            Alarm::Lease(id) => {
                self.happens("a lease ends");
                let provider = self.late(id).expect("a lease is of a job that is held");
                self.next_attempt(id, provider);
            }
            Alarm::Deadline(id) => {
                let held = self.late(id).is_some();
                let what = if held { "a held job expires" } else { "an open job expires" };
                self.happens(what);
                self.refund(id);
            }
            other => panic!("{other:?} is the economy's"),
        }
    }

    /// Forgets transactions that are no longer valid.
    pub(crate) fn forget(&mut self) {
        let now = self.now;
        self.seen.retain(|_, until| *until >= now);
    }
}

impl Model {
    /// Whom it is listed for at a time.
    fn listed_at(&self, now: u64) -> Vec<u32> {
        match &self.next {
            Some((said, listed)) if now - said > 60_000 => listed.clone(),
            _ => self.listed.clone(),
        }
    }
}

impl Job {
    pub(crate) const fn holder(&self) -> Option<u32> {
        match self.status {
            Status::Held { provider, .. } => Some(provider),
            _ => None,
        }
    }

    pub(crate) const fn is_running(&self) -> bool {
        matches!(self.status, Status::Open | Status::Held { .. })
    }
}
