//! Proof that a validator broke the protocol.
//!
//! Evidence is two signatures that no honest replica ever gives together. It is transferable (the
//! offender's key and the chain's parameters decide it), constant in size, and never exists against
//! an honest replica, because own messages are durable before they leave.
//!
//! | rule | the two signatures |
//! |---|---|
//! | E1 | PrePrepares with different digests for one (epoch, view, seq) |
//! | E2 | Prepares with different digests for one (epoch, view, seq) |
//! | E3 | Commits with different digests for one (epoch, view, seq) |
//! | E4 | a Commit at (v, n), and a ViewChange to a view above v whose stable checkpoint is below n and whose prepared set has no entry for n at view v or later |
//! | E5 | Checkpoints with different digests for one (epoch, seq) |
//! | E6 | two ViewChanges for one (epoch, view) |
//! | E7 | ViewChanges to views v < w of which the second claims for some n, above both checkpoints, neither what the first claimed nor anything prepared in view v or later |
//! | E8 | two NewViews for one (epoch, view) |
//!
//! E1 to E5 make forks expensive, E6 to E8 what only delays: a replica that tells different
//! stories, forgets a claim or comes up late with a certificate that it must have had, and a leader
//! that starts a view twice.

mod verify;

use serde::{Deserialize, Serialize};

pub use verify::{EvidenceDomain, EvidenceError, verify_evidence};

use crate::block::Breach;
use crate::crypto::{Scheme, Signature};
use crate::statement::{Kind, Statement};
use crate::types::{Digest, Epoch, ReplicaId, Seq, View};
use crate::wire::{Reader, Wire, WireError, decode_versioned, encode_versioned, put_list};

/// The most bytes of one encoded evidence.
pub const EVIDENCE_BYTES_MAX: usize = 1024;

/// The deepest Merkle path inside evidence: a window of 512 blocks.
const PATH_MAX: usize = 9;

/// The rule that evidence proves broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Rule {
    /// Two PrePrepares for one (view, seq).
    E1 = 1,
    /// Two Prepares for one (view, seq).
    E2,
    /// Two Commits for one (view, seq).
    E3,
    /// A ViewChange that forgets a Commit.
    E4,
    /// Two Checkpoints for one seq.
    E5,
    /// Two ViewChanges for one view.
    E6,
    /// A ViewChange whose claims contradict those of an earlier one.
    E7,
    /// Two NewViews for one view.
    E8,
}

impl Rule {
    /// The rules in order.
    pub const ALL: [Self; 8] =
        [Self::E1, Self::E2, Self::E3, Self::E4, Self::E5, Self::E6, Self::E7, Self::E8];
}

/// Two signatures of one validator that no honest replica gives together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Evidence {
    /// Two digests under one (kind, epoch, view, seq): rules E1, E2, E3 and E5.
    DoubleSign(DoubleSign),
    /// A ViewChange that forgets a Commit: rule E4.
    Amnesia(Amnesia),
    /// Two ViewChanges or two NewViews for one view: rules E6 and E8.
    DoubleView(DoubleView),
    /// Two ViewChanges with claims that no honest replica makes one after the other: rule E7.
    ClaimChange(ClaimChange),
}

/// Two ViewChanges or two NewViews for one view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoubleView {
    /// Who signed both.
    pub offender: ReplicaId,
    /// The epoch of both.
    pub epoch: Epoch,
    /// ViewChange or NewView.
    pub kind: Kind,
    /// The view of both.
    pub view: View,
    /// The statement with the smaller checkpoint, or the smaller digest at the same.
    pub first: SignedStart,
    /// The other.
    pub second: SignedStart,
}

/// The rest of a ViewChange's or NewView's statement with its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedStart {
    /// The stable checkpoint.
    pub seq: Seq,
    /// What was said.
    pub digest: Digest,
    /// The signature of the whole statement.
    pub signature: Signature,
}

