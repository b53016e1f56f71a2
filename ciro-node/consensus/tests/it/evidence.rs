//! Evidence verifies exactly when the two signatures contradict each other.

use ciro_consensus::crypto::{CryptoError, Scheme, Signature, Stark};
use ciro_consensus::evidence::{
    Amnesia, ClaimChange, DoubleSign, DoubleView, EVIDENCE_BYTES_MAX, Evidence, EvidenceDomain,
    EvidenceError, OpenedViewChange, Rule, SignedDigest, SignedStart, verify_evidence,
};
use ciro_consensus::message::{Claim, Summary};
use ciro_consensus::{Digest, Epoch, Kind, ReplicaId, Seq, Statement, View};

use crate::support::{Lab, key};

/// The offender of all evidence here.
pub(crate) const OFFENDER: u32 = 3;

pub(crate) fn sign(lab: &Lab, statement: &Statement) -> Signature {
    Stark::sign(&key(OFFENDER), &statement.hash::<Stark>(lab.genesis.chain)).unwrap()
}

pub(crate) fn double_sign(lab: &Lab, kind: Kind) -> DoubleSign {
    let view = View(if kind == Kind::Checkpoint { 0 } else { 2 });
    let one = Statement { epoch: Epoch(1), kind, view, seq: Seq(12), digest: Digest::from_u64(9) };
    let other = Statement { digest: Digest::from_u64(5), ..one };
    let signed = SignedDigest { digest: other.digest, signature: sign(lab, &other) };
    DoubleSign::new(ReplicaId(OFFENDER), &one, sign(lab, &one), signed)
}

/// A Commit at view 1, block 10, and a ViewChange to view 2 whose prepared set is given.
pub(crate) fn amnesia(lab: &Lab, stable_seq: u64, claims: &[Claim]) -> Amnesia {
    let depth = lab.genesis.message_domain().claims_depth;
    let epoch = Epoch(1);
    let commit = Statement {
        epoch,
        kind: Kind::Commit,
        view: View(1),
        seq: Seq(12),
        digest: Digest::from_u64(9),
    };
    let summary = Summary {
        view: View(2),
        stable_seq: Seq(stable_seq),
        stable_digest: Digest::from_u64(77),
        claims: claims.to_vec(),
    };
    let view_change = Statement {
        epoch,
        kind: Kind::ViewChange,
        view: summary.view,
        seq: summary.stable_seq,
        digest: summary.digest::<Stark>(depth),
    };
    Amnesia {
        offender: ReplicaId(OFFENDER),
        epoch,
        commit_view: commit.view,
        commit_seq: commit.seq,
        commit: SignedDigest { digest: commit.digest, signature: sign(lab, &commit) },
        view: summary.view,
        stable_seq: summary.stable_seq,
        stable_digest: summary.stable_digest,
        claims_root: summary.claims_root::<Stark>(depth),
        signature: sign(lab, &view_change),
        opening: summary.open::<Stark>(depth, commit.seq),
    }
}

/// Two ViewChanges or NewViews for one view, the second with another checkpoint.
pub(crate) fn double_view(lab: &Lab, kind: Kind) -> DoubleView {
    let one = Statement {
        epoch: Epoch(1),
        kind,
        view: View(2),
        seq: Seq(8),
        digest: Digest::from_u64(9),
    };
    let other = Statement { seq: Seq(12), digest: Digest::from_u64(5), ..one };
    let start = SignedStart { seq: other.seq, digest: other.digest, signature: sign(lab, &other) };
    DoubleView::new(ReplicaId(OFFENDER), &one, sign(lab, &one), start)
}

