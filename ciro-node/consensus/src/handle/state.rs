//! What others answered: it was asked for, and everything proves itself.

use std::sync::Arc;

use crate::block::{CommittedBlock, Proposal};
use crate::certificate::Committee;
use crate::crypto::Scheme;
use crate::drops::Dropped;
use crate::message::{BLOCKS_MAX, Fetch, State};
use crate::mutation::Mutation;
use crate::record::Record;
use crate::replica::{Replica, Target};
use crate::snapshot::{EpochProof, Snapshot, StableCheckpoint};
use crate::types::{Digest, Epoch, ReplicaId, Seq};

/// Resend intervals after which a way that does not go on is doubted: longer than an answer takes.
const TRAIL_TICKS: u64 = 16;

impl<S: Scheme> Replica<S> {
    /// Takes an answer of a peer that was asked for it; each question is answered once.
    pub(crate) fn on_state(&mut self, peer: ReplicaId, state: &State) -> Result<(), Dropped> {
        match state {
            State::Blocks(blocks) => {
                self.answered(peer, |fetch| state.answers(fetch));
                self.on_blocks(peer, blocks)
            }
            State::Proposal { seq, proposal } => {
                let (seq, digest) = (*seq, proposal.digest::<S>());
                if !self.answered(peer, |fetch| *fetch == Fetch::Proposal { seq, digest }) {
                    return Err(Dropped::Unproven);
                }
                self.on_content(seq, digest, proposal);
                Ok(())
            }
            State::NewView(signed) => {
                self.answered(peer, |fetch| state.answers(fetch));
                let message = signed.clone().into_message();
                if message.epoch == self.epoch() {
                    self.on_message(peer, Arc::new(message));
                }
                Ok(())
            }
            State::Checkpoint { proofs, checkpoint } => {
                self.answered(peer, |fetch| state.answers(fetch));
                self.on_proven_checkpoint(proofs, checkpoint)?;
                self.pursue(peer, checkpoint.epoch);
                Ok(())
            }
            State::Snapshot { proofs, checkpoint, snapshot } => {
                self.answered(peer, |fetch| state.answers(fetch));
                self.on_proven_checkpoint(proofs, checkpoint)?;
                self.on_snapshot(peer, snapshot)
            }
        }
    }

