//! The prover: fills the columns, commits them, and proves the constraints with stwo's parts.

mod balance;
#[cfg(test)]
mod check;
mod columns;
mod conclude;
mod estimate;
mod folds;
#[cfg(test)]
mod hunt;
mod logup;
mod masked;
mod masks;
mod prove;
mod tree;

pub use estimate::Estimate;
pub use prove::{Plan, StarkProveError, TensorProver};

#[cfg(test)]
mod algebra;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod cheats;
#[cfg(test)]
mod commitments;
#[cfg(test)]
mod distribution;
#[cfg(test)]
mod false_proofs;
#[cfg(test)]
mod hides;
#[cfg(test)]
mod lab;
#[cfg(test)]
mod lifted;
#[cfg(test)]
mod simulate;
#[cfg(test)]
pub(crate) mod tests;
