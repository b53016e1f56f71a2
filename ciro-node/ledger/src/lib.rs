#![doc = include_str!("../README.md")]

pub mod block;
pub mod genesis;
mod governance;
pub mod invariant;
mod job;
mod model;
mod money;
mod mutation;
mod provider;
mod slash;
mod stake;
pub mod state;
mod supply;
#[cfg(test)]
mod tests;
pub mod validity;

pub use block::{Block, Outcome, execute};
pub use genesis::genesis;
pub use governance::{Tally, tally};
pub use invariant::{Broken, check_invariants};
pub use job::{Event as JobEvent, State as JobState, Step, TABLE, Target, step};
pub use stake::{Holding, departing, holding, seats};
pub use state::{MemoryState, Seat, StateError, View};
pub use validity::{Blobs, Invalid, Judges, ProofSystem, Submitters, validate};
