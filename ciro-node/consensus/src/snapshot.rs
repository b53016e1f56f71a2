//! The replicated state of consensus itself, and the checkpoints that certify it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::block::{
    Breach, Content, Header, Operation, Proposal, breach_word, count, executed_under,
    operations_root,
};
use crate::certificate::Certificate;
use crate::crypto::Scheme;
use crate::evidence::{Evidence, Rule};
use crate::params::{CLIENTS_MAX, Params};
use crate::stake::{StakeChange, VALIDATORS_MAX, ValidatorSet};
use crate::types::{ClientId, Digest, Epoch, Nonce, ReplicaId, Seq};
use crate::wire::{Reader, Wire, WireError, put_list};

/// The most stake changes that one epoch collects.
pub(crate) const CHANGES_MAX: usize = 4 * VALIDATORS_MAX;

/// The state that every replica computes alike from the executed blocks.
///
/// It is small by construction: what an application stores is behind the header's state root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The header of the last executed block; `None` at genesis.
    pub header: Option<Header>,
    /// The application's state.
    pub state_root: Digest,
    /// The epoch of the next block.
    pub epoch: Epoch,
    /// The validators of that epoch.
    pub current: Arc<ValidatorSet>,
    /// The validators of the epoch after it.
    pub next: Arc<ValidatorSet>,
    /// Changes ordered in this epoch, to apply two epochs later, by validator.
    pub changes: BTreeMap<ReplicaId, StakeChange>,
    /// The last executed operation of each client.
    pub clients: BTreeMap<ClientId, Nonce>,
    /// Who was punished already, for faults against which rule in which epoch: a cheap fault
    /// shields from nothing.
    pub punished: BTreeSet<Breach>,
}

/// What execution of one block must do after duplicates are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Effective {
    pub(crate) operations: Vec<Operation>,
    pub(crate) punish: Vec<Evidence>,
}

impl Effective {
    /// Returns the digest that the header has of it, after a proposal with this content.
    pub(crate) fn digest<S: Scheme>(&self, content: &Content) -> Digest {
        let operations = count(&self.operations);
        // What counts is a part of the proposal, and as many operations are all of it.
        let root = if operations == content.operations {
            content.operations_root
        } else {
            operations_root::<S>(&self.operations)
        };
        executed_under::<S>((operations, root), self.punish.iter().filter_map(Evidence::fault))
    }
}

/// A block with what executing it gave.
#[derive(Debug)]
pub(crate) struct Executed<'a> {
    pub(crate) content: Content,
    pub(crate) effective: &'a Effective,
    /// The digest of what was executed.
    pub(crate) digest: Digest,
    pub(crate) state_root: Digest,
    pub(crate) changes: &'a [StakeChange],
}

impl Snapshot {
    /// Returns the state before the first block: epochs 0 and 1 have the genesis validators.
    #[must_use]
    pub fn genesis(validators: &Arc<ValidatorSet>, state_root: Digest) -> Self {
        Self {
            header: None,
            state_root,
            epoch: Epoch::ZERO,
            current: Arc::clone(validators),
            next: Arc::clone(validators),
            changes: BTreeMap::new(),
            clients: BTreeMap::new(),
            punished: BTreeSet::new(),
        }
    }

