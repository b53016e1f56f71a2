//! How much a replica holds in memory.

use super::Replica;
use super::accuse::EVIDENCE_MAX;
use crate::crypto::Scheme;
use crate::params::Params;
use crate::stake::VALIDATORS_MAX;
use crate::stash::STASH_BYTES;

/// Counts of everything in a replica that grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Sequence numbers with state.
    pub slots: usize,
    /// Proposals kept.
    pub contents: usize,
    /// Prepares and Commits kept.
    pub votes: usize,
    /// Checkpoints not yet stable.
    pub checkpoints: usize,
    /// ViewChanges kept.
    pub view_changes: usize,
    /// Bytes of the proposals kept.
    pub content_bytes: usize,
    /// Contents of claims that a view may have to begin with.
    pub claimed: usize,
    /// Messages that came too early.
    pub stashed: usize,
    /// Their bytes.
    pub stashed_bytes: usize,
    /// Operations waiting.
    pub pending: usize,
    /// Those of them that wait for one block alone.
    pub bounded: usize,
    /// Pieces of evidence waiting.
    pub evidence: usize,
    /// Clients remembered.
    pub clients: usize,
    /// Certificates remembered as verified.
    pub proven: usize,
    /// Replicas with an account of what they may ask for.
    pub peers: usize,
    /// Observers whose keys are held, 172 KB each unless a validator set has it.
    pub observers: usize,
}

impl Footprint {
    /// Returns the most that a replica among `replicas`, observers apart, may hold with these
    /// parameters, whatever others send.
    #[must_use]
    pub fn bound(params: &Params, replicas: usize) -> Self {
        let count = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        let slots = count(2 * params.window());
        Self {
            slots,
            contents: 5 * slots,
            content_bytes: 5 * slots * params.block_bytes(),
            claimed: count(params.window()) * replicas,
            votes: 2 * slots * replicas,
            checkpoints: count(params.window() / params.checkpoint_interval) + 2,
            view_changes: replicas,
            stashed: count(stash_per_sender(params)) * replicas,
            stashed_bytes: STASH_BYTES * replicas,
            pending: params.pending,
            bounded: params.pending,
            evidence: EVIDENCE_MAX,
            clients: params.clients,
            proven: 4 * slots,
            peers: replicas + VALIDATORS_MAX,
            observers: VALIDATORS_MAX,
        }
    }

    /// Returns the name of the first count above its bound.
    #[must_use]
    pub fn exceeds(&self, bound: &Self) -> Option<&'static str> {
        let counts = [
            ("slots", self.slots, bound.slots),
            ("contents", self.contents, bound.contents),
            ("votes", self.votes, bound.votes),
            ("checkpoints", self.checkpoints, bound.checkpoints),
            ("view_changes", self.view_changes, bound.view_changes),
            ("content_bytes", self.content_bytes, bound.content_bytes),
            ("claimed", self.claimed, bound.claimed),
            ("stashed", self.stashed, bound.stashed),
            ("stashed_bytes", self.stashed_bytes, bound.stashed_bytes),
            ("pending", self.pending, bound.pending),
            ("bounded", self.bounded, bound.bounded),
            ("evidence", self.evidence, bound.evidence),
            ("clients", self.clients, bound.clients),
            ("proven", self.proven, bound.proven),
            ("peers", self.peers, bound.peers),
            ("observers", self.observers, bound.observers),
        ];
        counts.into_iter().find(|(_, count, bound)| count > bound).map(|(name, ..)| name)
    }
}

/// Returns how many early messages are kept for each sender: three kinds for two windows, and a few
/// others.
pub(crate) const fn stash_per_sender(params: &Params) -> u64 {
    6 * params.window() + 16
}

impl<S: Scheme> Replica<S> {
    /// Counts what the replica holds.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        let slots = self.slots.values();
        let contents = slots.clone().flat_map(|slot| slot.contents.values());
        Footprint {
            slots: self.slots.len(),
            contents: slots.clone().map(|slot| slot.contents.len()).sum(),
            votes: slots.map(|slot| slot.prepares.len() + slot.commits.len()).sum(),
            checkpoints: self.checkpoints.len(),
            view_changes: self.view_changes.len(),
            content_bytes: contents.map(|proposal| proposal.weight()).sum(),
            claimed: self.claimed.len(),
            stashed: self.stash.len(),
            stashed_bytes: self.stash.bytes(),
            pending: self.pending.len(),
            bounded: self.pending.bounded(),
            evidence: self.evidence.len(),
            clients: self.tip.clients.len(),
            proven: self.proven.len(),
            peers: self.peers.len(),
            observers: self.audience.len(),
        }
    }
}
