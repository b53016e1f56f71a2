//! Stake that comes, and what it earns.
//!
//! What a share has earned is one number for each validator, its index. A delegation remembers the
//! index up to which it was counted, so paying all delegators of a validator is one addition.

use ciro_protocol::amount::Amount;
use ciro_protocol::event::{Event, Movement, Purse, Why};
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::{ClaimRewards, Delegate};

use super::counted;
use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{DELEGATIONS, DelegationRecord, POOLS, PoolRecord, StateError};

impl Ledger<'_> {
    pub(crate) fn delegate(&mut self, by: Address, body: &Delegate) -> Result<(), Stop> {
        let Delegate { validator, amount } = *body;
        let mut pool = self.pool(validator)?;
        if amount.is_zero() {
            return Err(Refusal::ZeroAmount.into());
        }
        if pool.tombstoned {
            return Err(Refusal::ValidatorTombstoned.into());
        }
        let bought = self.stake(validator, &pool)?.bought(amount);
        let bought = bought.ok_or(Refusal::ValidatorWorn)?;
        let (from, to) = (Purse::Account(by), Purse::Stake(validator));
        self.pay(Movement { from, to, amount, why: Why::Stake })?;
        let mut delegation = self.settle(validator, &pool, by)?;
        let more = |shares: u128| shares.checked_add(bought).ok_or(StateError::Sum("shares"));
        pool.shares = more(pool.shares)?;
        self.state.put(POOLS, &validator, &pool);
        let shares = more(delegation.shares)?;
        self.set_shares((validator, by), &mut delegation, shares)?;
        self.set_delegation(validator, by, &delegation);
        self.events.push(Event::ValidatorChanged { validator });
        Ok(())
    }

    /// Pays what stake has earned.
    pub(crate) fn claim_rewards(&mut self, by: Address, body: &ClaimRewards) -> Result<(), Stop> {
        let validator = body.validator;
        let pool = self.pool(validator)?;
        let mut delegation = self.settle(validator, &pool, by)?;
        let amount = delegation.earned;
        if amount.is_zero() {
            return Err(Refusal::NothingEarned.into());
        }
        delegation.earned = Amount::ZERO;
        self.set_delegation(validator, by, &delegation);
        let (from, to) = (Purse::Earned(validator), Purse::Account(by));
        self.pay(Movement { from, to, amount, why: Why::Rewards })
    }

    /// Counts what a delegation has earned up to now. It must be done before its shares change.
    pub(super) fn settle(
        &self,
        validator: ValidatorId,
        pool: &PoolRecord,
        by: Address,
    ) -> Result<DelegationRecord, StateError> {
        let record = self.state.get(DELEGATIONS, &(validator, by))?.unwrap_or_default();
        if Rule::PaidForThePast.chosen() && record.shares == 0 {
            return Ok(record);
        }
        counted(pool, record)
    }

    /// Writes a delegation, or forgets it when there is nothing left of it.
    pub(super) fn set_delegation(
        &mut self,
        validator: ValidatorId,
        by: Address,
        record: &DelegationRecord,
    ) {
        if record.shares == 0 && record.earned.is_zero() {
            self.state.remove(DELEGATIONS, &(validator, by));
        } else {
            self.state.put(DELEGATIONS, &(validator, by), record);
        }
    }
}
