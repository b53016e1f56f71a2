#![doc = include_str!("../README.md")]

mod air;
mod chips;
mod commitment;
#[cfg(feature = "felts")]
mod felts;
mod field;
mod key;
#[cfg(feature = "prove")]
mod layout;
mod poseidon;
mod preset;
mod proof;
mod proof_shape;
#[cfg(feature = "prove")]
mod prover;
#[cfg(test)]
#[cfg(feature = "prove")]
mod reveal;
#[cfg(feature = "prove")]
mod rows;
mod secrecy;
mod security;
mod statement;
mod transcript;
mod verify;

pub use commitment::{SALT_BYTES, Salt, commit};
#[cfg(feature = "felts")]
pub use felts::{Felt, FeltsError, PROOF_FELTS_MAX, StatementFelts};
pub use key::{KEY_BYTES_MAX, KeyError, ModelKey};
#[cfg(feature = "prove")]
pub use layout::LayoutError;
pub use preset::{Preset, UnknownPreset};
pub use proof::{DecodeError, Proof};
#[cfg(feature = "prove")]
pub use prover::{Estimate, Plan, StarkProveError, TensorProver};
pub use secrecy::Secrecy;
pub use security::{Regime, Security, query_bits};
pub use verify::{Policy, VerificationError, verify};
