//! What the judge says of evidence, and what becomes of bonds.
pub mod bonds;
pub mod captures;

use bond::evidence::{Evidence, Fault};
use bond::judge::{Domain, clipped, fault};

/// A chain's word and window, and a key.
pub fn domain(about: Span<felt252>) -> Domain {
    Domain { chain: *about.at(0), window: (*about.at(1)).try_into().unwrap() }
}
pub fn evidence(felts: Array<felt252>) -> Evidence {
    let mut felts = felts.span();
    let evidence = Serde::deserialize(ref felts).expect('no evidence');
    assert(felts.is_empty(), 'too long');
    evidence
}

/// The rule that is broken.
fn verdict(about: Array<felt252>, felts: Array<felt252>) -> felt252 {
    let Fault { rule, .. } = fault(domain(about.span()), *about.at(2), evidence(felts));
    rule.into()
}
/// What is signed of a hash.
fn signed_of(hash: Array<felt252>) -> felt252 {
    clipped(*hash.at(0))
}
