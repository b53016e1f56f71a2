//! The application under consensus: a hash chain over what it executes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciro_consensus::crypto::Scheme;
use ciro_consensus::{
    Block, ClientId, Digest, Nonce, Operation, ReplicaId, Seq, StakeChange, ValidatorSet,
};

use crate::scheme::Keyed;

/// What executing special payloads does to the validator set; the same at every replica.
pub type StakeOperations = Arc<BTreeMap<Digest, StakeChange>>;

/// The replicated application of one node. Its snapshots survive crashes, the running state does
/// not.
#[derive(Clone, Debug)]
pub struct App {
    stake_operations: StakeOperations,
    state: AppState,
    snapshots: BTreeMap<Seq, AppState>,
}

/// What the application replicates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppState {
    /// The last executed block.
    pub seq: Seq,
    /// The hash chain.
    pub root: Digest,
    /// The last operation of each client, to notice one executed twice or out of order.
    pub clients: BTreeMap<ClientId, Nonce>,
}

/// What executing a block gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The state's root after the block.
    pub root: Digest,
    /// Changes of stake.
    pub changes: Vec<StakeChange>,
    /// An operation that was executed twice or out of order, which must never happen.
    pub misordered: Option<Operation>,
}

impl App {
    /// Starts at genesis.
    #[must_use]
    pub fn new(stake_operations: StakeOperations) -> Self {
        let state = AppState { seq: Seq::ZERO, root: genesis_root(), clients: BTreeMap::new() };
        let snapshots = BTreeMap::from([(Seq::ZERO, state.clone())]);
        Self { stake_operations, state, snapshots }
    }

    /// Executes a block; `validators` are those of its epoch, from which offenders are looked up.
    pub fn execute(&mut self, block: &Block, validators: &ValidatorSet) -> Outcome {
        let mut words = vec![self.state.root, Digest::from_u64(block.seq.0)];
        let mut changes = Vec::new();
        let mut misordered = None;
        for operation in &block.operations {
            words.push(operation.digest::<Keyed>());
            let last = self.state.clients.insert(operation.client, operation.nonce);
            if operation.nonce != last.unwrap_or_default().next() {
                misordered = Some(*operation);
            }
            changes.extend(self.stake_operations.get(&operation.payload));
        }
        for evidence in &block.punish {
            words.push(evidence.digest::<Keyed>());
            if let Some(offender) = validators.get(evidence.offender()) {
                changes.push(StakeChange { id: offender.id, key: offender.key, stake: 0 });
            }
        }
        self.state.root = Keyed::hash(&words);
        self.state.seq = block.seq;
        Outcome { root: self.state.root, changes, misordered }
    }

    /// Keeps the current state for others and for a restart.
    pub fn snapshot(&mut self) {
        self.snapshots.insert(self.state.seq, self.state.clone());
    }

    /// Drops snapshots before a checkpoint.
    pub fn prune(&mut self, keep_from: Seq) {
        self.snapshots = self.snapshots.split_off(&keep_from);
    }

    /// Keeps a state that another node served.
    pub fn keep(&mut self, state: AppState) {
        self.snapshots.insert(state.seq, state);
    }

    /// Returns the state kept after a block.
    #[must_use]
    pub fn state_after(&self, seq: Seq) -> Option<&AppState> {
        self.snapshots.get(&seq)
    }

    /// Takes over a state: the own one at a restart, another node's when catching up.
    pub fn install(&mut self, state: AppState) {
        self.snapshots.insert(state.seq, state.clone());
        self.state = state;
    }

    /// Returns the running state.
    #[must_use]
    pub const fn state(&self) -> &AppState {
        &self.state
    }
}

/// Returns the payload of a client's operation. An honest client has one for each position, an
/// equivocating one two.
#[must_use]
pub fn payload(client: ClientId, nonce: Nonce, variant: u64) -> Digest {
    Keyed::hash(&[client.0, nonce.0, variant].map(Digest::from_u64))
}

/// Returns the root of the state before the first block.
#[must_use]
pub fn genesis_root() -> Digest {
    Digest::short_string("genesis")
}

/// Returns a stake change that adds, moves or removes a replica's stake.
#[must_use]
pub fn stake_change(id: ReplicaId, stake: u64) -> StakeChange {
    StakeChange { id, key: crate::plan::key_of(id), stake }
}
