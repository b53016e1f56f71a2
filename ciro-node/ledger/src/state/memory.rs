//! A state in memory, for simulations and tests.

use std::collections::BTreeMap;

use ciro_protocol::light::{StateProof, TreeRoot};
use jmt::KeyHash;
use jmt::storage::{LeafNode, Node, NodeKey, TreeReader};

use super::{PlainState, StateError, View, Writes, tree};

/// All keys and values with the tree over them, after each block.
#[derive(Debug, Default)]
pub struct MemoryState {
    values: PlainState,
    nodes: BTreeMap<NodeKey, Node>,
    /// Values by hashed key and version, as the tree asks for them.
    history: BTreeMap<(KeyHash, u64), Option<Vec<u8>>>,
    version: Option<u64>,
}

impl MemoryState {
    /// Takes a block's writes and returns the root after it. The first version is 0.
    ///
    /// # Errors
    ///
    /// [`StateError::Tree`] if the tree refuses.
    pub fn commit(&mut self, writes: &Writes) -> Result<TreeRoot, StateError> {
        let version = self.version.map_or(0, |version| version + 1);
        let (root, update) = tree::update(self, version, writes)?;
        self.nodes.extend(update.node_batch.nodes().clone());
        for ((version, key), value) in update.node_batch.values() {
            self.history.insert((*key, *version), value.clone());
        }
        self.values.apply(writes);
        self.version = Some(version);
        Ok(root)
    }

    /// Proves the value of a key, or its absence, after the last block.
    ///
    /// # Errors
    ///
    /// [`StateError::Tree`] if there is no block yet.
    pub fn prove(&self, key: &[u8]) -> Result<StateProof, StateError> {
        let version = self.version.ok_or_else(|| StateError::Tree("no block yet".to_owned()))?;
        tree::prove(self, version, key)
    }
}

impl View for MemoryState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.values.get(key)
    }

    fn range(&self, from: &[u8], to: &[u8], max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.values.range(from, to, max)
    }
}

impl TreeReader for MemoryState {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        Ok(self.nodes.get(key).cloned())
    }

    fn get_value_option(&self, version: u64, key: KeyHash) -> anyhow::Result<Option<Vec<u8>>> {
        let mut up_to = self.history.range((key, 0)..=(key, version));
        Ok(up_to.next_back().and_then(|(_, value)| value.clone()))
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        let leaves = self.nodes.iter().filter_map(|(key, node)| match node {
            Node::Leaf(leaf) => Some((key.clone(), leaf.clone())),
            Node::Internal(_) | Node::Null => None,
        });
        Ok(leaves.max_by_key(|(_, leaf)| leaf.key_hash()))
    }
}
