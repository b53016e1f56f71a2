//! Names of files, and how a store is opened.

use ciro_consensus::Epoch;

/// The name of the log's file.
pub const LOG_FILE: &str = "consensus.log";
/// The name of the slashing-protection file.
pub const GUARD_FILE: &str = "signed.log";
/// The name of the file with the proofs of all epochs.
pub const EPOCHS_FILE: &str = "epochs.log";
/// The name of the file whose lock marks a store in use.
pub const LOCK_FILE: &str = "consensus.lock";

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// What to do about a log that has lost its end. Default [`Recovery::Strict`].
    pub recovery: Recovery,
    /// Which replaced logs are kept for the forensic tool. Default [`Keep::EvidenceWindow`].
    pub keep: Keep,
}

/// Which replaced logs are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// None: a fork convicts nobody.
    Nothing,
    /// Those of the epoch and of the one before: as long as evidence counts, a fork convicts its
    /// authors.
    EvidenceWindow,
    /// All of them.
    Everything,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { recovery: Recovery::Strict, keep: Keep::EvidenceWindow }
    }
}

/// Returns the name of an archived segment: the `number`th log that was replaced, whose last block
/// was of `epoch`.
#[must_use]
pub fn segment_file(epoch: Epoch, number: u64) -> String {
    format!("{LOG_FILE}.{:016x}.{number:016x}", epoch.0)
}

/// Reads the name of an archived segment.
pub(crate) fn segment_of(name: &str) -> Option<(Epoch, u64)> {
    let (epoch, number) = name.strip_prefix(LOG_FILE)?.strip_prefix('.')?.split_once('.')?;
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    Some((Epoch(hex(epoch)?), hex(number)?))
}

/// What to do about a log that has lost its end or is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Stop with [`StoreError::LogBehindGuard`](crate::StoreError::LogBehindGuard), and with
    /// [`StoreError::Empty`](crate::StoreError::Empty) where nothing was ever written.
    Strict,
    /// As strict, but an empty directory is right: the key has never signed anything on this chain.
    NewKey,
    /// As strict, but the directory is empty because the key comes from elsewhere: it votes from
    /// this epoch on. It must be later than any in which the key may have signed, the epoch after
    /// the network's current one.
    OldKey {
        /// The first epoch to vote in.
        votes_from: Epoch,
    },
    /// Begin an empty log; the replica must not vote before
    /// [`Opened::votes_from`](crate::Opened::votes_from).
    LogLost,
}
