//! Status and re-sending (Castro's thesis, §5.2).
//!
//! Nothing is acknowledged. Every replica tells its position at each resend interval; small protocol messages that the
//! teller lacks are pushed to it, large things it pulls from one replica at a time.

use std::sync::Arc;

use crate::crypto::Scheme;
use crate::io::{Effect, Timer};
use crate::message::{Body, Fetch, Message, PrePrepare, Status};
use crate::mutation::Mutation;
use crate::replica::{Peer, Phase, Replica};
use crate::slot::Origin;
use crate::types::{Epoch, ReplicaId, Seq};

/// Answers that one replica gets within a resend interval.
const ANSWERS_PER_INTERVAL: u32 = 64;
/// Blocks whose messages are pushed at once.
const PUSHED_BLOCKS: usize = 16;
/// Resend intervals for which a replica that is a little behind waits for blocks before it wants the whole state.
const PATIENT_TICKS: u32 = 2;
/// How many replicas pass on another's PrePrepare to one that lacks it.
const RELAYS: usize = 4;

impl<S: Scheme> Replica<S> {
    /// Tells this replica's position, repeats its ViewChange, and asks for what it lacks.
    pub(crate) fn resend(&mut self) {
        self.timers.ticks += 1;
        self.set_timer(Timer::Resend, self.params().resend_interval);
        for peer in self.peers.values_mut() {
            peer.budget = ANSWERS_PER_INTERVAL;
        }
        let status = Body::Status(Status {
            view: self.view(),
            active: self.is_active(),
            stable: self.stable.seq,
            executed: self.executed(),
        });
        if let Some(message) = self.sign(status) {
            self.effects.push(Effect::Broadcast { message });
        }
        // PBFT §4.5.2 assumes that a ViewChange arrives; over lossy links it must be repeated, see Fabric 1917.
        if let Phase::Changing(Some(own)) = &self.phase
            && !self.genesis.mutations.has(Mutation::LostViewChange)
        {
            self.effects.push(Effect::Broadcast { message: Arc::clone(own) });
        }
        self.ask();
    }

    pub(crate) fn on_status(&mut self, sender: ReplicaId, epoch: Epoch, status: Status) {
        let budget = self.peers.get(&sender).map_or(ANSWERS_PER_INTERVAL, |peer| peer.budget);
        self.peers.insert(sender, Peer { epoch, status, budget });
        if epoch == self.epoch() && self.spend(sender) {
            self.push_votes(sender, &status);
        }
        // Whoever is out of everyone's window must not wait for the next interval.
        let out_of_reach = epoch > self.epoch() || status.stable >= self.high_watermark();
        if out_of_reach && self.asked_at + self.params().resend_interval / 4 <= self.now {
            self.ask();
        }
    }

    /// Takes one answer off a replica's budget; false when it is used up.
    pub(crate) fn spend(&mut self, sender: ReplicaId) -> bool {
        let Some(peer) = self.peers.get_mut(&sender) else { return true };
        let left = peer.budget > 0;
        peer.budget = peer.budget.saturating_sub(1);
        left
    }

    /// Sends a replica of the same epoch the messages it seems to lack, if they are not still on their way.
    fn push_votes(&mut self, to: ReplicaId, status: &Status) {
        let patience = self.params().resend_interval;
        let mut messages: Vec<Arc<Message>> = Vec::new();
        if status.active && self.is_active() && status.view == self.view() {
            let behind = self.slots.range(status.executed.next()..).take(PUSHED_BLOCKS);
            for (seq, slot) in behind.filter(|(_, slot)| slot.touched + patience <= self.now) {
                messages.extend(slot.own.values().cloned());
                messages.extend(self.relay(to, *seq));
            }
        }
        let unstable = self.checkpoints.range(status.stable.next()..);
        messages.extend(unstable.filter_map(|(_, votes)| votes.own.clone()));
        for message in messages {
            self.effects.push(Effect::Send { to, message });
        }
    }

