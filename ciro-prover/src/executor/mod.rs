//! Children that prove: what they allocate, and how they end, is no matter of the worker's.
//!
//! A child is this program again. It lives for many proofs, since the preparation of a prover takes
//! as long as some of them; whatever goes wrong in it (a panic, memory, time) ends the child and
//! fails the one attempt that it was at.

mod child;
mod input;
mod pool;
#[cfg(feature = "cairo")]
mod program;
mod protocol;

pub use child::main as child_main;
pub use input::look;
pub use pool::{Failure, Pool, PoolSettings};
pub use protocol::{Prepared, Proof, ProofTask, Task, Unsealing};
