//! Proofs that are changed, cut or extended are refused, each with the reason that is expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ciro_model::integer::Claim;
use ciro_stark::{Felt, ModelKey};

use crate::chain::chain;
use crate::golden::{Proven, felts, golden, said};
use crate::models::Stream;

/// The felt after this one, below the Stark prime.
fn next(felt: Felt) -> Felt {
    let mut bytes = felt.0;
    for byte in bytes.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    Felt(bytes)
}

/// Where the felts of a proof begin, part by part.
fn parts(proven: &Proven) -> Vec<(&'static str, usize)> {
    let (key, statement, _) = proven;
    let felts = felts(proven);
    let of_key = key.to_felts().unwrap().len();
    let count = |tensor: &ciro_model::Tensor<i32>| tensor.data().len();
    let claims = || statement.claims.iter();
    let inputs: usize = claims().flat_map(|claim| claim.input.public().unwrap()).map(count).sum();
    let outputs: usize = claims().flat_map(Claim::public_outputs).map(count).sum();
    let integers = of_key + 1;
    let nonces = integers + inputs.div_ceil(8) + outputs.div_ceil(8);
    // Keys of tests have one nonce, that before the queries.
    let hashes = nonces + 1;
    let count = usize::from(felts[hashes].0[31]) + 256 * usize::from(felts[hashes].0[30]);
    let last_bytes = hashes + 1;
    let roots = last_bytes + count.div_ceil(31);
    let opened = roots + count;
    vec![
        ("key", 0),
        ("context", of_key),
        ("integers", integers),
        ("nonce", nonces),
        ("number of hashes", hashes),
        ("last bytes of hashes", last_bytes),
        ("roots of trees", roots),
        ("hashes behind them", roots + 3),
        ("opened values, last layer, rows, values of FRI", opened),
    ]
}

/// How often each reason was given for each part.
type Reasons = BTreeMap<(usize, String), usize>;

fn table(parts: &[(&'static str, usize)], reasons: &Reasons) -> String {
    let mut table = String::new();
    for ((part, reason), count) in reasons {
        writeln!(table, "{}: {reason}: {count}", parts[*part].0).unwrap();
    }
    table
}

fn part_of(parts: &[(&'static str, usize)], at: usize) -> usize {
    parts.iter().rposition(|(_, start)| *start <= at).unwrap()
}

fn refused(key: &ModelKey, felts: &[Felt], how: &str) -> String {
    said(key, felts).expect_err(how)
}

#[test]
fn every_felt_of_the_smallest_proof_counts() {
    let proven = golden("affine_v3");
    let (parts, honest) = (parts(&proven), felts(&proven));
    let mut reasons = Reasons::new();
    for at in 0..honest.len() {
        let mut felts = honest.clone();
        felts[at] = next(felts[at]);
        let reason = refused(&proven.0, &felts, &format!("felt {at} changed"));
        *reasons.entry((part_of(&parts, at), reason)).or_default() += 1;
    }
    insta::assert_snapshot!("changed", table(&parts, &reasons));
}

#[test]
fn proofs_that_are_cut_or_extended_are_refused() {
    let proven = golden("affine_v3");
    let (parts, honest) = (parts(&proven), felts(&proven));
    let mut reasons = Reasons::new();
    for at in 0..honest.len() {
        let reason = refused(&proven.0, &honest[..at], &format!("cut at {at}"));
        *reasons.entry((part_of(&parts, at), reason)).or_default() += 1;
    }
    insta::assert_snapshot!("cut", table(&parts, &reasons));
    for more in [Felt([0; 32]), honest[0]] {
        let felts = [honest.clone(), vec![more]].concat();
        assert_eq!(refused(&proven.0, &felts, "extended"), "trailing");
    }
}

#[test]
fn a_hash_has_one_form() {
    let proven = golden("affine_v3");
    let mut felts = felts(&proven);
    let (_, roots) = parts(&proven)[6];
    // More than the 31 bytes that stand in a felt.
    felts[roots].0[0] = 1;
    assert_eq!(refused(&proven.0, &felts, "a root with 2^248 more"), "hash");
}

#[test]
fn a_proof_without_its_work_is_refused() {
    let proven = chain("affine");
    let mut felts = felts(&proven);
    let (what, nonce) = parts(&proven)[3];
    assert_eq!(what, "nonce");
    // Of so many nonces that follow, one in 2^26 fits.
    felts[nonce] = next(felts[nonce]);
    assert_eq!(refused(&proven.0, &felts, "another nonce"), "query work");
}

/// One changed felt in so many of the other proofs: `CIRO_MUTATIONS`, or 60.
#[test]
fn a_sample_of_felts_of_other_proofs_counts() {
    let others: Vec<Proven> =
        crate::golden::names().iter().map(|name| golden(name)).chain([chain("mlp")]).collect();
    let mut stream = Stream::new(2027);
    let trials = std::env::var("CIRO_MUTATIONS").map_or(60, |count| count.parse().unwrap());
    for trial in 0..trials {
        let proven = &others[trial % others.len()];
        let honest = felts(proven);
        let mut felts = honest.clone();
        let at = stream.below(felts.len());
        // A neighbour, a felt of another place, or one that is too large to be packed.
        felts[at] = match stream.below(3) {
            0 => next(felts[at]),
            1 => next(felts[stream.below(felts.len())]),
            _ => Felt(std::array::from_fn(|byte| if byte == 0 { 1 } else { 0 })),
        };
        if felts == honest {
            continue;
        }
        refused(&proven.0, &felts, &format!("trial {trial}: felt {at}"));
    }
}
