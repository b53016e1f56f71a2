//! Messages for replicas that missed something.

use std::sync::Arc;

use crate::block::{CommittedBlock, Proposal};
use crate::crypto::Signature;
use crate::snapshot::{EpochProof, Snapshot, StableCheckpoint};
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};

use super::{Body, Message, NewView};

/// The most blocks one State carries.
pub(crate) const BLOCKS_MAX: usize = 16;
/// The most epoch proofs one State carries, and a replica keeps.
pub(crate) const EPOCHS_MAX: usize = 16;

/// A request for something missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fetch {
    /// Committed blocks from here on.
    Blocks {
        /// The first block wanted.
        from: Seq,
    },
    /// The content of a proposal known by digest alone.
    Proposal {
        /// The block it is for.
        seq: Seq,
        /// Its digest.
        digest: Digest,
    },
    /// The NewView of a view.
    NewView {
        /// The view.
        view: View,
    },
    /// The last stable checkpoint, with what proves the validators that signed it.
    Checkpoint {
        /// The epoch whose validators the requester knows.
        epoch: Epoch,
    },
    /// The last stable checkpoint with the consensus state behind it.
    Snapshot {
        /// The epoch whose validators the requester knows.
        epoch: Epoch,
        /// The earliest checkpoint of use.
        from: Seq,
    },
}

/// The answer to a [`Fetch`]; everything in it proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Committed blocks, in order.
    Blocks(Vec<CommittedBlock>),
    /// A proposal's content.
    Proposal {
        /// The block it is for.
        seq: Seq,
        /// The content.
        proposal: Arc<Proposal>,
    },
    /// A NewView as its leader signed it.
    NewView(SignedNewView),
    /// A stable checkpoint.
    Checkpoint {
        /// For each epoch from the requester's to the checkpoint's, proof of the next validators.
        proofs: Vec<EpochProof>,
        /// The checkpoint.
        checkpoint: StableCheckpoint,
    },
    /// A stable checkpoint with the consensus state behind its digest.
    Snapshot {
        /// For each epoch from the requester's to the checkpoint's, proof of the next validators.
        proofs: Vec<EpochProof>,
        /// The checkpoint.
        checkpoint: StableCheckpoint,
        /// The state.
        snapshot: Arc<Snapshot>,
    },
}

impl State {
    /// Whether this can be the answer to a request; whether it is true is another question.
    #[must_use]
    pub fn answers(&self, fetch: &Fetch) -> bool {
        match (self, fetch) {
            (Self::Blocks(blocks), Fetch::Blocks { from }) => {
                blocks.first().is_some_and(|block| block.seq == *from)
            }
            (Self::Proposal { seq, .. }, Fetch::Proposal { seq: asked, .. }) => seq == asked,
            (Self::NewView(signed), Fetch::NewView { view }) => signed.new_view.view == *view,
            (Self::Checkpoint { .. }, Fetch::Checkpoint { .. })
            | (Self::Snapshot { .. }, Fetch::Snapshot { .. }) => true,
            _ => false,
        }
    }
}

/// A NewView that someone other than its leader passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedNewView {
    /// Who leads the view.
    pub leader: ReplicaId,
    /// The epoch.
    pub epoch: Epoch,
    /// The leader's signature.
    pub signature: Signature,
    /// The NewView.
    pub new_view: Arc<NewView>,
}

impl SignedNewView {
    /// Returns the leader's message.
    #[must_use]
    pub fn into_message(self) -> Message {
        let Self { leader, epoch, signature, new_view } = self;
        Message { sender: leader, epoch, signature, body: Body::NewView(new_view) }
    }
}

/// A replica's position, told to all at every resend interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Status {
    /// Its view.
    pub view: View,
    /// Whether it takes part in that view; otherwise it waits for the NewView.
    pub active: bool,
    /// Its last stable checkpoint.
    pub stable: Seq,
    /// Its last executed block.
    pub executed: Seq,
}
