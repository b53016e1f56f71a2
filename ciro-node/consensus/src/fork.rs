//! Proof of a fork: certificates that cannot both exist unless a third of the stake or more
//! misbehaved.

use crate::block::CommittedBlock;
use crate::certificate::CertificateError;
use crate::crypto::Scheme;
use crate::message::{MessageDomain, SignedNewView};
use crate::new_view::{Rules, select};
use crate::types::{Digest, Epoch, Seq, View};

/// A committed block and what contradicts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    /// The epoch of both.
    pub epoch: Epoch,
    /// The block that this replica saw committed.
    pub block: CommittedBlock,
    /// What contradicts it.
    pub against: Contradiction,
}

/// What contradicts a committed block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// Another block with Commits of a quorum at the same height.
    Block(CommittedBlock),
    /// A justified NewView of a later view that begins with something else at that height.
    ///
    /// Only a *later* view must remember the block: a block committed in the view itself or after
    /// it says nothing about what the NewView's quorum could have seen.
    NewView(SignedNewView),
}

/// Why a proof proves no fork.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForkProofError {
    /// The validators given are those of another epoch.
    #[error("proof of epoch {got} checked against the validators of epoch {expected}")]
    Epoch {
        /// The validators' epoch.
        expected: Epoch,
        /// The proof's epoch.
        got: Epoch,
    },
    /// A block is not committed.
    #[error("block {seq} is not committed")]
    Block {
        /// The block.
        seq: Seq,
        /// What is wrong with its certificate.
        source: CertificateError,
    },
    /// The NewView is not signed by the leader of its view.
    #[error("the NewView of view {0} is not signed by its leader")]
    Unsigned(View),
    /// The NewView does not follow from its ViewChanges.
    #[error("the NewView of view {0} does not follow from its ViewChanges")]
    Unjustified(View),
    /// The view is not later than the block's.
    #[error("view {view} is not later than view {committed_in}, in which the block was committed")]
    NotLater {
        /// The NewView's view.
        view: View,
        /// The view of the Commits.
        committed_in: View,
    },
    /// Both say the same about the block's height, or the NewView begins behind it.
    #[error("nothing contradicts block {0}")]
    Agreement(Seq),
}

impl ForkProof {
    /// Checks the proof against the validators of its epoch.
    ///
    /// # Errors
    ///
    /// [`ForkProofError`] naming the first condition that does not hold.
    pub fn verify<S: Scheme>(&self, rules: &Rules<'_, S>) -> Result<(), ForkProofError> {
        if self.epoch != rules.epoch {
            return Err(ForkProofError::Epoch { expected: rules.epoch, got: self.epoch });
        }
        let digest = verify_block(&self.block, rules)?;
        let seq = self.block.seq;
        let other = match &self.against {
            Contradiction::Block(other) if other.seq != seq => None,
            Contradiction::Block(other) => Some(verify_block(other, rules)?),
            Contradiction::NewView(signed) => self.verify_new_view(signed, rules)?,
        };
        if other.is_none_or(|other| other == digest) {
            return Err(ForkProofError::Agreement(seq));
        }
        Ok(())
    }

    /// Checks a NewView and returns what it begins with at the block's height.
    fn verify_new_view<S: Scheme>(
        &self,
        signed: &SignedNewView,
        rules: &Rules<'_, S>,
    ) -> Result<Option<Digest>, ForkProofError> {
        let (body, committed_in) = (&signed.new_view, self.block.view);
        let view = body.view;
        if view <= committed_in {
            return Err(ForkProofError::NotLater { view, committed_in });
        }
        let (chain, claims_depth) = (rules.chain, rules.params.claims_depth());
        let message = signed.clone().into_message();
        let statement = message.statement::<S>(&MessageDomain { chain, claims_depth });
        let hash = statement.hash::<S>(chain);
        let verified = rules.committee.verify(signed.leader, &hash, &signed.signature);
        if signed.epoch != rules.epoch || verified.is_err() {
            return Err(ForkProofError::Unsigned(view));
        }
        if !rules.is_justified(signed.leader, body, &mut &*rules) {
            return Err(ForkProofError::Unjustified(view));
        }
        let selection = select(body.view_changes.iter().map(|signed| &signed.summary));
        let start = selection.map_or(Seq::ZERO, |selection| selection.stable_seq);
        let index = self.block.seq.0.checked_sub(start.0).and_then(|offset| offset.checked_sub(1));
        let index = index.and_then(|index| usize::try_from(index).ok());
        Ok(index.and_then(|index| body.pre_prepares.get(index)).map(|(digest, _)| *digest))
    }
}

fn verify_block<S: Scheme>(
    block: &CommittedBlock,
    rules: &Rules<'_, S>,
) -> Result<Digest, ForkProofError> {
    let verified = block.verify(rules.chain, rules.epoch, rules.committee);
    verified.map_err(|source| ForkProofError::Block { seq: block.seq, source })
}
