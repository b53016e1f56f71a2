//! Sending and delivering.

use std::sync::Arc;

use ciro_consensus::message::{Body, Message};
use ciro_consensus::{Input, Seq, View};

use super::{Event, World};
use crate::byzantine::{Cargo, Outgoing, Target};
use crate::coalition::Known;
use crate::node::{Node, Power, Role};
use crate::oracle::Violation;
use crate::plan::{MILLISECOND, Micros};
use crate::trace::MomentKind;

impl World {
    /// Sends what an honest replica asks for, or what a misbehaving node makes of it.
    pub(super) fn send(&mut self, from: usize, to: Target, message: &Arc<Message>) {
        let outgoing = match &mut self.nodes[from].role {
            Role::Honest | Role::Twin => vec![Outgoing::now(to, Arc::clone(message))],
            Role::Byzantine(_) => self.tamper(from, to, message),
        };
        for outgoing in outgoing {
            self.emit(from, outgoing);
        }
    }

    /// Lets a misbehaving node, with all that its fellows know, make something else of what an
    /// honest one would send.
    fn tamper(&mut self, from: usize, to: Target, message: &Arc<Message>) -> Vec<Outgoing> {
        self.coalition.observe(message);
        let Node { role: Role::Byzantine(byzantine), power: Power::On(running), .. } =
            &mut self.nodes[from]
        else {
            return Vec::new();
        };
        let known = Known {
            coalition: &mut self.coalition,
            set: running.replica.validators(),
            params: &self.plan.params,
        };
        byzantine.tamper(known, to, Arc::clone(message))
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
                let queued = self.queue_on_uplink(from, bytes.unwrap_or(0));
                self.transmit(from, address, &cargo, delay + queued);
            }
        }
    }

    /// Puts bytes on a node's uplink; returns how long it takes until they have left.
    fn queue_on_uplink(&mut self, from: usize, bytes: usize) -> Micros {
        let takes = self.plan.costs.of_bytes(u64::try_from(bytes).unwrap_or(u64::MAX));
        let node = &mut self.nodes[from];
        node.sending_until = node.sending_until.max(self.now + self.lag) + takes;
        node.sending_until - self.now
    }

    fn hurries(&self, from: usize) -> bool {
        matches!(&self.nodes[from].role, Role::Byzantine(byzantine) if byzantine.hurries())
    }

    /// Encodes a message, which must come back the same.
    fn encoded_len(&mut self, message: &Arc<Message>) -> usize {
        let bytes = message.to_bytes();
        // Large clusters check a sample: decoding each broadcast again is what a hundred receivers
        // would do.
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
            if self.hurries(from) || self.hurries(to) {
                // The adversary has the better network: it sees and speaks first.
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
        let busy = self.now < self.nodes[to].busy_until || !self.nodes[to].inbox.is_empty();
        if !busy {
            return self.receive(from, to, cargo);
        }
        self.nodes[to].inbox.put(from, cargo);
        self.serve_later(to);
    }

    /// Takes up the next message that has arrived at a node while it was busy.
    pub(super) fn serve(&mut self, node: usize) {
        self.nodes[node].will_serve = false;
        let until = self.nodes[node].busy_until.max(self.nodes[node].paused_until);
        if self.now >= until
            && let Some((from, cargo)) = self.nodes[node].inbox.take()
        {
            self.receive(from, node, cargo);
        }
        self.serve_later(node);
    }

    fn serve_later(&mut self, node: usize) {
        let Node { inbox, will_serve, busy_until, paused_until, .. } = &mut self.nodes[node];
        if !*will_serve && !inbox.is_empty() {
            *will_serve = true;
            let at = (*busy_until).max(*paused_until);
            self.push(at, Event::Ready { node });
        }
    }

    fn receive(&mut self, from: usize, to: usize, cargo: Cargo) {
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
            self.coalition.observe(&message);
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
        if let Node { role: Role::Byzantine(byzantine), power: Power::On(running), .. } =
            &mut self.nodes[node]
        {
            let (replica, params) = (&running.replica, &self.plan.params);
            let position = (replica.epoch(), replica.view(), replica.executed());
            let known = Known { coalition: &mut self.coalition, set: replica.validators(), params };
            for outgoing in byzantine.mischief(known, position) {
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