/// ViewChanges to views 2 and 3 with these checkpoints and prepared sets, opened at block 12.
pub(crate) fn claim_change(
    lab: &Lab,
    earlier: (u64, &[Claim]),
    later: (u64, &[Claim]),
) -> ClaimChange {
    let depth = lab.genesis.message_domain().claims_depth;
    let (epoch, seq) = (Epoch(1), Seq(12));
    let open = |view, (stable, claims): (u64, &[Claim])| {
        let (stable_seq, stable_digest) = (Seq(stable), Digest::from_u64(77));
        let summary =
            Summary { view: View(view), stable_seq, stable_digest, claims: claims.to_vec() };
        let statement = Statement {
            epoch,
            kind: Kind::ViewChange,
            view: summary.view,
            seq: stable_seq,
            digest: summary.digest::<Stark>(depth),
        };
        OpenedViewChange {
            view: summary.view,
            stable_seq,
            stable_digest,
            claims_root: summary.claims_root::<Stark>(depth),
            signature: sign(lab, &statement),
            opening: summary.open::<Stark>(depth, seq),
        }
    };
    let (earlier, later) = (open(2, earlier), open(3, later));
    ClaimChange { offender: ReplicaId(OFFENDER), epoch, seq, earlier, later }
}

/// Stories that no honest replica tells: forgotten, late, of an earlier view, of another block.
pub(crate) fn contradictory(lab: &Lab) -> Vec<(&'static str, ClaimChange)> {
    let other = Claim { digest: Digest::from_u64(8), ..claim(12, 1) };
    vec![
        ("a claim that is forgotten", claim_change(lab, (8, &[claim(12, 1)]), (8, &[]))),
        ("a claim that comes late", claim_change(lab, (8, &[]), (8, &[claim(12, 1)]))),
        (
            "a claim of an earlier view",
            claim_change(lab, (8, &[claim(12, 1)]), (8, &[claim(12, 0)])),
        ),
        ("a claim of another block", claim_change(lab, (8, &[claim(12, 1)]), (8, &[other]))),
        ("a claim beyond the first window", claim_change(lab, (0, &[]), (8, &[claim(12, 1)]))),
    ]
}

/// Stories that an honest replica may tell.
pub(crate) fn consistent(lab: &Lab) -> Vec<(&'static str, ClaimChange)> {
    vec![
        ("the same claim again", claim_change(lab, (8, &[claim(12, 1)]), (8, &[claim(12, 1)]))),
        ("nothing and nothing", claim_change(lab, (8, &[]), (8, &[]))),
        ("prepared since", claim_change(lab, (8, &[]), (8, &[claim(12, 2)]))),
        ("prepared again", claim_change(lab, (8, &[claim(12, 0)]), (8, &[claim(12, 2)]))),
    ]
}

pub(crate) fn claim(seq: u64, view: u64) -> Claim {
    Claim { seq: Seq(seq), view: View(view), digest: Digest::from_u64(9) }
}

pub(crate) fn check(lab: &Lab, evidence: &Evidence) -> Result<ReplicaId, EvidenceError> {
    let committee = &lab.genesis.committee;
    let key = committee.key(ReplicaId(OFFENDER)).unwrap();
    verify_evidence::<Stark>(&lab.genesis.evidence_domain(), key, evidence)
}

#[test]
fn each_rule_convicts_in_constant_size() {
    let lab = Lab::new();
    let double = |kind| Evidence::DoubleSign(double_sign(&lab, kind));
    let cases = [
        (double(Kind::PrePrepare), Rule::E1),
        (double(Kind::Prepare), Rule::E2),
        (double(Kind::Commit), Rule::E3),
        (Evidence::Amnesia(amnesia(&lab, 8, &[])), Rule::E4),
        (Evidence::Amnesia(amnesia(&lab, 8, &[claim(11, 1), claim(12, 0)])), Rule::E4),
        (Evidence::Amnesia(amnesia(&lab, 0, &[claim(3, 0)])), Rule::E4),
        (double(Kind::Checkpoint), Rule::E5),
        (Evidence::DoubleView(double_view(&lab, Kind::ViewChange)), Rule::E6),
        (Evidence::DoubleView(double_view(&lab, Kind::NewView)), Rule::E8),
    ];
    let changed = contradictory(&lab).into_iter();
    let changed = changed.map(|(_, it)| (Evidence::ClaimChange(it), Rule::E7));
    let cases: Vec<(Evidence, Rule)> = cases.into_iter().chain(changed).collect();
    for (evidence, rule) in cases {
        assert_eq!(check(&lab, &evidence), Ok(ReplicaId(OFFENDER)), "{rule:?}");
        assert_eq!(evidence.rule(), Some(rule));
        let bytes = evidence.to_bytes();
        assert!(bytes.len() <= EVIDENCE_BYTES_MAX, "{} bytes", bytes.len());
        assert_eq!(Evidence::from_bytes(&bytes), Ok(evidence));
    }
}

