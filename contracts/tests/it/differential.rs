//! Both verifiers say the same of damaged proofs, keys and statements, and of consistent proofs of
//! false statements.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ciro_model::integer::{Claim, StatedInput, StatedTensor, Statement};
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

/// The stages of the verifier, each of which has to refuse some.
const STAGES: [&str; 7] =
    ["constraints", "interval", "root 0", "root 1", "root 2", "root 3", "fri root"];

/// So many proofs, `CIRO_MUTATIONS` or 150, of which three in ten are consistent proofs of false
/// statements, made by a prover that does not check itself; the others are damaged. With many, take
/// more false ones from a file that `CIRO_FALSE` names, which tests of `ciro-stark` write.
#[test]
fn false_and_damaged_proofs_have_one_verdict() {
    let golden: Vec<Proven> = names().iter().map(|name| golden(name)).collect();
    let mut stream = Stream::new(2026);
    let trials: usize = std::env::var("CIRO_MUTATIONS").map_or(150, |count| count.parse().unwrap());
    let mut reasons = BTreeMap::<(&str, String), usize>::new();
    let mut lies = BTreeSet::new();
    // Each is looked at once before any is again; those that another stage than the constraints
    // refuses come first.
    let mut forged = vec![];
    for trial in 0..trials {
        let is_forged = trial % 10 < 3;
        let (how, proven) = if is_forged {
            if forged.is_empty() {
                forged = false_proofs();
                forged.sort_by_key(|(name, _)| !name.starts_with("rows"));
            }
            let rest = forged.len();
            forged.swap_remove(if trial == 0 { 0 } else { stream.below(rest) })
        } else {
            let honest = &golden[stream.below(golden.len())];
            let damaged = (0..).find_map(|_| damaged(honest, &mut stream)).unwrap();
            (format!("trial {trial}"), damaged)
        };
        let origin = if is_forged { "false statement" } else { "damage" };
        match compare(&proven, &how) {
            Some(reason) => *reasons.entry((origin, reason)).or_default() += 1,
            None => panic!("{how} is accepted"),
        }
        if is_forged {
            lies.insert(how);
        }
    }
    let mut table = String::new();
    for ((origin, reason), count) in &reasons {
        writeln!(table, "{origin}: {reason}: {count}").unwrap();
    }
    println!("{trials} proofs, {} false statements\n{table}", lies.len());
    for stage in STAGES {
        assert!(reasons.keys().any(|(_, reason)| reason == stage), "{stage}:\n{table}");
    }
}

/// How a proof cheats, its key, its statement, its bytes: as `false_proofs` of `ciro-stark` keeps
/// them.
type Kept = (String, Vec<u8>, Vec<[Vec<StatedTensor>; 2]>, Vec<u8>);

fn false_proofs() -> Vec<(String, Proven)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/false_v3.postcard");
    let path = std::env::var_os("CIRO_FALSE").map_or(path, PathBuf::from);
    let bytes = std::fs::read(path).unwrap();
    let kept: Vec<Kept> = postcard::from_bytes(&bytes).unwrap();
    let proven = |(how, key, claims, proof): Kept| {
        let key = ModelKey::from_bytes(&key).unwrap();
        let claim = |[inputs, outputs]: [Vec<StatedTensor>; 2]| {
            let shown = inputs.iter().map(|input| input.public().cloned()).collect();
            let input = match shown {
                Some(shown) => StatedInput::Public(shown),
                None => StatedInput::Mixed(inputs),
            };
            Claim { input, outputs }
        };
        let statement = Statement::of(claims.into_iter().map(claim).collect());
        let proof = Proof::from_bytes(&proof, &key).unwrap();
        (how, (key, statement, proof))
    };
    kept.into_iter().map(proven).collect()
}

/// A proof with one thing damaged, if it still has the form of a proof and is another one.
fn damaged(honest: &Proven, stream: &mut Stream) -> Option<Proven> {
    let (key, statement, proof) = honest;
    let (mut key, mut statement, mut proof) = (key.clone(), statement.clone(), proof.clone());
    match stream.below(8) {
        0 => {
            let bytes = damage(&key.to_bytes(), &mut |end| stream.below(end));
            key = ModelKey::from_bytes(&bytes).ok()?;
            proof = Proof::from_bytes(&proof.to_bytes(), &key).ok()?;
        }
        1 => {
            let claim = &mut statement.claims[0];
            let mut inputs = claim.input.tensors().unwrap();
            let tensors = match stream.below(2) {
                0 => &mut inputs[..],
                _ => &mut claim.outputs[..],
            };
            let tensor = stream.below(tensors.len());
            match &mut tensors[tensor] {
                StatedTensor::Public(tensor) => {
                    let at = stream.below(tensor.data().len());
                    // A neighbour, or anything.
                    tensor.data_mut()[at] = match stream.below(2) {
                        0 => tensor.data()[at] ^ 1,
                        _ => stream.within(i32::MIN.into(), i32::MAX.into()),
                    };
                }
                StatedTensor::Committed(bytes) => {
                    let damaged = damage(bytes, &mut |end| stream.below(end));
                    *bytes = damaged.try_into().ok()?;
                }
            }
            state_inputs(claim, inputs);
        }
        _ => {
            let bytes = damage(&proof.to_bytes(), &mut |end| stream.below(end));
            proof = Proof::from_bytes(&bytes, &key).ok()?;
        }
    }
    let damaged = (key, statement, proof);
    // What is the same after all has every right to be accepted.
    (bytes(&damaged) != bytes(honest)).then_some(damaged)
}

fn bytes((key, statement, proof): &Proven) -> (Vec<u8>, &Statement, Vec<u8>) {
    (key.to_bytes(), statement, proof.to_bytes())
}

/// States other inputs in the form that a claim has.
fn state_inputs(claim: &mut Claim, inputs: Vec<StatedTensor>) {
    claim.input = match &claim.input {
        StatedInput::Public(_) => {
            StatedInput::Public(inputs.iter().filter_map(StatedTensor::public).cloned().collect())
        }
        _ => StatedInput::Mixed(inputs),
    };
}

#[test]
fn honest_proofs_are_accepted_by_both() {
    for name in names() {
        assert_eq!(compare(&golden(&name), &name), None);
        assert!(felts(&golden(&name)).len() < 1_000, "{name}");
    }
}
