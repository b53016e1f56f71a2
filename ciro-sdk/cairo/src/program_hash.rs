//! What a verifier knows a program by.

use blake2::{Blake2s256, Digest};
use serde::{Deserialize, Serialize};

use crate::builtin::Builtin;

/// The Blake2s digest of a program's bytecode and of the builtins that it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProgramHash(pub [u8; 32]);

impl std::fmt::Display for ProgramHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for ProgramHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProgramHash({self})")
    }
}

/// `blake2s("ciro-cairo-program/1" | #builtins | their names | #felts | felts as 32 little-endian
/// bytes)`, each count as 8 little-endian bytes and each name behind its length.
pub(crate) fn hash_program(
    builtins: &[Builtin],
    felts: impl ExactSizeIterator<Item = [u8; 32]>,
) -> ProgramHash {
    let count = |n: usize| u64::try_from(n).expect("a length fits 64 bits").to_le_bytes();
    let mut hasher = Blake2s256::new();
    hasher.update(b"ciro-cairo-program/1");
    hasher.update(count(builtins.len()));
    for builtin in builtins {
        hasher.update(count(builtin.name().len()));
        hasher.update(builtin.name());
    }
    hasher.update(count(felts.len()));
    felts.for_each(|felt| hasher.update(felt));
    ProgramHash(hasher.finalize().into())
}
