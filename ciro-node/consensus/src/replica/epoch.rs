//! Stable checkpoints, garbage collection and the change of epochs (PBFT §4.3).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ActiveView, Phase, Replica};
use crate::certificate::{Certificate, Committee};
use crate::crypto::Scheme;
use crate::io::{Effect, Fault, Timer};
use crate::mutation::Mutation;
use crate::record::Record;
use crate::snapshot::{EpochProof, StableCheckpoint};
use crate::stake::Tally;
use crate::statement::{Kind, Statement};
use crate::types::{Digest, Epoch, Seq, View};

impl<S: Scheme> Replica<S> {
    /// Makes a checkpoint stable once a quorum voted for one state.
    pub(crate) fn count_checkpoint(&mut self, seq: Seq) {
        let set = self.committees.current.set();
        let Some(votes) = self.checkpoints.get(&seq) else { return };
        let mut tallies = BTreeMap::new();
        for (sender, ballot) in &votes.votes {
            set.add(tallies.entry(ballot.digest).or_default(), *sender);
        }
        let weak = self.genesis.mutations.has(Mutation::WeakCheckpoints);
        let enough = |tally: &Tally| set.is_quorum(tally) || (weak && set.is_weak_quorum(tally));
        let decided = tallies.into_iter().find(|(_, tally)| enough(tally));
        let Some((digest, _)) = decided else { return };
        let matching = votes.votes.iter().filter(|(_, ballot)| ballot.digest == digest);
        let signatures = matching.map(|(sender, ballot)| (*sender, &ballot.signature));
        if let Some(certificate) = Certificate::gather(signatures, set, enough) {
            self.make_stable(StableCheckpoint { epoch: self.epoch, seq, digest, certificate });
        }
    }

    /// Adopts a certified checkpoint of the current epoch.
    pub(crate) fn make_stable(&mut self, checkpoint: StableCheckpoint) {
        let StableCheckpoint { seq, digest, .. } = checkpoint;
        if seq <= self.stable.seq || self.awaits_pin() {
            return;
        }
        let snapshot = self.checkpoints.get(&seq).and_then(|votes| votes.snapshot.clone());
        if let Some(snapshot) = &snapshot {
            let ours = snapshot.digest::<S>();
            if ours != digest {
                return self.halt(Fault::StateDivergence { seq, ours, certified: digest });
            }
        }
        self.stable = checkpoint;
        self.stable_snapshot = snapshot;
        self.collect_garbage();
        if self.stable_snapshot.is_none() {
            self.append(Record::Stable(self.stable.clone()));
        }
        self.finish_checkpoint();
    }

    /// Drops what the stable checkpoint makes superfluous.
    ///
    /// Blocks stay until they are executed, and committed ones for one interval more: whoever
    /// missed a message or two catches up by blocks instead of the application's whole state.
    pub(crate) fn collect_garbage(&mut self) {
        let (stable, executed) = (self.stable.seq, self.tip.seq());
        let oldest = Seq(stable.0.saturating_sub(self.params().window()));
        let served = self.served_from(stable);
        self.slots.retain(|seq, slot| {
            let unexecuted = *seq > executed && *seq > oldest;
            *seq > stable || unexecuted || (*seq > served && slot.committed.is_some())
        });
        self.checkpoints.retain(|seq, _| *seq > stable);
        let asked_from = self.asked_from();
        self.proven.retain(|(seq, _, _), _| *seq > asked_from);
        self.target.take_if(|target| target.checkpoint.seq <= stable);
    }

    /// Goes on after the stable checkpoint moved: the next epoch, a shorter log, messages that now
    /// fit.
    pub(crate) fn finish_checkpoint(&mut self) {
        let ends = self.stable.seq == self.params().epoch_end(self.epoch);
        if ends && self.stable_snapshot.is_some() {
            self.enter_next_epoch();
        }
        self.compact();
        self.unstash();
        self.adopt_target();
    }

    /// Takes over a certified checkpoint that lay beyond the epoch and now lies in it.
    ///
    /// The state that was asked for with it may be superfluous, because execution got there first;
    /// then nothing else would ever make it stable here, as answers that are not newer are dropped.
    fn adopt_target(&mut self) {
        let epoch = self.epoch;
        if let Some(target) = self.target.take_if(|target| target.checkpoint.epoch == epoch) {
            self.make_stable(target.checkpoint);
        }
    }

