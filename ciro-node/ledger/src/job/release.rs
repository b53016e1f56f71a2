//! `release`: the provider gives the job back.

use ciro_protocol::event::{LossReason, Movement, Purse, Why};
use ciro_protocol::receipt::RefundReason;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Release, ReleaseReason};

use super::{Job, State};
use crate::block::{Ledger, Stop};

/// So many providers must say that the input cannot be had before the job ends for that.
const WITNESSES: u8 = 2;

impl Ledger<'_> {
    /// A provider that cannot do the job owes a part of its collateral; one that cannot have the
    /// input owes nothing.
    pub(super) fn release(
        &mut self,
        mut job: Job,
        by: Address,
        body: &Release,
    ) -> Result<State, Stop> {
        let held = self.held_by(&job, by, body.attempt)?;
        let reason = match body.reason {
            ReleaseReason::Unable => {
                let collateral = job.record.order.offer.collateral;
                let amount = collateral.share(self.spec.jobs.release_bps);
                let from = Purse::Collateral(job.id);
                let to = Purse::Account(job.record.requester);
                self.pay(Movement { from, to, amount, why: Why::Compensation })?;
                LossReason::Released
            }
            ReleaseReason::InputUnavailable => {
                job.record.input_unavailable = job.record.input_unavailable.saturating_add(1);
                LossReason::InputUnavailable
            }
        };
        self.free_collateral(&job, &held)?;
        self.lose(&job, &held, reason)?;
        if job.record.input_unavailable >= WITNESSES {
            return self.refund(&job, RefundReason::InputUnavailable);
        }
        self.reopen(job, held.provider)
    }
}
