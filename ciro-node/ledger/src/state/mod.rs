//! What the ledger keeps, and what it asks of a store.

mod economy;
mod memory;
mod overlay;
mod plain;
mod record;
mod table;
pub mod tree;

use std::collections::BTreeMap;

pub(crate) use economy::FORKS_MAX;
pub use economy::{
    BallotRecord, DelegationRecord, DepartureRecord, EconomyRecord, Fork, GrantRecord,
    LaunchRecord, LeavingRecord, PoolRecord, Presence, ProposalRecord, SEATS_MAX, Seat,
};
pub use memory::MemoryState;
pub(crate) use overlay::Overlay;
pub use plain::PlainState;
pub use record::{
    ChainRecord, Day, Held, JobRecord, ModelRecord, Phase, ProviderRecord, SeenKey, Timer,
    TimerKey, TimerKind, ValidatorRecord,
};
pub use table::{
    AIRDROPPED, BALLOTS, CHAIN, DELEGATIONS, DEPARTURES, ECONOMY, ENDED, FORKS, GRANTS, JOBS, KEYS,
    LAUNCHES, LEAVING, MODELS, OFFENCES, OPERATORS, OWNERS, PARAMS, POOLS, PRESENCE, PROPOSALS,
    PROVIDERS, PURSES, SEEN, SETS, SPEC, TAKEN, TIMERS, TOTALS, Table, VALIDATORS, VOTES,
};

/// An ordered store of keys and values, as it is after a block.
///
/// A store that fails does not answer: whoever implements this stops the process or the test.
pub trait View {
    /// Returns the value of a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Returns up to `max` keys from `from` on and before `to`, in order, with their values.
    fn range(&self, from: &[u8], to: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)>;
}

/// What a block changes: new values, and `None` for keys that go.
pub type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A state that no block can have left behind: the store is damaged, or the program is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A value does not decode.
    #[error("the value of key `{key}` in `{table}` is damaged: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The key in hexadecimal.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// Something that must be there is not.
    #[error("`{table}` lacks an entry that another one names")]
    Missing {
        /// The table.
        table: &'static str,
    },
    /// A sum leaves its range, which the supply forbids.
    #[error("the sum of `{0}` leaves its range")]
    Sum(&'static str),
    /// A timer fired for a job that is not in the state for it.
    #[error("a timer fired in vain: {0}")]
    Timer(ciro_protocol::Refusal),
    /// A rule led a job to a state that the transition table does not name.
    #[error("a job went from `{from}` by `{event}` to `{to}`, which the table does not allow")]
    Transition {
        /// The state before.
        from: &'static str,
        /// What happened.
        event: &'static str,
        /// The state after.
        to: &'static str,
    },
    /// The tree's library refuses, for want of a node or for a reason of its own.
    #[error("the tree over the state is damaged: {0}")]
    Tree(String),
}
