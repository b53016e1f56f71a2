//! Stake: validators, and those who put money at their stake without giving it away.

mod delegate;
mod depart;
mod elect;
mod presence;
mod register;
mod seats;
pub(crate) mod shares;

use std::collections::BTreeSet;

use ciro_protocol::amount::Amount;
use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::Address;

pub use depart::departing;
#[cfg(test)]
pub(crate) use seats::changes;
pub(crate) use seats::genesis_seats;
pub use seats::seats;

use self::shares::{INDEX_ONE, Pool, mul_div};
use crate::block::{Ledger, Stop};
use crate::mutation::Rule;
use crate::state::{
    DELEGATIONS, DelegationRecord, OPERATORS, Overlay, POOLS, PURSES, PoolRecord, StateError, View,
};

/// What an account has at a validator's stake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What its shares are worth.
    pub amount: Amount,
    /// What they have earned and nobody has taken.
    pub earned: Amount,
}

/// Returns what an account has at a validator's stake, in a state; `None` if that is nothing.
///
/// # Errors
///
/// [`StateError`] if the state is damaged.
pub fn holding(
    view: &dyn View,
    validator: ValidatorId,
    account: Address,
) -> Result<Option<Holding>, StateError> {
    let state = Overlay::new(view);
    let Some(record) = state.get(DELEGATIONS, &(validator, account))? else { return Ok(None) };
    let pool = state.expect(POOLS, &validator)?;
    let amount = stake_of(&state, validator, &pool)?.worth(record.shares)?;
    Ok(Some(Holding { amount, earned: counted(&pool, record)?.earned }))
}

/// Returns a validator's stake with its shares.
pub(crate) fn stake_of(
    state: &Overlay<'_>,
    id: ValidatorId,
    pool: &PoolRecord,
) -> Result<Pool, StateError> {
    let money = state.get(PURSES, &Purse::Stake(id))?.unwrap_or_default();
    Ok(Pool { money, shares: pool.shares })
}

/// Returns all validators.
pub(crate) fn pools(state: &Overlay<'_>) -> Result<Vec<(ValidatorId, PoolRecord)>, StateError> {
    let (from, to) = ([POOLS.prefix], [POOLS.prefix + 1]);
    let entries = state.range(&from, &to, usize::MAX);
    let entries = entries.iter();
    entries.map(|(key, value)| Ok((POOLS.name_of(key)?, POOLS.decode(key, value)?))).collect()
}

/// Counts what a delegation has earned up to now.
fn counted(
    pool: &PoolRecord,
    mut record: DelegationRecord,
) -> Result<DelegationRecord, StateError> {
    let sum = || StateError::Sum("rewards");
    let since = pool.index.checked_sub(record.index).ok_or_else(sum)?;
    let earned = mul_div(record.shares, since, INDEX_ONE).and_then(Amount::from_units);
    let earned = earned.and_then(|earned| record.earned.checked_add(earned));
    record.earned = earned.ok_or_else(sum)?;
    record.index = pool.index;
    Ok(record)
}

impl Ledger<'_> {
    /// Returns a validator.
    pub(crate) fn pool(&self, id: ValidatorId) -> Result<PoolRecord, Stop> {
        self.params()?;
        Ok(self.state.get(POOLS, &id)?.ok_or(Refusal::ValidatorUnknown)?)
    }

    /// Returns the validator that an account speaks for.
    pub(crate) fn validator_of(&self, by: Address) -> Result<(ValidatorId, PoolRecord), Stop> {
        self.params()?;
        let id = self.state.get(OPERATORS, &by)?.ok_or(Refusal::NotOperator)?;
        Ok((id, self.state.expect(POOLS, &id)?))
    }

    /// Returns a validator's stake with its shares.
    pub(crate) fn stake(&self, id: ValidatorId, pool: &PoolRecord) -> Result<Pool, StateError> {
        stake_of(&self.state, id, pool)
    }

    /// Returns all validators.
    pub(crate) fn pools(&self) -> Result<Vec<(ValidatorId, PoolRecord)>, StateError> {
        pools(&self.state)
    }

    /// Returns what of a validator's stake is its operator's own.
    fn own_stake(
        &self,
        id: ValidatorId,
        pool: &PoolRecord,
        stake: Pool,
    ) -> Result<Amount, StateError> {
        let own = self.state.get(DELEGATIONS, &(id, pool.operator))?.unwrap_or_default();
        stake.worth(own.shares)
    }

    /// Returns the validators that are paid, each with its stake: of `members` those who hold
    /// enough of their own stake and were not caught.
    pub(crate) fn paid(
        &self,
        members: &BTreeSet<ValidatorId>,
        self_bond_min: Amount,
    ) -> Result<Vec<(ValidatorId, PoolRecord, u128)>, StateError> {
        let mut paid = Vec::new();
        for (id, pool) in self.pools()? {
            let jailed = pool.jailed_until_ms.is_some() && !Rule::JailedArePaid.chosen();
            if !members.contains(&id) || pool.tombstoned || jailed {
                continue;
            }
            let stake = self.stake(id, &pool)?;
            if self.own_stake(id, &pool, stake)? >= self_bond_min {
                paid.push((id, pool, stake.money.units()));
            }
        }
        Ok(paid)
    }
}
