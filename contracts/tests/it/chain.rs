//! Proofs of the preset `chain`: accepted, at a cost that is kept in a snapshot.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ciro_contracts::{Verdict, model_id};
use ciro_model::integer::{Committing, Context, StatedTensor};
use ciro_model::{IntegerModel, Interface};
use ciro_stark::{ModelKey, Plan, Policy, Preset, SALT_BYTES, Salt, TensorProver, verify};
use starknet_types_core::felt::Felt as Felt252;

use crate::golden::{Proven, felts, golden, read, verifier};
use crate::models;

/// The model whose input and outputs are all committed: a forest, which reads images.
const COMMITTED: &str = "committed";

/// Steps and felts that a proof of one of the small models may take.
const STEPS_MAX: usize = 1_200_000;
const FELTS_MAX: usize = 2_300;

/// Small models that together use every chip.
fn names() -> impl Iterator<Item = &'static str> {
    models::all().into_iter().map(|(name, _)| name).chain([COMMITTED])
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

pub(crate) fn chain(name: &str) -> Proven {
    read(&fixtures(), &format!("chain_{name}_v3"))
}

pub(crate) fn id(key: &ModelKey) -> Felt252 {
    model_id(&key.to_felts().unwrap())
}

/// The prover of a model, and salts for what its key commits to.
fn prover(name: &str) -> (Arc<IntegerModel>, TensorProver, Vec<Salt>) {
    let (is_committed, wanted) = if name == COMMITTED { (true, "forest") } else { (false, name) };
    let model = models::all().into_iter().find(|(other, _)| *other == wanted).unwrap().1;
    let committing = if is_committed { Committing::All } else { Committing::Nothing };
    let visibilities = Interface::of(&model).visibilities(&committing, &committing).unwrap();
    let plan = Plan::showing(Arc::clone(&model), Preset::Chain, 1, visibilities).unwrap();
    let salts = vec![Salt::from_bytes([1; SALT_BYTES]); if is_committed { 2 } else { 0 }];
    (model, plan.commit(), salts)
}

/// The proof of work takes seconds: proofs are made again with `CIRO_BLESS=1` alone and where the
/// key is another one, keys always.
#[test]
fn keys_for_the_chain_are_those_that_are_kept() {
    for name in names() {
        let (model, prover, salts) = prover(name);
        if std::env::var_os("CIRO_BLESS").is_none() {
            assert_eq!(*prover.key(), chain(name).0, "{name}");
            continue;
        }
        let kept = std::fs::read(fixtures().join(format!("chain_{name}_v3.key")));
        if kept.is_ok_and(|kept| kept == prover.key().to_bytes()) {
            continue;
        }
        let inputs = [models::inputs(&model, 7)];
        let (statement, proof) = prover.prove_committed(&inputs, Context::NONE, &salts).unwrap();
        let files = [
            ("key", prover.key().to_bytes()),
            ("statement", written(&statement)),
            ("proof", proof.to_bytes()),
        ];
        for (kind, bytes) in files {
            std::fs::write(fixtures().join(format!("chain_{name}_v3.{kind}")), bytes).unwrap();
        }
    }
}

/// A statement as `golden::statement` reads it.
fn written(statement: &ciro_model::integer::Statement) -> Vec<u8> {
    let claims = || statement.claims.iter();
    let public = claims().map(|claim| {
        let outputs: Option<Vec<_>> = claim.outputs.iter().map(StatedTensor::public).collect();
        Some((claim.input.public()?, outputs?))
    });
    match public.collect::<Option<Vec<_>>>() {
        Some(public) => postcard::to_allocvec(&public).unwrap(),
        None => {
            let stated = claims().map(|claim| (claim.input.tensors().unwrap(), &claim.outputs));
            postcard::to_allocvec(&stated.collect::<Vec<_>>()).unwrap()
        }
    }
}

#[test]
fn proofs_for_the_chain_are_accepted_and_cheap() {
    let mut table = String::new();
    for name in names() {
        let proven = chain(name);
        let (key, statement, proof) = &proven;
        verify(key, statement, proof, &Policy::default()).unwrap();
        let felts = felts(&proven);
        let Verdict::Accepted(accepted) = verifier().fact(id(key), &felts).unwrap() else {
            panic!("{name} is refused")
        };
        let (steps, gas) = (accepted.steps, accepted.gas);
        assert!(steps <= STEPS_MAX && felts.len() <= FELTS_MAX, "{name}: {steps} steps");
        writeln!(table, "{name}: {} felts, {steps} steps, {gas} gas", felts.len()).unwrap();
    }
    insta::assert_snapshot!("costs", table);
}

#[test]
fn weak_keys_have_no_facts() {
    let proven = golden("mlp_v3");
    let verdict = verifier().fact(id(&proven.0), &felts(&proven)).unwrap();
    assert_eq!(verdict, Verdict::Refused("weak key: blow-up".to_owned()));
}
