//! Answers to replicas that missed something.

use std::sync::Arc;

use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::message::{BLOCKS_MAX, Body, EPOCHS_MAX, Fetch, State};
use crate::replica::{Phase, Replica};
use crate::snapshot::EpochProof;
use crate::types::{Epoch, ReplicaId, Seq};

/// Operations that one answer carries at most, over all its blocks; about 1 MB.
const OPERATIONS_MAX: usize = 16_384;

impl<S: Scheme> Replica<S> {
    /// Answers if anything is here to answer with and the asker's budget allows.
    pub(crate) fn on_fetch(&mut self, peer: ReplicaId, fetch: Fetch) -> Result<(), Dropped> {
        let answer = match fetch {
            Fetch::Blocks { from } => self.blocks(from),
            Fetch::Proposal { seq, digest } => self
                .slots
                .get(&seq)
                .and_then(|slot| slot.contents.get(&digest))
                .map(|proposal| State::Proposal { seq, proposal: Arc::clone(proposal) }),
            Fetch::NewView { view } => match &self.phase {
                Phase::Active(active) if self.view() == view => {
                    active.new_view.clone().map(State::NewView)
                }
                _ => None,
            },
            Fetch::Checkpoint { epoch } => self
                .proofs_since(epoch)
                .map(|proofs| State::Checkpoint { proofs, checkpoint: self.stable.clone() }),
            Fetch::Snapshot { epoch, from } => self.proven_snapshot(epoch, from),
        };
        let body = Body::State(Arc::new(answer.ok_or(Dropped::Outside)?));
        if let Some(message) = self.sign(body) {
            self.send_affordable(peer, message);
        }
        Ok(())
    }

    /// Returns committed blocks from `from` on, without gaps.
    fn blocks(&self, from: Seq) -> Option<State> {
        let mut operations = 0;
        let blocks = (from.0..)
            .map_while(|seq| self.slots.get(&Seq(seq))?.committed.as_ref())
            .map(|(_, block)| block.clone())
            .take(BLOCKS_MAX)
            .take_while(|block| {
                operations += block.proposal.operations.len();
                operations <= OPERATIONS_MAX
            });
        let blocks: Vec<_> = blocks.collect();
        (!blocks.is_empty()).then_some(State::Blocks(blocks))
    }

    /// Returns the stable checkpoint and its state, if it is late enough to be of use.
    fn proven_snapshot(&self, epoch: Epoch, from: Seq) -> Option<State> {
        let snapshot = self.stable_snapshot.clone().filter(|_| self.stable.seq >= from)?;
        let proofs = self.proofs_since(epoch)?;
        Some(State::Snapshot { proofs, checkpoint: self.stable.clone(), snapshot })
    }

    /// Returns the first page of what proves the stable checkpoint's validators to someone who
    /// knows those of `epoch`.
    ///
    /// Whoever needs more than a page asks again from where the page ends.
    fn proofs_since(&self, epoch: Epoch) -> Option<Vec<EpochProof>> {
        let signed_in = self.stable.epoch;
        if epoch > signed_in || self.stable.seq == Seq::ZERO {
            return None;
        }
        let page = (epoch.0..signed_in.0).take(EPOCHS_MAX);
        page.map(|epoch| self.proofs.get(&Epoch(epoch)).map(|proof| (**proof).clone())).collect()
    }
}
