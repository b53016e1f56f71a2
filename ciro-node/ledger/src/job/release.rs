//! `release`: the provider gives the job back.

use ciro_protocol::event::{LossReason, Movement, Purse, Why};
use ciro_protocol::order::Mode;
use ciro_protocol::receipt::RefundReason;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{Release, ReleaseReason};

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::mutation::Mutation;
use crate::state::Held;

impl Ledger<'_> {
    /// What the provider claimed, it could look at before: giving it back costs a part of the
    /// collateral, whatever the reason, so that nobody ends or delays another's job for nothing.
    pub(super) fn release(&mut self, job: Job, by: Address, body: &Release) -> Result<State, Stop> {
        let held = self.held_by(&job, by, body.attempt)?;
        let unasked = unasked(&job, &held, body.reason);
        if unasked.is_none() {
            let collateral = job.record.order.offer.collateral;
            let amount = collateral.share(self.spec.jobs.release_bps);
            let (from, to) = (Purse::Collateral(job.id), Purse::Account(job.record.requester));
            self.pay(Movement { from, to, amount, why: Why::Compensation })?;
        }
        self.free_collateral(&job, &held)?;
        self.lose(&job, &held, loss(body.reason))?;
        match unasked {
            // Nobody else may take a direct order.
            Some(reason) => self.refund(&job, reason),
            None => self.reopen(job, held.provider),
        }
    }
}

/// Why the job ends, if giving it back costs nothing: a direct order that the provider could not
/// look at before it held it, or whose key its terms left open. Whoever renewed the lease has
/// looked since.
fn unasked(job: &Job, held: &Held, reason: ReleaseReason) -> Option<RefundReason> {
    let direct = matches!(job.record.order.offer.mode, Mode::Direct(_));
    let unseen = direct && held.renewals == 0;
    match reason {
        ReleaseReason::Unable => None,
        ReleaseReason::InputUnavailable => {
            let nothing = unseen || Mutation::InputsForNothing.chosen();
            nothing.then_some(RefundReason::InputUnavailable)
        }
        ReleaseReason::NotServed => {
            let nothing = unseen && (held.any_key || Mutation::ListedForNothing.chosen());
            nothing.then_some(RefundReason::NotServed)
        }
    }
}

const fn loss(reason: ReleaseReason) -> LossReason {
    match reason {
        ReleaseReason::Unable => LossReason::Released,
        ReleaseReason::InputUnavailable => LossReason::InputUnavailable,
        ReleaseReason::NotServed => LossReason::NotServed,
    }
}
