//! Both verifiers say the same of damaged proofs, keys and statements.

use std::collections::BTreeMap;

use ciro_stark::{ModelKey, Policy, Proof, VerificationError, verify};

use crate::damage::damage;
use crate::golden::{Proven, felts, golden, names, said};
use crate::models::Stream;

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

/// Compares what both say, and gives the reason in Cairo if both refuse.
fn compare(proven: &Proven, how: &str) -> Option<String> {
    let (key, statement, proof) = proven;
    let in_rust = verify(key, statement, proof, &TEST);
    let in_cairo = match (key.to_felts(), proof.to_felts(key, statement)) {
        (Ok(_), Ok(felts)) => said(key, &felts),
        (Err(error), _) | (_, Err(error)) => Err(format!("no felts: {error}")),
    };
    assert_eq!(in_rust.is_ok(), in_cairo.is_ok(), "{how}: {in_rust:?}, {in_cairo:?}");
    let reason = in_cairo.err()?;
    // The stages of both are the same where they have one name.
    if in_rust == Err(VerificationError::Constraints) && !reason.starts_with("no felts") {
        assert_eq!(reason, "constraints", "{how}");
    }
    if reason == "constraints" {
        assert_eq!(in_rust, Err(VerificationError::Constraints), "{how}");
    }
    Some(reason)
}

/// So many damaged proofs, keys and statements: `CIRO_MUTATIONS`, or 150.
#[test]
fn damaged_proofs_keys_and_statements_have_one_verdict() {
    let golden: Vec<Proven> = names().iter().map(|name| golden(name)).collect();
    let mut stream = Stream::new(2026);
    let trials: usize = std::env::var("CIRO_MUTATIONS").map_or(150, |count| count.parse().unwrap());
    let mut reasons = BTreeMap::<String, usize>::new();
    let mut tried = 0;
    while tried < trials {
        let honest = &golden[stream.below(golden.len())];
        let Some(damaged) = damaged(honest, &mut stream) else { continue };
        tried += 1;
        if let Some(reason) = compare(&damaged, &format!("trial {tried}")) {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    // Every stage of the verifier refuses some.
    let stages = ["constraints", "interval", "root 0", "root 1", "root 2", "root 3", "fri root"];
    for stage in stages {
        assert!(reasons.contains_key(stage), "{stage}: {reasons:?}");
    }
}

/// A proof with one thing damaged, if it still has the form of a proof.
fn damaged((key, statement, proof): &Proven, stream: &mut Stream) -> Option<Proven> {
    let (mut key, mut statement, mut proof) = (key.clone(), statement.clone(), proof.clone());
    match stream.below(8) {
        0 => {
            let bytes = damage(&key.to_bytes(), &mut |end| stream.below(end));
            key = ModelKey::from_bytes(&bytes).ok()?;
            proof = Proof::from_bytes(&proof.to_bytes(), &key).ok()?;
        }
        1 => {
            let claim = &mut statement.claims[0];
            let tensors = match stream.below(2) {
                0 => claim.input.public_mut().unwrap(),
                _ => &mut claim.outputs[..],
            };
            let tensor = stream.below(tensors.len());
            let data = tensors[tensor].data_mut();
            let at = stream.below(data.len());
            // A neighbour, or anything.
            data[at] = match stream.below(2) {
                0 => data[at] ^ 1,
                _ => stream.within(i32::MIN.into(), i32::MAX.into()),
            };
        }
        _ => {
            let bytes = damage(&proof.to_bytes(), &mut |end| stream.below(end));
            proof = Proof::from_bytes(&bytes, &key).ok()?;
        }
    }
    Some((key, statement, proof))
}

#[test]
fn honest_proofs_are_accepted_by_both() {
    for name in names() {
        assert_eq!(compare(&golden(&name), &name), None);
        assert!(felts(&golden(&name)).len() < 1_000, "{name}");
    }
}
