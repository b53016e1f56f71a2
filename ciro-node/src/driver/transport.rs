//! How messages of consensus reach other replicas.

use std::sync::Arc;

use ciro_consensus::message::Message;
use ciro_consensus::{Operation, ReplicaId};

/// A way to other replicas. Nothing waits: what cannot be sent is dropped, and replicas ask again.
pub trait Transport: Send {
    /// Sends to one replica.
    fn send(&mut self, to: ReplicaId, message: Arc<Message>);

    /// Sends to all others.
    fn broadcast(&mut self, message: Arc<Message>);

    /// Hands operations to the replica whose turn it is to propose.
    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>);
}

/// The way of a validator that is a quorum alone: there is nobody to reach.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Transport for Alone {
    fn send(&mut self, _: ReplicaId, _: Arc<Message>) {}

    fn broadcast(&mut self, _: Arc<Message>) {}

    fn relay(&mut self, _: ReplicaId, _: Vec<Operation>) {}
}
