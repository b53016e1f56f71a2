//! Pure verification of evidence: the function a Cairo contract repeats.

use super::{
    Amnesia, ClaimChange, ClaimOpening, DoubleSign, DoubleView, Evidence, OpenedViewChange,
    SignedDigest, SignedStart, claim_leaf, may_follow, view_change_digest,
};
use crate::crypto::{CryptoError, Scheme};
use crate::merkle;
use crate::params::Params;
use crate::statement::{Kind, Statement};
use crate::types::{ChainId, Digest, ReplicaId, Seq, View};

/// What a verifier must know of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvidenceDomain {
    /// The chain that the signatures were given on.
    pub chain: ChainId,
    /// The blocks between low and high watermark, `2K`: a power of two.
    pub window: u64,
}

impl EvidenceDomain {
    /// Returns the domain of a chain with these parameters.
    #[must_use]
    pub const fn new(chain: ChainId, params: &Params) -> Self {
        Self { chain, window: params.window() }
    }

    /// Returns the depth of the Merkle tree over a prepared set.
    const fn claims_depth(&self) -> u32 {
        self.window.trailing_zeros()
    }
}

/// Why evidence proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Messages of this kind may be signed twice.
    #[error("signing two messages of kind `{0:?}` breaks no rule")]
    Kind(Kind),
    /// A Checkpoint carries a view.
    #[error("a Checkpoint has view 0, got {0}")]
    CheckpointView(View),
    /// The two digests are equal or in the wrong order.
    #[error("digests must differ and the smaller must come first")]
    Digests,
    /// The ViewChange does not come after the Commit, or after the earlier ViewChange.
    #[error("ViewChange to view {view} does not come after view {commit_view}")]
    NotLater {
        /// The ViewChange's view.
        view: View,
        /// The view of the Commit or of the earlier ViewChange.
        commit_view: View,
    },
    /// The ViewChange's stable checkpoint covers the Commit.
    #[error("stable checkpoint {stable_seq} covers the Commit at {commit_seq}")]
    Covered {
        /// The ViewChange's stable checkpoint.
        stable_seq: Seq,
        /// The Commit's sequence number.
        commit_seq: Seq,
    },
    /// The prepared set has the entry it must have.
    #[error("prepared set has an entry at view {claimed}, the Commit is at view {commit_view}")]
    Remembered {
        /// The claimed view.
        claimed: View,
        /// The Commit's view.
        commit_view: View,
    },
    /// The opening is missing, superfluous, or has another depth than the chain's windows.
    #[error("the opening of the prepared set has the wrong shape")]
    OpeningShape,
    /// The opening does not lead to the signed root.
    #[error("the opening does not lead to the signed root of the prepared set")]
    Opening,
    /// An honest replica may claim this after that.
    #[error("the later ViewChange may follow the earlier one")]
    Consistent,
    /// A signature is wrong.
    #[error("the {which} signature is invalid")]
    Signature {
        /// `first` or `second`, in the evidence's order.
        which: &'static str,
        /// What is wrong with it.
        source: CryptoError,
    },
}

/// Checks evidence against the offender's key and returns the offender.
///
/// The caller looks `evidence.offender()` up in the validator set of `evidence.epoch()`.
///
/// # Errors
///
/// [`EvidenceError`] naming the first condition that does not hold.
pub fn verify_evidence<S: Scheme>(
    domain: &EvidenceDomain,
    key: &S::VerifyingKey,
    evidence: &Evidence,
) -> Result<ReplicaId, EvidenceError> {
    match evidence {
        Evidence::DoubleSign(evidence) => verify_double_sign::<S>(domain, key, evidence)?,
        Evidence::Amnesia(evidence) => verify_amnesia::<S>(domain, key, evidence)?,
        Evidence::DoubleView(evidence) => verify_double_view::<S>(domain, key, evidence)?,
        Evidence::ClaimChange(evidence) => verify_claim_change::<S>(domain, key, evidence)?,
    }
    Ok(evidence.offender())
}

fn verify_double_sign<S: Scheme>(
    domain: &EvidenceDomain,
    key: &S::VerifyingKey,
    evidence: &DoubleSign,
) -> Result<(), EvidenceError> {
    let DoubleSign { epoch, kind, view, seq, first, second, .. } = *evidence;
    match kind {
        Kind::PrePrepare | Kind::Prepare | Kind::Commit => {}
        Kind::Checkpoint if view == View::ZERO => {}
        Kind::Checkpoint => return Err(EvidenceError::CheckpointView(view)),
        _ => return Err(EvidenceError::Kind(kind)),
    }
    if first.digest >= second.digest {
        return Err(EvidenceError::Digests);
    }
    for (which, SignedDigest { digest, signature }) in [("first", first), ("second", second)] {
        let hash = Statement { epoch, kind, view, seq, digest }.hash::<S>(domain.chain);
        S::verify(key, &hash, &signature)
            .map_err(|source| EvidenceError::Signature { which, source })?;
    }
    Ok(())
}

