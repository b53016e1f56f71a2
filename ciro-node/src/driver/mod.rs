//! The driver: one thread for consensus, one for execution, and what lies between them.

mod catch_up;
mod consensus;
mod execution;
mod history;
mod shared;
mod transport;

pub use consensus::{ConsensusError, ConsensusThread, Opening};
pub(crate) use execution::head_of;
pub use execution::{ExecutionError, ExecutionThread, Job};
pub(crate) use history::History;
pub use shared::{Certified, Fatal, Shared};
pub use transport::{Alone, Transport};
