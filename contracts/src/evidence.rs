//! Evidence against validators, as calldata.

use ciro_consensus::Digest;
use ciro_consensus::crypto::Signature;
use ciro_consensus::evidence::{
    Amnesia, ClaimChange, ClaimOpening, DoubleSign, DoubleView, Evidence, OpenedViewChange,
    SignedDigest, SignedStart,
};
use starknet_types_core::felt::Felt as Felt252;

/// Evidence as `ValidatorBond.convict` takes it, behind the key of the offender; `None` if a number
/// of a signature is no felt, which no valid signature has. Whether it convicts is not asked:
/// `ciro_consensus::evidence::verify_evidence` says it without a fee.
#[must_use]
pub fn evidence_to_felts(evidence: &Evidence) -> Option<Vec<Felt252>> {
    let (variant, parts): (u8, Vec<Vec<Felt252>>) = match evidence {
        Evidence::DoubleSign(evidence) => {
            let DoubleSign { epoch, kind, view, seq, first, second, .. } = evidence;
            let numbers = vec![epoch.0.into(), (*kind as u8).into(), view.0.into(), seq.0.into()];
            (0, vec![numbers, signed(first)?, signed(second)?])
        }
        Evidence::Amnesia(evidence) => {
            let Amnesia { epoch, commit_view, commit_seq, commit, .. } = evidence;
            let later = OpenedViewChange {
                view: evidence.view,
                stable_seq: evidence.stable_seq,
                stable_digest: evidence.stable_digest,
                claims_root: evidence.claims_root,
                signature: evidence.signature,
                opening: evidence.opening.clone(),
            };
            let numbers = vec![epoch.0.into(), commit_view.0.into(), commit_seq.0.into()];
            (1, vec![numbers, signed(commit)?, view_change(&later)?])
        }
        Evidence::DoubleView(evidence) => {
            let DoubleView { epoch, kind, view, first, second, .. } = evidence;
            let numbers = vec![epoch.0.into(), (*kind as u8).into(), view.0.into()];
            (2, vec![numbers, start(first)?, start(second)?])
        }
        Evidence::ClaimChange(ClaimChange { epoch, seq, earlier, later, .. }) => {
            let numbers = vec![epoch.0.into(), seq.0.into()];
            (3, vec![numbers, view_change(earlier)?, view_change(later)?])
        }
    };
    Some([vec![variant.into()], parts.concat()].concat())
}

fn word(digest: &Digest) -> Felt252 {
    Felt252::from_bytes_be(digest.as_bytes())
}

/// A number as a felt, if it is one.
fn number(bytes: &[u8; 32]) -> Option<Felt252> {
    let felt = Felt252::from_bytes_be(bytes);
    (felt.to_bytes_be() == *bytes).then_some(felt)
}

fn signature(signature: &Signature) -> Option<[Felt252; 2]> {
    Some([number(&signature.r)?, number(&signature.s)?])
}

fn signed(of: &SignedDigest) -> Option<Vec<Felt252>> {
    Some([vec![word(&of.digest)], signature(&of.signature)?.to_vec()].concat())
}

fn start(of: &SignedStart) -> Option<Vec<Felt252>> {
    let SignedStart { seq, digest, signature: by } = of;
    Some([vec![seq.0.into(), word(digest)], signature(by)?.to_vec()].concat())
}

/// An option as Cairo has it: 0 before something, 1 for nothing.
fn option(of: Option<Vec<Felt252>>) -> Vec<Felt252> {
    match of {
        Some(felts) => [vec![Felt252::ZERO], felts].concat(),
        None => vec![Felt252::ONE],
    }
}

fn opening(of: &ClaimOpening) -> Vec<Felt252> {
    let claim = of.claim.map(|(view, digest)| vec![view.0.into(), word(&digest)]);
    let path: Vec<Felt252> = of.path.iter().map(word).collect();
    [option(claim), vec![path.len().into()], path].concat()
}

fn view_change(of: &OpenedViewChange) -> Option<Vec<Felt252>> {
    let numbers = vec![of.view.0.into(), of.stable_seq.0.into()];
    let digests = vec![word(&of.stable_digest), word(&of.claims_root)];
    let by = signature(&of.signature)?.to_vec();
    Some([numbers, digests, by, option(of.opening.as_ref().map(opening))].concat())
}
