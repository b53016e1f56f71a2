//! Which peers speak for validators, and which do not any more.

use std::sync::Arc;
use std::time::Instant;

use ciro_consensus::{Input, ReplicaId};
use ciro_protocol::wire::Message as _;
use libp2p::PeerId;

use super::record::Hello;
use super::swarm::Task;
use super::targets::dialable;

impl Task {
    pub(super) fn bind(&mut self, peer: PeerId, bytes: &[u8]) -> Result<ReplicaId, &'static str> {
        if !self.swarm.behaviour_mut().gate.places.may_speak(peer, Instant::now()) {
            return Err("too_many_records");
        }
        let hello = Hello::from_bytes(bytes).map_err(|_| "record_malformed")?;
        let id = self.net.peers.bind(peer, &hello, &mut self.keys).map_err(|error| {
            tracing::warn!(%peer, %error, "a record is refused");
            error.label()
        })?;
        if self.net.peers.members().name(peer, id, hello.0.body.key) {
            let observers = self.net.peers.members().observers();
            // If there is no room it is said with the next one, or once the ledger knows it.
            let _ = self.inputs.try_send(Input::Observers(observers));
        }
        let before = self.targets.speaks(peer, id, dialable(hello.0.body.multiaddrs()));
        self.bound(peer, id);
        self.swarm.behaviour_mut().gate.places.said(peer);
        if let Some(before) = before {
            self.replace(id, before);
        }
        Ok(id)
    }

    /// Closes the connections of a peer that spoke for a validator until another one did: whoever
    /// signs many records has no more connections than whoever signs one.
    fn replace(&mut self, id: ReplicaId, before: PeerId) {
        if !self.targets.contains(before) {
            self.swarm.behaviour_mut().gate.places.forget(before, Instant::now());
        }
        self.outboxes.entry(id).or_default().clear();
        self.unbound(before);
        self.refuse(before, "replaced");
    }

    /// Counts by the weights of the day, and forgets validators that may not connect any more.
    pub(super) fn follow_members(&mut self) {
        if !self.members.has_changed().unwrap_or(false) {
            return;
        }
        let roll = Arc::clone(&self.members.borrow_and_update());
        self.reach.weigh(roll.voters().clone());
        for (id, peer) in self.net.peers.left() {
            tracing::info!(validator = %id, "a validator is no member any more");
            self.targets.leaves(peer, id);
            self.refuse(peer, "no_member");
        }
        let gone = |id: &ReplicaId| !roll.admits(*id) && self.net.peers.reach(*id).is_none();
        self.outboxes.retain(|id, _| !gone(id));
        self.allowances.retain(|id, _| !gone(id));
    }
}
