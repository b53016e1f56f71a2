//! Which keys hold what. A key is one byte for its table and the encoding of what names the entry.

use std::marker::PhantomData;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::amount::Amount;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{EconomyParams, Offence};
use ciro_protocol::event::{Bucket, Purse};
use ciro_protocol::id::{GrantId, JobId, LaunchId, ModelId, ProposalId, ProviderId, ValidatorId};
use ciro_protocol::light::EndedJob;
use ciro_protocol::sign::Address;
use ciro_protocol::tx::VoteOption;
use ciro_protocol::wire::{List, encode};

use super::StateError;
use super::economy::{
    BallotRecord, DelegationRecord, DepartureRecord, EconomyRecord, FORKS_MAX, Fork, GrantRecord,
    LaunchRecord, LeavingRecord, PoolRecord, Presence, ProposalRecord, SEATS_MAX, Seat,
};
use super::record::{
    ChainRecord, Day, JobRecord, ModelRecord, ProviderRecord, SeenKey, Timer, TimerKey,
    ValidatorRecord,
};

/// One table of the state.
#[derive(Debug)]
pub struct Table<K, V> {
    /// Its name in errors.
    pub name: &'static str,
    /// The byte that begins its keys.
    pub prefix: u8,
    types: PhantomData<fn(K) -> V>,
}

// By hand: a derive would ask the same of keys and values.
impl<K, V> Clone for Table<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Table<K, V> {}

/// The specification, under the empty name.
pub const SPEC: Table<(), ChainSpec> = Table::new("spec", b'0');
/// Clock, height and counters, under the empty name.
pub const CHAIN: Table<(), ChainRecord> = Table::new("chain", b'c');
/// Validators that vote in the epoch of the next block, by number, which is their submitter's too.
pub const VALIDATORS: Table<u32, ValidatorRecord> = Table::new("validators", b'v');
/// All money. A purse without money has no entry.
pub const PURSES: Table<Purse, Amount> = Table::new("purses", b'p');
/// The sums over purses.
pub const TOTALS: Table<Bucket, Amount> = Table::new("totals", b'b');
/// Transactions that were executed and are still valid.
pub const SEEN: Table<SeenKey, ()> = Table::new("seen", b's');
/// Accounts that had test money.
pub const TAKEN: Table<Address, ()> = Table::new("taken", b'f');
/// Models.
pub const MODELS: Table<ModelId, ModelRecord> = Table::new("models", b'm');
/// Providers.
pub const PROVIDERS: Table<ProviderId, ProviderRecord> = Table::new("providers", b'r');
/// The provider of an account.
pub const OWNERS: Table<Address, ProviderId> = Table::new("owners", b'o');
/// Jobs that are not ended.
pub const JOBS: Table<JobId, JobRecord> = Table::new("jobs", b'j');
/// Jobs that are ended, for ever.
pub const ENDED: Table<JobId, EndedJob> = Table::new("ended", EndedJob::PREFIX);
/// What happens at which time.
pub const TIMERS: Table<TimerKey, Timer> = Table::new("timers", b't');
/// What governance may change, under the empty name; absent without an economy.
pub const PARAMS: Table<(), EconomyParams> = Table::new("params", b'P');
/// Counters of the economy, under the empty name; absent without an economy.
pub const ECONOMY: Table<(), EconomyRecord> = Table::new("economy", b'E');
/// Validators with their stake.
pub const POOLS: Table<ValidatorId, PoolRecord> = Table::new("pools", b'V');
/// The validator of an operator.
pub const OPERATORS: Table<Address, ValidatorId> = Table::new("operators", b'O');
/// The validator of a key of consensus.
pub const KEYS: Table<Address, ValidatorId> = Table::new("keys", b'K');
/// What accounts have at validators' stake.
pub const DELEGATIONS: Table<(ValidatorId, Address), DelegationRecord> =
    Table::new("delegations", b'D');
/// What left a validator's stake in a consensus epoch.
pub const LEAVING: Table<(ValidatorId, u64), LeavingRecord> = Table::new("leaving", b'L');
/// Stake of accounts that leaves.
pub const DEPARTURES: Table<u64, DepartureRecord> = Table::new("departures", b'U');
/// Where validators were there in the epoch of rewards at hand.
pub const PRESENCE: Table<u32, Presence> = Table::new("presence", b'N');
/// Who votes in an epoch of consensus, by number; absent without an economy. The epochs from two
/// before the one at hand to the next are kept, and the one after it once it is elected.
pub const SETS: Table<u64, List<Seat, SEATS_MAX>> = Table::new("sets", b'S');
/// Offences that were punished, for ever.
pub const OFFENCES: Table<Offence, ()> = Table::new("offences", b'X');
/// Forks that validators were convicted of and that may still count together with others, an entry
/// for each epoch of a fault, in the order of epochs.
pub const FORKS: Table<ValidatorId, List<Fork, FORKS_MAX>> = Table::new("forks", b'F');
/// Grants.
pub const GRANTS: Table<GrantId, GrantRecord> = Table::new("grants", b'G');
/// Shares of the airdrop that were paid out.
pub const AIRDROPPED: Table<u32, ()> = Table::new("airdropped", b'A');
/// Proposals, for ever.
pub const PROPOSALS: Table<ProposalId, ProposalRecord> = Table::new("proposals", b'Q');
/// What the stake with a validator votes on a proposal, while it is voted on.
pub const BALLOTS: Table<(ProposalId, ValidatorId), BallotRecord> = Table::new("ballots", b'B');
/// What an account votes on a proposal with its stake with a validator. Kept as long as the
/// proposal is voted on; what stays after it has no effect.
pub const VOTES: Table<(ProposalId, ValidatorId, Address), VoteOption> = Table::new("votes", b'W');
/// Launches, for ever.
pub const LAUNCHES: Table<LaunchId, LaunchRecord> = Table::new("launches", b'M');

impl<K: BorshSerialize, V: BorshSerialize + BorshDeserialize> Table<K, V> {
    const fn new(name: &'static str, prefix: u8) -> Self {
        Self { name, prefix, types: PhantomData }
    }

    /// Returns the key of an entry in the store.
    pub fn key(&self, name: &K) -> Vec<u8> {
        let mut key = vec![self.prefix];
        key.extend(encode(name));
        key
    }

    /// Reads a value of the store.
    ///
    /// # Errors
    ///
    /// [`StateError::Damaged`] if it is none of this table.
    pub fn decode(&self, key: &[u8], value: &[u8]) -> Result<V, StateError> {
        V::try_from_slice(value).map_err(|error| StateError::Damaged {
            table: self.name,
            key: hex(key),
            reason: error.to_string(),
        })
    }
}

impl<K: BorshDeserialize, V> Table<K, V> {
    /// Returns what a key names.
    ///
    /// # Errors
    ///
    /// [`StateError::Damaged`] if it is no key of this table.
    pub fn name_of(&self, key: &[u8]) -> Result<K, StateError> {
        K::try_from_slice(key.get(1..).unwrap_or_default()).map_err(|error| StateError::Damaged {
            table: self.name,
            key: hex(key),
            reason: error.to_string(),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Day {
    /// Returns the day of a time, in days since 1970.
    pub(crate) const fn of(time_ms: u64) -> u64 {
        time_ms / 86_400_000
    }
}
