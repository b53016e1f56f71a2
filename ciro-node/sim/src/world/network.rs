//! Sending and delivering.

use std::sync::Arc;

use ciro_consensus::message::{Body, Message};
use ciro_consensus::{Input, Seq, View};

use super::{Event, World};
use crate::byzantine::{Cargo, Outgoing, Target};
use crate::node::Role;
use crate::oracle::Violation;
use crate::plan::{MILLISECOND, Micros};
use crate::trace::MomentKind;

impl World {
    /// Sends what an honest replica asks for, or what a misbehaving node makes of it.
    pub(super) fn send(&mut self, from: usize, to: Target, message: &Arc<Message>) {
        let outgoing = match &mut self.nodes[from].role {
            Role::Honest | Role::Twin => vec![Outgoing::now(to, Arc::clone(message))],
            Role::Byzantine(byzantine) => byzantine.tamper(to, Arc::clone(message)),
        };
        for outgoing in outgoing {
            self.emit(from, outgoing);
        }
    }

    /// Puts something on the wire to everyone it is meant for.
    pub(super) fn emit(&mut self, from: usize, outgoing: Outgoing) {
        let Outgoing { to, cargo, delay } = outgoing;
        // Garbage is not counted: its size says nothing about the protocol.
        let bytes = match &cargo {
            Cargo::Bytes(_) => None,
            Cargo::Message(message) => Some(self.encoded_len(message)),
        };
        if let Cargo::Message(message) = &cargo {
            self.tell(Some(from), MomentKind::Send, || describe(message, to));
        }
        let id = self.nodes[from].id;
        for address in 0..self.nodes.len() {
            let receiver = self.nodes[address].id;
            if address != from && receiver != id && to.includes(receiver) {
                bytes.into_iter().for_each(|bytes| self.stats.sent(bytes));
                self.transmit(from, address, &cargo, delay);
            }
        }
    }

    fn hurries(&self, from: usize) -> bool {
        matches!(&self.nodes[from].role, Role::Byzantine(byzantine) if byzantine.hurries())
    }

    /// Encodes a message, which must come back the same.
    fn encoded_len(&mut self, message: &Arc<Message>) -> usize {
        let bytes = message.to_bytes();
        // Large clusters check a sample: decoding each broadcast again is what a hundred receivers would do.
        if (self.nodes.len() <= 16 || self.rng.chance(50))
            && Message::from_bytes(&bytes).as_ref() != Ok(message)
        {
            self.oracle.violated(Violation::Encoding { message: format!("{message:?}") });
        }
        bytes.len()
    }

    /// Lets one copy travel: it may be cut off, lost, late or doubled.
    fn transmit(&mut self, from: usize, to: usize, cargo: &Cargo, held_back: Micros) {
        let network = self.plan.network;
        if self.cuts.values().any(|cut| cut.blocks(from, to)) || self.rng.chance(network.loss) {
            return;
        }
        let copies = 1 + u64::from(self.rng.chance(network.duplicate));
        for _ in 0..copies {
            let mut delay = self.rng.between(network.delay_min, network.delay_max);
            if self.hurries(from) {
                // The adversary has the better network.
                delay = network.delay_min.min(MILLISECOND);
            }
            if self.rng.chance(network.slow) {
                delay *= self.rng.between(2, network.slowdown);
            }
            let at = self.now + held_back + delay;
            self.push(at, Event::Deliver { from, to, cargo: cargo.clone() });
        }
    }

    pub(super) fn deliver(&mut self, from: usize, to: usize, cargo: Cargo) {
        if self.nodes[to].running().is_none() {
            return;
        }
        if self.now < self.nodes[to].paused_until {
            let at = self.nodes[to].paused_until;
            return self.push(at, Event::Deliver { from, to, cargo });
        }
        let message = match cargo {
            Cargo::Message(message) => message,
            Cargo::Bytes(bytes) => match Message::from_bytes(&bytes) {
                Ok(message) => Arc::new(message),
                Err(_) => return,
            },
        };
        let (view, seq) = position(&message.body);
        let kind = message.body.kind() as u64;
        self.note(&[1, to as u64, message.sender.0.into(), kind, view.0, seq.0]);
        if let Role::Byzantine(byzantine) = &mut self.nodes[to].role {
            byzantine.observe(&message);
        }
        let peer = self.nodes[from].id;
        self.step(to, Input::Message { peer, message });
    }

    /// Puts an event off while its node is paused; true if it was.
    pub(super) fn postpone(&mut self, node: usize, event: impl FnOnce() -> Event) -> bool {
        let until = self.nodes[node].paused_until;
        let paused = self.now < until;
        if paused {
            self.push(until, event());
        }
        paused
    }

    pub(super) fn mischief(&mut self, node: usize) {
        if let Role::Byzantine(byzantine) = &mut self.nodes[node].role {
            for outgoing in byzantine.mischief() {
                self.emit(node, outgoing);
            }
        }
        let pause = self.rng.between(50, 400) * MILLISECOND;
        self.push(self.now + pause, Event::Mischief { node });
    }
}

/// Returns the position a message is about.
fn position(body: &Body) -> (View, Seq) {
    match body {
        Body::PrePrepare(body) => (body.view, body.seq),
        Body::Prepare(vote) | Body::Commit(vote) => (vote.view, vote.seq),
        Body::Checkpoint(vote) => (View::ZERO, vote.seq),
        Body::ViewChange(body) => (body.summary.view, body.summary.stable_seq),
        Body::NewView(body) => (body.view, body.stable_seq()),
        Body::Status(status) => (status.view, status.executed),
        Body::Fetch(_) | Body::State(_) => (View::ZERO, Seq::ZERO),
    }
}

fn describe(message: &Message, to: Target) -> String {
    let (view, seq) = position(&message.body);
    let kind = message.body.kind();
    let to = match to {
        Target::All => "all".to_owned(),
        Target::One(id) => id.to_string(),
        Target::Half(odd) => if odd { "odd" } else { "even" }.to_owned(),
    };
    format!("{kind:?} v{view} n{seq} e{} → {to}", message.epoch)
}
