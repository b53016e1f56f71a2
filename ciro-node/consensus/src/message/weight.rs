//! How much a message weighs in memory, without encoding it.

use super::{Body, Message, NewView, State, Summary, ViewChange};
use crate::block::{CommittedBlock, Proposal};
use crate::certificate::Certificate;
use crate::evidence::EVIDENCE_BYTES_MAX;
use crate::snapshot::{EpochProof, Snapshot};
use crate::stake::ValidatorSet;

/// Bytes of a message besides its lists, rounded up.
const MESSAGE: usize = 256;
/// Bytes of an operation: client, position and payload.
const OPERATION: usize = 48;
/// Bytes of a claim: number, view and digest.
const CLAIM: usize = 48;
/// Bytes of one signature in a certificate, with its signer.
const SIGNATURE: usize = 68;
/// Bytes of a digest and a signature.
const SIGNED_DIGEST: usize = 96;
/// Bytes of a validator.
const VALIDATOR: usize = 48;
/// Bytes of a client's last operation.
const CLIENT: usize = 16;

impl Message {
    /// Returns about how many bytes the message takes in memory, which is about the length of its
    /// encoding.
    #[must_use]
    pub fn weight(&self) -> usize {
        MESSAGE
            + match &self.body {
                Body::PrePrepare(body) => body.proposal.weight(),
                Body::ViewChange(body) => body.weight(),
                Body::NewView(body) => body.weight(),
                Body::State(state) => state.weight(),
                Body::Prepare(_)
                | Body::Commit(_)
                | Body::Checkpoint(_)
                | Body::Fetch(_)
                | Body::Status(_) => 0,
            }
    }
}

impl Proposal {
    /// Returns about how many bytes the proposal takes in memory.
    #[must_use]
    pub const fn weight(&self) -> usize {
        proposal_weight(self.operations.len(), self.evidence.len())
    }
}

/// Returns about how many bytes a proposal takes in memory.
pub(crate) const fn proposal_weight(operations: usize, evidence: usize) -> usize {
    OPERATION * operations + EVIDENCE_BYTES_MAX * evidence
}

impl Summary {
    const fn weight(&self) -> usize {
        MESSAGE + CLAIM * self.claims.len()
    }
}

impl ViewChange {
    fn weight(&self) -> usize {
        let certificates = self.checkpoint.iter().chain(&self.prepared);
        self.summary.weight() + certificates.map(certificate).sum::<usize>()
    }
}

impl NewView {
    fn weight(&self) -> usize {
        let certificates = self.checkpoint.iter().chain(&self.prepared);
        let summaries = self.view_changes.iter().map(|signed| signed.summary.weight());
        summaries.sum::<usize>()
            + certificates.map(certificate).sum::<usize>()
            + SIGNED_DIGEST * self.pre_prepares.len()
    }
}

impl State {
    fn weight(&self) -> usize {
        match self {
            Self::Blocks(blocks) => blocks.iter().map(block).sum(),
            Self::Proposal { proposal, .. } => proposal.weight(),
            Self::NewView(signed) => signed.new_view.weight(),
            Self::Checkpoint { proofs, checkpoint } => {
                proofs.iter().map(epoch).sum::<usize>() + certificate(&checkpoint.certificate)
            }
            Self::Snapshot { proofs, checkpoint, snapshot } => {
                proofs.iter().map(epoch).sum::<usize>()
                    + certificate(&checkpoint.certificate)
                    + state(snapshot)
            }
        }
    }
}

fn certificate(certificate: &Certificate) -> usize {
    SIGNATURE * certificate.signatures().len()
}

fn block(block: &CommittedBlock) -> usize {
    MESSAGE + block.proposal.weight() + certificate(&block.certificate)
}

fn epoch(proof: &EpochProof) -> usize {
    MESSAGE
        + certificate(&proof.checkpoint.certificate)
        + validators(&proof.current)
        + validators(&proof.next)
}

fn state(snapshot: &Snapshot) -> usize {
    MESSAGE
        + CLIENT * (snapshot.clients.len() + snapshot.punished.len())
        + VALIDATOR * snapshot.changes.len()
        + validators(&snapshot.current)
        + validators(&snapshot.next)
}

fn validators(set: &ValidatorSet) -> usize {
    VALIDATOR * set.len()
}
