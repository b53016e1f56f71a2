//! Which tables there are, and what their entries are.
//!
//! Keys are bytes in the order in which they are read; values are borsh.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::EVIDENCE_PER_BLOCK_MAX;
use ciro_protocol::batch::Batch;
use ciro_protocol::economy::Offence;
use ciro_protocol::event::Event;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::light::StateWords;
use ciro_protocol::order::Class;
use ciro_protocol::receipt::{Receipt, TxReceipt};
use ciro_protocol::sign::Address;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;
use redb::TableDefinition;

use super::StoreError;

pub(super) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Where the state is: one entry under the empty key.
pub(super) const HEAD: Definition = TableDefinition::new("head");
/// The ledger's keys and values.
pub(super) const STATE: Definition = TableDefinition::new("state");
/// Nodes of the tree.
pub(super) const NODES: Definition = TableDefinition::new("nodes");
/// Values by hashed key and version, as the tree asks for them.
pub(super) const HISTORY: Definition = TableDefinition::new("history");
/// What no version from a height on needs: the height, then [`STALE_NODE`] or [`STALE_VALUE`] and
/// the key there.
pub(super) const STALE: Definition = TableDefinition::new("stale");
/// Blocks by height.
pub(super) const BLOCKS: Definition = TableDefinition::new("blocks");
/// What was executed in each block.
pub(super) const ORDERED: Definition = TableDefinition::new("ordered");
/// Events by number.
pub(super) const EVENTS: Definition = TableDefinition::new("events");
/// Transactions by id.
pub(super) const TXS: Definition = TableDefinition::new("transactions");
/// Jobs by id.
pub(super) const JOBS: Definition = TableDefinition::new("jobs");
/// Jobs by what they are listed for, the newest first.
pub(super) const LISTS: Definition = TableDefinition::new("lists");
/// Jobs that may be taken, by class and place.
pub(super) const QUEUE: Definition = TableDefinition::new("queue");

pub(super) const ALL: [Definition; 12] =
    [HEAD, STATE, NODES, HISTORY, STALE, BLOCKS, ORDERED, EVENTS, TXS, JOBS, LISTS, QUEUE];

pub(super) const STALE_NODE: u8 = 0;
pub(super) const STALE_VALUE: u8 = 1;

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HeadRow {
    /// The last executed block.
    pub height: u64,
    /// What its state root is made of.
    pub words: StateWords,
    /// The number of the last event.
    pub events: u64,
    /// The last executed batch of each submitter.
    pub nonces: BTreeMap<u64, u64>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockRow {
    /// The proposal's digest.
    pub digest: [u8; 32],
    /// What the state root is made of.
    pub words: StateWords,
    /// Batches.
    pub batches: u32,
    /// Transactions in order.
    pub txs: Vec<BlockTxRow>,
}

/// What was executed in a block: whoever was away executes it again and comes to the same state.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OrderedRow {
    /// The block.
    pub height: u64,
    /// The proposal's digest.
    pub digest: [u8; 32],
    /// The batches in order.
    pub batches: List<Batch, 4096>,
    /// The offences that consensus had proven.
    pub punish: List<Offence, EVIDENCE_PER_BLOCK_MAX>,
}

/// A transaction of a block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BlockTxRow {
    /// The kind of its body.
    pub kind: String,
    /// Whose.
    pub account: Address,
    /// What became of it.
    pub receipt: TxReceipt,
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EventRow {
    /// Its block.
    pub height: u64,
    /// Ledger time after the block.
    pub time_ms: u64,
    /// What happened.
    pub event: Event,
}

/// A transaction that was executed.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct TxRow {
    /// Its block.
    pub height: u64,
    /// What became of it.
    pub receipt: TxReceipt,
}

/// A job, for ever.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct JobRow {
    /// The order as it was signed.
    pub order: SignedTx,
    /// The class of the work.
    pub class: Class,
    /// The block of the order.
    pub height: u64,
    /// Ledger time after that block.
    pub time_ms: u64,
    /// The number of its first event: its place in lists.
    pub opened: u64,
    /// Its place in the queue, if it is there.
    pub position: Option<u64>,
    /// The block of its last event.
    pub changed: u64,
    /// How it ended.
    pub receipt: Option<Receipt>,
}

/// What jobs are listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Being there.
    All,
    /// Their requester.
    Requester(Address),
    /// A provider that held them.
    Provider(ProviderId),
}

impl Listed {
    /// Returns what the keys of a list begin with.
    pub(super) fn prefix(self) -> Vec<u8> {
        match self {
            Self::All => vec![0],
            Self::Requester(address) => [&[1], &borsh_of(&address)[..]].concat(),
            Self::Provider(id) => [&[2], &id.0.to_be_bytes()[..]].concat(),
        }
    }

    /// Returns the key of a job: the newest comes first.
    pub(super) fn key(self, opened: u64) -> Vec<u8> {
        let mut key = self.prefix();
        key.extend((u64::MAX - opened).to_be_bytes());
        key
    }
}

/// Returns the key of a place in a queue.
pub(super) fn queue_key(class: Class, position: u64) -> Vec<u8> {
    let mut key = borsh_of(&class);
    key.extend(position.to_be_bytes());
    key
}

/// Encodes a value.
pub(super) fn borsh_of<T: BorshSerialize>(value: &T) -> Vec<u8> {
    ciro_protocol::wire::encode(value)
}

/// Reads a value.
pub(super) fn read<T: BorshDeserialize>(
    table: &'static str,
    key: &[u8],
    value: &[u8],
) -> Result<T, StoreError> {
    T::try_from_slice(value).map_err(|error| StoreError::Damaged {
        table,
        key: hex::encode(key),
        reason: error.to_string(),
    })
}

/// Reads a number that a key ends with.
pub(super) fn number(table: &'static str, key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.last_chunk::<8>().ok_or_else(|| StoreError::Damaged {
        table,
        key: hex::encode(key),
        reason: "the key is too short".to_owned(),
    })?;
    Ok(u64::from_be_bytes(*bytes))
}

/// Reads a job's id.
pub(super) fn job_id(table: &'static str, key: &[u8], value: &[u8]) -> Result<JobId, StoreError> {
    read(table, key, value)
}