    fn enter_next_epoch(&mut self) {
        let snapshot = &self.tip;
        // The tip's epoch has begun. Who votes in it was said when the epoch before began, by those
        // whom this replica followed then.
        let (said, ours) =
            (self.committees.next.set().digest::<S>(), snapshot.current.digest::<S>());
        if said != ours {
            return self.halt(Fault::Validators { epoch: snapshot.epoch, ours, said });
        }
        let sets = [(snapshot.epoch, &snapshot.current), (snapshot.epoch.next(), &snapshot.next)];
        if let Some(pin) = self.genesis.pin {
            let found = sets.map(|(epoch, set)| (epoch, set.digest::<S>()));
            let other = found.into_iter().find(|(epoch, ours)| !pin.admits(*epoch, *ours));
            if let Some((epoch, ours)) = other {
                return self.halt(Fault::Pinned { epoch, ours, pinned: pin.validators });
            }
        }
        let proof = Arc::new(EpochProof {
            checkpoint: self.stable.clone(),
            roots: snapshot.roots::<S>(),
            current: Arc::clone(&snapshot.current),
            next: Arc::clone(&snapshot.next),
        });
        let after = self.committees.next.successor(Arc::clone(&snapshot.next));
        let current = std::mem::replace(&mut self.committees.next, Arc::new(after));
        self.committees.previous = Some(std::mem::replace(&mut self.committees.current, current));
        self.trail.drain(..self.trail.len().min(1));
        self.keep_proof(proof);
        self.start_epoch(self.epoch.next(), self.stable.digest);
    }

    /// Returns the block up to which committed blocks are no longer kept for others.
    const fn served_from(&self, stable: Seq) -> Seq {
        Seq(stable.0.saturating_sub(self.params().checkpoint_interval))
    }

    /// Begins an epoch in view 0, with nothing left of the one before but blocks for those who lag
    /// behind.
    fn start_epoch(&mut self, epoch: Epoch, start: Digest) {
        self.epoch = epoch;
        self.epoch_start = start;
        self.view = View::ZERO;
        self.phase = self.first_view();
        self.view_changes.clear();
        let served = self.served_from(self.params().epoch_start(epoch));
        self.slots.retain(|seq, slot| *seq > served && slot.committed.is_some());
        self.checkpoints.clear();
        self.proven.clear();
        self.claimed.clear();
        self.heard.clear();
        self.in_flight.clear();
        self.evidence.retain(|(fault, ..), _| fault.next() >= epoch);
        self.cancel_timer(Timer::NewView);
        self.stop_watching();
        self.reset_backoff();
    }

    /// Returns the phase in which every epoch begins: view 0 is active without a NewView.
    pub(crate) fn first_view(&self) -> Phase {
        let start = self.params().epoch_start(self.epoch);
        let first_interval = self.params().interval_of(start.next());
        Phase::Active(ActiveView { first_interval, settled: start, new_view: None })
    }

    /// Keeps the proof of an epoch's end for ever: who joins years later must find the way.
    fn keep_proof(&mut self, proof: Arc<EpochProof>) {
        self.effects.push(Effect::KeepProof(Arc::clone(&proof)));
        self.proofs.insert(proof.checkpoint.epoch, proof);
    }

    /// Moves to the epoch of a certified checkpoint that lies beyond the current one; false if the
    /// trail ends before.
    pub(crate) fn jump_to(&mut self, checkpoint: &StableCheckpoint) -> bool {
        let epochs = usize::try_from(checkpoint.epoch.0 - self.epoch.0).unwrap_or(usize::MAX);
        if epochs > self.trail.len() {
            return false;
        }
        self.target.take_if(|target| target.checkpoint.seq <= checkpoint.seq);
        // What lies beyond stays: a later target may have come while this state was fetched.
        let passed: Vec<_> = self.trail.drain(..epochs).collect();
        let Some((last, current)) = passed.last() else { return false };
        let previous = match passed.len().checked_sub(2).and_then(|index| passed.get(index)) {
            Some((_, previous)) => Arc::clone(previous),
            None => Arc::clone(&self.committees.current),
        };
        // What follows is said by those who voted in the epoch before: the state says it again.
        self.committees.next = Arc::new(current.successor(Arc::clone(&last.next)));
        self.committees.current = Arc::clone(current);
        self.committees.previous = Some(previous);
        let start = last.checkpoint.digest;
        for (proof, _) in passed {
            self.keep_proof(proof);
        }
        self.start_epoch(checkpoint.epoch, start);
        true
    }

    /// Checks a checkpoint's certificate against the validators of its epoch.
    pub(crate) fn proves_checkpoint(
        &self,
        committee: &Committee<S>,
        checkpoint: &StableCheckpoint,
    ) -> bool {
        let StableCheckpoint { epoch, seq, digest, .. } = *checkpoint;
        let in_epoch = self.params().is_checkpoint(seq) && self.params().epoch_of(seq) == epoch;
        let hash = self.checkpoint_hash(epoch, seq, digest);
        in_epoch
            && (committee.verify_certificate(&hash, &checkpoint.certificate).is_ok()
                || self.genesis.mutations.has(Mutation::UnprovenCheckpoints))
    }

    /// Returns the hash that a Checkpoint signs.
    pub(crate) fn checkpoint_hash(&self, epoch: Epoch, seq: Seq, digest: Digest) -> Digest {
        let statement = Statement { epoch, kind: Kind::Checkpoint, view: View::ZERO, seq, digest };
        statement.hash::<S>(self.genesis.chain)
    }
}
