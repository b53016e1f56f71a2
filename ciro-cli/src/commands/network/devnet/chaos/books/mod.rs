//! Books of our own: purses and jobs, kept from the events alone, so that what nodes say of their
//! state is compared with what they say happened.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::api::EventRecord;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::receipt::{Outcome, Receipt};

use super::invariant::{Invariant, Violations};

/// Purses and jobs after the events that were seen.
#[derive(Debug)]
pub(super) struct Books {
    /// The last event.
    seq: u64,
    /// Its block.
    height: u64,
    /// Ledger time after it, in ms.
    time_ms: u64,
    purses: BTreeMap<Purse, u128>,
    jobs: BTreeMap<JobId, Entry>,
    /// Jobs that the block at hand has changed.
    touched: BTreeSet<JobId>,
    /// All escrow by the purses.
    in_escrow: u128,
    /// All escrow by the jobs that are not ended.
    owed: u128,
    pub(super) violations: Violations,
}

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Paid in, and neither open nor claimed yet.
    New,
    Open,
    Claimed(ProviderId),
    Ended,
}

/// A job.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) phase: Phase,
    pub(super) attempt: u8,
    pub(super) receipt: Option<Box<Receipt>>,
    escrow: u128,
    /// What left escrow for the provider, the market, and the requester.
    paid: u128,
    fee: u128,
    refunded: u128,
}

impl Books {
    /// Begins before the first block.
    pub(super) fn new(spec: &ChainSpec) -> Self {
        // No network runs whose genesis gives out more than there is.
        let purses = spec.purses().unwrap_or_default();
        let purses = purses.into_iter().map(|(purse, amount)| (purse, amount.units())).collect();
        Self {
            seq: 0,
            height: 0,
            time_ms: 0,
            purses,
            jobs: BTreeMap::new(),
            touched: BTreeSet::new(),
            in_escrow: 0,
            owed: 0,
            violations: Violations::default(),
        }
    }

    /// The number of the last event.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    /// Ledger time after the block of the last event, in ms.
    pub(super) const fn time_ms(&self) -> u64 {
        self.time_ms
    }

    pub(super) fn job(&self, job: JobId) -> Option<&Entry> {
        self.jobs.get(&job)
    }

    pub(super) fn jobs(&self) -> impl Iterator<Item = (&JobId, &Entry)> {
        self.jobs.iter()
    }

    /// All purses that were ever used.
    pub(super) const fn purses(&self) -> &BTreeMap<Purse, u128> {
        &self.purses
    }

    /// What a purse holds.
    pub(super) fn purse(&self, purse: Purse) -> u128 {
        self.purses.get(&purse).copied().unwrap_or_default()
    }

    /// Enters the event that follows the last one; others change nothing.
    pub(super) fn enter(&mut self, record: &EventRecord) {
        if record.seq != self.seq + 1 {
            return;
        }
        if record.height != self.height {
            self.close_block();
            self.height = record.height;
        }
        (self.seq, self.time_ms) = (record.seq, record.time_ms);
        match &record.event {
            Event::Moved(movement) => self.moved(movement),
            Event::JobOpened { job, attempt, .. } => self.opened(*job, *attempt),
            Event::JobClaimed { job, attempt, provider, .. } => {
                self.claimed(*job, *attempt, *provider);
            }
            Event::JobLost { job, attempt, provider, .. } => {
                let held = self.entry(*job, "lost");
                if held != Some((Phase::Claimed(*provider), *attempt)) {
                    self.wrong(*job, format_args!("{provider:?} lost attempt {attempt}"), held);
                }
            }
            Event::JobEnded { receipt } => self.ended(receipt),
            Event::JobRenewed { .. }
            | Event::ModelListed { .. }
            | Event::ModelRetired { .. }
            | Event::ProviderChanged { .. }
            | Event::ProviderJailed { .. }
            | Event::ValidatorChanged { .. }
            | Event::ValidatorJailed { .. }
            | Event::ValidatorConvicted { .. }
            | Event::ProposalChanged { .. }
            | Event::LaunchChanged { .. } => {}
        }
    }

    /// Compares the purses of the jobs that the last block changed with the jobs.
    pub(super) fn close_block(&mut self) {
        if self.in_escrow != self.owed {
            let what = format!(
                "block {}: {} units are in escrow, unfinished jobs have paid in {}",
                self.height, self.in_escrow, self.owed
            );
            self.violations.add(Invariant::I3, what);
        }
        for job in std::mem::take(&mut self.touched) {
            let Some(entry) = self.jobs.get(&job) else { continue };
            let escrow = self.purse(Purse::Escrow(job));
            let collateral = self.purse(Purse::Collateral(job));
            let expected = if entry.phase == Phase::Ended { 0 } else { entry.escrow };
            if escrow != expected {
                let what = format!("job {job} has {escrow} units in escrow, expected {expected}");
                self.violations.add(Invariant::I3, what);
            }
            if collateral != 0 && !matches!(entry.phase, Phase::Claimed(_)) {
                let what = format!("job {job} is held by nobody and has collateral: {collateral}");
                self.violations.add(Invariant::I3, what);
            }
            if let Some(wrong) = entry.receipt.as_deref().and_then(|it| entry.misstated(it)) {
                self.violations.add(Invariant::I2, format!("the receipt of job {job}: {wrong}"));
            }
        }
    }

