//! ViewChange and NewView (PBFT §4.4).
//!
//! A ViewChange is signed over a *summary*: its stable checkpoint and, for every prepared block
//! above it, view and digest. The certificates that prove the summary travel beside it. A NewView
//! then carries the summaries of a quorum but each certificate only once, for the entries that its
//! outcome rests on; that keeps it three orders of magnitude smaller at 100 replicas than complete
//! ViewChanges would be, and proves the same: an entry that a higher certified entry outranks does
//! not matter, true or not. Because the summary is a Merkle root over the window, a single missing
//! entry is provable in constant size, which is what evidence E4 needs.

use crate::certificate::Certificate;
use crate::crypto::{Scheme, Signature};
use crate::evidence::{ClaimOpening, claim_leaf, view_change_digest};
use crate::merkle;
use crate::types::{Digest, ReplicaId, Seq, View};

/// A block that its claimant saw prepared, at the latest view it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// The sequence number.
    pub seq: Seq,
    /// The latest view it prepared in.
    pub view: View,
    /// The proposal's digest.
    pub digest: Digest,
}

/// The signed part of a ViewChange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The view asked for.
    pub view: View,
    /// The last stable checkpoint.
    pub stable_seq: Seq,
    /// The digest of that checkpoint.
    pub stable_digest: Digest,
    /// The prepared blocks above it, in order.
    pub claims: Vec<Claim>,
}

/// A replica's wish for another primary, with proof of what it has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViewChange {
    /// What is signed.
    pub summary: Summary,
    /// Checkpoints of a quorum for the stable checkpoint; absent when an epoch starts with it.
    pub checkpoint: Option<Certificate>,
    /// Prepares of a quorum for each claim, in the same order.
    pub prepared: Vec<Certificate>,
}

/// A summary with its signature, as a NewView quotes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedSummary {
    /// Whose ViewChange it is.
    pub sender: ReplicaId,
    /// The summary.
    pub summary: Summary,
    /// The signature of the ViewChange.
    pub signature: Signature,
}

/// The start of a view, with all that makes its first proposals inevitable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewView {
    /// The view.
    pub view: View,
    /// ViewChanges of a quorum, ordered by sender.
    pub view_changes: Vec<SignedSummary>,
    /// Checkpoints of a quorum for the highest stable checkpoint among them; absent when an epoch
    /// starts with it.
    pub checkpoint: Option<Certificate>,
    /// Prepares of a quorum for each block taken over, in order; null blocks have none.
    pub prepared: Vec<Certificate>,
    /// Digest and PrePrepare signature of each block from the checkpoint on, without gaps.
    pub pre_prepares: Vec<(Digest, Signature)>,
}

impl Summary {
    /// Returns the Merkle leaves over the window above the stable checkpoint.
    fn leaves<S: Scheme>(&self) -> Vec<Digest> {
        let mut leaves = Vec::new();
        for claim in &self.claims {
            let index = claim.seq.0.saturating_sub(self.stable_seq.0).saturating_sub(1);
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            leaves.resize(leaves.len().max(index), Digest::ZERO);
            leaves.push(claim_leaf::<S>(Some((claim.view, claim.digest))));
        }
        leaves
    }

    /// Whether claims are in order and inside a window of `2^depth` blocks, without which there is
    /// no digest.
    #[must_use]
    pub fn is_well_formed(&self, depth: u32) -> bool {
        let last = self.stable_seq.plus(1 << depth);
        self.claims.windows(2).all(|pair| pair[0].seq < pair[1].seq)
            && self.claims.iter().all(|claim| claim.seq > self.stable_seq && claim.seq <= last)
    }

    /// Returns the root over the claims; zero for a summary that is not well formed.
    #[must_use]
    pub fn claims_root<S: Scheme>(&self, depth: u32) -> Digest {
        if self.is_well_formed(depth) {
            merkle::root::<S>(&self.leaves::<S>(), depth)
        } else {
            Digest::ZERO
        }
    }

    /// Returns the digest that the ViewChange signs.
    #[must_use]
    pub fn digest<S: Scheme>(&self, depth: u32) -> Digest {
        view_change_digest::<S>(&self.stable_digest, &self.claims_root::<S>(depth))
    }

    /// Returns what the summary claims for `seq`.
    #[must_use]
    pub fn claim(&self, seq: Seq) -> Option<&Claim> {
        let index = self.claims.binary_search_by_key(&seq, |claim| claim.seq).ok()?;
        self.claims.get(index)
    }

    /// Opens the root at `seq`; `None` outside the window.
    #[must_use]
    pub fn open<S: Scheme>(&self, depth: u32, seq: Seq) -> Option<ClaimOpening> {
        let index = seq.0.checked_sub(self.stable_seq.0)?.checked_sub(1)?;
        if index >= 1 << depth || !self.is_well_formed(depth) {
            return None;
        }
        let path = merkle::path::<S>(&self.leaves::<S>(), depth, usize::try_from(index).ok()?);
        let claim = self.claim(seq).map(|claim| (claim.view, claim.digest));
        Some(ClaimOpening { claim, path })
    }
}

impl NewView {
    /// Returns the checkpoint that the view starts from: the highest stable one among the
    /// ViewChanges.
    #[must_use]
    pub fn stable_seq(&self) -> Seq {
        let stable = self.view_changes.iter().map(|signed| signed.summary.stable_seq);
        stable.max().unwrap_or_default()
    }

    /// Returns the digest that is signed: all summaries and all first proposals.
    #[must_use]
    pub fn digest<S: Scheme>(&self, depth: u32) -> Digest {
        let mut words = vec![Digest::short_string("CIRO_NEW_VIEW_V1")];
        for signed in &self.view_changes {
            words.push(Digest::from_u64(signed.sender.0.into()));
            words.push(Digest::from_u64(signed.summary.stable_seq.0));
            words.push(signed.summary.digest::<S>(depth));
        }
        words.push(Digest::short_string("PRE_PREPARES"));
        words.extend(self.pre_prepares.iter().map(|(digest, _)| *digest));
        S::hash(&words)
    }
}
