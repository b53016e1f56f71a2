//! The state as it is after a block, while later blocks are written.

use std::cell::RefCell;

use borsh::BorshDeserialize;
use ciro_ledger::View;
use ciro_ledger::state::{Table, tree};
use ciro_protocol::id::{JobId, TxId};
use ciro_protocol::light::StateProof;
use ciro_protocol::order::Class;
use jmt::KeyHash;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};
use redb::{ReadOnlyTable, ReadTransaction};

use super::StoreError;
use super::tables::{
    BLOCKS, BlockRow, Definition, EVENTS, EventRow, HEAD, HISTORY, HeadRow, JOBS, JobRow, LINKS,
    LISTS, LinkRow, Listed, NODES, ORDERED, OrderedRow, QUEUE, STATE, TXS, TxRow, job_id, number,
    queue_key, read,
};

type Opened = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The state after a block, and all that is known of blocks up to it. It does not change.
pub struct Snapshot {
    transaction: ReadTransaction,
    state: Opened,
    nodes: Opened,
    history: Opened,
    /// The ledger's view of a store cannot fail: what failed is kept, and whoever used the view
    /// asks before they believe what it said.
    failed: RefCell<Option<StoreError>>,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn new(transaction: ReadTransaction) -> Result<Self, StoreError> {
        let [state, nodes, history] = [STATE, NODES, HISTORY].map(|it| transaction.open_table(it));
        let (state, nodes, history) = (state?, nodes?, history?);
        Ok(Self { transaction, state, nodes, history, failed: RefCell::new(None) })
    }

