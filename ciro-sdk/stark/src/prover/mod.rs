//! The prover: fills the columns, commits them, and lets stwo prove the constraints.

#[cfg(test)]
mod check;
mod columns;
mod estimate;
mod folds;
#[cfg(test)]
mod hunt;
mod logup;
mod prove;
mod tree;

pub use estimate::Estimate;
pub use prove::{Plan, StarkProveError, TensorProver};

#[cfg(test)]
mod lifted;
#[cfg(test)]
pub(crate) mod tests;
