//! `Judge`: whether two signatures convict a validator. It is `verify_evidence` of
//! `ciro-consensus`, whose vectors it passes.
//!
//! Invariant: evidence is two valid signatures of one key, on one chain, that an honest replica
//! never gives together. Of one fault there are many pieces of evidence, and a signature has a
//! second form that anybody can compute: what is punished once is the fault.
use core::ecdsa::check_ecdsa_signature;
use core::poseidon::{hades_permutation, poseidon_hash_span};
use super::evidence::{
    Amnesia, Claim, ClaimChange, DoubleSign, DoubleView, Evidence, Fault, Signature, Statement,
    ViewChange, kinds,
};

/// What a judge knows of the chain.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Domain {
    /// The word that names it.
    pub chain: felt252,
    /// The blocks between watermarks: a power of two.
    pub window: u64,
}

/// The fault of a key's holder; refuses evidence that shows none.
pub fn fault(domain: Domain, key: felt252, evidence: Evidence) -> Fault {
    match evidence {
        Evidence::DoubleSign(evidence) => double_sign(domain, key, evidence),
        Evidence::Amnesia(evidence) => amnesia(domain, key, evidence),
        Evidence::DoubleView(evidence) => double_view(domain, key, evidence),
        Evidence::ClaimChange(evidence) => claim_change(domain, key, evidence),
    }
}

/// The number that is signed for words.
pub fn signed_hash(words: Span<felt252>) -> felt252 {
    clipped(poseidon_hash_span(words))
}
/// A hash without its top bits: numbers of 2^251 and above cannot be signed.
pub fn clipped(hash: felt252) -> felt252 {
    let number = number(hash);
    let high = number.high % 0x8000000000000000000000000000000;
    u256 { low: number.low, high }.try_into().expect('hash')
}
pub fn is_signed(key: felt252, hash: felt252, signature: Signature) -> bool {
    check_ecdsa_signature(hash, key, signature.r, signature.s)
}

fn says(domain: Domain, key: felt252, statement: Statement, signature: Signature) -> bool {
    let Statement { epoch, kind, view, seq, digest } = statement;
    let words = array![
        'CIRO_PBFT_V1', domain.chain, epoch.into(), kind.into(), view.into(), seq.into(), digest,
    ];
    is_signed(key, signed_hash(words.span()), signature)
}

/// E1, E2, E3 and E5.
fn double_sign(domain: Domain, key: felt252, evidence: DoubleSign) -> Fault {
    let DoubleSign { epoch, kind, view, seq, first, second } = evidence;
    let is_vote = kind == kinds::PRE_PREPARE || kind == kinds::PREPARE || kind == kinds::COMMIT;
    assert(is_vote || kind == kinds::CHECKPOINT, 'kind');
    assert(is_vote || view == 0, 'checkpoint view');
    assert(number(first.digest) < number(second.digest), 'digests');
    let stated = |digest: felt252| Statement { epoch, kind, view, seq, digest };
    assert(says(domain, key, stated(first.digest), first.signature), 'first signature');
    assert(says(domain, key, stated(second.digest), second.signature), 'second signature');
    let rule = if is_vote {
        kind
    } else {
        5
    };
    Fault { epoch, rule }
}

/// E4.
fn amnesia(domain: Domain, key: felt252, evidence: Amnesia) -> Fault {
    let Amnesia { epoch, commit_view, commit_seq, commit, later } = evidence;
    assert(later.view > commit_view, 'not later');
    if let Option::Some((claimed, _)) = claim_of(domain, later, commit_seq) {
        assert(claimed < commit_view, 'remembered');
    }
    let statement = Statement {
        epoch, kind: kinds::COMMIT, view: commit_view, seq: commit_seq, digest: commit.digest,
    };
    assert(says(domain, key, statement, commit.signature), 'first signature');
    assert(asks(domain, key, epoch, later), 'second signature');
    Fault { epoch, rule: 4 }
}

/// E6 and E8.
fn double_view(domain: Domain, key: felt252, evidence: DoubleView) -> Fault {
    let DoubleView { epoch, kind, view, first, second } = evidence;
    assert(kind == kinds::VIEW_CHANGE || kind == kinds::NEW_VIEW, 'kind');
    let is_in_order = first.seq < second.seq
        || (first.seq == second.seq && number(first.digest) < number(second.digest));
    assert(is_in_order, 'digests');
    let stated = |seq: u64, digest: felt252| Statement { epoch, kind, view, seq, digest };
    assert(says(domain, key, stated(first.seq, first.digest), first.signature), 'first signature');
    let later = stated(second.seq, second.digest);
    assert(says(domain, key, later, second.signature), 'second signature');
    let rule = if kind == kinds::VIEW_CHANGE {
        6
    } else {
        8
    };
    Fault { epoch, rule }
}

/// E7.
fn claim_change(domain: Domain, key: felt252, evidence: ClaimChange) -> Fault {
    let ClaimChange { epoch, seq, earlier, later } = evidence;
    assert(later.view > earlier.view, 'not later');
    let before = claim_of(domain, earlier, seq);
    let after = claim_of(domain, later, seq);
    assert(!may_follow(earlier.view, before, after), 'consistent');
    assert(asks(domain, key, epoch, earlier), 'first signature');
    assert(asks(domain, key, epoch, later), 'second signature');
    Fault { epoch, rule: 7 }
}
/// Whether an honest replica can claim this after a ViewChange to `view` that claimed that.
fn may_follow(view: u64, earlier: Claim, later: Claim) -> bool {
    match later {
        Option::Some((prepared_in, _)) => prepared_in >= view || later == earlier,
        Option::None => earlier.is_none(),
    }
}

/// Whether a key signed a ViewChange.
fn asks(domain: Domain, key: felt252, epoch: u64, change: ViewChange) -> bool {
    let words = array!['CIRO_VIEW_CHANGE_V1', change.stable_digest, change.claims_root];
    let digest = poseidon_hash_span(words.span());
    let statement = Statement {
        epoch, kind: kinds::VIEW_CHANGE, view: change.view, seq: change.stable_seq, digest,
    };
    says(domain, key, statement, change.signature)
}
/// What a ViewChange claims for a block above its checkpoint.
fn claim_of(domain: Domain, change: ViewChange, seq: u64) -> Claim {
    assert(change.stable_seq < seq, 'covered');
    let mut index = seq - change.stable_seq - 1;
    match change.opening {
        Option::Some(opening) => {
            assert(index < domain.window, 'opening shape');
            let mut leaves = 1;
            let mut node = leaf(opening.claim);
            for sibling in opening.path {
                node = if index % 2 == 0 {
                    pair(node, *sibling)
                } else {
                    pair(*sibling, node)
                };
                index /= 2;
                leaves *= 2;
            };
            assert(leaves == domain.window, 'opening shape');
            assert(node == change.claims_root, 'opening');
            opening.claim
        },
        Option::None => {
            // A prepared set reaches one window above its checkpoint.
            assert(index >= domain.window, 'opening shape');
            Option::None
        },
    }
}
fn leaf(claim: Claim) -> felt252 {
    match claim {
        Option::Some((view, digest)) => pair(view.into(), digest),
        Option::None => 0,
    }
}
fn pair(left: felt252, right: felt252) -> felt252 {
    let (hash, _, _) = hades_permutation(left, right, 2);
    hash
}
fn number(digest: felt252) -> u256 {
    digest.into()
}