    /// Returns what failed while the ledger looked at the state.
    ///
    /// # Errors
    ///
    /// [`StoreError`] of the first failure: nothing that the ledger concluded may be used.
    pub fn check(&self) -> Result<(), StoreError> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    /// Returns where the state is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn head(&self) -> Result<HeadRow, StoreError> {
        let head = self.row(HEAD, "head", &[])?;
        head.ok_or(StoreError::NoBlock { height: 0 })
    }

    /// Returns a block.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn block(&self, height: u64) -> Result<Option<BlockRow>, StoreError> {
        self.row(BLOCKS, "blocks", &height.to_be_bytes())
    }

    /// Returns up to `max` links of the chain of headers from a height on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn links(&self, from: u64, max: usize) -> Result<Vec<LinkRow>, StoreError> {
        self.scan(LINKS, (&from.to_be_bytes(), &[0xFF; 9]), max, |key, value| {
            read("links", key, value)
        })
    }

    /// Returns what was executed in a block, and the bytes that it takes.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn ordered(&self, height: u64) -> Result<Option<(OrderedRow, usize)>, StoreError> {
        let key = height.to_be_bytes();
        let table = self.transaction.open_table(ORDERED)?;
        let value = table.get(&key[..])?;
        value
            .map(|value| Ok((read("ordered", &key, value.value())?, value.value().len())))
            .transpose()
    }

    /// Returns a transaction that was executed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn transaction(&self, id: TxId) -> Result<Option<TxRow>, StoreError> {
        self.row(TXS, "transactions", &id.0)
    }

    /// Returns a job.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        self.row(JOBS, "jobs", &id.0)
    }

    /// Returns up to `max` events after a number.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn events(&self, after: u64, max: usize) -> Result<Vec<(u64, EventRow)>, StoreError> {
        let from = after.saturating_add(1).to_be_bytes();
        self.scan(EVENTS, (&from, &[0xFF; 9]), max, |key, value| {
            Ok((number("events", key)?, read("events", key, value)?))
        })
    }

    /// Returns up to `max` jobs of a list with their places, the newest first, after a place.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn jobs(
        &self,
        list: Listed,
        before: Option<u64>,
        max: usize,
    ) -> Result<Vec<(u64, JobId)>, StoreError> {
        let from = before.map_or(u64::MAX, |place| place.saturating_sub(1));
        if before == Some(0) {
            return Ok(Vec::new());
        }
        let mut end = list.prefix();
        end.extend([0xFF; 9]);
        self.scan(LISTS, (&list.key(from), &end), max, |key, value| {
            Ok((u64::MAX - number("lists", key)?, job_id("lists", key, value)?))
        })
    }

    /// Returns up to `max` jobs of a queue after a place.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn queue(
        &self,
        class: Class,
        after: u64,
        max: usize,
    ) -> Result<Vec<(u64, JobId)>, StoreError> {
        let from = queue_key(class, after.saturating_add(1));
        let mut end = queue_key(class, u64::MAX);
        end.push(0);
        self.scan(QUEUE, (&from, &end), max, |key, value| {
            Ok((number("queue", key)?, job_id("queue", key, value)?))
        })
    }

    /// Returns an entry of one of the ledger's tables.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read.
    pub fn entry<K, V>(&self, table: Table<K, V>, name: &K) -> Result<Option<V>, StoreError>
    where
        K: borsh::BorshSerialize,
        V: borsh::BorshSerialize + BorshDeserialize,
    {
        let key = table.key(name);
        let value = self.state.get(&key[..])?;
        value.map(|value| Ok(table.decode(&key, value.value())?)).transpose()
    }

    /// Returns up to `max` entries of a table whose names are the numbers from 0 on, without gaps,
    /// in their order and after one of them. In the store they lie in another order: their keys
    /// are little-endian.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn numbered<K, V>(
        &self,
        table: Table<K, V>,
        id: impl Fn(u32) -> K,
        after: Option<u32>,
        max: usize,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: borsh::BorshSerialize,
        V: borsh::BorshSerialize + BorshDeserialize,
    {
        let from = after.map_or(Some(0), |after| after.checked_add(1));
        let names = from.map(|from| from..=u32::MAX).into_iter().flatten().take(max).map(id);
        names
            .map_while(|name| {
                let entry = self.entry(table, &name).transpose()?;
                Some(entry.map(|value| (name, value)))
            })
            .collect()
    }

    /// Returns up to `max` entries of one of the ledger's tables after a name, in the order of
    /// their keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot be read.
    pub fn entries<K, V>(
        &self,
        table: Table<K, V>,
        after: Option<&K>,
        max: usize,
    ) -> Result<Vec<(K, V)>, StoreError>
    where
        K: borsh::BorshSerialize + BorshDeserialize,
        V: borsh::BorshSerialize + BorshDeserialize,
    {
        let mut from = after.map_or_else(|| vec![table.prefix], |name| table.key(name));
        if after.is_some() {
            from.push(0);
        }
        let found = self.state.range(&from[..]..&[table.prefix + 1][..])?.take(max);
        found
            .map(|entry| {
                let (key, value) = entry?;
                let name = table.name_of(key.value())?;
                Ok((name, table.decode(key.value(), value.value())?))
            })
            .collect()
    }

    /// Proves the value of a key, or its absence, after a block whose tree is still kept.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it is not.
    pub fn prove(&self, height: u64, key: &[u8]) -> Result<StateProof, StoreError> {
        Ok(tree::prove(self, height, key)?)
    }

    fn row<T: BorshDeserialize>(
        &self,
        table: Definition,
        name: &'static str,
        key: &[u8],
    ) -> Result<Option<T>, StoreError> {
        let table = self.transaction.open_table(table)?;
        let value = table.get(key)?;
        value.map(|value| read(name, key, value.value())).transpose()
    }

    fn scan<T>(
        &self,
        table: Definition,
        (from, to): (&[u8], &[u8]),
        max: usize,
        row: impl Fn(&[u8], &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let table = self.transaction.open_table(table)?;
        let found = table.range(from..to)?.take(max);
        found
            .map(|entry| {
                let (key, value) = entry?;
                row(key.value(), value.value())
            })
            .collect()
    }

    fn failed(&self, error: impl Into<StoreError>) {
        self.failed.borrow_mut().get_or_insert(error.into());
    }
}

impl View for Snapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.state.get(key) {
            Ok(value) => value.map(|value| value.value().to_vec()),
            Err(error) => {
                self.failed(error);
                None
            }
        }
    }

    fn range(&self, from: &[u8], to: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        if from >= to {
            return Vec::new();
        }
        let read = || -> Result<Vec<_>, redb::StorageError> {
            let found = self.state.range(from..to)?.take(max);
            found
                .map(|entry| {
                    entry.map(|(key, value)| (key.value().to_vec(), value.value().to_vec()))
                })
                .collect()
        };
        read().unwrap_or_else(|error| {
            self.failed(error);
            Vec::new()
        })
    }
}

impl TreeReader for Snapshot {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let key = borsh::to_vec(key)?;
        let value = self.nodes.get(&key[..])?;
        value.map(|value| Ok(Node::try_from_slice(value.value())?)).transpose()
    }

    fn get_value_option(&self, version: u64, key: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        let (from, to) = (history_key(key, 0), history_key(key, version));
        let last = self.history.range(&from[..]..=&to[..])?.next_back();
        last.map(|entry| Ok(Option::<Vec<u8>>::try_from_slice(entry?.1.value())?))
            .transpose()
            .map(Option::flatten)
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("only restoring a tree from ranges asks for its rightmost leaf")
    }
}

/// Returns the key of a value's version.
pub(super) fn history_key(key: KeyHash, version: u64) -> Vec<u8> {
    let mut bytes = key.0.to_vec();
    bytes.extend(version.to_be_bytes());
    bytes
}