    /// Returns another primary's PrePrepare for passing on, if it is this replica's turn to do so.
    fn relay(&self, to: ReplicaId, seq: Seq) -> Option<Arc<Message>> {
        let slot = self.slots.get(&seq)?;
        let assigned = slot.assigned_in(self.view())?;
        let Origin::Proposed { proposer, signature } = assigned.origin else { return None };
        let turn = u64::from(self.id().0) + u64::from(to.0) + self.timers.ticks;
        let turns = u64::try_from(self.validators().len().div_ceil(RELAYS)).unwrap_or(1);
        if proposer == self.id() || proposer == to || !turn.is_multiple_of(turns) {
            return None;
        }
        let (view, digest) = (assigned.view, assigned.digest);
        let proposal = Arc::clone(slot.contents.get(&digest)?);
        let body = Body::PrePrepare(PrePrepare { view, seq, digest, proposal });
        Some(Arc::new(Message { sender: proposer, epoch: self.epoch(), signature, body }))
    }

    /// Asks a replica that proved to be ahead for the way there.
    pub(crate) fn pursue(&mut self, ahead: ReplicaId) {
        let (epoch, next) = (self.epoch(), self.next_uncommitted());
        let target = self.target.as_ref().map(|target| target.checkpoint.seq);
        let far = next.plus(self.params().checkpoint_interval) <= self.stable.seq;
        if self.installing.is_some() {
            return;
        }
        if let Some(from) = target.or_else(|| far.then_some(self.stable.seq)) {
            self.tell(ahead, Body::Fetch(Fetch::Snapshot { epoch, from }));
        } else if next <= self.stable.seq {
            self.tell(ahead, Body::Fetch(Fetch::Blocks { from: next }));
        }
    }

    /// Asks one other replica, in turns, for each thing this one lacks.
    fn ask(&mut self) {
        self.asked_at = self.now;
        let epoch = self.epoch();
        let (view, active, stable) = (self.view(), self.is_active(), self.stable.seq);
        let further = |peer: &Peer| peer.epoch > epoch || peer.status.stable > stable;
        self.ask_one(further, Fetch::Checkpoint { epoch });
        if let Some(from) = self.wanted_snapshot() {
            let holds = |peer: &Peer| peer.status.stable >= from;
            self.ask_one(holds, Fetch::Snapshot { epoch, from });
        }
        let from = self.next_uncommitted();
        self.ask_one(|peer| peer.status.executed >= from, Fetch::Blocks { from });
        let begun = |peer: &&Peer| peer.epoch == epoch && peer.status.active;
        let begun = self.peers.values().filter(begun).map(|peer| peer.status.view);
        let ahead = begun.filter(|begun| *begun > view || (*begun == view && !active)).max();
        if let Some(view) = ahead {
            let knows = |peer: &Peer| peer.status.active && peer.status.view == view;
            self.ask_one(knows, Fetch::NewView { view });
        }
        let missing: Vec<Fetch> = self
            .slots
            .range(stable.next()..)
            .filter_map(|(seq, _)| Some(Fetch::Proposal { seq: *seq, digest: self.missing(*seq)? }))
            .collect();
        for fetch in missing {
            self.ask_one(|peer| peer.epoch == epoch, fetch);
        }
    }

    /// Returns the checkpoint whose state this replica wants whole: it is far behind, or blocks did not come.
    fn wanted_snapshot(&mut self) -> Option<Seq> {
        let next = self.next_uncommitted();
        let stable = self.stable.seq;
        let target = self.target.as_ref().map(|target| target.checkpoint.seq);
        if self.installing.is_some() || (target.is_none() && next > stable) {
            self.waited = 0;
            return None;
        }
        self.waited += 1;
        let near = next.plus(self.params().checkpoint_interval) > stable;
        let patient = near && self.waited <= PATIENT_TICKS;
        target.or_else(|| (!patient).then_some(stable))
    }

    fn ask_one(&mut self, suits: impl Fn(&Peer) -> bool, fetch: Fetch) {
        let suitable: Vec<ReplicaId> =
            self.peers.iter().filter(|(_, peer)| suits(peer)).map(|(id, _)| *id).collect();
        let turn = usize::try_from(self.timers.ticks).unwrap_or(0) + self.id().0 as usize;
        if let Some(to) = suitable.get(turn % suitable.len().max(1)) {
            self.tell(*to, Body::Fetch(fetch));
        }
    }
}
