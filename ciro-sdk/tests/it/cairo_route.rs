//! The Cairo route: one proof about a committed input, and everything around it.

use std::path::{Path, PathBuf};

use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::{
    Blinding, Check, CompileSettings, InputMismatch, Key, Model, Preset, ProofBundle, ProveError,
    ProveSettings, Prover, Route, Statement, VerifyError, verify,
};

use crate::support::compiled;

fn cairo() -> ProveSettings {
    ProveSettings { route: Route::Cairo, ..ProveSettings::default() }
}

fn iris() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/logreg_iris")
}

fn model() -> (Model, Vec<Sample>) {
    compiled(&iris())
}

#[test]
fn a_committed_input_is_proven_and_opened() {
    let (model, samples) = model();
    let settings = ProveSettings { commit_input: true, ..cairo() };
    let prover = Prover::new(&model, &settings).unwrap();
    let key = Key::from_bytes(&prover.key().to_bytes()).unwrap();
    assert_eq!((key.route(), &key), (Route::Cairo, &prover.key()));
    assert!(key.to_bytes().len() < 10_000);

    let proven = prover.prove(&samples[..1]).unwrap();
    assert_eq!(proven.outputs[0], model.run(&samples[0]).unwrap());
    assert!(proven.steps.is_some_and(|steps| steps > 0));
    let bundle = ProofBundle::from_bytes(&proven.bundle.to_bytes()).unwrap();
    let verified = verify(&bundle, &key).unwrap();
    assert!(verified.security_bits() >= 100);
    assert_eq!(verified.samples[0].outputs, proven.outputs[0]);

    let (sample, blinding) = (&verified.samples[0], proven.blinding.unwrap());
    sample.check_committed_inputs(&key, &samples[0], blinding).unwrap();
    let other_input = sample.check_committed_inputs(&key, &samples[1], blinding);
    let other_value = sample.check_committed_inputs(&key, &samples[0], Blinding([0; 32]));
    for refused in [other_input, other_value] {
        assert_eq!(refused, Err(InputMismatch::Commitment));
    }
    assert_eq!(sample.check_inputs(&key, &samples[0]), Err(InputMismatch::Committed));

    // The route has no place for a context.
    let context = "0x7".parse().unwrap();
    let refused = Prover::new(&model, &ProveSettings { context, ..cairo() }).unwrap_err();
    assert!(matches!(refused, ProveError::Context(Route::Cairo)), "{refused}");
    let refused = prover.prove_in(&samples[..1], context, None).unwrap_err();
    assert!(matches!(refused, ProveError::Context(Route::Cairo)), "{refused}");
    let mut bound = bundle.clone();
    bound.context = context;
    assert_eq!(verify(&bound, &key).unwrap_err(), VerifyError::NoContext(Route::Cairo));

    // Nobody can compute a committed input's output again without the input.
    assert_eq!(model.recompute(&verified), Ok(0));
    assert_eq!(verified.samples[0].real_inputs, None);
    forgeries_are_refused(&model, &key, &bundle);
    another_model_of_equal_size_is_another_key(&key, &bundle, blinding, &samples[0]);
}

/// The proof of one model under the key of another, whose digest the bundle is made to name.
fn another_model_of_equal_size_is_another_key(
    key: &Key,
    bundle: &ProofBundle,
    blinding: Blinding,
    sample: &Sample,
) {
    let settings = CompileSettings { calibration: Some(narrow()), ..CompileSettings::default() };
    let other = Model::compile_file(&iris().join("model.onnx"), &settings).unwrap();
    let other = other.key(&cairo()).unwrap();
    assert_ne!(other.digest(), key.digest());
    let mut patched = bundle.clone();
    patched.model_key = other.digest();
    let refused = verify(&patched, &other).unwrap_err();
    assert!(matches!(refused, VerifyError::Invalid { .. }), "{refused}");
    let verified = verify(bundle, key).unwrap();
    let opened = verified.samples[0].check_committed_inputs(&other, sample, blinding);
    assert_eq!(opened, Err(InputMismatch::Commitment));
}

fn narrow() -> Inputs {
    let data = vec![5.0, 3.0, 1.0, 0.2];
    Inputs::new(vec![ciro_sdk::inputs::InputArray { name: None, shape: None, data: data.into() }])
}

/// The first cause of an error.
fn said(error: &VerifyError) -> String {
    std::error::Error::source(error).unwrap().to_string()
}

fn forgeries_are_refused(model: &Model, key: &Key, bundle: &ProofBundle) {
    let refused = |change: &dyn Fn(&mut Statement)| {
        let mut statement = bundle.statement(key).unwrap();
        change(&mut statement);
        verify(&bundle.clone().with_statement(&statement), key).unwrap_err()
    };
    let output = refused(&|s| s.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] ^= 1);
    assert_eq!(
        (output.check(), said(&output)),
        (Check::PublicValues, "the proof states another output".to_owned())
    );
    let input = refused(&|s| s.claims[0].input = ciro_sdk::StatedInput::Committed([0; 32]));
    assert_eq!(
        (input.check(), said(&input)),
        (Check::PublicValues, "the proof states another input".to_owned())
    );
    let twice = refused(&|s| s.claims.push(s.claims[0].clone()));
    assert_eq!(twice, VerifyError::Batch { expected: 1, found: 2 });
    let mut cut = bundle.clone();
    cut.proof.pop();
    let damaged = verify(&cut, key).unwrap_err();
    assert!(matches!(damaged, VerifyError::Damaged(_)), "{damaged}");

    // A key of the other route is another key.
    let tensor = model.key(&ProveSettings::default()).unwrap();
    assert!(matches!(verify(bundle, &tensor), Err(VerifyError::Route { .. })));
    assert_eq!(&model.key_for(bundle, Route::Cairo, None).unwrap(), key);
    // Whoever expects the tensor route compiles and runs no program for a bundle that asks for one.
    let refused = model.key_for(bundle, Route::Tensor, None).unwrap_err();
    let (expected, found) = (Route::Tensor, Route::Cairo);
    assert!(
        matches!(refused, ProveError::OtherRoute { expected: e, found: f } if (e, f) == (expected, found)),
        "{refused}"
    );
}

#[test]
fn what_a_route_cannot_do_is_refused_before_it_proves() {
    let (model, samples) = model();
    let refused = |settings| Prover::new(&model, &settings).unwrap_err();
    let batch = refused(ProveSettings { batch: 2, ..cairo() });
    assert!(matches!(batch, ProveError::Batch { batch: 2, .. }), "{batch}");
    let preset = refused(ProveSettings { preset: Preset::Compact, ..cairo() });
    assert!(matches!(preset, ProveError::Preset { preset: Preset::Compact, .. }), "{preset}");
    let commit = refused(ProveSettings { commit_output: true, ..cairo() });
    assert!(matches!(commit, ProveError::CommitOutput(Route::Cairo)), "{commit}");

    let settings = ProveSettings { max_memory_bytes: Some(1 << 30), ..cairo() };
    let memory = Prover::new(&model, &settings).unwrap().prove(&samples[..1]).unwrap_err();
    assert!(matches!(memory, ProveError::Memory(_)), "{memory}");
}

#[test]
fn equal_models_give_equal_packages() {
    let (model, _) = model();
    let package = model.transpile("iris").unwrap();
    assert_eq!(model.transpile("iris").unwrap(), package);
    let paths: Vec<&str> = package.files.iter().map(|(path, _)| path.as_str()).collect();
    for path in ["Scarb.toml", "src/lib.cairo", "src/layers.cairo", "src/data.cairo"] {
        assert!(paths.contains(&path), "{paths:?}");
    }
}
