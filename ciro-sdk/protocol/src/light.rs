//! Proofs of state, and of a receipt: what convinces someone who holds the genesis alone.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_consensus::crypto::{Scheme, Stark};
use ciro_consensus::{Digest, FINALITY_BYTES_MAX, Finality, LightError, WireError};
pub use ciro_consensus::{LightClient, Pin, PinError};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::chain::{Genesis, SpecError};
use crate::id::{JobId, ReceiptDigest, hash_id};
use crate::receipt::Receipt;
use crate::sign::halves;
use crate::wire::{Bytes, List, Message, encode};

hash_id! {
    /// The root of the tree of all keys and values.
    TreeRoot
}
hash_id! {
    /// A node of that tree.
    TreeNode
}

/// What a block's state root is made of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct StateWords {
    /// The tree's root.
    pub tree: TreeRoot,
    /// Ledger time after the block, in ms.
    pub time_ms: u64,
}

/// The value of one key in the tree, or its absence: a path of a Jellyfish Merkle tree over
/// SHA-256.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateProof {
    /// The leaf at the end of the path: the key's own, or another one where the key would be.
    pub leaf: Option<Leaf>,
    /// The hashes beside the path, from the leaf up.
    pub siblings: List<TreeNode, 256>,
}

/// A leaf of the tree.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// SHA-256 of the key.
    pub key: TreeNode,
    /// SHA-256 of the value.
    pub value: TreeNode,
}

/// What the ledger keeps of an ended job for ever.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct EndedJob {
    /// Whether it is settled; refunded otherwise.
    pub settled: bool,
    /// Its receipt.
    pub receipt: ReceiptDigest,
}

/// A receipt with all that proves it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptProof {
    /// The receipt.
    pub receipt: Receipt,
    /// What the state root is made of.
    pub state: StateWords,
    /// That the tree holds the receipt.
    pub path: StateProof,
    /// That validators certified the state root: an encoded [`Finality`].
    pub finality: Bytes<FINALITY_BYTES_MAX>,
}

/// Why something is not shown to be part of a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateProofError {
    /// The path ends at another key, or at none.
    #[error("the path does not end at the key")]
    OtherKey,
    /// The key has another value.
    #[error("the key has another value")]
    OtherValue,
    /// The path does not show absence: the key's leaf could be beside it.
    #[error("the path does not show that the key is absent")]
    NotAbsent,
    /// The path leads to another root.
    #[error("the path leads to another root than {0}")]
    Root(TreeRoot),
}