/// Two ViewChanges that tell different stories about one block.
///
/// An honest replica that has asked for view `v` sees nothing prepared in earlier views any more,
/// and forgets nothing. What it claims later is therefore what it claimed then, or was prepared in
/// view `v` or later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimChange {
    /// Who signed both.
    pub offender: ReplicaId,
    /// The epoch of both.
    pub epoch: Epoch,
    /// The block.
    pub seq: Seq,
    /// The ViewChange to the earlier view.
    pub earlier: OpenedViewChange,
    /// The ViewChange to the later view.
    pub later: OpenedViewChange,
}

/// A ViewChange opened at one block.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenedViewChange {
    /// The view it asks for.
    pub view: View,
    /// Its stable checkpoint.
    pub stable_seq: Seq,
    /// The digest of that checkpoint.
    pub stable_digest: Digest,
    /// The Merkle root over its prepared set.
    pub claims_root: Digest,
    /// Its signature.
    pub signature: Signature,
    /// What its prepared set says of the block; absent when that lies beyond the window.
    pub opening: Option<ClaimOpening>,
}

/// Two digests signed where one was due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DoubleSign {
    /// Who signed both.
    pub offender: ReplicaId,
    /// The epoch of both.
    pub epoch: Epoch,
    /// PrePrepare, Prepare, Commit or Checkpoint.
    pub kind: Kind,
    /// The view of both; 0 for Checkpoints.
    pub view: View,
    /// The sequence number of both.
    pub seq: Seq,
    /// The statement with the smaller digest.
    pub first: SignedDigest,
    /// The statement with the larger digest.
    pub second: SignedDigest,
}

/// A digest and the signature of the statement that carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDigest {
    /// What was said.
    pub digest: Digest,
    /// The signature of the whole statement.
    pub signature: Signature,
}

/// A Commit and the later ViewChange that hides it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amnesia {
    /// Who signed both.
    pub offender: ReplicaId,
    /// The epoch of both.
    pub epoch: Epoch,
    /// The view of the Commit.
    pub commit_view: View,
    /// The sequence number of the Commit.
    pub commit_seq: Seq,
    /// The Commit's digest and signature.
    pub commit: SignedDigest,
    /// The view that the ViewChange asks for.
    pub view: View,
    /// The ViewChange's stable checkpoint.
    pub stable_seq: Seq,
    /// The digest of that checkpoint.
    pub stable_digest: Digest,
    /// The Merkle root over the ViewChange's prepared set.
    pub claims_root: Digest,
    /// The signature of the ViewChange.
    pub signature: Signature,
    /// What the prepared set says of the Commit's sequence number; absent when that lies beyond the
    /// window.
    pub opening: Option<ClaimOpening>,
}

/// The leaf of a prepared set at one sequence number, with its way to the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimOpening {
    /// The claimed view and digest, or nothing.
    pub claim: Option<(View, Digest)>,
    /// The siblings on the way to the root, lowest first.
    pub path: Vec<Digest>,
}

impl Evidence {
    /// Returns whose fault it is.
    #[must_use]
    pub const fn offender(&self) -> ReplicaId {
        match self {
            Self::DoubleSign(evidence) => evidence.offender,
            Self::Amnesia(evidence) => evidence.offender,
            Self::DoubleView(evidence) => evidence.offender,
            Self::ClaimChange(evidence) => evidence.offender,
        }
    }

