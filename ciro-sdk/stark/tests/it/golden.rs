//! Proofs of the third version of the format verify for as long as it is read, and the prover still
//! makes exactly those bytes.
//!
//! A change of the constraints, of the transcript or of the format makes these tests fail: it is a
//! new version, with files of its own. Then write them with `CIRO_BLESS=1 cargo test -p ciro-stark
//! golden`. Older versions are refused, see `docs/adr/0008-proofs-without-claims.md`.

use std::path::{Path, PathBuf};

use ciro_model::integer::{Claim, Committing, Context, StatedInput, StatedTensor, Statement};
use ciro_model::{Interface, Tensor};
use ciro_stark::{ModelKey, Plan, Policy, Preset, Proof, SALT_BYTES, Salt, TensorProver, verify};

use crate::models;

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

/// The model whose input and outputs are all committed: a forest, which reads images.
const COMMITTED: &str = "committed";

/// The models that together use every chip.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    models::all().into_iter().map(|(name, _)| name).chain([COMMITTED])
}

fn fixture(name: &str, kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/{name}_v3.{kind}"))
}

pub(crate) fn read(name: &str, kind: &str) -> Vec<u8> {
    let path = fixture(name, kind);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A golden statement: for every sample its input tensors, then its output tensors, shown or, where
/// the key commits to some, one by one as they are stated.
pub(crate) fn statement(name: &str) -> Statement {
    if name == COMMITTED {
        let samples: Vec<[Vec<StatedTensor>; 2]> =
            postcard::from_bytes(&read(name, "statement")).unwrap();
        let claim = |[inputs, outputs]: [Vec<StatedTensor>; 2]| Claim {
            input: StatedInput::Mixed(inputs),
            outputs,
        };
        return Statement::of(samples.into_iter().map(claim).collect());
    }
    let samples: Vec<[Vec<Tensor<i32>>; 2]> =
        postcard::from_bytes(&read(name, "statement")).unwrap();
    let claims = samples.into_iter().map(|[inputs, outputs]| Claim::public(inputs, outputs));
    Statement::of(claims.collect())
}

/// The prover of a golden model, with its input and salts.
fn prover(name: &str) -> (TensorProver, Vec<Tensor<i32>>, Vec<Salt>) {
    if name == COMMITTED {
        let model = models::forest();
        let all = Committing::All;
        let visibilities = Interface::of(&model).visibilities(&all, &all).unwrap();
        let inputs = models::inputs(&model, 7);
        let prover = Plan::showing(model, Preset::FastTest, 1, visibilities).unwrap().commit();
        return (prover, inputs, [1, 2].map(|byte| Salt::from_bytes([byte; SALT_BYTES])).to_vec());
    }
    let (_, model) = models::all().into_iter().find(|(other, _)| *other == name).unwrap();
    let inputs = models::inputs(&model, 7);
    (TensorProver::new(model, Preset::FastTest, 1).unwrap(), inputs, vec![])
}

fn proven(name: &str) -> (ModelKey, Statement, Proof) {
    let (prover, inputs, salts) = prover(name);
    let (statement, proof) = prover.prove_committed(&[inputs], Context::NONE, &salts).unwrap();
    (prover.key().clone(), statement, proof)
}

/// The bytes of a golden statement.
fn written(statement: &Statement) -> Vec<u8> {
    let claims = statement.claims.iter();
    if let Some(StatedInput::Mixed(_)) = statement.claims.first().map(|claim| &claim.input) {
        let samples: Vec<_> =
            claims.map(|claim| (claim.input.tensors().unwrap(), &claim.outputs)).collect();
        return postcard::to_allocvec(&samples).unwrap();
    }
    let outputs = |claim: &Claim| claim.public_outputs().cloned().collect::<Vec<_>>();
    let samples: Vec<_> =
        claims.map(|claim| (claim.input.public().unwrap(), outputs(claim))).collect();
    postcard::to_allocvec(&samples).unwrap()
}

#[test]
fn every_chip_is_in_a_golden_proof() {
    let mut chips: Vec<String> = names()
        .flat_map(|name| prover(name).0.describe())
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    chips.sort_unstable();
    chips.dedup();
    let all = "admitted boundary commitments constants divisions embeddings feature function leaf maxima positions products public raw \
               rounded square tree";
    assert_eq!(chips.join(" "), all);
}

#[test]
fn golden_proofs_verify() {
    for name in names() {
        let key = ModelKey::from_bytes(&read(name, "key")).unwrap();
        let statement = statement(name);
        let proof = Proof::from_bytes(&read(name, "proof"), &key).unwrap();
        verify(&key, &statement, &proof, &TEST).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_prover_still_makes_golden_proofs() {
    for name in names() {
        let (key, statement, proof) = proven(name);
        let statement = written(&statement);
        let files =
            [("key", key.to_bytes()), ("statement", statement), ("proof", proof.to_bytes())];
        for (kind, bytes) in files {
            if std::env::var_os("CIRO_BLESS").is_some() {
                std::fs::write(fixture(name, kind), &bytes).unwrap();
            }
            assert!(bytes == read(name, kind), "{name}: another {kind} than version 3");
        }
    }
}
