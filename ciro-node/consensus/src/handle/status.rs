//! Status and re-sending (Castro's thesis, §5.2).
//!
//! Nothing is acknowledged. Every replica tells its position at each resend interval; small
//! protocol messages that the teller lacks are pushed to it, large things it pulls from one replica
//! at a time.

use std::sync::Arc;

use crate::crypto::Scheme;
use crate::io::{Effect, Timer};
use crate::message::{Body, Fetch, Message, PrePrepare, Status};
use crate::mutation::Mutation;
use crate::replica::{Phase, Position, Replica, Standing};
use crate::slot::Origin;
use crate::stake::Tally;
use crate::types::{Epoch, ReplicaId, Seq, View};

/// Blocks whose messages are pushed at once.
const PUSHED_BLOCKS: usize = 16;
/// Resend intervals for which a replica that is a little behind waits for blocks before it wants
/// the whole state.
const PATIENT_TICKS: u32 = 2;
/// Resend intervals after which a state that the application still fetches is given up for a newer
/// one.
const INSTALL_TICKS: u64 = 240;
/// How many replicas pass on another's PrePrepare or NewView to one that lacks it.
const RELAYS: usize = 4;

impl<S: Scheme> Replica<S> {
    /// Tells this replica's position, repeats its ViewChange, and asks for what it lacks.
    pub(crate) fn resend(&mut self) {
        self.timers.ticks += 1;
        self.set_timer(Timer::Resend, self.params().resend_interval);
        self.refill_peers();
        let status = Body::Status(Status {
            view: self.view(),
            active: self.is_active(),
            stable: self.stable.seq,
            executed: self.executed(),
        });
        if let Some(message) = self.sign(status) {
            self.effects.push(Effect::Broadcast { message });
        }
        // PBFT §4.5.2 assumes that a ViewChange arrives; over lossy links it must be repeated, see
        // Fabric 1917.
        if let Phase::Changing(Some(own)) = &self.phase
            && !self.genesis.mutations.has(Mutation::LostViewChange)
        {
            self.effects.push(Effect::Broadcast { message: Arc::clone(own) });
        }
        self.ask();
    }

    pub(crate) fn on_status(&mut self, peer: ReplicaId, epoch: Epoch, status: Status) {
        if let Ok(account) = self.account(peer) {
            account.position = Some(Position { epoch, status });
        }
        // An observer votes on nothing and fetches what is certified; and what a replica without a
        // place in any set would push, members would not look at.
        if self.standing(peer) != Some(Standing::Member) {
            return;
        }
        if epoch == self.epoch() && self.is_member(self.id()) && self.may_push(peer) {
            self.push_votes(peer, &status);
        }
        // Whoever is out of everyone's window must not wait for the next interval.
        let out_of_reach = epoch > self.epoch() || status.stable >= self.high_watermark();
        if out_of_reach && self.asked_at + self.params().resend_interval / 4 <= self.now {
            self.ask();
        }
    }

    /// Sends a message for which the receiver's budget suffices.
    pub(super) fn send_affordable(&mut self, to: ReplicaId, message: Arc<Message>) {
        if self.afford(to, message.weight()) {
            self.effects.push(Effect::Send { to, message });
        }
    }

