//! `lease_ended` and `deadline_passed`: time ends what people do not.

use ciro_protocol::event::LossReason;
use ciro_protocol::receipt::RefundReason;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::{Held, Phase};

impl Ledger<'_> {
    /// The provider loses the job and its collateral; another may try.
    pub(super) fn lease_ended(&mut self, job: Job) -> Result<State, Stop> {
        let held = job.held()?;
        self.forfeit(&job, &held, LossReason::LeaseEnded)?;
        self.reopen(job, held.provider)
    }

    /// The requester gets the escrow back, whoever holds the job.
    pub(super) fn deadline_passed(&mut self, job: &Job) -> Result<State, Stop> {
        if let Phase::Claimed(held) = job.record.phase {
            if Mutation::HeldForEver.chosen() {
                return Ok(State::Refunded);
            }
            self.forfeit(job, &held, LossReason::DeadlinePassed)?;
        }
        self.refund(job, RefundReason::Expired)
    }

    fn forfeit(&mut self, job: &Job, held: &Held, reason: LossReason) -> Result<(), Stop> {
        if Mutation::FreeLease.chosen() {
            self.free_collateral(job, held)?;
        } else {
            self.slash_collateral(job)?;
        }
        self.lose(job, held, reason)?;
        self.strike(held.provider)?;
        Ok(())
    }
}
