//! How the thread of consensus reaches other validators.

use std::sync::Arc;

use ciro_consensus::message::Message;
use ciro_consensus::{Operation, ReplicaId};
use tokio::sync::mpsc;

use super::{Net, Outgoing};
use crate::driver::Transport;

/// Operations that a validator shall hear of.
pub(super) type Relayed = (ReplicaId, Vec<Operation>);

/// The way to other validators. What finds no room is dropped and counted.
#[derive(Debug)]
pub struct Remote {
    net: Net,
    relayed: mpsc::Sender<Relayed>,
}

impl Remote {
    pub(super) const fn new(net: Net, relayed: mpsc::Sender<Relayed>) -> Self {
        Self { net, relayed }
    }

    fn push(&self, to: Option<ReplicaId>, message: &Message) {
        let bytes = message.to_bytes().into();
        if self.net.outgoing.try_send(Outgoing { to, bytes }).is_err() {
            self.net.metrics.net_dropped("swarm_busy");
        }
    }
}

impl Transport for Remote {
    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        self.push(Some(to), &message);
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        self.push(None, &message);
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        if self.relayed.try_send((to, operations)).is_err() {
            self.net.metrics.net_dropped("relay_busy");
        }
    }
}
