//! Why a key must not sign something.

use ciro_consensus::{Epoch, Kind, Seq, View};

/// Why a message must not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GuardRefusal {
    /// Messages of a later epoch were signed.
    #[error("{kind:?} of epoch {epoch}: epoch {signed} was signed in already")]
    OldEpoch {
        /// What was to be signed.
        kind: Kind,
        /// Its epoch.
        epoch: Epoch,
        /// The epoch of the guard.
        signed: Epoch,
    },
    /// The replica must not vote before this epoch, because a log was lost or a key moved.
    #[error("voting starts in epoch {from}, not in {epoch}")]
    TooEarly {
        /// The message's epoch.
        epoch: Epoch,
        /// The first epoch to vote in.
        from: Epoch,
    },
    /// The block lies behind a stable checkpoint.
    #[error("{kind:?} at {seq}: everything up to checkpoint {low} is settled")]
    Settled {
        /// What was to be signed.
        kind: Kind,
        /// Its sequence number.
        seq: Seq,
        /// The stable checkpoint.
        low: Seq,
    },
    /// A ViewChange has left this view.
    #[error("{kind:?} at view {view}: a ViewChange to view {left_for} was signed")]
    LeftView {
        /// What was to be signed.
        kind: Kind,
        /// Its view.
        view: View,
        /// The view of the ViewChange.
        left_for: View,
    },
    /// The same position was signed with another digest, or a later one was signed.
    #[error("{kind:?} at view {view}, block {seq}: signed at view {signed} already")]
    Conflict {
        /// What was to be signed.
        kind: Kind,
        /// Its view.
        view: View,
        /// Its sequence number.
        seq: Seq,
        /// The view signed before.
        signed: View,
    },
    /// A ViewChange would hide a Commit.
    #[error("ViewChange to view {view} hides the Commit at view {committed_in}, block {seq}")]
    Amnesia {
        /// The view of the ViewChange.
        view: View,
        /// The Commit's block.
        seq: Seq,
        /// The Commit's view.
        committed_in: View,
    },
    /// A ViewChange would claim something else than an earlier one, without anything prepared since
    /// (rule E7).
    #[error(
        "ViewChange to view {view} contradicts what one to view {told} claimed for block {seq}"
    )]
    ClaimChange {
        /// The view of the ViewChange.
        view: View,
        /// The block.
        seq: Seq,
        /// The view of the earlier ViewChange.
        told: View,
    },
    /// A ViewChange would begin at an earlier checkpoint than one before it.
    #[error(
        "ViewChange to view {view} begins at block {stable}: one to view {told} began at {was}"
    )]
    LowerCheckpoint {
        /// The view of the ViewChange.
        view: View,
        /// Its checkpoint.
        stable: Seq,
        /// The view of the earlier ViewChange.
        told: View,
        /// The checkpoint of the earlier one.
        was: Seq,
    },
}
