//! Execution in order, checkpoints of the result, and installing a certified state.

use std::sync::Arc;

use super::Replica;
use crate::block::{Content, Proposal};
use crate::crypto::Scheme;
use crate::io::{Block, Effect, Fault, StateRequest};
use crate::message::{Body, CheckpointVote};
use crate::slot::Ballot;
use crate::snapshot::{Effective, Executed, Snapshot, StableCheckpoint};
use crate::stake::StakeChange;
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};

/// Replicas that a state may be fetched from at most.
const SOURCES_MAX: usize = 8;

/// The block that the application is executing.
#[derive(Clone, Debug)]
pub(crate) struct Executing {
    seq: Seq,
    proposal: Arc<Proposal>,
    content: Content,
    effective: Effective,
    /// The digest of what is executed.
    executed: Digest,
}

/// A certified state that the application is fetching.
#[derive(Clone, Debug)]
pub(crate) struct Installing {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) checkpoint: StableCheckpoint,
    /// The resend interval in which it was asked for.
    pub(crate) since: u64,
}

impl<S: Scheme> Replica<S> {
    /// Hands the next committed block to the application, one at a time and in order.
    pub(crate) fn execute_next(&mut self) {
        let seq = self.tip.seq().next();
        if self.executing.is_some() || self.awaits_pin() {
            return;
        }
        let Some(slot) = self.slots.get(&seq) else { return };
        let Some((digest, block)) = &slot.committed else { return };
        let (digest, proposal) = (*digest, Arc::clone(&block.proposal));
        let known = slot.roots.filter(|(known, _)| *known == digest);
        let content = known.map_or_else(|| proposal.content::<S>(), |(_, content)| content);
        let effective = self.tip.effective(self.params(), &proposal);
        let executed = effective.digest::<S>(&content);
        if !effective.operations.is_empty() {
            self.reset_backoff();
        }
        self.effects.push(Effect::Execute(Box::new(Block {
            seq,
            view: proposal.view,
            digest,
            operations: effective.operations.clone(),
            punish: effective.punish.clone(),
            executed,
        })));
        self.executing = Some(Executing { seq, proposal, content, effective, executed });
    }

    pub(crate) fn on_executed(&mut self, seq: Seq, state_root: Digest, changes: &[StakeChange]) {
        let Some(block) = self.executing.take_if(|block| block.seq == seq) else { return };
        let Executing { proposal, content, effective, executed: digest, .. } = block;
        let executed = Executed { content, effective: &effective, digest, state_root, changes };
        let refused = self.tip.advance::<S>(&self.genesis.params, &executed);
        if !refused.is_empty() {
            self.effects.push(Effect::StakeRefused { seq, changes: refused });
        }
        if seq == self.params().epoch_end(Epoch(self.tip.epoch.0.saturating_sub(1))) {
            let (epoch, set) = (self.tip.epoch.next(), Arc::clone(&self.tip.next));
            self.effects.push(Effect::Validators { epoch, set });
        }
        // Whoever can execute its way needs nobody's state.
        self.installing.take_if(|installing| installing.checkpoint.seq <= seq);
        for operation in &proposal.operations {
            if let Some(last) = self.tip.clients.get(&operation.client).copied() {
                self.pending.executed(operation.client, last);
            }
        }
        self.pending.expire(seq);
        if self.tip.clients.len() >= self.params().clients {
            let clients = &self.tip.clients;
            self.pending.retain_clients(|client| clients.contains_key(&client));
        }
        self.evidence.retain(|key, _| !self.tip.punished.contains(key));
        self.recount_in_flight();
        if self.params().is_checkpoint(seq) {
            self.take_checkpoint(seq);
        }
    }

