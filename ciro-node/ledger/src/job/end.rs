//! What several rows share: collateral, the next attempt, and the end with its receipt.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, LossReason, Movement, Purse, Why};
use ciro_protocol::id::ProviderId;
use ciro_protocol::light::EndedJob;
use ciro_protocol::receipt::{Outcome, Receipt, RefundReason};

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{ENDED, Held, JOBS, Phase, StateError};

impl Ledger<'_> {
    /// Gives what is left of the collateral back to the bond.
    pub(super) fn free_collateral(&mut self, job: &Job, held: &Held) -> Result<(), Stop> {
        let from = Purse::Collateral(job.id);
        let amount = self.balance(from)?;
        self.pay(Movement { from, to: Purse::Bond(held.provider), amount, why: Why::Collateral })
    }

    /// Divides the collateral of a provider that failed: a part is burned, the rest is the
    /// requester's.
    pub(super) fn slash_collateral(&mut self, job: &Job) -> Result<(), Stop> {
        let from = Purse::Collateral(job.id);
        let collateral = self.balance(from)?;
        let burned = collateral.share(self.spec.jobs.expiry_burn_bps);
        let (to, amount) =
            (Purse::Account(job.record.requester), collateral.saturating_sub(burned));
        self.pay(Movement { from, to: Purse::Burned, amount: burned, why: Why::Slash })?;
        self.pay(Movement { from, to, amount, why: Why::Compensation })
    }

    /// Ends a provider's hold on a job, once its collateral is settled.
    pub(super) fn let_go(&mut self, job: &Job, held: &Held) -> Result<(), Stop> {
        self.cancel_timer(held.lease);
        let collateral = job.record.order.offer.collateral;
        self.with_provider(held.provider, |record| {
            record.held = record.held.checked_sub(1).ok_or(StateError::Sum("held"))?;
            let locked = record.locked.checked_sub(collateral);
            record.locked = locked.ok_or(StateError::Sum("locked"))?;
            Ok(())
        })?;
        Ok(())
    }

    /// As [`let_go`](Self::let_go), for a provider that did not settle the job.
    pub(super) fn lose(&mut self, job: &Job, held: &Held, reason: LossReason) -> Result<(), Stop> {
        self.let_go(job, held)?;
        let provider = held.provider;
        self.with_provider(provider, |record| {
            record.lost = record.lost.checked_add(1).ok_or(StateError::Sum("lost"))?;
            Ok(())
        })?;
        let (attempt, job) = (job.record.attempt, job.id);
        self.events.push(Event::JobLost { job, attempt, provider, reason });
        Ok(())
    }

    /// Lets the next provider try, or refunds the job when as many failed as may try.
    pub(super) fn reopen(&mut self, mut job: Job, failed: ProviderId) -> Result<State, Stop> {
        let last = job.record.attempt >= job.record.order.offer.attempts_max;
        if last && !Mutation::EndlessAttempts.chosen() {
            return self.refund(&job, RefundReason::AttemptsSpent);
        }
        job.record.failed.push(failed);
        job.record.attempt = job.record.attempt.saturating_add(1);
        job.record.phase = Phase::Open;
        self.state.put(JOBS, &job.id, &job.record);
        let (attempt, class, job) = (job.record.attempt, job.record.class, job.id);
        self.events.push(Event::JobOpened { job, class, attempt });
        Ok(State::Open)
    }

    pub(super) fn refund(&mut self, job: &Job, reason: RefundReason) -> Result<State, Stop> {
        self.end(job, Outcome::Refunded { reason })
    }

    /// Ends a job: what is left of escrow goes back, and the receipt's digest stays for ever.
    pub(super) fn end(&mut self, job: &Job, outcome: Outcome) -> Result<State, Stop> {
        let record = &job.record;
        let from = Purse::Escrow(job.id);
        let refund: Amount = self.balance(from)?;
        let to = Purse::Account(record.requester);
        self.pay(Movement { from, to, amount: refund, why: Why::Refund })?;
        self.cancel_timer(record.deadline);
        self.state.remove(JOBS, &job.id);
        let settled = matches!(outcome, Outcome::Settled(_));
        let receipt = Receipt {
            job: job.id,
            requester: record.requester,
            model: record.order.model,
            key: record.order.key,
            input: record.order.input.statement,
            attempts: record.attempt,
            escrow: record.order.offer.price_max,
            refund,
            opened_ms: record.opened_ms,
            ended_ms: self.chain.time_ms,
            height: self.chain.height,
            outcome,
        };
        self.state.put(ENDED, &job.id, &EndedJob { settled, receipt: receipt.id() });
        self.events.push(Event::JobEnded { receipt: Box::new(receipt) });
        Ok(if settled { State::Settled } else { State::Refunded })
    }
}
