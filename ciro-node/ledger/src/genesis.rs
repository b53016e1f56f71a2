//! The state before the first block.

use ciro_protocol::amount::Amount;
use ciro_protocol::chain::{ChainSpec, Genesis, SpecError, Word};
use ciro_protocol::economy::{EconomySpec, GenesisGrant};
use ciro_protocol::event::Purse;
use ciro_protocol::id::{GrantId, ValidatorId};
use ciro_protocol::light::StateWords;
use ciro_protocol::wire::List;

use crate::stake::genesis_seats;
use crate::state::{
    CHAIN, ChainRecord, DELEGATIONS, Day, DelegationRecord, ECONOMY, EconomyRecord, GRANTS,
    GrantRecord, KEYS, MemoryState, OPERATORS, PARAMS, POOLS, PURSES, PoolRecord, SETS, SPEC,
    StateError, TOTALS, Table, VALIDATORS, ValidatorRecord, Writes,
};

/// Why there is no first state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenesisError {
    /// The specification is none.
    #[error("the chain's specification is refused")]
    Spec(#[from] SpecError),
    /// The tree refuses.
    #[error("the first state cannot be built")]
    State(#[from] StateError),
}

/// Builds the first state of a network and what its light clients trust.
///
/// # Errors
///
/// [`GenesisError`] if the specification is refused.
pub fn genesis(spec: ChainSpec) -> Result<(Genesis, Writes), GenesisError> {
    spec.check()?;
    let mut writes = Writes::new();
    put(&mut writes, SPEC, &(), &spec);
    let (height, next_provider, next_timer) = (0, 0, 0);
    let (time_ms, faucet) = (spec.genesis_ms, Day::default());
    let chain = ChainRecord { height, time_ms, next_provider, next_timer, faucet };
    put(&mut writes, CHAIN, &(), &chain);
    for validator in spec.validators.iter() {
        let (key, stake) = (validator.key, validator.stake);
        let record = ValidatorRecord { key, stake, time_ms: 0, joined_slots: 0 };
        put(&mut writes, VALIDATORS, &validator.id, &record);
    }
    for (purse, amount) in spec.purses()? {
        credit(&mut writes, purse, amount)?;
    }
    if let Some(economy) = &spec.economy {
        begin_economy(&mut writes, &spec, economy)?;
    }
    let tree = MemoryState::default().commit(&writes)?;
    let state_root = Word(StateWords { tree, time_ms }.root());
    Ok((Genesis { spec, state_root }, writes))
}

/// Begins the grants, and gives every validator a pool with its own stake and a seat.
fn begin_economy(
    writes: &mut Writes,
    spec: &ChainSpec,
    economy: &EconomySpec,
) -> Result<(), GenesisError> {
    put(writes, PARAMS, &(), &economy.params);
    let mut record = EconomyRecord::default();
    for (number, grant) in (0..).zip(economy.grants.iter()) {
        let GenesisGrant { tranche, to, amount } = *grant;
        let start_ms = economy.vesting.start_ms;
        put(writes, GRANTS, &GrantId(number), &GrantRecord { tranche, to, amount, start_ms });
        record.next_grant = number + 1;
    }
    for member in spec.validators.iter() {
        let (id, operator) = (ValidatorId(member.id), member.key);
        let bond = EconomySpec::bond(member.stake)?;
        let pool = PoolRecord {
            operator,
            key: member.key,
            shares: bond.units(),
            index: 0,
            commission: economy.commission,
            commission_ms: spec.genesis_ms,
            jailed_until_ms: None,
            tombstoned: false,
            lost_ppb: 0,
            proven: true,
        };
        put(writes, POOLS, &id, &pool);
        put(writes, OPERATORS, &operator, &id);
        put(writes, KEYS, &member.key, &id);
        let delegation = DelegationRecord { shares: bond.units(), ..DelegationRecord::default() };
        put(writes, DELEGATIONS, &(id, operator), &delegation);
        record.validators += 1;
        record.next_validator = record.next_validator.max(member.id.saturating_add(1));
    }
    put(writes, ECONOMY, &(), &record);
    let seats = List::new(genesis_seats(spec)).map_err(|_| StateError::Sum("seats"))?;
    for epoch in [0, 1] {
        put(writes, SETS, &epoch, &seats);
    }
    Ok(())
}

fn put<K, V>(writes: &mut Writes, table: Table<K, V>, name: &K, value: &V)
where
    K: borsh::BorshSerialize,
    V: borsh::BorshSerialize + borsh::BorshDeserialize,
{
    writes.insert(table.key(name), Some(ciro_protocol::wire::encode(value)));
}

fn credit(writes: &mut Writes, purse: Purse, amount: Amount) -> Result<(), StateError> {
    put(writes, PURSES, &purse, &amount);
    let bucket = purse.bucket();
    let key = TOTALS.key(&bucket);
    let before = match writes.get(&key) {
        Some(Some(value)) => TOTALS.decode(&key, value)?,
        _ => Amount::ZERO,
    };
    let total = before.checked_add(amount).ok_or(StateError::Sum("totals"))?;
    put(writes, TOTALS, &bucket, &total);
    Ok(())
}
