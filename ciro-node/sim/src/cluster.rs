//! A whole cluster in one thread with nothing in the way: for measuring.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Scheme;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Block, Digest, Effect, Genesis, Identity, Input, OpenError, Operation, Replica, ReplicaId, Seq,
};

/// Replicas joined by queues. Messages arrive at once and in order; applications do nothing and take no time.
#[derive(Debug)]
pub struct Cluster<S: Scheme> {
    replicas: Vec<Replica<S>>,
    queue: VecDeque<(usize, Input)>,
    traffic: Traffic,
}

/// What went over the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages, one for each receiver.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<S: Scheme> Cluster<S> {
    /// Starts one replica for each key, with identities counting from 0.
    ///
    /// # Errors
    ///
    /// [`OpenError`] when the chain's parameters are invalid.
    pub fn new(
        genesis: &Genesis<S>,
        keys: impl IntoIterator<Item = S::SigningKey>,
    ) -> Result<Self, OpenError> {
        let mut replicas = Vec::new();
        for (id, key) in (0..).zip(keys) {
            let votes_from = ciro_consensus::Epoch::ZERO;
            let identity = Identity { id: ReplicaId(id), key, votes_from };
            let (replica, _) = Replica::open(genesis, identity, Duration::ZERO, Vec::new())?;
            replicas.push(replica);
        }
        Ok(Self { replicas, queue: VecDeque::new(), traffic: Traffic::default() })
    }

    /// Gives operations to every replica and runs until nothing is left to do.
    pub fn run(&mut self, operations: &[Operation]) {
        for node in 0..self.replicas.len() {
            for operation in operations {
                self.queue.push_back((node, Input::Operation(*operation)));
            }
        }
        while let Some((node, input)) = self.queue.pop_front() {
            let effects = self.replicas[node].step(Duration::ZERO, input);
            for effect in effects {
                self.perform(node, effect);
            }
        }
    }

    /// Returns the replicas.
    #[must_use]
    pub fn replicas(&self) -> &[Replica<S>] {
        &self.replicas
    }

    /// Returns the height that all replicas have reached.
    #[must_use]
    pub fn height(&self) -> Seq {
        self.replicas.iter().map(Replica::executed).min().unwrap_or_default()
    }

    /// Returns what went over the wire so far.
    #[must_use]
    pub const fn traffic(&self) -> Traffic {
        self.traffic
    }

    fn perform(&mut self, node: usize, effect: Effect) {
        match effect {
            Effect::Broadcast { message } => {
                let bytes = u64::try_from(message.to_bytes().len()).unwrap_or(0);
                for to in (0..self.replicas.len()).filter(|to| *to != node) {
                    self.transmit(node, to, &message, bytes);
                }
            }
            Effect::Send { to, message } => {
                let bytes = u64::try_from(message.to_bytes().len()).unwrap_or(0);
                self.transmit(node, to.0 as usize, &message, bytes);
            }
            Effect::Execute(block) => {
                let state_root = state_root::<S>(&block);
                let input = Input::Executed { seq: block.seq, state_root, changes: Vec::new() };
                self.queue.push_back((node, input));
            }
            Effect::Validate { seq, digest, .. } => {
                self.queue.push_back((node, Input::Verdict { seq, digest, valid: true }));
            }
            _ => {}
        }
    }

    fn transmit(&mut self, from: usize, to: usize, message: &Arc<Message>, bytes: u64) {
        self.traffic.messages += 1;
        self.traffic.bytes += bytes;
        let (peer, message) = (self.replicas[from].id(), Arc::clone(message));
        self.queue.push_back((to, Input::Message { peer, message }));
    }
}

fn state_root<S: Scheme>(block: &Block) -> Digest {
    S::compress(&block.digest, &Digest::from_u64(block.seq.0))
}
