//! `renew`: the provider holds the job for another lease, a few times.

use ciro_protocol::event::Event;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::state::{JOBS, Phase, TimerKind};

impl Ledger<'_> {
    pub(super) fn renew(&mut self, mut job: Job, by: Address, attempt: u8) -> Result<State, Stop> {
        let mut held = self.held_by(&job, by, attempt)?;
        if self.chain.time_ms > job.record.order.offer.deadline_ms {
            return Err(Refusal::DeadlinePassed.into());
        }
        if held.renewals >= self.spec.jobs.renewals_max {
            return Err(Refusal::RenewalsSpent.into());
        }
        self.cancel_timer(held.lease);
        let lease_until_ms = self.chain.time_ms.saturating_add(job.record.order.offer.lease_ms);
        held.lease = self.set_timer(lease_until_ms, TimerKind::Lease(job.id))?;
        held.renewals += 1;
        job.record.phase = Phase::Claimed(held);
        self.state.put(JOBS, &job.id, &job.record);
        self.events.push(Event::JobRenewed { job: job.id, attempt, lease_until_ms });
        Ok(State::Claimed)
    }
}