    /// Sends a replica of the same epoch the messages it seems to lack, if they are not still on
    /// their way.
    fn push_votes(&mut self, to: ReplicaId, status: &Status) {
        let patience = self.params().resend_interval;
        let mut messages: Vec<Arc<Message>> = Vec::new();
        messages.extend(self.begun_view(to, status));
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
            self.send_affordable(to, message);
        }
    }

    /// Returns the NewView for a replica that has not begun this view, if it is this replica's turn
    /// to pass it on.
    fn begun_view(&self, to: ReplicaId, status: &Status) -> Option<Arc<Message>> {
        let Phase::Active(active) = &self.phase else { return None };
        let behind = status.view < self.view() || (status.view == self.view() && !status.active);
        let signed = active.new_view.as_ref().filter(|_| behind)?;
        let turn = signed.leader == self.id() || self.passes_on(to);
        turn.then(|| Arc::new(signed.clone().into_message()))
    }

    /// Whether it is this replica's turn to pass others' messages on to `to`: a few do in each
    /// resend interval.
    fn passes_on(&self, to: ReplicaId) -> bool {
        let turn = u64::from(self.id().0) + u64::from(to.0) + self.timers.ticks;
        let turns = u64::try_from(self.validators().len().div_ceil(RELAYS)).unwrap_or(1);
        turn.is_multiple_of(turns)
    }

    /// Returns another primary's PrePrepare for passing on, if it is this replica's turn to do so.
    fn relay(&self, to: ReplicaId, seq: Seq) -> Option<Arc<Message>> {
        let slot = self.slots.get(&seq)?;
        let assigned = slot.assigned_in(self.view())?;
        let Origin::Proposed { proposer, signature } = assigned.origin else { return None };
        if proposer == self.id() || proposer == to || !self.passes_on(to) {
            return None;
        }
        let (view, digest) = (assigned.view, assigned.digest);
        let proposal = Arc::clone(slot.contents.get(&digest)?);
        let body = Body::PrePrepare(PrePrepare { view, seq, digest, proposal });
        Some(Arc::new(Message { sender: proposer, epoch: self.epoch(), signature, body }))
    }

    /// Asks a replica that proved to be ahead for the way there; its checkpoint is of epoch
    /// `reaches`.
    pub(crate) fn pursue(&mut self, ahead: ReplicaId, reaches: Epoch) {
        let (epoch, next) = (self.proven_committee().0, self.next_uncommitted());
        if reaches > epoch {
            return self.fetch(ahead, Fetch::Checkpoint { epoch });
        }
        let target = self.target.as_ref().map(|target| target.checkpoint.seq);
        let far = next.plus(self.params().checkpoint_interval) <= self.stable.seq;
        if self.installing.is_some() {
            return;
        }
        if let Some(from) = target.or_else(|| far.then_some(self.stable.seq)) {
            self.fetch(ahead, Fetch::Snapshot { epoch, from });
        } else if next <= self.stable.seq {
            self.fetch(ahead, Fetch::Blocks { from: next });
        }
    }

    /// Asks one other replica, in turns, for each thing this one lacks.
    fn ask(&mut self) {
        self.asked_at = self.now;
        let (current, stable) = (self.epoch(), self.stable.seq);
        let epoch = self.proven_committee().0;
        let further = |peer: &Position| peer.epoch > current || peer.status.stable > stable;
        self.ask_one(further, Fetch::Checkpoint { epoch });
        if let Some(from) = self.wanted_snapshot() {
            let holds = |peer: &Position| peer.status.stable >= from;
            self.ask_one(holds, Fetch::Snapshot { epoch, from });
        }
        let from = self.next_uncommitted();
        self.ask_one(|peer| peer.status.executed >= from, Fetch::Blocks { from });
        self.ask_for_view();
        let missing: Vec<Fetch> = self
            .slots
            .range(stable.next()..)
            .flat_map(|(seq, _)| {
                let missing = self.missing(*seq).into_iter();
                missing.map(|digest| Fetch::Proposal { seq: *seq, digest })
            })
            .collect();
        for fetch in missing {
            self.ask_one(|peer| peer.epoch == current, fetch);
        }
        self.ask_claimants();
    }

    /// Asks for the NewView of a view that has begun elsewhere.
    ///
    /// The turns go over those who claim the highest views and together are a weak quorum, each
    /// asked for the view that it claims: at least one of them is honest, and whoever claims a view
    /// that does not exist has its own turns only.
    fn ask_for_view(&mut self) {
        let (epoch, view, active) = (self.epoch(), self.view(), self.is_active());
        let begun = self.positions().filter(|(_, peer)| peer.epoch == epoch && peer.status.active);
        let begun = begun.filter(|(id, _)| self.validators().contains(*id));
        let mut begun: Vec<(View, ReplicaId)> = begun
            .map(|(id, peer)| (peer.status.view, id))
            .filter(|(begun, _)| *begun > view || (*begun == view && !active))
            .collect();
        begun.sort_unstable_by(|one, other| other.cmp(one));
        let mut tally = Tally::default();
        let enough = begun.iter().position(|(_, id)| {
            self.validators().add(&mut tally, *id);
            self.validators().is_weak_quorum(&tally)
        });
        begun.truncate(enough.map_or(begun.len(), |last| last + 1));
        let turn = usize::try_from(self.timers.ticks).unwrap_or(0);
        if let Some((view, id)) = begun.get(turn % begun.len().max(1)) {
            self.fetch(*id, Fetch::NewView { view: *view });
        }
    }

    /// Returns the checkpoint whose state this replica wants whole: it is far behind, or blocks did
    /// not come.
    fn wanted_snapshot(&mut self) -> Option<Seq> {
        let ticks = self.timers.ticks;
        self.installing.take_if(|installing| installing.since + INSTALL_TICKS <= ticks);
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

    /// Asks a replica whose position suits, in turns.
    ///
    /// All observers together have one turn, as one member has, and none where members alone know
    /// the answer: whatever they claim to have, they delay no more than one member that lies.
    /// Where no member suits, the turns are theirs: a replica that was away for long may know no
    /// member that is left.
    fn ask_one(&mut self, suits: impl Fn(&Position) -> bool, fetch: Fetch) {
        let suitable = |(id, peer): (ReplicaId, Position)| suits(&peer).then_some(id);
        let mut places: Vec<ReplicaId> = self.positions().filter_map(suitable).collect();
        let turn = usize::try_from(self.timers.ticks).unwrap_or(0) + self.id().0 as usize;
        if !matches!(fetch, Fetch::Proposal { .. } | Fetch::NewView { .. }) {
            let observers: Vec<ReplicaId> =
                self.observer_positions().filter_map(suitable).collect();
            let rounds = turn / (places.len() + 1);
            places.extend(observers.get(rounds % observers.len().max(1)));
        }
        if let Some(to) = places.get(turn % places.len().max(1)) {
            self.fetch(*to, fetch);
        }
    }
}