/// Why a receipt is not proven.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The genesis is none.
    #[error("the genesis is not usable")]
    Genesis(#[from] SpecError),
    /// The part about consensus does not decode.
    #[error("the proof of finality is damaged")]
    Finality(#[from] WireError),
    /// The header is not certified.
    #[error("the header is not certified")]
    Header(#[from] LightError),
    /// The header has another state root.
    #[error("block {height} has another state than the proof opens")]
    StateRoot {
        /// The block.
        height: u64,
    },
    /// The state does not hold the receipt.
    #[error("the state does not hold the receipt")]
    State(#[from] StateProofError),
}

impl TreeNode {
    /// An empty subtree, as the tree's implementation has it.
    pub const EMPTY: Self = Self(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__");

    /// Returns the node above two others.
    #[must_use]
    pub fn parent(left: &Self, right: &Self) -> Self {
        let hasher = Sha256::new().chain_update(b"JMT::IntrnalNode");
        Self(hasher.chain_update(left.0).chain_update(right.0).finalize().into())
    }
}

impl Message for ReceiptProof {
    const NAME: &'static str = "CIRO_RECEIPT_PROOF_V1";
    const BYTES_MAX: usize = FINALITY_BYTES_MAX + (16 << 10);
}

impl StateWords {
    /// Returns the state root that headers carry. It is a Poseidon hash of few words, so that a
    /// contract can open it.
    #[must_use]
    pub fn root(&self) -> Digest {
        let [high, low] = halves(&self.tree.0);
        let domain = Digest::short_string("CIRO_STATE_V1");
        Stark::hash(&[domain, high, low, Digest::from_u64(self.time_ms)])
    }
}

impl StateProof {
    /// Checks that the tree with this root holds `value` under `key`, or nothing if there is none.
    ///
    /// # Errors
    ///
    /// [`StateProofError`] naming what is not shown.
    pub fn verify(
        &self,
        root: TreeRoot,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), StateProofError> {
        let key = TreeNode(Sha256::digest(key).into());
        match (value, self.leaf) {
            (Some(value), Some(leaf)) if leaf.key == key => {
                if leaf.value.0 != <[u8; 32]>::from(Sha256::digest(value)) {
                    return Err(StateProofError::OtherValue);
                }
            }
            (Some(_), _) => return Err(StateProofError::OtherKey),
            (None, None) => {}
            // Another leaf stands where the key's would: it must share the whole path.
            (None, Some(leaf)) => {
                let shares = (0..self.siblings.len()).all(|it| bit(&leaf.key, it) == bit(&key, it));
                if leaf.key == key || !shares {
                    return Err(StateProofError::NotAbsent);
                }
            }
        }
        let depths = (0..self.siblings.len()).rev();
        let start = self.leaf.map_or(TreeNode::EMPTY, |leaf| leaf.hash());
        let reached = depths.zip(self.siblings.iter()).fold(start, |node, (depth, sibling)| {
            if bit(&key, depth) {
                TreeNode::parent(sibling, &node)
            } else {
                TreeNode::parent(&node, sibling)
            }
        });
        if reached.0 == root.0 { Ok(()) } else { Err(StateProofError::Root(root)) }
    }
}

impl Leaf {
    /// Returns the leaf's node.
    #[must_use]
    pub fn hash(&self) -> TreeNode {
        let hasher = Sha256::new().chain_update(b"JMT::LeafNode");
        TreeNode(hasher.chain_update(self.key.0).chain_update(self.value.0).finalize().into())
    }
}

/// Returns the bit of a key's hash that decides at this depth; false is left.
fn bit(key: &TreeNode, depth: usize) -> bool {
    key.0.get(depth / 8).is_some_and(|byte| byte >> (7 - depth % 8) & 1 == 1)
}

impl EndedJob {
    /// The byte that begins the keys of ended jobs.
    pub const PREFIX: u8 = b'e';

    /// Returns the key under which the ledger keeps the end of a job.
    #[must_use]
    pub fn key(job: JobId) -> Vec<u8> {
        let mut key = vec![Self::PREFIX];
        key.extend(job.0);
        key
    }
}

impl ReceiptProof {
    /// Checks everything from the genesis on, past the pin if there is one, and returns the block
    /// whose state holds the receipt.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] naming the first thing that is not proven.
    pub fn verify(&self, genesis: &Genesis, pin: Option<Pin>) -> Result<u64, ReceiptError> {
        let client = LightClient::new(&genesis.consensus()?);
        let mut client = match pin {
            Some(pin) => client.pinned(pin)?,
            None => client,
        };
        self.verify_from(&mut client)
    }

    /// Checks everything from where the client is, and takes it along.
    ///
    /// # Errors
    ///
    /// [`ReceiptError`] naming the first thing that is not proven.
    pub fn verify_from(&self, client: &mut LightClient<Stark>) -> Result<u64, ReceiptError> {
        let header = client.verify(&Finality::from_bytes(&self.finality)?)?;
        let height = header.height.0;
        if header.state_root != self.state.root() {
            return Err(ReceiptError::StateRoot { height });
        }
        let settled = matches!(self.receipt.outcome, crate::receipt::Outcome::Settled(_));
        let ended = EndedJob { settled, receipt: self.receipt.id() };
        let key = EndedJob::key(self.receipt.job);
        self.path.verify(self.state.tree, &key, Some(&encode(&ended)))?;
        Ok(height)
    }
}
