//! Performing a replica's effects, as a node's daemon would.

use ciro_consensus::store::StoreError;
use ciro_consensus::{Block, Digest, Effect, Input, Operation, ReplicaId, Seq, StakeChange};

use super::{Event, World};
use crate::app::payload;
use crate::byzantine::Target;
use crate::node::Role;
use crate::oracle::Violation;
use crate::plan::MILLISECOND;
use crate::trace::MomentKind;

impl World {
    /// Makes the log effects durable, then performs the others in order.
    pub(super) fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        let Some(running) = self.nodes[node].running_mut() else { return };
        let persisted = match &mut running.store {
            Some(store) => store.persist(effects),
            None => Ok(effects),
        };
        let effects = match persisted {
            Ok(effects) => effects,
            Err(error @ StoreError::Refused(_)) => {
                let reason = error_chain(&error);
                return self.oracle.violated(Violation::Store { node, reason });
            }
            Err(error) => {
                self.tell(Some(node), MomentKind::Fault, || error_chain(&error));
                let pause = self.rng.between(10, 2000) * MILLISECOND;
                return self.cut_power(node, pause);
            }
        };
        for effect in effects {
            if let Some(left) = self.nodes[node].dies_after {
                if left == 0 {
                    let pause = self.rng.between(10, 2000) * MILLISECOND;
                    return self.cut_power(node, pause);
                }
                self.nodes[node].dies_after = Some(left - 1);
            }
            self.perform_one(node, effect);
        }
    }

    fn perform_one(&mut self, node: usize, effect: Effect) {
        let incarnation = self.nodes[node].incarnation;
        match effect {
            Effect::Append(_) | Effect::Compact(_) | Effect::KeepProof(_) => {}
            Effect::Send { to, message } => self.send(node, Target::One(to), &message),
            Effect::Broadcast { message } => self.send(node, Target::All, &message),
            Effect::SetTimeout { timer, after } => {
                self.queued += 1;
                let request = self.queued;
                self.nodes[node].timers.insert(timer, request);
                let at = self.now + self.nodes[node].true_micros(after);
                self.push(at, Event::Timeout { node, timer, request });
            }
            Effect::CancelTimeout { timer } => {
                self.nodes[node].timers.remove(&timer);
            }
            Effect::Validate { seq, digest, operations } => {
                let valid = operations.iter().all(|operation| self.is_valid(operation));
                let at = self.now + self.rng.below(5 * MILLISECOND);
                self.push(at, Event::Verdict { node, incarnation, seq, digest, valid });
            }
            Effect::Relay { to, operations } => self.relay(node, to, &operations),
            Effect::Validators { .. } | Effect::StakeRefused { .. } => {}
            Effect::Execute(block) => self.execute(node, &block),
            Effect::RestoreState { seq, state_root } => self.restore(node, seq, state_root),
            Effect::FetchState { seq, state_root, sources } => {
                let at = self.now + self.rng.between(5, 100) * MILLISECOND;
                self.push(at, Event::State { node, incarnation, seq, root: state_root, sources });
            }
            Effect::Stable { seq, keep_from } => {
                self.nodes[node].app.prune(keep_from);
                self.note(&[4, node as u64, seq.0]);
                self.tell(Some(node), MomentKind::Stable, || format!("checkpoint {seq} is stable"));
            }
            Effect::Report(evidence) => {
                self.tell(Some(node), MomentKind::Evidence, || {
                    format!("accuses {} of {:?}", evidence.offender(), evidence.rule())
                });
                if self.nodes[node].is_honest() {
                    self.stats.accused();
                    self.oracle.accuses(node, &evidence);
                    self.spread(node, &evidence);
                }
            }
            Effect::Halt(fault) => {
                self.tell(Some(node), MomentKind::Fault, || format!("halts: {fault}"));
                if self.nodes[node].is_honest() {
                    self.oracle.halts(node, fault);
                }
            }
        }
    }

    /// Hands evidence to the other nodes, as their gossip would.
    fn spread(&mut self, from: usize, evidence: &ciro_consensus::evidence::Evidence) {
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

    /// Whether a client asked for this operation: what an application learns from the client's signature.
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
