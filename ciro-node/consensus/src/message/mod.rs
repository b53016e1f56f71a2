//! What replicas send each other.

mod catch_up;
mod view_change;
mod weight;
mod wire;

use std::sync::Arc;

pub(crate) use catch_up::{BLOCKS_MAX, EPOCHS_MAX};
pub use catch_up::{Fetch, SignedNewView, State, Status};
pub use view_change::{Claim, NewView, SignedSummary, Summary, ViewChange};
pub(crate) use weight::proposal_weight;
pub use wire::CLAIMS_MAX;

use crate::block::Proposal;
use crate::crypto::{CryptoError, Scheme, Signature};
use crate::statement::{Kind, Statement};
use crate::types::{ChainId, Digest, Epoch, ReplicaId, Seq, View};
use crate::wire::{WireError, decode_versioned, encode_versioned};

/// The most bytes of one encoded message.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A signed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub sender: ReplicaId,
    /// The sender's epoch.
    pub epoch: Epoch,
    /// The sender's signature of [`Message::statement`].
    pub signature: Signature,
    /// What is said.
    pub body: Body,
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A primary's proposal (PBFT §4.2).
    PrePrepare(PrePrepare),
    /// Agreement to a proposal (PBFT §4.2).
    Prepare(Vote),
    /// Knowledge that a quorum agreed (PBFT §4.2).
    Commit(Vote),
    /// The state after a block (PBFT §4.3).
    Checkpoint(CheckpointVote),
    /// The wish for another primary (PBFT §4.4).
    ViewChange(Arc<ViewChange>),
    /// The start of a view (PBFT §4.4).
    NewView(Arc<NewView>),
    /// A request for something missed.
    Fetch(Fetch),
    /// The answer to a Fetch.
    State(Arc<State>),
    /// The sender's position.
    Status(Status),
}

/// A proposal for one sequence number of one view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrePrepare {
    /// The view.
    pub view: View,
    /// The sequence number.
    pub seq: Seq,
    /// The proposal's digest, which is what is signed.
    pub digest: Digest,
    /// The proposal.
    pub proposal: Arc<Proposal>,
}

/// A vote for a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vote {
    /// The view.
    pub view: View,
    /// The sequence number.
    pub seq: Seq,
    /// The proposal's digest.
    pub digest: Digest,
}

/// A vote for the state after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointVote {
    /// The block's sequence number.
    pub seq: Seq,
    /// The snapshot's digest.
    pub digest: Digest,
}

impl Message {
    /// Signs a message.
    ///
    /// # Errors
    ///
    /// [`CryptoError`] when the scheme cannot sign the message's hash.
    pub fn sign<S: Scheme>(
        identity: (ReplicaId, &S::SigningKey),
        domain: &MessageDomain,
        epoch: Epoch,
        body: Body,
    ) -> Result<Self, CryptoError> {
        let (sender, key) = identity;
        let statement = body.statement::<S>(epoch, domain);
        let signature = S::sign(key, &statement.hash::<S>(domain.chain))?;
        Ok(Self { sender, epoch, signature, body })
    }

    /// Returns what the signature says.
    #[must_use]
    pub fn statement<S: Scheme>(&self, domain: &MessageDomain) -> Statement {
        self.body.statement::<S>(self.epoch, domain)
    }

    /// Returns the canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_versioned(self)
    }

    /// Reads the canonical encoding; signatures and meaning are checked by the replica.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are not exactly one encoded message of at most
    /// [`MESSAGE_BYTES_MAX`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode_versioned(bytes, MESSAGE_BYTES_MAX)
    }
}

/// What enters statements besides the message itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageDomain {
    /// The chain.
    pub chain: ChainId,
    /// The depth of the tree over a prepared set.
    pub claims_depth: u32,
}

impl Body {
    /// Returns the message's kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::PrePrepare(_) => Kind::PrePrepare,
            Self::Prepare(_) => Kind::Prepare,
            Self::Commit(_) => Kind::Commit,
            Self::Checkpoint(_) => Kind::Checkpoint,
            Self::ViewChange(_) => Kind::ViewChange,
            Self::NewView(_) => Kind::NewView,
            Self::Fetch(_) => Kind::Fetch,
            Self::State(_) => Kind::State,
            Self::Status(_) => Kind::Status,
        }
    }

    /// Returns what a signature of this body in `epoch` says.
    #[must_use]
    pub fn statement<S: Scheme>(&self, epoch: Epoch, domain: &MessageDomain) -> Statement {
        let (view, seq, digest) = match self {
            Self::PrePrepare(message) => (message.view, message.seq, message.digest),
            Self::Prepare(vote) | Self::Commit(vote) => (vote.view, vote.seq, vote.digest),
            Self::Checkpoint(vote) => (View::ZERO, vote.seq, vote.digest),
            Self::ViewChange(message) => {
                let summary = &message.summary;
                (summary.view, summary.stable_seq, summary.digest::<S>(domain.claims_depth))
            }
            Self::NewView(message) => {
                (message.view, message.stable_seq(), message.digest::<S>(domain.claims_depth))
            }
            Self::Fetch(_) | Self::State(_) | Self::Status(_) => {
                (View::ZERO, Seq::ZERO, S::hash_bytes(&self.encode()))
            }
        };
        Statement { epoch, kind: self.kind(), view, seq, digest }
    }
}