    /// Votes for the state after block `seq` (PBFT §4.3).
    fn take_checkpoint(&mut self, seq: Seq) {
        let digest = self.tip.digest::<S>();
        if seq <= self.stable.seq {
            self.reach_stable(digest);
            return;
        }
        let snapshot = Arc::new(self.tip.clone());
        let votes = self.checkpoints.entry(seq).or_default();
        votes.snapshot = Some(snapshot);
        // After a restart the block is executed again, but what was said stays said.
        let said = votes.own.as_ref().map(|message| message.body.clone());
        match said {
            Some(Body::Checkpoint(vote)) if vote.digest != digest => {
                self.halt(Fault::StateDivergence { seq, ours: digest, certified: vote.digest });
            }
            Some(_) => {}
            None => {
                let Some(message) = self.say(Body::Checkpoint(CheckpointVote { seq, digest }))
                else {
                    return self.count_checkpoint(seq);
                };
                let ballot = Ballot { view: View::ZERO, digest, signature: message.signature };
                let votes = self.checkpoints.entry(seq).or_default();
                votes.votes.insert(self.identity.id, ballot);
                votes.own = Some(message);
            }
        }
        self.count_checkpoint(seq);
    }

    /// Compares the state with the stable checkpoint that was known before it.
    fn reach_stable(&mut self, digest: Digest) {
        let seq = self.tip.seq();
        if seq < self.stable.seq {
            return;
        }
        if digest != self.stable.digest {
            let certified = self.stable.digest;
            return self.halt(Fault::StateDivergence { seq, ours: digest, certified });
        }
        self.stable_snapshot = Some(Arc::new(self.tip.clone()));
        self.collect_garbage();
        self.finish_checkpoint();
    }

    /// Asks the application for a certified state, and goes on meanwhile: whoever serves it badly
    /// delays nothing.
    pub(crate) fn fetch_application_state(
        &mut self,
        snapshot: Arc<Snapshot>,
        checkpoint: StableCheckpoint,
        from: ReplicaId,
    ) {
        let (seq, state_root, since) = (checkpoint.seq, snapshot.state_root, self.timers.ticks);
        // Members first; observers take the places that they leave.
        let others = self.positions().chain(self.observer_positions());
        let others = others.filter(|(id, it)| *id != from && it.status.stable >= seq);
        let others = others.map(|(id, _)| id).take(SOURCES_MAX - 1);
        let sources = std::iter::once(from).chain(others).collect();
        let epochs = self.trail.iter().map(|(proof, _)| (proof.checkpoint.seq, proof.roots.header));
        let last = snapshot.header.map(|header| (seq, header.digest::<S>()));
        let headers = epochs.filter(|(end, _)| *end < seq).chain(last).collect();
        self.installing = Some(Installing { snapshot, checkpoint, since });
        let request = StateRequest { seq, state_root, headers, sources };
        self.effects.push(Effect::FetchState(request));
    }

    pub(crate) fn on_state_unavailable(&mut self, seq: Seq) {
        self.installing.take_if(|installing| installing.checkpoint.seq == seq);
    }

    /// Takes the validators after those of the epoch from a state that they certified: until now
    /// they were what the epoch before has said.
    fn follow_snapshot(&mut self) {
        let ends = self.tip.epoch > self.epoch;
        let next = if ends { &self.tip.current } else { &self.tip.next };
        if self.committees.next.set().digest::<S>() != next.digest::<S>() {
            let next = self.committees.current.successor(Arc::clone(next));
            self.committees.next = Arc::new(next);
        }
    }

    /// Adopts a certified state together with the application, which already holds it, unless it is
    /// of no use any more.
    pub(crate) fn on_state_fetched(&mut self, seq: Seq) {
        let Some(installed) = self.installing.take_if(|it| it.checkpoint.seq == seq) else {
            return;
        };
        if seq <= self.tip.seq() {
            return;
        }
        if installed.checkpoint.epoch > self.epoch && !self.jump_to(&installed.checkpoint) {
            return;
        }
        self.executing = None;
        self.tip = Snapshot::clone(&installed.snapshot);
        self.follow_snapshot();
        let state_root = self.tip.state_root;
        self.effects.push(Effect::RestoreState { seq, state_root });
        for (client, last) in self.tip.clients.clone() {
            self.pending.executed(client, last);
        }
        self.pending.expire(self.tip.seq());
        // While the state was fetched, a later checkpoint may have become stable. The watermark
        // never goes back: what this replica signed above it would be forgotten.
        if installed.checkpoint.seq >= self.stable.seq {
            self.stable = installed.checkpoint;
            self.stable_snapshot = Some(installed.snapshot);
        }
        self.collect_garbage();
        self.recount_in_flight();
        self.finish_checkpoint();
    }
}