    /// Returns the last executed sequence number.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.header.map_or(Seq::ZERO, |header| header.height)
    }

    /// Returns the digest that a Checkpoint signs.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        self.roots::<S>().digest::<S>()
    }

    /// Returns the parts of the digest.
    #[must_use]
    pub fn roots<S: Scheme>(&self) -> CheckpointRoots {
        // The header binds the state root as well, but a snapshot that claims another one must not
        // pass for this one.
        let mut rest = vec![Digest::short_string("CIRO_CONSENSUS_STATE_V1"), self.state_root];
        for change in self.changes.values() {
            rest.push(Digest::from_u64(change.id.0.into()));
            rest.push(change.key.0);
            rest.push(Digest::from_u64(change.stake));
        }
        rest.push(Digest::short_string("CLIENTS"));
        let pack =
            |high: u64, low: u64| Digest::from_u128(u128::from(high) << 64 | u128::from(low));
        rest.extend(self.clients.iter().map(|(client, nonce)| pack(client.0, nonce.0)));
        rest.push(Digest::short_string("PUNISHED"));
        rest.extend(self.punished.iter().copied().map(breach_word));
        CheckpointRoots {
            header: self.header.map_or(self.state_root, |header| header.digest::<S>()),
            epoch: self.epoch,
            current: self.current.digest::<S>(),
            next: self.next.digest::<S>(),
            rest: S::hash(&rest),
        }
    }

    /// Returns what of a proposal counts after this state.
    ///
    /// An operation counts if it is its client's next one; evidence counts if its offender was not
    /// yet punished for that epoch. Both rules depend on the executed blocks alone, so every
    /// replica leaves out the same.
    pub(crate) fn effective(&self, params: &Params, proposal: &Proposal) -> Effective {
        let mut clients: BTreeMap<ClientId, Nonce> = BTreeMap::new();
        let mut admitted = self.clients.len();
        let mut effective = Effective::default();
        for operation in &proposal.operations {
            let client = operation.client;
            let known = clients.get(&client).or_else(|| self.clients.get(&client)).copied();
            if operation.nonce != known.unwrap_or_default().next() {
                continue;
            }
            if known.is_none() {
                if admitted >= params.clients {
                    continue;
                }
                admitted += 1;
            }
            clients.insert(client, operation.nonce);
            effective.operations.push(*operation);
        }
        let mut punished = BTreeSet::new();
        for evidence in &proposal.evidence {
            let Some(fault) = evidence.fault() else { continue };
            if !self.punished.contains(&fault) && punished.insert(fault) {
                effective.punish.push(evidence.clone());
            }
        }
        effective
    }

    /// Takes the result of the next block's execution; at an epoch's end, the next epoch begins.
    /// Returns the changes of stake that will not be applied.
    pub(crate) fn advance<S: Scheme>(
        &mut self,
        params: &Params,
        executed: &Executed<'_>,
    ) -> Vec<StakeChange> {
        let height = self.seq().next();
        let parent = self.header.map_or(Digest::ZERO, |header| header.digest::<S>());
        let Executed { content, digest, state_root, .. } = *executed;
        self.header = Some(Header { height, parent, content, executed: digest, state_root });
        self.state_root = state_root;
        for operation in &executed.effective.operations {
            self.clients.insert(operation.client, operation.nonce);
        }
        for evidence in &executed.effective.punish {
            self.punished.extend(evidence.fault());
        }
        let mut refused: Vec<StakeChange> =
            executed.changes.iter().filter_map(|change| self.collect_change(*change)).collect();
        if params.epoch_of(height.next()) > self.epoch {
            let (after, dropped) = self.next.with_changes::<S>(self.changes.values());
            refused.extend(dropped);
            let after = Arc::new(after);
            self.current = std::mem::replace(&mut self.next, after);
            self.changes.clear();
            self.epoch = self.epoch.next();
            let oldest = Epoch(self.epoch.0.saturating_sub(1));
            self.punished.retain(|(epoch, ..)| *epoch >= oldest);
        }
        refused
    }

    /// Keeps a change for the epoch's end. When there are too many, the newcomer with the least
    /// stake gives way: what members lose, a convict's removal above all, always finds room.
    fn collect_change(&mut self, change: StakeChange) -> Option<StakeChange> {
        self.changes.insert(change.id, change);
        if self.changes.len() <= CHANGES_MAX {
            return None;
        }
        let newcomers = self.changes.values().filter(|it| !self.next.contains(it.id));
        let least = newcomers.min_by_key(|it| (it.stake, it.id)).map(|it| it.id)?;
        self.changes.remove(&least)
    }
}

/// The parts of a checkpoint's digest, which open it without the whole snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointRoots {
    /// The digest of the last header; the state root at genesis.
    pub header: Digest,
    /// The epoch of the next block.
    pub epoch: Epoch,
    /// The digest of that epoch's validators.
    pub current: Digest,
    /// The digest of the following epoch's validators.
    pub next: Digest,
    /// The hash of everything else.
    pub rest: Digest,
}