    /// Returns the epoch of the fault.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::DoubleSign(evidence) => evidence.epoch,
            Self::Amnesia(evidence) => evidence.epoch,
            Self::DoubleView(evidence) => evidence.epoch,
            Self::ClaimChange(evidence) => evidence.epoch,
        }
    }

    /// Returns the rule broken, or `None` for a double signature of a kind that may be signed
    /// twice.
    #[must_use]
    pub const fn rule(&self) -> Option<Rule> {
        match self {
            Self::DoubleSign(evidence) => match evidence.kind {
                Kind::PrePrepare => Some(Rule::E1),
                Kind::Prepare => Some(Rule::E2),
                Kind::Commit => Some(Rule::E3),
                Kind::Checkpoint => Some(Rule::E5),
                _ => None,
            },
            Self::Amnesia(_) => Some(Rule::E4),
            Self::DoubleView(evidence) => match evidence.kind {
                Kind::ViewChange => Some(Rule::E6),
                Kind::NewView => Some(Rule::E8),
                _ => None,
            },
            Self::ClaimChange(_) => Some(Rule::E7),
        }
    }

    /// Returns what is punished once: the fault of a validator against a rule in an epoch.
    ///
    /// A judge must count by this and never by the evidence's bytes: ECDSA signatures have a second
    /// form that anybody can compute, and a fault may be proven by many pairs.
    #[must_use]
    pub fn fault(&self) -> Option<Breach> {
        Some((self.epoch(), self.offender(), self.rule()?))
    }

    /// Returns the canonical encoding, at most [`EVIDENCE_BYTES_MAX`] bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        encode_versioned(self)
    }

    /// Reads the canonical encoding.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are not exactly one encoded evidence.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        decode_versioned(bytes, EVIDENCE_BYTES_MAX)
    }

    /// Returns the digest by which a block names this evidence.
    #[must_use]
    pub fn digest<S: Scheme>(&self) -> Digest {
        S::hash_bytes(&self.to_bytes())
    }
}

impl DoubleSign {
    /// Builds evidence from two signatures under statements that differ in the digest alone, in
    /// either order.
    #[must_use]
    pub fn new(
        offender: ReplicaId,
        statement: &Statement,
        signature: Signature,
        other: SignedDigest,
    ) -> Self {
        let one = SignedDigest { digest: statement.digest, signature };
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        let Statement { epoch, kind, view, seq, .. } = *statement;
        Self { offender, epoch, kind, view, seq, first, second }
    }
}

impl DoubleView {
    /// Builds evidence from two signatures for one view, in either order.
    #[must_use]
    pub fn new(
        offender: ReplicaId,
        statement: &Statement,
        signature: Signature,
        other: SignedStart,
    ) -> Self {
        let Statement { epoch, kind, view, seq, digest } = *statement;
        let one = SignedStart { seq, digest, signature };
        let (first, second) = if one <= other { (one, other) } else { (other, one) };
        Self { offender, epoch, kind, view, first, second }
    }
}

/// Whether an honest replica can claim `later`, view and digest, in a ViewChange after one to
/// `view` that claimed `earlier` for the same block. Rule E7 convicts those for whom this is false,
/// above both checkpoints.
#[must_use]
pub fn may_follow(
    view: View,
    earlier: Option<(View, Digest)>,
    later: Option<(View, Digest)>,
) -> bool {
    later == earlier || later.is_some_and(|(prepared_in, _)| prepared_in >= view)
}

/// Returns the leaf of a prepared set: zero without a claim.
pub(crate) fn claim_leaf<S: Scheme>(claim: Option<(View, Digest)>) -> Digest {
    claim.map_or(Digest::ZERO, |(view, digest)| S::compress(&Digest::from_u64(view.0), &digest))
}

/// Returns the digest that a ViewChange signs.
pub(crate) fn view_change_digest<S: Scheme>(stable: &Digest, claims_root: &Digest) -> Digest {
    S::hash(&[Digest::short_string("CIRO_VIEW_CHANGE_V1"), *stable, *claims_root])
}

impl Wire for Rule {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u8).put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let tag = u8::get(input)?;
        let found = Self::ALL.into_iter().find(|rule| *rule as u8 == tag);
        found.ok_or(WireError::Tag { what: "rule", tag })
    }
}

impl Wire for SignedDigest {
    fn put(&self, out: &mut Vec<u8>) {
        self.digest.put(out);
        self.signature.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { digest: Wire::get(input)?, signature: Wire::get(input)? })
    }
}