#[test]
fn the_largest_window_fits_the_size_limit() {
    let params = ciro_consensus::Params {
        checkpoint_interval: ciro_consensus::CHECKPOINT_INTERVAL_MAX,
        epoch_length: ciro_consensus::CHECKPOINT_INTERVAL_MAX,
        ..ciro_consensus::Params::default()
    };
    let lab = Lab::with_params(params);
    let changed = claim_change(&lab, (0, &[claim(12, 0)]), (0, &[claim(12, 1)]));
    for evidence in
        [Evidence::Amnesia(amnesia(&lab, 8, &[claim(12, 0)])), Evidence::ClaimChange(changed)]
    {
        assert_eq!(Evidence::from_bytes(&evidence.to_bytes()), Ok(evidence));
    }
}

#[test]
fn an_honest_story_convicts_nobody() {
    let lab = Lab::new();
    for (story, evidence) in consistent(&lab) {
        let refused = check(&lab, &Evidence::ClaimChange(evidence));
        assert_eq!(refused, Err(EvidenceError::Consistent), "{story}");
    }
    let covered = claim_change(&lab, (8, &[claim(12, 1)]), (12, &[]));
    let expected = EvidenceError::Covered { stable_seq: Seq(12), commit_seq: Seq(12) };
    assert_eq!(check(&lab, &Evidence::ClaimChange(covered)), Err(expected));
}

/// Evidence of rules E6 to E8 that is not what it must be, one field tampered with in each.
pub(crate) fn tampered_views(lab: &Lab) -> Vec<(&'static str, Evidence, EvidenceError)> {
    let other = |which| EvidenceError::Signature { which, source: CryptoError::Signature };
    let mut cases = Vec::new();
    let good = double_view(lab, Kind::ViewChange);
    let mut case = |name, error, spoil: &dyn Fn(&mut DoubleView)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        cases.push((name, Evidence::DoubleView(evidence), error));
    };
    case("one ViewChange twice", EvidenceError::Digests, &|it| it.second = it.first);
    case("in the wrong order", EvidenceError::Digests, &|it| {
        std::mem::swap(&mut it.first, &mut it.second);
    });
    case("a kind without views", EvidenceError::Kind(Kind::Commit), &|it| it.kind = Kind::Commit);
    case("another kind", other("first"), &|it| it.kind = Kind::NewView);
    case("another view", other("first"), &|it| it.view = View(4));
    case("another epoch", other("first"), &|it| it.epoch = Epoch(2));
    case("another checkpoint", other("second"), &|it| it.second.seq = Seq(16));
    let good = claim_change(lab, (8, &[claim(12, 1)]), (8, &[]));
    let mut case = |name, error, spoil: &dyn Fn(&mut ClaimChange)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        cases.push((name, Evidence::ClaimChange(evidence), error));
    };
    let not_later = EvidenceError::NotLater { view: View(3), commit_view: View(3) };
    case("ViewChanges to one view", not_later, &|it| it.earlier.view = View(3));
    case("another root", EvidenceError::Opening, &|it| it.later.claims_root = Digest::ZERO);
    case("another block", EvidenceError::Opening, &|it| it.seq = Seq(13));
    case("a missing opening", EvidenceError::OpeningShape, &|it| it.later.opening = None);
    case("another first checkpoint", other("first"), &|it| {
        it.earlier.stable_digest = Digest::from_u64(3);
    });
    case("another second view", other("second"), &|it| it.later.view = View(5));
    cases
}