    fn moved(&mut self, movement: &Movement) {
        let Movement { from, to, amount, why } = *movement;
        let amount = amount.units();
        let source = self.purses.entry(from).or_default();
        match source.checked_sub(amount) {
            Some(rest) => *source = rest,
            None => {
                let what = format!("{from:?} holds {source} units, and {amount} left it ({why:?})");
                self.violations.add(Invariant::I2, what);
            }
        }
        *self.purses.entry(to).or_default() += amount;
        if let Purse::Escrow(job) = to {
            self.in_escrow += amount;
            self.owed += amount;
            let entry = self.jobs.entry(job).or_insert_with(Entry::new);
            entry.escrow += amount;
            self.touched.insert(job);
        }
        if let Purse::Escrow(job) = from {
            self.in_escrow = self.in_escrow.saturating_sub(amount);
            if let Some(entry) = self.jobs.get_mut(&job) {
                match why {
                    Why::Price => entry.paid += amount,
                    Why::MarketFee => entry.fee += amount,
                    _ => entry.refunded += amount,
                }
            }
            self.touched.insert(job);
        }
        if let Purse::Collateral(job) = to {
            self.touched.insert(job);
        }
    }

    /// Where a job is that something happens to.
    fn entry(&mut self, job: JobId, what: &str) -> Option<(Phase, u8)> {
        self.touched.insert(job);
        match self.jobs.get(&job) {
            Some(entry) => Some((entry.phase, entry.attempt)),
            None => {
                self.violations.add(Invariant::I1, format!("job {job} is {what} and unknown"));
                None
            }
        }
    }

    fn wrong(&mut self, job: JobId, what: std::fmt::Arguments<'_>, was: Option<(Phase, u8)>) {
        if let Some((phase, attempt)) = was {
            let what = format!("job {job}, {phase:?} at attempt {attempt}: {what}");
            self.violations.add(Invariant::I1, what);
        }
    }

    fn opened(&mut self, job: JobId, attempt: u8) {
        let was = self.entry(job, "open");
        let follows = match was {
            Some((Phase::New, _)) => attempt == 1,
            Some((Phase::Claimed(_), last)) => attempt == last + 1,
            _ => false,
        };
        if !follows {
            self.wrong(job, format_args!("attempt {attempt} opens"), was);
        }
        self.set(job, Phase::Open, attempt);
    }

    fn claimed(&mut self, job: JobId, attempt: u8, provider: ProviderId) {
        let was = self.entry(job, "claimed");
        // A direct order is claimed from the start.
        let follows = match was {
            Some((Phase::New, _)) => attempt == 1,
            Some((Phase::Open, open)) => attempt == open,
            _ => false,
        };
        if !follows {
            self.wrong(job, format_args!("{provider:?} claims attempt {attempt}"), was);
        }
        self.set(job, Phase::Claimed(provider), attempt);
    }

    fn ended(&mut self, receipt: &Receipt) {
        let job = receipt.job;
        let was = self.entry(job, "ended");
        let allowed = match (was, &receipt.outcome) {
            (Some((Phase::Claimed(holder), _)), Outcome::Settled(it)) => holder == it.provider,
            (Some((Phase::Open | Phase::Claimed(_), _)), Outcome::Refunded { .. }) => true,
            _ => false,
        };
        if !allowed {
            self.wrong(job, format_args!("it ends: {:?}", receipt.outcome), was);
        }
        if let Some(entry) = self.jobs.get_mut(&job) {
            if entry.phase != Phase::Ended {
                self.owed = self.owed.saturating_sub(entry.escrow);
            }
            entry.phase = Phase::Ended;
            entry.receipt = Some(Box::new(receipt.clone()));
        }
    }

    fn set(&mut self, job: JobId, phase: Phase, attempt: u8) {
        if let Some(entry) = self.jobs.get_mut(&job)
            && entry.phase != Phase::Ended
        {
            (entry.phase, entry.attempt) = (phase, attempt);
        }
    }
}

impl Entry {
    const fn new() -> Self {
        Self {
            phase: Phase::New,
            attempt: 0,
            receipt: None,
            escrow: 0,
            paid: 0,
            fee: 0,
            refunded: 0,
        }
    }

    /// What of a receipt is not what happened.
    fn misstated(&self, receipt: &Receipt) -> Option<String> {
        let (price, fee) = match &receipt.outcome {
            Outcome::Settled(it) => (it.price.units(), it.market_fee.units()),
            Outcome::Refunded { .. } => (0, 0),
        };
        let said = [
            ("escrow", receipt.escrow.units(), self.escrow),
            ("refund", receipt.refund.units(), self.refunded),
            ("market_fee", fee, self.fee),
            ("price", price, self.paid + self.fee),
            ("attempts", receipt.attempts.into(), self.attempt.into()),
        ];
        let wrong = said.into_iter().find(|(_, said, was)| said != was);
        wrong.map(|(field, said, was)| format!("`{field}` is {said}, and {was} is what happened"))
    }
}

#[cfg(test)]
mod tests;