impl Wire for SignedStart {
    fn put(&self, out: &mut Vec<u8>) {
        self.seq.put(out);
        self.digest.put(out);
        self.signature.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { seq: Wire::get(input)?, digest: Wire::get(input)?, signature: Wire::get(input)? })
    }
}

impl Wire for OpenedViewChange {
    fn put(&self, out: &mut Vec<u8>) {
        (self.view, self.stable_seq).put(out);
        (self.stable_digest, self.claims_root).put(out);
        self.signature.put(out);
        self.opening.put(out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let (view, stable_seq) = Wire::get(input)?;
        let (stable_digest, claims_root) = Wire::get(input)?;
        let (signature, opening) = (Wire::get(input)?, Wire::get(input)?);
        Ok(Self { view, stable_seq, stable_digest, claims_root, signature, opening })
    }
}

impl Wire for ClaimOpening {
    fn put(&self, out: &mut Vec<u8>) {
        self.claim.put(out);
        put_list(&self.path, out);
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        Ok(Self { claim: Wire::get(input)?, path: input.list("Merkle path", PATH_MAX)? })
    }
}

impl Wire for Evidence {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::DoubleSign(DoubleSign { offender, epoch, kind, view, seq, first, second }) => {
                1_u8.put(out);
                (*offender, *epoch).put(out);
                kind.put(out);
                (*view, *seq).put(out);
                (*first, *second).put(out);
            }
            Self::Amnesia(evidence) => {
                2_u8.put(out);
                (evidence.offender, evidence.epoch).put(out);
                (evidence.commit_view, evidence.commit_seq).put(out);
                evidence.commit.put(out);
                (evidence.view, evidence.stable_seq).put(out);
                (evidence.stable_digest, evidence.claims_root).put(out);
                evidence.signature.put(out);
                evidence.opening.put(out);
            }
            Self::DoubleView(DoubleView { offender, epoch, kind, view, first, second }) => {
                3_u8.put(out);
                (*offender, *epoch).put(out);
                kind.put(out);
                view.put(out);
                (*first, *second).put(out);
            }
            Self::ClaimChange(ClaimChange { offender, epoch, seq, earlier, later }) => {
                4_u8.put(out);
                (*offender, *epoch).put(out);
                seq.put(out);
                earlier.put(out);
                later.put(out);
            }
        }
    }

    fn get(input: &mut Reader<'_>) -> Result<Self, WireError> {
        let tag = u8::get(input)?;
        let (offender, epoch) = Wire::get(input)?;
        match tag {
            1 => {
                let kind = Wire::get(input)?;
                let (view, seq) = Wire::get(input)?;
                let (first, second) = Wire::get(input)?;
                Ok(Self::DoubleSign(DoubleSign { offender, epoch, kind, view, seq, first, second }))
            }
            2 => {
                let (commit_view, commit_seq) = Wire::get(input)?;
                let commit = Wire::get(input)?;
                let (view, stable_seq) = Wire::get(input)?;
                let (stable_digest, claims_root) = Wire::get(input)?;
                Ok(Self::Amnesia(Amnesia {
                    offender,
                    epoch,
                    commit_view,
                    commit_seq,
                    commit,
                    view,
                    stable_seq,
                    stable_digest,
                    claims_root,
                    signature: Wire::get(input)?,
                    opening: Wire::get(input)?,
                }))
            }
            3 => {
                let (kind, view) = (Wire::get(input)?, Wire::get(input)?);
                let (first, second) = Wire::get(input)?;
                Ok(Self::DoubleView(DoubleView { offender, epoch, kind, view, first, second }))
            }
            4 => {
                let seq = Wire::get(input)?;
                let (earlier, later) = (Wire::get(input)?, Wire::get(input)?);
                Ok(Self::ClaimChange(ClaimChange { offender, epoch, seq, earlier, later }))
            }
            _ => Err(WireError::Tag { what: "evidence", tag }),
        }
    }
}
