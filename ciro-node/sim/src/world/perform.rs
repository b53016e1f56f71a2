//! Performing a replica's effects, as a node's daemon would.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Block, Digest, Effect, Epoch, Fault, Host, Input, Operation, ReplicaId, Seq, StakeChange,
    StateRequest, Timer, ValidatorSet, Write, perform,
};
use ciro_store::StoreError;

use super::{Event, World};
use crate::app::payload;
use crate::byzantine::Target;
use crate::node::Role;
use crate::oracle::Violation;
use crate::plan::{MILLISECOND, Micros};
use crate::trace::MomentKind;

/// One node as the host of its replica.
struct Machine<'a> {
    world: &'a mut World,
    node: usize,
}

impl Machine<'_> {
    /// Lets something reach the node later, unless it crashes before.
    fn later(&mut self, most: Micros, event: impl FnOnce(u64) -> Event) {
        let incarnation = self.world.nodes[self.node].incarnation;
        let at = self.world.now + self.world.rng.below(most);
        self.world.push(at, event(incarnation));
    }
}

impl Host for Machine<'_> {
    type Error = StoreError;

    fn persist(&mut self, writes: Vec<Write>) -> Result<(), StoreError> {
        let running = self.world.nodes[self.node].running_mut();
        match running.and_then(|running| running.store.as_mut()) {
            Some(store) => store.persist(writes),
            // Misbehaving nodes keep nothing.
            None => Ok(()),
        }
    }

    fn is_running(&mut self) -> bool {
        let Self { world, node } = self;
        match world.nodes[*node].dies_after {
            None => true,
            Some(0) => {
                let pause = world.rng.between(10, 2000) * MILLISECOND;
                world.cut_power(*node, pause);
                false
            }
            Some(left) => {
                world.nodes[*node].dies_after = Some(left - 1);
                true
            }
        }
    }

    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        self.world.send(self.node, Target::One(to), &message);
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        self.world.send(self.node, Target::All, &message);
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        self.world.relay(self.node, to, &operations);
    }

    fn set_timeout(&mut self, timer: Timer, after: Duration) {
        let Self { world, node } = self;
        world.queued += 1;
        let request = world.queued;
        world.nodes[*node].timers.insert(timer, request);
        let at = world.now + world.nodes[*node].true_micros(after);
        world.push(at, Event::Timeout { node: *node, timer, request });
    }

    fn cancel_timeout(&mut self, timer: Timer) {
        self.world.nodes[self.node].timers.remove(&timer);
    }

    fn validate(&mut self, seq: Seq, digest: Digest, operations: Vec<Operation>) {
        let valid = operations.iter().all(|operation| self.world.is_valid(operation));
        let node = self.node;
        self.later(5 * MILLISECOND, |incarnation| Event::Verdict {
            node,
            incarnation,
            seq,
            digest,
            valid,
        });
    }

    fn execute(&mut self, block: Box<Block>) {
        self.world.execute(self.node, &block);
    }

    fn restore_state(&mut self, seq: Seq, state_root: Digest) {
        self.world.restore(self.node, seq, state_root);
    }

    fn fetch_state(&mut self, request: StateRequest) {
        let StateRequest { seq, state_root: root, sources, .. } = request;
        let Self { world, node } = self;
        let (node, incarnation) = (*node, world.nodes[*node].incarnation);
        let at = world.now + world.rng.between(5, 100) * MILLISECOND;
        world.push(at, Event::State { node, incarnation, seq, root, sources });
    }

    fn stable(&mut self, seq: Seq, keep_from: Seq) {
        let Self { world, node } = self;
        world.nodes[*node].app.prune(keep_from);
        world.note(&[4, *node as u64, seq.0]);
        world.tell(Some(*node), MomentKind::Stable, || format!("checkpoint {seq} is stable"));
    }

    // The simulated application holds no stake that it could give back or pay out.
    fn validators(&mut self, _: Epoch, _: Arc<ValidatorSet>) {}

    fn stake_refused(&mut self, _: Seq, _: Vec<StakeChange>) {}

    fn report(&mut self, evidence: Box<Evidence>) {
        let Self { world, node } = self;
        world.tell(Some(*node), MomentKind::Evidence, || {
            format!("accuses {} of {:?}", evidence.offender(), evidence.rule())
        });
        if world.nodes[*node].is_honest() {
            world.stats.accused();
            world.oracle.accuses(*node, &evidence);
            world.spread(*node, &evidence);
        }
    }

    fn halt(&mut self, fault: Fault) {
        let Self { world, node } = self;
        world.tell(Some(*node), MomentKind::Fault, || format!("halts: {fault}"));
        if world.nodes[*node].is_honest() {
            world.oracle.halts(*node, fault);
        }
    }
}

