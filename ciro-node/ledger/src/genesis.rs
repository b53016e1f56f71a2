//! The state before the first block.

use ciro_protocol::amount::Amount;
use ciro_protocol::chain::{ChainSpec, Genesis, SpecError, Word};
use ciro_protocol::event::Purse;
use ciro_protocol::light::StateWords;

use crate::state::{
    CHAIN, ChainRecord, Day, MemoryState, PURSES, SPEC, StateError, TOTALS, Table, VALIDATORS,
    ValidatorRecord, Writes,
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
        put(&mut writes, VALIDATORS, &validator.id, &ValidatorRecord { key, stake, time_ms: 0 });
    }
    let accounts = spec.accounts.iter().map(|it| (Purse::Account(it.address), it.amount));
    let faucet = spec.faucet.map(|faucet| (Purse::Faucet, faucet.total));
    let treasury = [(Purse::Treasury, spec.treasury()?)];
    for (purse, amount) in accounts.chain(faucet).chain(treasury) {
        credit(&mut writes, purse, amount)?;
    }
    let tree = MemoryState::default().commit(&writes)?;
    let state_root = Word(StateWords { tree, time_ms }.root());
    Ok((Genesis { spec, state_root }, writes))
}

fn put<K, V>(writes: &mut Writes, table: Table<K, V>, name: &K, value: &V)
where
    K: borsh::BorshSerialize,
    V: borsh::BorshSerialize + borsh::BorshDeserialize,
{
    writes.insert(table.key(name), Some(ciro_protocol::wire::encode(value)));
}

fn credit(writes: &mut Writes, purse: Purse, amount: Amount) -> Result<(), StateError> {
    if amount.is_zero() {
        return Ok(());
    }
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
