//! A whole cluster in one thread with nothing in the way: for measuring.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::crypto::Scheme;
use ciro_consensus::evidence::Evidence;
use ciro_consensus::message::Message;
use ciro_consensus::{
    Block, Digest, Effect, Epoch, Fault, Genesis, Host, Identity, Input, OpenError, Operation,
    Replica, ReplicaId, Seq, StakeChange, StateRequest, Timer, ValidatorSet, Write, perform,
};

/// Replicas joined by queues. Messages arrive at once and in order; applications do nothing and
/// take no time.
#[derive(Debug)]
pub struct Cluster<S: Scheme> {
    replicas: Vec<Replica<S>>,
    queue: VecDeque<(usize, Input)>,
    traffic: Traffic,
    trouble: Option<ClusterError>,
}

/// What no replica does where nobody misbehaves and nothing fails.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// A replica halted.
    #[error("replica {replica} halted")]
    Halted {
        /// Which.
        replica: ReplicaId,
        /// Why.
        #[source]
        fault: Fault,
    },
    /// A replica accused another.
    #[error("replica {replica} accuses {offender}")]
    Accuses {
        /// Who.
        replica: ReplicaId,
        /// Whom.
        offender: ReplicaId,
    },
    /// A replica wants a state from others, though it missed nothing.
    #[error("replica {replica} lacks the state after block {seq}")]
    Behind {
        /// Which.
        replica: ReplicaId,
        /// The block.
        seq: Seq,
    },
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
        let mut cluster = Self {
            replicas: Vec::new(),
            queue: VecDeque::new(),
            traffic: Traffic::default(),
            trouble: None,
        };
        let mut first = Vec::new();
        for (id, key) in (0..).zip(keys) {
            let identity = Identity { id: ReplicaId(id), key, votes_from: Epoch::ZERO };
            let opened = Replica::open(genesis, identity, Duration::ZERO, Vec::new())?;
            cluster.replicas.push(opened.0);
            first.push(opened.1);
        }
        for (node, effects) in first.into_iter().enumerate() {
            cluster.perform(node, effects);
        }
        Ok(cluster)
    }

    /// Gives operations to every replica and runs until nothing is left to do.
    ///
    /// # Errors
    ///
    /// [`ClusterError`] when a replica does what none does where nobody misbehaves and nothing
    /// fails.
    pub fn run(&mut self, operations: &[Operation]) -> Result<(), ClusterError> {
        for node in 0..self.replicas.len() {
            for operation in operations {
                self.queue.push_back((node, Input::Operation(*operation)));
            }
        }
        while let Some((node, input)) = self.queue.pop_front() {
            let effects = self.replicas[node].step(Duration::ZERO, input);
            self.perform(node, effects);
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
        }
        Ok(())
    }

    fn perform(&mut self, node: usize, effects: Vec<Effect>) {
        let Ok(()) = perform(effects, &mut Port { cluster: self, node });
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

    fn transmit(&mut self, from: usize, to: usize, message: &Arc<Message>, bytes: u64) {
        self.traffic.messages += 1;
        self.traffic.bytes += bytes;
        let (peer, message) = (self.replicas[from].id(), Arc::clone(message));
        self.queue.push_back((to, Input::Message { peer, message }));
    }
}

/// One replica's place in the cluster.
struct Port<'a, S: Scheme> {
    cluster: &'a mut Cluster<S>,
    node: usize,
}

impl<S: Scheme> Port<'_, S> {
    fn id(&self) -> ReplicaId {
        self.cluster.replicas[self.node].id()
    }

    fn answer(&mut self, input: Input) {
        self.cluster.queue.push_back((self.node, input));
    }
}

impl<S: Scheme> Host for Port<'_, S> {
    type Error = Infallible;

    /// Nothing crashes here, and disks are not what is measured.
    fn persist(&mut self, _: Vec<Write>) -> Result<(), Infallible> {
        Ok(())
    }

    fn send(&mut self, to: ReplicaId, message: Arc<Message>) {
        let bytes = u64::try_from(message.to_bytes().len()).unwrap_or(0);
        self.cluster.transmit(self.node, to.0 as usize, &message, bytes);
    }

    fn broadcast(&mut self, message: Arc<Message>) {
        let bytes = u64::try_from(message.to_bytes().len()).unwrap_or(0);
        for to in (0..self.cluster.replicas.len()).filter(|to| *to != self.node) {
            self.cluster.transmit(self.node, to, &message, bytes);
        }
    }

    fn relay(&mut self, to: ReplicaId, operations: Vec<Operation>) {
        let inputs = operations.into_iter().map(|it| (to.0 as usize, Input::Operation(it)));
        self.cluster.queue.extend(inputs);
    }

    // No time passes, so that no timer fires.
    fn set_timeout(&mut self, _: Timer, _: Duration) {}

    fn cancel_timeout(&mut self, _: Timer) {}

    fn validate(&mut self, seq: Seq, digest: Digest, _: Vec<Operation>) {
        self.answer(Input::Verdict { seq, digest, valid: true });
    }

    fn execute(&mut self, block: Box<Block>) {
        let state_root = state_root::<S>(&block);
        self.answer(Input::Executed { seq: block.seq, state_root, changes: Vec::new() });
    }

    // The applications keep no state: a block's root is a function of the block.
    fn restore_state(&mut self, _: Seq, _: Digest) {}

    fn stable(&mut self, _: Seq, _: Seq) {}

    fn validators(&mut self, _: Epoch, _: Arc<ValidatorSet>) {}

    fn stake_refused(&mut self, _: Seq, _: Vec<StakeChange>) {}

    fn fetch_state(&mut self, request: StateRequest) {
        let (replica, seq) = (self.id(), request.seq);
        self.cluster.trouble = Some(ClusterError::Behind { replica, seq });
    }

    fn report(&mut self, evidence: Box<Evidence>) {
        let (replica, offender) = (self.id(), evidence.offender());
        self.cluster.trouble = Some(ClusterError::Accuses { replica, offender });
    }

    fn halt(&mut self, fault: Fault) {
        self.cluster.trouble = Some(ClusterError::Halted { replica: self.id(), fault });
    }
}

fn state_root<S: Scheme>(block: &Block) -> Digest {
    S::compress(&block.digest, &Digest::from_u64(block.seq.0))
}
