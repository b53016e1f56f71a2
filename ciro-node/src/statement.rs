//! The digests by which orders and receipts name integers.

use ciro_protocol::id::{InputDigest, OutputDigest};
use ciro_sdk::{Key, StatedInput, Statement, Tensor};
use sha2::{Digest as _, Sha256};

/// Returns the digest of all inputs of a statement.
#[must_use]
pub fn input_digest(statement: &Statement) -> InputDigest {
    let mut hasher = Sha256::new_with_prefix(b"CIRO_INPUT_V1");
    for claim in &statement.claims {
        match &claim.input {
            StatedInput::Public(tensors) => put(&mut hasher, 0, tensors),
            StatedInput::Committed(word) => {
                hasher.update([1]);
                hasher.update(word);
            }
        }
    }
    InputDigest(hasher.finalize().into())
}

/// Returns the digest of all outputs of a statement.
#[must_use]
pub fn output_digest(statement: &Statement) -> OutputDigest {
    let mut hasher = Sha256::new_with_prefix(b"CIRO_OUTPUT_V1");
    for claim in &statement.claims {
        put(&mut hasher, 0, &claim.outputs);
    }
    OutputDigest(hasher.finalize().into())
}

/// Returns the cells that a prover commits to for a key.
#[must_use]
pub fn cells(_key: &Key) -> u64 {
    0
}

fn put(hasher: &mut Sha256, tag: u8, tensors: &[Tensor<i32>]) {
    hasher.update([tag]);
    hasher.update(u64::try_from(tensors.len()).unwrap_or(u64::MAX).to_le_bytes());
    for tensor in tensors {
        hasher.update(u64::try_from(tensor.shape().len()).unwrap_or(u64::MAX).to_le_bytes());
        for extent in tensor.shape() {
            hasher.update(u64::try_from(*extent).unwrap_or(u64::MAX).to_le_bytes());
        }
        for element in tensor.data() {
            hasher.update(element.to_le_bytes());
        }
    }
}
