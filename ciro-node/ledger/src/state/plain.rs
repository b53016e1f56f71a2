//! A state without a tree over it, for simulations and tests that ask for no root.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::{View, Writes};

/// All keys and values after a block.
#[derive(Debug, Default)]
pub struct PlainState(BTreeMap<Vec<u8>, Vec<u8>>);

impl PlainState {
    /// Takes a block's writes.
    pub fn apply(&mut self, writes: &Writes) {
        for (key, value) in writes {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }
}

impl View for PlainState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key).cloned()
    }

    fn range(&self, from: &[u8], to: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let within = (Bound::Included(from), Bound::Excluded(to));
        let found = self.0.range::<[u8], _>(within).take(max);
        found.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}
