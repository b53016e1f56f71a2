//! A model whose trees and arithmetic read one input: a proof is about one real input.

use std::path::Path;

use ciro_sdk::inputs::Sample;
use ciro_sdk::integer::ClaimError;
use ciro_sdk::{Check, Model, Preset, ProofBundle, ProveSettings, Prover, verify};

use crate::support::compiled;

fn model() -> (Model, Vec<Sample>) {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("compiler/tests/fixtures/voting_regressor");
    compiled(&folder)
}

#[test]
fn a_verified_input_comes_back_as_real_numbers() {
    let (model, samples) = model();
    assert_eq!(model.interface().first_with_several_views().unwrap().views.len(), 2);
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let proven = prover.prove(&samples[..1]).unwrap();
    let verified = verify(&proven.bundle, &prover.key()).unwrap();
    let real = verified.samples[0].real_inputs.as_ref().unwrap();
    assert_eq!(real[0].values.as_ref(), Some(&samples[0][0]));
    verified.samples[0].check_inputs(&prover.key(), &samples[0]).unwrap();
    verified.samples[0].check_inputs(&prover.key(), &samples[1]).unwrap_err();
}

#[test]
fn two_inputs_in_one_inference_are_refused() {
    let (model, samples) = model();
    let [one, other] = [0, 1].map(|sample| model.encode(&samples[sample]).unwrap().tensors);
    let mixed = vec![one[0].clone(), other[1].clone()];
    let prover =
        ciro_stark::TensorProver::new(model.integer().clone(), Preset::Standard, 1).unwrap();
    let (statement, proof) = prover.prove(&[mixed]).unwrap();
    let honest = Prover::new(&model, &ProveSettings::default()).unwrap();
    let bundle = ProofBundle::new(&honest.key(), &statement, proof.to_bytes());
    let error = verify(&bundle, &honest.key()).unwrap_err();
    assert_eq!(error.check(), Check::Statement);
    let claim = std::error::Error::source(&error).and_then(|error| error.source());
    let claim = claim.and_then(|error| error.downcast_ref::<ClaimError>());
    assert!(matches!(claim, Some(ClaimError::NoReal { .. })), "{error:?}");
}

#[cfg(feature = "cairo")]
#[test]
fn inputs_with_several_forms_have_keys_of_both_routes_but_no_commitments() {
    use ciro_sdk::{ProveError, Route};
    let (model, _) = model();
    let settings = ProveSettings { route: Route::Cairo, ..ProveSettings::default() };
    model.key(&settings).unwrap();
    let settings =
        ProveSettings { route: Route::Cairo, commit_input: true, ..ProveSettings::default() };
    let error = Prover::new(&model, &settings).unwrap_err();
    assert!(matches!(error, ProveError::CommitSeveralViews(_)), "{error}");
}
