//! The module against the library: the same bytes give the same answers.

#![expect(clippy::unwrap_used, reason = "a test that fails says where")]

mod answers;
mod parity;
mod proofs;
