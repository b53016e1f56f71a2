//! From a transaction to an operation of consensus: admission, waiting, batches.

mod admission;
mod batcher;
mod pending;

pub use admission::{Admission, Refused, Taken};
pub use batcher::{BatchSettings, Batcher};
pub use pending::{Bill, Full, Pending, PendingLimits, Stage, blobs_of};
