//! The tree over keys and values: a Jellyfish Merkle tree with SHA-256, by the library `jmt`.

use borsh::BorshDeserialize;
use ciro_protocol::light::{Leaf, StateProof, TreeNode, TreeRoot};
use ciro_protocol::wire::List;
use jmt::storage::{TreeReader, TreeUpdateBatch};
use jmt::{JellyfishMerkleTree, KeyHash};
use sha2::{Digest as _, Sha256};

use super::{StateError, Writes};

/// Computes the root after a block's writes and the nodes that are new: version 0 is the genesis,
/// then one a block.
///
/// # Errors
///
/// [`StateError::Tree`] if a node is missing.
pub fn update<R: TreeReader>(
    reader: &R,
    version: u64,
    writes: &Writes,
) -> Result<(TreeRoot, TreeUpdateBatch), StateError> {
    let values = writes.iter().map(|(key, value)| (hash_of(key), value.clone()));
    let tree = JellyfishMerkleTree::<R, Sha256>::new(reader);
    let (root, update) = tree.put_value_set(values, version).map_err(refused)?;
    Ok((TreeRoot(root.0), update))
}

/// Proves the value of a key, or its absence, after a block.
///
/// # Errors
///
/// [`StateError::Tree`] if the version is not kept.
pub fn prove<R: TreeReader>(
    reader: &R,
    version: u64,
    key: &[u8],
) -> Result<StateProof, StateError> {
    let tree = JellyfishMerkleTree::<R, Sha256>::new(reader);
    let (_, proof) = tree.get_with_proof(hash_of(key), version).map_err(refused)?;
    // The library keeps the siblings to itself; their encoding is public.
    let bytes = borsh::to_vec(&proof).map_err(refused)?;
    let shape = Shape::try_from_slice(&bytes).map_err(refused)?;
    let siblings = shape.siblings.iter().map(Sibling::hash).collect();
    Ok(StateProof { leaf: shape.leaf, siblings: List::new(siblings).map_err(refused)? })
}

fn hash_of(key: &[u8]) -> KeyHash {
    KeyHash(Sha256::digest(key).into())
}

fn refused(error: impl std::fmt::Display) -> StateError {
    StateError::Tree(error.to_string())
}

/// How the library encodes a proof.
#[derive(BorshDeserialize)]
struct Shape {
    leaf: Option<Leaf>,
    siblings: Vec<Sibling>,
}

/// A sibling with its kind, which the library needs for deletions alone.
#[derive(BorshDeserialize)]
enum Sibling {
    Null,
    Internal { left: TreeNode, right: TreeNode },
    Leaf(Leaf),
}

impl Sibling {
    fn hash(&self) -> TreeNode {
        match self {
            Self::Null => TreeNode::EMPTY,
            Self::Internal { left, right } => TreeNode::parent(left, right),
            Self::Leaf(leaf) => leaf.hash(),
        }
    }
}
