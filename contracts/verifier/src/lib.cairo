//! Verifies proofs of the tensor STARK, and pays for them.
//!
//! A proof comes as felts, laid out by `ciro-sdk/stark/src/felts`. The first of them are the
//! model's key: every parameter of the verifier. Whoever relies on a verdict pins the key's hash.
pub mod air;
pub mod blake;
pub mod circle;
pub mod erc20;
pub mod escrow;
pub mod facts;
pub mod field;
pub mod fri;
pub mod key;
pub mod models;
pub mod pcs;
pub mod policy;
pub mod stark;
pub mod statement;