#[test]
fn each_flaw_of_views_is_refused_by_its_name() {
    let lab = Lab::new();
    for (flaw, evidence, expected) in tampered_views(&lab) {
        assert_eq!(check(&lab, &evidence), Err(expected), "{flaw}");
    }
}

/// A chain started anew under its old name is another chain.
#[test]
fn what_a_chain_starts_from_is_part_of_its_name() {
    let params = |length| ciro_consensus::Params {
        checkpoint_interval: 4,
        epoch_length: length,
        ..ciro_consensus::Params::default()
    };
    let set = |stake| {
        let validators = (0..4).map(|id| ciro_consensus::Validator {
            id: ReplicaId(id),
            key: Stark::public_key(&key(id)),
            stake,
        });
        ciro_consensus::ValidatorSet::new(validators).unwrap()
    };
    let chain = |name, length, stake, root| {
        let name = ciro_consensus::ChainId::new(name);
        ciro_consensus::Genesis::<Stark>::new(
            name,
            params(length),
            set(stake),
            Digest::from_u64(root),
        )
        .chain
    };
    let one = chain("ciro", 8, 10, 1);
    assert_eq!(chain("ciro", 8, 10, 1), one);
    let others = [
        chain("ciro2", 8, 10, 1),
        chain("ciro", 16, 10, 1),
        chain("ciro", 8, 11, 1),
        chain("ciro", 8, 10, 2),
    ];
    assert!(others.iter().all(|other| *other != one));
}

/// An honest ViewChange remembers: such evidence can be built, but convicts nobody.
#[test]
fn a_view_change_that_remembers_convicts_nobody() {
    let lab = Lab::new();
    for view in [1, 2] {
        let evidence = Evidence::Amnesia(amnesia(&lab, 8, &[claim(12, view)]));
        let expected = EvidenceError::Remembered { claimed: View(view), commit_view: View(1) };
        assert_eq!(check(&lab, &evidence), Err(expected));
    }
    let evidence = Evidence::Amnesia(amnesia(&lab, 12, &[]));
    let expected = EvidenceError::Covered { stable_seq: Seq(12), commit_seq: Seq(12) };
    assert_eq!(check(&lab, &evidence), Err(expected));
}

/// Double signatures that are not what they must be, one field tampered with in each.
pub(crate) fn tampered_double_signs(lab: &Lab) -> Vec<(&'static str, DoubleSign, EvidenceError)> {
    let good = double_sign(lab, Kind::Commit);
    let other = |which| EvidenceError::Signature { which, source: CryptoError::Signature };
    let mut cases = Vec::new();
    let mut case = |name, error, spoil: &dyn Fn(&mut DoubleSign)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        cases.push((name, evidence, error));
    };
    case("equal digests", EvidenceError::Digests, &|it| it.second = it.first);
    case("digests in the wrong order", EvidenceError::Digests, &|it| {
        std::mem::swap(&mut it.first, &mut it.second);
    });
    case("a kind that may be signed twice", EvidenceError::Kind(Kind::Status), &|it| {
        it.kind = Kind::Status;
    });
    case("a checkpoint with a view", EvidenceError::CheckpointView(View(2)), &|it| {
        it.kind = Kind::Checkpoint;
    });
    case("another epoch", other("first"), &|it| it.epoch = Epoch(2));
    case("another kind", other("first"), &|it| it.kind = Kind::Prepare);
    case("another view", other("first"), &|it| it.view = View(3));
    case("another block", other("first"), &|it| it.seq = Seq(13));
    case("another first digest", other("first"), &|it| it.first.digest = Digest::from_u64(4));
    case("another second digest", other("second"), &|it| it.second.digest = Digest::from_u64(10));
    case("a spoilt second signature", other("second"), &|it| it.second.signature.s[31] ^= 1);
    let range =
        EvidenceError::Signature { which: "first", source: CryptoError::SignatureRange('r') };
    case("a signature out of range", range, &|it| it.first.signature.r = [0xff; 32]);
    cases
}