impl CheckpointRoots {
    /// Returns the digest that a Checkpoint signs.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        S::hash(&[
            Digest::short_string("CIRO_CHECKPOINT_V1"),
            self.header,
            Digest::from_u64(self.epoch.0),
            self.current,
            self.next,
            self.rest,
        ])
    }
}

/// A checkpoint that a quorum signed (PBFT §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StableCheckpoint {
    /// The epoch whose validators signed.
    pub epoch: Epoch,
    /// Its sequence number.
    pub seq: Seq,
    /// The digest of the snapshot.
    pub digest: Digest,
    /// Checkpoints of a quorum; empty only at genesis.
    pub certificate: Certificate,
}

/// Proof of the validators that follow an epoch, for whoever knows that epoch's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochProof {
    /// The checkpoint at the epoch's last block.
    pub checkpoint: StableCheckpoint,
    /// What its digest is made of.
    pub roots: CheckpointRoots,
    /// The validators of the next epoch.
    pub current: Arc<ValidatorSet>,
    /// The validators of the epoch after that.
    pub next: Arc<ValidatorSet>,
}

impl Wire for CheckpointRoots {
    fn put(&self, out: &mut Vec<u8>) {
        (self.header, self.epoch).put(out);
        (self.current, self.next).put(out);
        self.rest.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (header, epoch) = Wire::get(input)?;
        let (current, next) = Wire::get(input)?;
        Ok(Self { header, epoch, current, next, rest: Wire::get(input)? })
    }
}

impl Wire for StableCheckpoint {
    fn put(&self, out: &mut Vec<u8>) {
        (self.epoch, self.seq).put(out);
        self.digest.put(out);
        self.certificate.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (epoch, seq) = Wire::get(input)?;
        Ok(Self { epoch, seq, digest: Wire::get(input)?, certificate: Wire::get(input)? })
    }
}

impl Wire for EpochProof {
    fn put(&self, out: &mut Vec<u8>) {
        self.checkpoint.put(out);
        self.roots.put(out);
        self.current.put(out);
        self.next.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self {
            checkpoint: Wire::get(input)?,
            roots: Wire::get(input)?,
            current: Wire::get(input)?,
            next: Wire::get(input)?,
        })
    }
}

impl Wire for Snapshot {
    fn put(&self, out: &mut Vec<u8>) {
        self.header.put(out);
        (self.state_root, self.epoch).put(out);
        self.current.put(out);
        self.next.put(out);
        put_list(&self.changes.values().copied().collect::<Vec<_>>(), out);
        put_list(&self.clients.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>(), out);
        let punished = self.punished.iter().map(|(epoch, id, rule)| ((*epoch, *id), *rule));
        put_list(&punished.collect::<Vec<_>>(), out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let header = Wire::get(input)?;
        let (state_root, epoch) = Wire::get(input)?;
        let (current, next) = (Wire::get(input)?, Wire::get(input)?);
        let changes: Vec<StakeChange> = input.list("stake changes", CHANGES_MAX)?;
        let clients: Vec<(ClientId, Nonce)> = input.list("clients", CLIENTS_MAX)?;
        let punished_max = 2 * VALIDATORS_MAX * Rule::ALL.len();
        let punished: Vec<((Epoch, ReplicaId), Rule)> = input.list("punished", punished_max)?;
        let ordered = changes.windows(2).all(|pair| pair[0].id < pair[1].id)
            && clients.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && punished.windows(2).all(|pair| pair[0] < pair[1]);
        if !ordered {
            return Err(WireError::NotCanonical { what: "snapshot" });
        }
        Ok(Self {
            header,
            state_root,
            epoch,
            current,
            next,
            changes: changes.into_iter().map(|change| (change.id, change)).collect(),
            clients: clients.into_iter().collect(),
            punished: punished.into_iter().map(|((epoch, id), rule)| (epoch, id, rule)).collect(),
        })
    }
}