impl World {
    /// Performs what a node's replica asks for, if the node runs.
    pub(super) fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        if self.nodes[node].running().is_none() {
            return;
        }
        match perform(effects, &mut Machine { world: self, node }) {
            Ok(()) => {}
            Err(error @ StoreError::Refused(_)) => {
                let reason = error_chain(&error);
                self.oracle.violated(Violation::Store { node, reason });
            }
            Err(error) => {
                self.tell(Some(node), MomentKind::Fault, || error_chain(&error));
                let pause = self.rng.between(10, 2000) * MILLISECOND;
                self.cut_power(node, pause);
            }
        }
    }

    /// Hands evidence to the other nodes, as their gossip would.
    fn spread(&mut self, from: usize, evidence: &Evidence) {
        for to in 0..self.nodes.len() {
            let cut = self.cuts.values().any(|cut| cut.blocks(from, to));
            if to != from && !cut && self.rng.chance(500) {
                self.step(to, Input::Evidence(Box::new(evidence.clone())));
            }
        }
    }

    /// Hands operations to another node, whose application judges them.
    fn relay(&mut self, from: usize, to: ReplicaId, operations: &[Operation]) {
        let reached = |world: &Self, address: &usize| {
            world.nodes[*address].id == to
                && !world.cuts.values().any(|cut| cut.blocks(from, *address))
        };
        let receivers: Vec<usize> =
            (0..self.nodes.len()).filter(|address| reached(self, address)).collect();
        let network = self.plan.network;
        for to in receivers {
            let at = self.now + self.rng.between(network.delay_min, network.delay_max);
            for operation in operations {
                self.push(at, Event::Operation { to, operation: *operation });
            }
        }
    }

    /// Executes a block at once; the replica hears of it a little later.
    fn execute(&mut self, node: usize, block: &Block) {
        let expected = self.nodes[node].app.state().seq.next();
        let honest = self.nodes[node].is_honest();
        if honest && block.seq != expected {
            let got = block.seq;
            return self.oracle.violated(Violation::TotalOrder { node, expected, got });
        }
        self.note(&[
            2,
            node as u64,
            block.seq.0,
            u64::try_from(block.digest.low_u128() >> 64).unwrap_or(0),
        ]);
        let Some(running) = self.nodes[node].running() else { return };
        let validators = running.replica.validators().clone();
        let outcome = self.nodes[node].app.execute(block, &validators);
        if honest {
            self.oracle.executes(node, block);
            if self.plan.profile.is_faultless() {
                self.oracle.keeps_up(node, block.seq, self.now);
            }
            self.oracle.reaches(node, block.seq, outcome.root);
            for evidence in &block.punish {
                self.oracle.accuses(node, evidence);
            }
            if let Some(operation) = outcome.misordered {
                self.oracle.violated(Violation::Twice { node, operation });
            }
            for operation in &block.operations {
                if !self.is_valid(operation) {
                    let operation = *operation;
                    self.oracle.violated(Violation::Validity { node, operation });
                }
            }
        }
        self.tell(Some(node), MomentKind::Execute, || {
            let (seq, digest, count) = (block.seq, block.digest, block.operations.len());
            format!("executes block {seq} {digest} with {count} operations")
        });
        if self.plan.params.is_checkpoint(block.seq) {
            self.nodes[node].app.snapshot();
        }
        if honest {
            self.count_executed(node, block);
        }
        let incarnation = self.nodes[node].incarnation;
        let at = self.now + self.rng.below(3 * MILLISECOND);
        let (seq, root, changes) = (block.seq, outcome.root, outcome.changes);
        self.push(at, Event::Executed { node, incarnation, seq, root, changes });
    }

    pub(super) fn executed(
        &mut self,
        node: usize,
        seq: Seq,
        state_root: Digest,
        changes: Vec<StakeChange>,
    ) {
        self.step(node, Input::Executed { seq, state_root, changes });
        self.check_done();
    }

    /// Returns the application to the state that the log begins with.
    fn restore(&mut self, node: usize, seq: Seq, root: Digest) {
        let state = self.nodes[node].app.state_after(seq).cloned();
        match state.filter(|state| state.root == root) {
            Some(state) => self.nodes[node].app.install(state),
            None if self.nodes[node].is_honest() => {
                let reason = format!("no application state after block {seq}");
                self.oracle.violated(Violation::Store { node, reason });
            }
            None => {}
        }
    }

    /// Copies the application's state from the first of some nodes that has it and can be reached.
    pub(super) fn provide_state(
        &mut self,
        node: usize,
        seq: Seq,
        root: Digest,
        sources: &[ReplicaId],
    ) {
        let reached = (0..self.nodes.len()).filter(|address| {
            let other = &self.nodes[*address];
            let cut = self.cuts.values().any(|cut| cut.blocks(*address, node));
            let serves = !matches!(&other.role, Role::Byzantine(it) if it.withholds());
            let asked = sources.contains(&other.id) && *address != node;
            asked && serves && other.running().is_some() && !cut
        });
        let states = reached.filter_map(|source| self.nodes[source].app.state_after(seq).cloned());
        let state = states.into_iter().find(|state| state.root == root);
        match state {
            Some(state) => {
                self.nodes[node].app.keep(state);
                self.tell(Some(node), MomentKind::Execute, || format!("holds state {seq}"));
                self.step(node, Input::StateFetched { seq });
                self.check_done();
            }
            None => self.step(node, Input::StateUnavailable { seq }),
        }
    }

    /// Whether a client asked for this operation: what an application learns from the client's
    /// signature.
    pub(super) fn is_valid(&self, operation: &Operation) -> bool {
        let Operation { client, nonce, payload: asked } = *operation;
        let index = usize::try_from(client.0).unwrap_or(usize::MAX);
        let submitted = self.clients.get(index).is_some_and(|client| nonce <= client.submitted);
        let equivocates = self.plan.clients.equivocates && client.0 + 1 == self.plan.clients.count;
        submitted
            && (asked == payload(client, nonce, 0)
                || (equivocates && asked == payload(client, nonce, 1)))
    }
}

/// Joins an error with its causes.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
