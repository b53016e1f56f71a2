//! `claim`: a provider takes a job at the price of the moment and puts its collateral at stake.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ProviderId;
use ciro_protocol::order::Mode;
use ciro_protocol::provider::{DirectKeys, DirectTerms};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{Held, JOBS, Phase, StateError, TimerKind};

impl Ledger<'_> {
    pub(super) fn claim(&mut self, job: Job, by: Address, attempt: u8) -> Result<State, Stop> {
        let (id, provider) = self.provider_of(by)?;
        if attempt != job.record.attempt && !Mutation::AnyAttempt.chosen() {
            return Err(Refusal::WrongAttempt.into());
        }
        if self.chain.time_ms >= job.record.order.offer.deadline_ms {
            return Err(Refusal::DeadlinePassed.into());
        }
        self.eligible(&job, id, &provider)?;
        let price = job.record.order.offer.price_at(self.chain.time_ms);
        self.hold(job, id, price)
    }

    /// Gives a job to a provider.
    pub(super) fn hold(
        &mut self,
        mut job: Job,
        provider: ProviderId,
        price: Amount,
    ) -> Result<State, Stop> {
        let (now, offer) = (self.chain.time_ms, &job.record.order.offer);
        let (collateral, lease_ms) = (offer.collateral, offer.lease_ms);
        let (from, to) = (Purse::Bond(provider), Purse::Collateral(job.id));
        self.pay(Movement { from, to, amount: collateral, why: Why::Collateral })?;
        let direct = matches!(offer.mode, Mode::Direct(_));
        let any_key = self.with_provider(provider, |record| {
            record.held = record.held.checked_add(1).ok_or(StateError::Sum("held"))?;
            let locked = record.locked.checked_add(collateral);
            record.locked = locked.ok_or(StateError::Sum("locked"))?;
            let any = |terms: &DirectTerms| terms.keys == DirectKeys::Any;
            Ok(direct && record.asks.direct.as_ref().is_some_and(any))
        })?;
        let lease_until_ms = now.saturating_add(lease_ms);
        let lease = self.set_timer(lease_until_ms, TimerKind::Lease(job.id))?;
        let held = Held { provider, price, claimed_ms: now, renewals: 0, any_key, lease };
        job.record.phase = Phase::Claimed(held);
        self.state.put(JOBS, &job.id, &job.record);
        let (attempt, job) = (job.record.attempt, job.id);
        self.events.push(Event::JobClaimed { job, attempt, provider, price, lease_until_ms });
        Ok(State::Claimed)
    }

    /// Returns how the job is held, if it is by the account's provider and at this attempt.
    pub(super) fn held_by(&self, job: &Job, by: Address, attempt: u8) -> Result<Held, Stop> {
        let held = job.held()?;
        let provider = self.provider_of(by).map(|(id, _)| id);
        if attempt != job.record.attempt && !Mutation::AnyAttempt.chosen() {
            return Err(Refusal::WrongAttempt.into());
        }
        match provider {
            Ok(id) if id == held.provider => Ok(held),
            Ok(_) if Mutation::AnyHolder.chosen() => Ok(held),
            Ok(_) | Err(Stop::Refused(_)) => Err(Refusal::NotHolder.into()),
            Err(broken) => Err(broken),
        }
    }
}
