//! Entries of the durable log.

use std::sync::Arc;

use crate::block::{CommittedBlock, Proposal};
use crate::certificate::Certificate;
use crate::crypto::Signature;
use crate::message::{Claim, EPOCHS_MAX, Message};
use crate::snapshot::{EpochProof, Snapshot, StableCheckpoint};
use crate::stake::ValidatorSet;
use crate::types::{Digest, ReplicaId, Seq, View};
use crate::wire::{Reader, Wire, WireError, decode_versioned, encode_versioned, put_list};

/// The most bytes of one encoded record.
pub const RECORD_BYTES_MAX: usize = 32 << 20;

/// One entry of the durable log; replaying all of them restores a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Where the log begins: a stable checkpoint with its state.
    Base(Box<Base>),
    /// A message this replica signed. It is durable before it leaves.
    Signed(Arc<Message>),
    /// A proposal this replica accepted from a primary.
    Accepted(Accepted),
    /// The content of a proposal that a NewView took over.
    Content {
        /// The sequence number.
        seq: Seq,
        /// The content.
        proposal: Arc<Proposal>,
    },
    /// A NewView this replica accepted.
    NewView(Arc<Message>),
    /// A block prepared at this replica.
    Prepared {
        /// Which block, view and digest.
        claim: Claim,
        /// Prepares of a quorum.
        certificate: Certificate,
    },
    /// A block committed at this replica.
    Committed(CommittedBlock),
    /// A checkpoint became stable whose state this replica does not hold yet.
    Stable(StableCheckpoint),
    /// Proof of an epoch's end. It is kept in a file of its own, beyond the log's compaction.
    Epoch(Arc<EpochProof>),
}

/// A proposal with its primary's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The sequence number.
    pub seq: Seq,
    /// The view.
    pub view: View,
    /// The proposal's digest.
    pub digest: Digest,
    /// Who proposed it.
    pub proposer: ReplicaId,
    /// The signature of the PrePrepare.
    pub signature: Signature,
    /// The content.
    pub proposal: Arc<Proposal>,
}

/// A stable checkpoint with the state behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// The checkpoint.
    pub checkpoint: StableCheckpoint,
    /// The consensus state it certifies.
    pub snapshot: Arc<Snapshot>,
    /// The validators of the epoch before the snapshot's, if there was one.
    pub previous: Option<Arc<ValidatorSet>>,
    /// Proofs of recent epochs, for replicas that lag behind.
    pub proofs: Vec<Arc<EpochProof>>,
}

impl Record {
    /// Returns the canonical encoding.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_versioned(self)
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are not exactly one encoded record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode_versioned(bytes, RECORD_BYTES_MAX)
    }
}

impl Wire for Accepted {
    fn put(&self, out: &mut Vec<u8>) {
        (self.seq, self.view).put(out);
        (self.digest, self.proposer).put(out);
        self.signature.put(out);
        self.proposal.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (seq, view) = Wire::get(input)?;
        let (digest, proposer) = Wire::get(input)?;
        let (signature, proposal) = (Wire::get(input)?, Wire::get(input)?);
        Ok(Self { seq, view, digest, proposer, signature, proposal })
    }
}

impl Wire for Base {
    fn put(&self, out: &mut Vec<u8>) {
        self.checkpoint.put(out);
        self.snapshot.put(out);
        self.previous.put(out);
        put_list(&self.proofs, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            checkpoint: Wire::get(input)?,
            snapshot: Wire::get(input)?,
            previous: Wire::get(input)?,
            proofs: input.list("epoch proofs", EPOCHS_MAX)?,
        })
    }
}

impl Wire for Record {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Base(base) => {
                1_u8.put(out);
                base.put(out);
            }
            Self::Signed(message) => {
                2_u8.put(out);
                message.put(out);
            }
            Self::Accepted(accepted) => {
                3_u8.put(out);
                accepted.put(out);
            }
            Self::NewView(message) => {
                4_u8.put(out);
                message.put(out);
            }
            Self::Prepared { claim, certificate } => {
                5_u8.put(out);
                claim.put(out);
                certificate.put(out);
            }
            Self::Committed(block) => {
                6_u8.put(out);
                block.put(out);
            }
            Self::Stable(checkpoint) => {
                7_u8.put(out);
                checkpoint.put(out);
            }
            Self::Content { seq, proposal } => {
                8_u8.put(out);
                seq.put(out);
                proposal.put(out);
            }
            Self::Epoch(proof) => {
                9_u8.put(out);
                proof.put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        match u8::get(input)? {
            1 => Ok(Self::Base(Wire::get(input)?)),
            2 => Ok(Self::Signed(Wire::get(input)?)),
            3 => Ok(Self::Accepted(Wire::get(input)?)),
            4 => Ok(Self::NewView(Wire::get(input)?)),
            5 => Ok(Self::Prepared { claim: Wire::get(input)?, certificate: Wire::get(input)? }),
            6 => Ok(Self::Committed(Wire::get(input)?)),
            7 => Ok(Self::Stable(Wire::get(input)?)),
            8 => Ok(Self::Content { seq: Wire::get(input)?, proposal: Wire::get(input)? }),
            9 => Ok(Self::Epoch(Wire::get(input)?)),
            tag => Err(WireError::Tag { what: "record", tag }),
        }
    }
}
