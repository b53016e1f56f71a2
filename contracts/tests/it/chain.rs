//! Proofs of the preset `chain`: accepted, at a cost that stays below ceilings.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ciro_contracts::{Verdict, model_id};
use ciro_model::IntegerModel;
use ciro_stark::{ModelKey, Policy, Preset, TensorProver, verify};
use starknet_types_core::felt::Felt as Felt252;

use crate::golden::{Proven, felts, golden, read, verifier};
use crate::models;

/// Small models of every kind: a perceptron, trees, attention.
pub(crate) const NAMES: [&str; 3] = ["attention", "forest", "mlp"];

/// Steps and felts that a proof of one of them may take.
const STEPS_MAX: usize = 1_100_000;
const FELTS_MAX: usize = 2_000;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn chain(name: &str) -> Proven {
    read(&fixtures(), &format!("chain_{name}_v3"))
}

fn id(key: &ModelKey) -> Felt252 {
    model_id(&key.to_felts().unwrap())
}

fn model(name: &str) -> Arc<IntegerModel> {
    models::all().into_iter().find(|(other, _)| *other == name).unwrap().1
}

/// The proof of work takes seconds: proofs are made again with `CIRO_BLESS=1` alone, keys always.
#[test]
fn keys_for_the_chain_are_those_that_are_kept() {
    for name in NAMES {
        let model = model(name);
        let inputs = models::inputs(&model, 7);
        let prover = TensorProver::new(model, Preset::Chain, 1).unwrap();
        if std::env::var_os("CIRO_BLESS").is_none() {
            assert_eq!(*prover.key(), chain(name).0, "{name}");
            continue;
        }
        let (statement, proof) = prover.prove(&[inputs]).unwrap();
        let samples = statement.claims.iter();
        let samples: Vec<_> =
            samples.map(|claim| (claim.input.public().unwrap(), &claim.outputs)).collect();
        let files = [
            ("key", prover.key().to_bytes()),
            ("statement", postcard::to_stdvec(&samples).unwrap()),
            ("proof", proof.to_bytes()),
        ];
        for (kind, bytes) in files {
            std::fs::write(fixtures().join(format!("chain_{name}_v3.{kind}")), bytes).unwrap();
        }
    }
}

#[test]
fn proofs_for_the_chain_are_accepted_and_cheap() {
    for name in NAMES {
        let proven = chain(name);
        let (key, statement, proof) = &proven;
        verify(key, statement, proof, &Policy::default()).unwrap();
        let felts = felts(&proven);
        let Verdict::Accepted(cost) = verifier().verify_strong(id(key), &felts).unwrap() else {
            panic!("{name} is refused")
        };
        assert!(cost.steps <= STEPS_MAX && felts.len() <= FELTS_MAX, "{name}: {cost:?}");
    }
}

#[test]
fn weak_keys_have_no_facts() {
    let proven = golden("mlp_v3");
    let verdict = verifier().verify_strong(id(&proven.0), &felts(&proven)).unwrap();
    assert_eq!(verdict, Verdict::Refused("weak key: blow-up".to_owned()));
}