    /// Adopts committed blocks, and asks on while the sender has more.
    fn on_blocks(&mut self, peer: ReplicaId, blocks: &[CommittedBlock]) -> Result<(), Dropped> {
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
            let proven = match proven {
                Err(_) if self.genesis.mutations.has(Mutation::UnprovenBlocks) => {
                    Ok(block.proposal.digest::<S>())
                }
                proven => proven,
            };
            let Ok(digest) = proven else { return Err(Dropped::Unproven) };
            self.commit_block(digest, block.clone());
        }
        let next = self.next_uncommitted();
        if next > before && blocks.len() == BLOCKS_MAX {
            self.fetch(peer, Fetch::Blocks { from: next });
        }
        Ok(())
    }

    /// Returns the first block that is neither executed nor known to be committed.
    pub(crate) fn next_uncommitted(&self) -> Seq {
        let mut next = self.executed().next();
        while self.slots.get(&next).is_some_and(|slot| slot.committed.is_some()) {
            next = next.next();
        }
        next
    }

    /// Takes the content of a proposal that votes, a NewView or a claim named by digest.
    fn on_content(&mut self, seq: Seq, digest: Digest, proposal: &Arc<Proposal>) {
        if let Some(claimed @ None) = self.claimed.get_mut(&(seq, digest)) {
            *claimed = Some(Arc::clone(proposal));
            self.count_view_changes();
        }
        if self.missing(seq).contains(&digest) {
            let proposal = Arc::clone(proposal);
            self.append(Record::Content { seq, proposal: Arc::clone(&proposal) });
            self.slot(seq).contents.insert(digest, proposal);
            self.recount_in_flight();
            self.advance(seq);
        }
    }

    /// Returns the digests at `seq` whose contents are needed but not here: at most the assigned
    /// and the decided one.
    pub(crate) fn missing(&self, seq: Seq) -> Vec<Digest> {
        let Some(slot) = self.slots.get(&seq) else { return Vec::new() };
        let assigned = slot.assigned_in(self.view()).map(|assigned| assigned.digest);
        let decided = slot.commits.decided(self.validators(), self.view());
        let undecided = slot.committed.is_none();
        [decided.filter(|_| undecided), assigned]
            .into_iter()
            .flatten()
            .filter(|digest| !slot.contents.contains_key(digest))
            .collect()
    }

    /// Follows epoch proofs towards a stable checkpoint ahead of this replica, a page at a time.
    fn on_proven_checkpoint(
        &mut self,
        proofs: &[EpochProof],
        checkpoint: &StableCheckpoint,
    ) -> Result<(), Dropped> {
        for proof in proofs {
            let (epoch, committee) = self.proven_committee();
            if proof.checkpoint.epoch < epoch {
                continue;
            }
            if proof.checkpoint.epoch > epoch {
                return Err(Dropped::Unproven);
            }
            if !self.proves_epoch(&committee, proof) {
                self.doubt_trail();
                return Err(Dropped::Unproven);
            }
            self.trail_grew = self.timers.ticks;
            self.trail.push((Arc::new(proof.clone()), {
                Arc::new(committee.successor(Arc::clone(&proof.current)))
            }));
        }
        let (epoch, committee) = self.proven_committee();
        // Whoever knows a later epoch goes no way that may not lead there.
        let pinned = self.genesis.pin.map_or(Epoch::ZERO, |pin| pin.epoch);
        if epoch > self.epoch() && epoch < pinned {
            return Ok(());
        }
        let newest = self.target.as_ref().map_or(self.stable.seq, |it| it.checkpoint.seq);
        if checkpoint.seq <= newest.max(self.stable.seq) || checkpoint.epoch != epoch {
            return Ok(());
        }
        if !self.proves_checkpoint(&committee, checkpoint) {
            return Err(Dropped::Unproven);
        }
        if epoch == self.epoch() {
            self.make_stable(checkpoint.clone());
        } else {
            self.target = Some(Target { checkpoint: checkpoint.clone() });
        }
        Ok(())
    }

    /// Forgets a way on which nobody has led this replica on for a while: whoever waits for a pin
    /// may have begun with a false one, and one that is true goes on until the pin.
    fn doubt_trail(&mut self) {
        if self.awaits_pin() && self.timers.ticks > self.trail_grew.saturating_add(TRAIL_TICKS) {
            self.trail.clear();
        }
    }

    /// Returns the latest epoch whose validators are proven to this replica, and them.
    pub(crate) fn proven_committee(&self) -> (Epoch, Arc<Committee<S>>) {
        let proven = u64::try_from(self.trail.len()).unwrap_or(u64::MAX);
        let last = self.trail.last().map(|(_, committee)| committee);
        let committee = last.unwrap_or(&self.committees.current);
        (Epoch(self.epoch().0.saturating_add(proven)), Arc::clone(committee))
    }

    /// Checks that a quorum of `committee` certified who follows it.
    fn proves_epoch(&self, committee: &Committee<S>, proof: &EpochProof) -> bool {
        let EpochProof { checkpoint, roots, current, next } = proof;
        let before = match self.trail.last() {
            Some((last, _)) => last.roots.next,
            None => self.committees.next.set().digest::<S>(),
        };
        checkpoint.seq == self.params().epoch_end(checkpoint.epoch)
            && roots.current == before
            && roots.digest::<S>() == checkpoint.digest
            && roots.epoch == checkpoint.epoch.next()
            && roots.current == current.digest::<S>()
            && roots.next == next.digest::<S>()
            && self.genesis.pin.is_none_or(|pin| pin.admits_roots(roots))
            && self.proves_checkpoint(committee, checkpoint)
    }

    /// Takes the state behind a certified checkpoint that this replica has not reached itself.
    fn on_snapshot(&mut self, peer: ReplicaId, snapshot: &Arc<Snapshot>) -> Result<(), Dropped> {
        if self.installing.is_some() || snapshot.seq() <= self.executed() {
            return Err(Dropped::Known);
        }
        let stable = Some(&self.stable).filter(|_| self.stable_snapshot.is_none());
        let target = self.target.as_ref().map(|target| &target.checkpoint);
        // The number comes first: a state that nobody waits for is not hashed.
        let awaited = [target, stable].into_iter().flatten().find(|it| it.seq == snapshot.seq());
        let Some(checkpoint) = awaited.cloned() else { return Err(Dropped::Outside) };
        if checkpoint.digest != snapshot.digest::<S>()
            && !self.genesis.mutations.has(Mutation::UncomparedSnapshot)
        {
            return Err(Dropped::Unproven);
        }
        self.fetch_application_state(Arc::clone(snapshot), checkpoint, peer);
        Ok(())
    }
}
