//! A state that changes: writes of a block over a view, writes of a transaction over those.

use std::collections::BTreeMap;

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::wire::encode;

use super::table::Table;
use super::{StateError, View, Writes};

/// Writes over a view. What a transaction wrote is kept or dropped as a whole.
pub(crate) struct Overlay<'a> {
    view: &'a dyn View,
    block: Writes,
    transaction: Writes,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(view: &'a dyn View) -> Self {
        Self { view, block: Writes::new(), transaction: Writes::new() }
    }

    /// Returns the entry of a table.
    pub(crate) fn get<K, V>(&self, table: Table<K, V>, name: &K) -> Result<Option<V>, StateError>
    where
        K: BorshSerialize,
        V: BorshSerialize + BorshDeserialize,
    {
        let key = table.key(name);
        let written = self.transaction.get(&key).or_else(|| self.block.get(&key));
        let value = match written {
            Some(value) => value.clone(),
            None => self.view.get(&key),
        };
        value.map(|value| table.decode(&key, &value)).transpose()
    }

    /// Returns the entry of a table that must be there.
    pub(crate) fn expect<K, V>(&self, table: Table<K, V>, name: &K) -> Result<V, StateError>
    where
        K: BorshSerialize,
        V: BorshSerialize + BorshDeserialize,
    {
        let name_of_table = table.name;
        self.get(table, name)?.ok_or(StateError::Missing { table: name_of_table })
    }

    pub(crate) fn put<K, V>(&mut self, table: Table<K, V>, name: &K, value: &V)
    where
        K: BorshSerialize,
        V: BorshSerialize + BorshDeserialize,
    {
        self.transaction.insert(table.key(name), Some(encode(value)));
    }

    pub(crate) fn remove<K, V>(&mut self, table: Table<K, V>, name: &K)
    where
        K: BorshSerialize,
        V: BorshSerialize + BorshDeserialize,
    {
        self.transaction.insert(table.key(name), None);
    }

    /// Returns the first `max` keys of a range that are there, in order, with their values.
    pub(crate) fn range(&self, from: &[u8], to: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut changed: BTreeMap<&Vec<u8>, &Option<Vec<u8>>> = BTreeMap::new();
        for writes in [&self.block, &self.transaction] {
            let within = writes
                .range::<[u8], _>((std::ops::Bound::Included(from), std::ops::Bound::Excluded(to)));
            changed.extend(within);
        }
        let gone = changed.values().filter(|value| value.is_none()).count();
        let mut merged: BTreeMap<Vec<u8>, Vec<u8>> =
            self.view.range(from, to, max.saturating_add(gone)).into_iter().collect();
        for (key, value) in changed {
            match value {
                Some(value) => {
                    merged.insert(key.clone(), value.clone());
                }
                None => {
                    merged.remove(key);
                }
            }
        }
        merged.into_iter().take(max).collect()
    }

    /// Keeps what the transaction wrote.
    pub(crate) fn keep(&mut self) {
        self.block.append(&mut self.transaction);
    }

    /// Drops what the transaction wrote.
    pub(crate) fn drop(&mut self) {
        self.transaction.clear();
    }

    /// Returns what the block changes, without values that are what they were.
    pub(crate) fn into_writes(mut self) -> Writes {
        self.keep();
        self.block.retain(|key, value| self.view.get(key) != *value);
        self.block
    }
}