/// Amnesia evidence that is not what it must be, one field tampered with in each.
pub(crate) fn tampered_amnesias(lab: &Lab) -> Vec<(&'static str, Amnesia, EvidenceError)> {
    let good = amnesia(lab, 8, &[claim(12, 0)]);
    let other = |which| EvidenceError::Signature { which, source: CryptoError::Signature };
    let mut cases = Vec::new();
    let mut case = |name, error, spoil: &dyn Fn(&mut Amnesia)| {
        let mut evidence = good.clone();
        spoil(&mut evidence);
        cases.push((name, evidence, error));
    };
    let not_later = EvidenceError::NotLater { view: View(1), commit_view: View(1) };
    case("a ViewChange to the same view", not_later, &|it| it.view = View(1));
    case("a missing opening", EvidenceError::OpeningShape, &|it| it.opening = None);
    case("a short path", EvidenceError::OpeningShape, &|it| {
        it.opening.iter_mut().for_each(|opening| opening.path.truncate(2));
    });
    case("an opening beyond the window", EvidenceError::OpeningShape, &|it| {
        it.commit_seq = Seq(17);
    });
    case("a claim left out", EvidenceError::Opening, &|it| {
        it.opening.iter_mut().for_each(|opening| opening.claim = None);
    });
    case("a claim of another view", EvidenceError::Opening, &|it| {
        it.commit_view = View(1);
        let earlier = Some((View(0), Digest::from_u64(8)));
        it.opening.iter_mut().for_each(|opening| opening.claim = earlier);
    });
    case("another block's leaf", EvidenceError::Opening, &|it| it.commit_seq = Seq(13));
    case("another root", EvidenceError::Opening, &|it| it.claims_root = Digest::from_u64(3));
    case("another commit", other("first"), &|it| it.commit.digest = Digest::from_u64(3));
    case("another epoch", other("first"), &|it| it.epoch = Epoch(0));
    case("another checkpoint", other("second"), &|it| it.stable_digest = Digest::from_u64(3));
    case("another ViewChange view", other("second"), &|it| it.view = View(3));
    cases
}

#[test]
fn each_flaw_is_refused_by_its_name() {
    let lab = Lab::new();
    for (flaw, evidence, expected) in tampered_double_signs(&lab) {
        assert_eq!(check(&lab, &Evidence::DoubleSign(evidence)), Err(expected), "{flaw}");
    }
    for (flaw, evidence, expected) in tampered_amnesias(&lab) {
        assert_eq!(check(&lab, &Evidence::Amnesia(evidence)), Err(expected), "{flaw}");
    }
}

#[test]
fn evidence_of_one_chain_or_key_convicts_nobody_else() {
    let lab = Lab::new();
    let evidence = Evidence::DoubleSign(double_sign(&lab, Kind::Commit));
    let domain = lab.genesis.evidence_domain();
    let committee = &lab.genesis.committee;
    let innocent = committee.key(ReplicaId(0)).unwrap();
    assert!(verify_evidence::<Stark>(&domain, innocent, &evidence).is_err());
    let elsewhere = EvidenceDomain { chain: ciro_consensus::ChainId::new("other"), ..domain };
    let offender = committee.key(ReplicaId(OFFENDER)).unwrap();
    assert!(verify_evidence::<Stark>(&elsewhere, offender, &evidence).is_err());
}
