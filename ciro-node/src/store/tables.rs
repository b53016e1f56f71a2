//! Which tables there are, and what their entries are.
//!
//! Keys are bytes in the order in which they are read; values are borsh.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::crypto::Stark;
use ciro_consensus::{Breach, Digest, EVIDENCE_PER_BLOCK_MAX, Link, Operation, executed_digest};
use ciro_ledger::Seat;
use ciro_protocol::batch::Batch;
use ciro_protocol::chain::OPERATIONS_PER_BLOCK_MAX;
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
/// The chain of headers by height.
pub(super) const LINKS: Definition = TableDefinition::new("links");
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

pub(super) const ALL: [Definition; 13] =
    [HEAD, STATE, NODES, HISTORY, STALE, BLOCKS, LINKS, ORDERED, EVENTS, TXS, JOBS, LISTS, QUEUE];

pub(super) const STALE_NODE: u8 = 0;
pub(super) const STALE_VALUE: u8 = 1;

/// Where the state is.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct HeadRow {
    /// The last executed block.
    pub height: u64,
    /// What its state root is made of.
    pub words: StateWords,
    /// The digest of its header, which names all of history; zero before the first block.
    pub header: [u8; 32],
    /// The number of the last event.
    pub events: u64,
    /// The last executed batch of each submitter.
    pub nonces: BTreeMap<u64, u64>,
}

impl HeadRow {
    /// Returns the digest of the last header.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if it is none.
    pub(crate) fn header(&self) -> Result<Digest, StoreError> {
        Digest::from_bytes(self.header).ok_or_else(|| StoreError::Damaged {
            table: "head",
            key: String::new(),
            reason: "the header's digest is above the field's prime".to_owned(),
        })
    }
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
    /// What consensus was told of who votes.
    pub changes: Vec<Seat>,
}

/// A link of the chain of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LinkRow {
    /// The proposal's digest.
    pub proposal: [u8; 32],
    /// The digest of what was executed.
    pub executed: [u8; 32],
    /// The root of the state after the block.
    pub state_root: [u8; 32],
}

impl LinkRow {
    /// Returns the link; `None` if a word of it is no digest.
    #[must_use]
    pub fn link(&self) -> Option<Link> {
        let [proposal, executed, state_root] =
            [self.proposal, self.executed, self.state_root].map(Digest::from_bytes);
        Some(Link { proposal: proposal?, executed: executed?, state_root: state_root? })
    }
}

impl From<Link> for LinkRow {
    fn from(link: Link) -> Self {
        let Link { proposal, executed, state_root } = link;
        let [proposal, executed, state_root] =
            [proposal, executed, state_root].map(|word| *word.as_bytes());
        Self { proposal, executed, state_root }
    }
}

/// What was executed in a block: whoever was away executes it again and comes to the same state.
/// The block's link says what this must be.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OrderedRow {
    /// The block.
    pub height: u64,
    /// The batches in order.
    pub batches: List<Batch, OPERATIONS_PER_BLOCK_MAX>,
    /// The offences that consensus had proven.
    pub punish: List<Offence, EVIDENCE_PER_BLOCK_MAX>,
}

impl OrderedRow {
    /// Returns the digest of what was executed; `None` if an offence is against no rule.
    #[must_use]
    pub fn executed(&self) -> Option<Digest> {
        let operations: Vec<Operation> = self.batches.iter().map(Batch::operation).collect();
        let punish: Option<Vec<Breach>> = self.punish.iter().map(Offence::breach).collect();
        Some(executed_digest::<Stark>(&operations, punish?))
    }
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
pub(crate) fn borsh_of<T: BorshSerialize>(value: &T) -> Vec<u8> {
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