fn verify_amnesia<S: Scheme>(
    domain: &EvidenceDomain,
    key: &S::VerifyingKey,
    evidence: &Amnesia,
) -> Result<(), EvidenceError> {
    let Amnesia { epoch, commit_view, commit_seq, commit, view, stable_seq, .. } = *evidence;
    if view <= commit_view {
        return Err(EvidenceError::NotLater { view, commit_view });
    }
    if stable_seq >= commit_seq {
        return Err(EvidenceError::Covered { stable_seq, commit_seq });
    }
    verify_opening::<S>(domain, evidence)?;
    let commit_statement = Statement {
        epoch,
        kind: Kind::Commit,
        view: commit_view,
        seq: commit_seq,
        digest: commit.digest,
    };
    let digest = view_change_digest::<S>(&evidence.stable_digest, &evidence.claims_root);
    let view_change = Statement { epoch, kind: Kind::ViewChange, view, seq: stable_seq, digest };
    for (which, statement, signature) in
        [("first", commit_statement, commit.signature), ("second", view_change, evidence.signature)]
    {
        S::verify(key, &statement.hash::<S>(domain.chain), &signature)
            .map_err(|source| EvidenceError::Signature { which, source })?;
    }
    Ok(())
}

fn verify_double_view<S: Scheme>(
    domain: &EvidenceDomain,
    key: &S::VerifyingKey,
    evidence: &DoubleView,
) -> Result<(), EvidenceError> {
    let DoubleView { epoch, kind, view, first, second, .. } = *evidence;
    if !matches!(kind, Kind::ViewChange | Kind::NewView) {
        return Err(EvidenceError::Kind(kind));
    }
    if (first.seq, first.digest) >= (second.seq, second.digest) {
        return Err(EvidenceError::Digests);
    }
    for (which, start) in [("first", first), ("second", second)] {
        let SignedStart { seq, digest, signature } = start;
        let hash = Statement { epoch, kind, view, seq, digest }.hash::<S>(domain.chain);
        S::verify(key, &hash, &signature)
            .map_err(|source| EvidenceError::Signature { which, source })?;
    }
    Ok(())
}

fn verify_claim_change<S: Scheme>(
    domain: &EvidenceDomain,
    key: &S::VerifyingKey,
    evidence: &ClaimChange,
) -> Result<(), EvidenceError> {
    let ClaimChange { epoch, seq, earlier, later, .. } = evidence;
    if later.view <= earlier.view {
        return Err(EvidenceError::NotLater { view: later.view, commit_view: earlier.view });
    }
    let claims = [earlier, later].map(|it| open_claim::<S>(domain, it, *seq));
    let [before, after] = claims;
    let (before, after) = (before?, after?);
    if may_follow(earlier.view, before, after) {
        return Err(EvidenceError::Consistent);
    }
    for (which, it) in [("first", earlier), ("second", later)] {
        let digest = view_change_digest::<S>(&it.stable_digest, &it.claims_root);
        let (epoch, kind, view, seq) = (*epoch, Kind::ViewChange, it.view, it.stable_seq);
        let hash = Statement { epoch, kind, view, seq, digest }.hash::<S>(domain.chain);
        S::verify(key, &hash, &it.signature)
            .map_err(|source| EvidenceError::Signature { which, source })?;
    }
    Ok(())
}

/// Returns what a ViewChange claims for a block above its checkpoint.
fn open_claim<S: Scheme>(
    domain: &EvidenceDomain,
    opened: &OpenedViewChange,
    seq: Seq,
) -> Result<Option<(View, Digest)>, EvidenceError> {
    let OpenedViewChange { stable_seq, claims_root, opening, .. } = opened;
    if *stable_seq >= seq {
        return Err(EvidenceError::Covered { stable_seq: *stable_seq, commit_seq: seq });
    }
    let index = seq.0 - stable_seq.0 - 1;
    let Some(opening) = opening else {
        return if index >= domain.window { Ok(None) } else { Err(EvidenceError::OpeningShape) };
    };
    check_path::<S>(domain, opening, index, claims_root)?;
    Ok(opening.claim)
}

fn check_path<S: Scheme>(
    domain: &EvidenceDomain,
    opening: &ClaimOpening,
    index: u64,
    root: &Digest,
) -> Result<(), EvidenceError> {
    let depth = usize::try_from(domain.claims_depth()).unwrap_or(usize::MAX);
    if index >= domain.window || opening.path.len() != depth {
        return Err(EvidenceError::OpeningShape);
    }
    let leaf = claim_leaf::<S>(opening.claim);
    let leads = merkle::root_from_path::<S>(leaf, index, &opening.path) == *root;
    if leads { Ok(()) } else { Err(EvidenceError::Opening) }
}

/// Checks that the prepared set has no entry for the Commit's block at the Commit's view or later.
fn verify_opening<S: Scheme>(
    domain: &EvidenceDomain,
    evidence: &Amnesia,
) -> Result<(), EvidenceError> {
    let index = evidence.commit_seq.0 - evidence.stable_seq.0 - 1;
    let Some(opening) = &evidence.opening else {
        // A prepared set reaches one window above its checkpoint, so it cannot mention a block
        // beyond.
        return if index >= domain.window { Ok(()) } else { Err(EvidenceError::OpeningShape) };
    };
    let depth = usize::try_from(domain.claims_depth()).unwrap_or(usize::MAX);
    if index >= domain.window || opening.path.len() != depth {
        return Err(EvidenceError::OpeningShape);
    }
    if let Some((claimed, _)) = opening.claim
        && claimed >= evidence.commit_view
    {
        let commit_view = evidence.commit_view;
        return Err(EvidenceError::Remembered { claimed, commit_view });
    }
    check_path::<S>(domain, opening, index, &evidence.claims_root)
}
