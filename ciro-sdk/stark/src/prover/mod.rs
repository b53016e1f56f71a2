//! The prover: fills the columns, commits them, and lets stwo prove the constraints.

mod columns;
mod folds;
mod logup;
mod prove;
mod tree;

pub use prove::{ProveError, Prover};
