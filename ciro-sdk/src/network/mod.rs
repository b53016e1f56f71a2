//! What the network's protocol says of keys and proofs, told from their bytes alone.
//!
//! Validators must agree, so every answer here is a function of bytes: no time, no machine, no
//! setting.

mod proofs;

pub use proofs::{KEY_CELLS_UNKNOWN, NotProven, Stated, VERIFIER, facts, facts_of, verify_stated};
