//! Why the state cannot be read or written.

use std::path::PathBuf;

use ciro_consensus::Digest;
use ciro_ledger::StateError;

/// Why a node's state cannot be used. After an error while writing, the node must stop.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file cannot be opened: another process has it, or it is damaged.
    #[error("cannot open the state `{}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<redb::Error>,
    },
    /// The file is damaged.
    #[error(
        "the state `{}` is damaged ({reason}): put a recent copy of the file, or that of another \
         node which was stopped in order, in its place, and leave the node's other files as they are",
        path.display()
    )]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("the state cannot be read or written")]
    Database(#[source] Box<redb::Error>),
    /// An entry does not decode.
    #[error("entry `{key}` of `{table}` is damaged: {reason}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// The ledger refuses the state.
    #[error("the ledger's state is broken")]
    State(#[from] StateError),
    /// The file belongs to another network.
    #[error("the state is one of another network than the genesis: take another directory")]
    OtherNetwork,
    /// More batches than a block may hold.
    #[error("block {height} holds more batches than any may")]
    Batches {
        /// The block.
        height: u64,
    },
    /// More offences than a block may hold.
    #[error("block {height} punishes more offences than any may")]
    Offences {
        /// The block.
        height: u64,
    },
    /// A block leads to another state than the certified one. Nothing of it is written.
    #[error(
        "block {height} leads to the state {got} here, a quorum certified {expected}: this node's \
         state or program is not that of the network"
    )]
    OtherState {
        /// The block.
        height: u64,
        /// The root here.
        got: Digest,
        /// The certified root.
        expected: Digest,
    },
    /// Something that must be there is not.
    #[error("the state has no block {height}: the file is older than the log of consensus")]
    NoBlock {
        /// The block.
        height: u64,
    },
}

/// Defines conversions from the database's many errors.
macro_rules! from_redb {
    ($($error:ty)*) => {
        $(impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        })*
    };
}

from_redb! {
    redb::StorageError redb::TableError redb::TransactionError redb::CommitError
    redb::SetDurabilityError redb::DatabaseError
}
