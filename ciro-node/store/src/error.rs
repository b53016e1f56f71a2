//! Why a store stops.

use ciro_consensus::wire::WireError;
use ciro_consensus::{Epoch, Seq};

use crate::disk::DiskError;
use crate::journal::JournalError;
use crate::options::{EPOCHS_FILE, GUARD_FILE, LOG_FILE};
use crate::refusal::GuardRefusal;

/// Why a store cannot be opened or written. After an error while writing, the node must stop and
/// open it anew.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The lock is held by another process, or the disk failed.
    #[error("disk failed")]
    Disk(#[from] DiskError),
    /// The log is unusable.
    #[error("the log `{LOG_FILE}` is unusable")]
    Log(#[source] JournalError),
    /// The slashing-protection file is unusable.
    #[error("the slashing-protection file `{GUARD_FILE}` is unusable")]
    Guard(#[source] JournalError),
    /// The file of epoch proofs is unusable.
    #[error("the epoch proofs `{EPOCHS_FILE}` are unusable")]
    Epochs(#[source] JournalError),
    /// A frame of the slashing-protection file holds something that this version does not
    /// understand.
    #[error("frame {frame} of the slashing-protection file holds no entry that this version knows")]
    GuardEntry {
        /// The frame's sequence number.
        frame: u64,
        /// What is wrong with it.
        source: WireError,
    },
    /// The directory holds nothing, and nobody said that the key is new.
    #[error(
        "neither `{LOG_FILE}` nor `{GUARD_FILE}` is there: a key that signed before would sign again what it forgot; say \
         that the key is new, or from which epoch on it may vote"
    )]
    Empty,
    /// The log is unreadable and nothing else says what was signed.
    #[error(
        "the log is lost and so is the slashing-protection file `{GUARD_FILE}`: nothing says what was signed; bring the \
         file back, or start with an empty directory and the epoch from which on the key may vote"
    )]
    GuardMissing,
    /// A frame of the log holds something that is no record.
    #[error("frame {frame} of the log holds no record")]
    Record {
        /// The frame's sequence number.
        frame: u64,
        /// What is wrong with it.
        source: WireError,
    },
    /// The log lacks a message that was signed according to the slashing-protection file.
    #[error(
        "the log lacks what was signed at block {seq} of epoch {epoch}: its end is lost; signing is safe again from \
         epoch {resume} on"
    )]
    LogBehindGuard {
        /// The epoch of the missing message.
        epoch: Epoch,
        /// Its sequence number.
        seq: Seq,
        /// The first epoch in which nothing was signed yet.
        resume: Epoch,
    },
    /// The replica wants to sign something that contradicts what it signed before.
    #[error("refused to sign")]
    Refused(#[from] GuardRefusal),
    /// An earlier write failed; what is on disk is unknown until the store is opened anew.
    #[error("an earlier write failed, open the store anew")]
    Poisoned,
}
