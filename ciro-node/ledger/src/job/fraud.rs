//! `fraud`: the provider has signed a proof that does not hold, as was checked before the vote.

use ciro_protocol::event::{LossReason, Movement, Purse, Why};
use ciro_protocol::sign::Address;
use ciro_protocol::tx::ReportFraud;

use super::{Job, State};
use crate::block::{Ledger, Stop};
use crate::state::{PROVIDERS, StateError};

impl Ledger<'_> {
    /// Costs the collateral and a part of the bond, of which the reporter gets its share, and leads
    /// to jail.
    pub(super) fn fraud(
        &mut self,
        job: Job,
        by: Address,
        body: &ReportFraud,
    ) -> Result<State, Stop> {
        let held = self.held_by(&job, body.header.account, body.submitted.attempt)?;
        let from = Purse::Bond(held.provider);
        let free = self.balance(from)?;
        let locked = self.state.expect(PROVIDERS, &held.provider)?.locked;
        let bond = free.checked_add(locked).ok_or(StateError::Sum("bond"))?;
        // What other jobs have locked stays theirs.
        let slashed = bond.share(self.spec.jobs.fraud_bond_bps).min(free);
        let reward = slashed.share(self.spec.jobs.reporter_bps);
        let burned = slashed.saturating_sub(reward);
        self.pay(Movement { from, to: Purse::Account(by), amount: reward, why: Why::Reward })?;
        self.pay(Movement { from, to: Purse::Burned, amount: burned, why: Why::Slash })?;
        self.slash_collateral(&job)?;
        self.lose(&job, &held, LossReason::Fraud)?;
        self.jail(held.provider)?;
        self.reopen(job, held.provider)
    }
}
