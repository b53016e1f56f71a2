//! What others answered: everything proves itself.

use std::sync::Arc;

use crate::block::{CommittedBlock, Proposal};
use crate::certificate::Committee;
use crate::crypto::Scheme;
use crate::message::{BLOCKS_MAX, Body, Fetch, State};
use crate::replica::{Replica, Target};
use crate::snapshot::{EpochProof, Snapshot, StableCheckpoint};
use crate::types::{ReplicaId, Seq};

impl<S: Scheme> Replica<S> {
    pub(crate) fn on_state(&mut self, sender: ReplicaId, state: &State) {
        match state {
            State::Blocks(blocks) => self.on_blocks(sender, blocks),
            State::Proposal { seq, proposal } => self.on_content(*seq, proposal),
            State::NewView(signed) => {
                let message = signed.clone().into_message();
                if message.epoch == self.epoch() {
                    self.on_message(Arc::new(message));
                }
            }
            State::Checkpoint { proofs, checkpoint } => {
                self.on_proven_checkpoint(proofs, checkpoint);
                self.pursue(sender);
            }
            State::Snapshot { proofs, checkpoint, snapshot } => {
                self.on_proven_checkpoint(proofs, checkpoint);
                self.on_snapshot(sender, snapshot);
            }
        }
    }

    /// Adopts committed blocks, and asks on while the sender has more.
    fn on_blocks(&mut self, sender: ReplicaId, blocks: &[CommittedBlock]) {
        let before = self.next_uncommitted();
        for block in blocks {
            let params = self.params();
            let useful = block.seq > self.executed()
                && block.seq <= self.stable.seq.plus(2 * params.window())
                && params.epoch_of(block.seq) == self.epoch()
                && self.slots.get(&block.seq).is_none_or(|slot| slot.committed.is_none());
            if !useful {
                continue;
            }
            let proven = block.verify(self.genesis.chain, self.epoch(), &self.committees.current);
            let Ok(digest) = proven else { return };
            self.commit_block(digest, block.clone());
        }
        let next = self.next_uncommitted();
        if next > before && blocks.len() == BLOCKS_MAX {
            self.tell(sender, Body::Fetch(Fetch::Blocks { from: next }));
        }
    }

    /// Returns the first block that is neither executed nor known to be committed.
    pub(crate) fn next_uncommitted(&self) -> Seq {
        let mut next = self.executed().next();
        while self.slots.get(&next).is_some_and(|slot| slot.committed.is_some()) {
            next = next.next();
        }
        next
    }

    /// Takes the content of a proposal that votes or a NewView named by digest.
    fn on_content(&mut self, seq: Seq, proposal: &Arc<Proposal>) {
        let digest = proposal.digest::<S>();
        if self.missing(seq) == Some(digest) {
            let proposal = Arc::clone(proposal);
            self.append(crate::record::Record::Content { seq, proposal: Arc::clone(&proposal) });
            self.slot(seq).contents.insert(digest, proposal);
            self.recount_in_flight();
            self.advance(seq);
        }
    }

    /// Returns the digest at `seq` whose content is needed but not here.
    pub(crate) fn missing(&self, seq: Seq) -> Option<crate::types::Digest> {
        let slot = self.slots.get(&seq)?;
        let assigned = slot.assigned_in(self.view()).map(|assigned| assigned.digest);
        let decided = slot.commits.decided(self.validators(), self.view());
        let undecided = slot.committed.is_none();
        [decided.filter(|_| undecided), assigned]
            .into_iter()
            .flatten()
            .find(|digest| !slot.contents.contains_key(digest))
    }

    /// Follows a chain of epoch proofs to a stable checkpoint ahead of this replica.
    fn on_proven_checkpoint(&mut self, proofs: &[EpochProof], checkpoint: &StableCheckpoint) {
        if checkpoint.seq <= self.stable.seq || checkpoint.epoch < self.epoch() {
            return;
        }
        let mut committee = Arc::clone(&self.committees.current);
        let mut epoch = self.epoch();
        let mut used = Vec::new();
        for proof in proofs.iter().filter(|proof| proof.checkpoint.epoch >= self.epoch()) {
            if proof.checkpoint.epoch != epoch || !self.proves_epoch(&committee, proof) {
                return;
            }
            epoch = epoch.next();
            committee = Arc::new(committee.successor(Arc::clone(&proof.current)));
            used.push(proof.clone());
        }
        if checkpoint.epoch != epoch || !self.proves_checkpoint(&committee, checkpoint) {
            return;
        }
        if epoch == self.epoch() {
            self.make_stable(checkpoint.clone());
        } else if self.target.as_ref().is_none_or(|target| target.checkpoint.seq < checkpoint.seq) {
            self.target = Some(Target { checkpoint: checkpoint.clone(), proofs: used });
        }
    }

    /// Checks that a quorum of `committee` certified who follows it.
    fn proves_epoch(&self, committee: &Committee<S>, proof: &EpochProof) -> bool {
        let EpochProof { checkpoint, roots, current, next } = proof;
        checkpoint.seq == self.params().epoch_end(checkpoint.epoch)
            && roots.digest::<S>() == checkpoint.digest
            && roots.epoch == checkpoint.epoch.next()
            && roots.current == current.digest::<S>()
            && roots.next == next.digest::<S>()
            && self.proves_checkpoint(committee, checkpoint)
    }

    /// Takes the state behind a certified checkpoint that this replica has not reached itself.
    fn on_snapshot(&mut self, sender: ReplicaId, snapshot: &Arc<Snapshot>) {
        if self.installing.is_some() || snapshot.seq() <= self.executed() {
            return;
        }
        let stable = Some(&self.stable).filter(|_| self.stable_snapshot.is_none());
        let target = self.target.as_ref().map(|target| &target.checkpoint);
        let digest = snapshot.digest::<S>();
        let certified = [target, stable]
            .into_iter()
            .flatten()
            .find(|checkpoint| (checkpoint.seq, checkpoint.digest) == (snapshot.seq(), digest));
        if let Some(checkpoint) = certified.cloned() {
            self.fetch_application_state(Arc::clone(snapshot), checkpoint, sender);
        }
    }
}
