//! Proofs that commit to inputs and outputs instead of showing them, from keys to openings.

use ciro_sdk::inputs::Sample;
use ciro_sdk::integer::ops::{Combine, Linear};
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{
    BundleError, Committing, InputCheck, InputMismatch, KeyRing, KeyRingError, Model, Opening,
    OpeningError, ProofBundle, ProveError, ProveSettings, Proven, Prover, RecomputeError, Side,
    StatedInput, StatedTensor, Tensor, VerifyError, Visibilities, verify,
};

/// `sum = [1, 2] . x` and `double = 2 x` of two numbers in [-9, 9].
fn model() -> Model {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let weight = builder.constant(Tensor::new(vec![2, 1], vec![1, 2]).unwrap());
    let sum = builder.push("sum", Linear { weight, bias: None }, &[x], 1.0).unwrap();
    let double = Combine { coefficients: vec![2], constant: 0 };
    let double = builder.push("double", double, &[x], 1.0).unwrap();
    builder.output("sum", sum, Decoding::Real { scale: 1.0 });
    builder.output("double", double, Decoding::Real { scale: 1.0 });
    Model::from(builder.finish().unwrap())
}

fn sample(values: &[f64]) -> Sample {
    vec![Tensor::new(vec![1, values.len()], values.to_vec()).unwrap()]
}

fn showing(model: &Model, inputs: &Committing, outputs: &[&str]) -> (Prover, Visibilities) {
    let outputs = Committing::Named(outputs.iter().map(|&name| name.to_owned()).collect());
    let visibilities = model.interface().visibilities(inputs, &outputs).unwrap();
    let prover = Prover::showing(model, &ProveSettings::default(), &visibilities).unwrap();
    (prover, visibilities)
}

fn changed(opening: &Opening, change: impl Fn(&mut Opening)) -> Opening {
    let mut opening = opening.clone();
    change(&mut opening);
    opening
}

#[test]
fn a_committed_input_is_compared_and_outputs_are_opened_one_by_one() {
    let model = model();
    let all = ProveSettings { commit_input: true, commit_output: true, ..ProveSettings::default() };
    let prover = Prover::new(&model, &all).unwrap();
    let key = prover.key();
    let input = sample(&[4.0, -2.0]);
    let Proven { bundle, outputs, openings, blinding, .. } =
        prover.prove(std::slice::from_ref(&input)).unwrap();
    assert_eq!(outputs[0], model.run(&input).unwrap());
    let bundle = ProofBundle::from_bytes(&bundle.to_bytes()).unwrap();
    let verified = verify(&bundle, &key).unwrap();
    let shown = &verified.samples[0];
    assert!(shown.outputs.is_empty() && shown.real_inputs.is_none());
    let names: Vec<_> = shown.committed.iter().map(|it| (it.side, &it.name[..])).collect();
    assert_eq!(names, [(Side::Input, "x"), (Side::Output, "sum"), (Side::Output, "double")]);

    let check = |blinding| InputCheck { blinding, ..InputCheck::default() };
    let compare = |input: &Sample, blinding| {
        verified.compare_inputs(&key, std::slice::from_ref(input), &check(blinding))
    };
    assert_eq!(compare(&input, blinding), Ok(0));
    assert_eq!(compare(&input, None), Err(InputMismatch::Committed));
    assert_eq!(compare(&sample(&[4.0, -1.0]), blinding), Err(InputMismatch::Commitment));
    assert_eq!(compare(&input, Some(openings[1].blinding)), Err(InputMismatch::Commitment));

    for (opening, output) in openings[1..].iter().zip(&outputs[0]) {
        assert_eq!(&verified.open(&key, opening).unwrap(), output);
    }
    assert_eq!(verified.open(&key, &openings[0]).unwrap().values.data(), [4.0, -2.0]);
    let sum = &openings[1];
    let refused =
        |change: &dyn Fn(&mut Opening)| verified.open(&key, &changed(sum, change)).unwrap_err();
    let other = OpeningError::Commitment { side: Side::Output, name: "sum".into() };
    assert_eq!(refused(&|it| it.integers.data_mut()[0] += 1), other);
    assert_eq!(refused(&|it| it.blinding = openings[2].blinding), other);
    // One more than the modulus is the same element, and no integer of the output.
    let wrapped = refused(&|it| it.integers.data_mut()[0] += i32::MAX);
    assert!(matches!(wrapped, OpeningError::Claim(_)), "{wrapped}");
    let shape = refused(&|it| it.integers = Tensor::vector(vec![0]));
    assert!(matches!(shape, OpeningError::Claim(_)), "{shape}");
    for change in [
        (|it| it.sample = 1) as fn(&mut Opening),
        |it| it.side = Side::Input,
        |it| it.name = "nothing".into(),
    ] {
        assert!(matches!(refused(&change), OpeningError::NotCommitted { .. }));
    }
}

#[test]
fn outputs_that_are_shown_are_compared_and_committed_ones_are_not() {
    let model = model();
    let (prover, _) = showing(&model, &Committing::Nothing, &["double"]);
    let bundle = prover.prove(&[sample(&[4.0, -2.0])]).unwrap().bundle;
    let mut verified = verify(&bundle, &prover.key()).unwrap();
    assert_eq!(verified.samples[0].outputs.len(), 1);
    assert_eq!(model.recompute(&verified), Ok(1));
    verified.samples[0].outputs[0].integers.data_mut()[0] += 1;
    let refused = model.recompute(&verified).unwrap_err();
    assert!(matches!(refused, RecomputeError::Output { .. }), "{refused}");
}

#[test]
fn whoever_has_the_model_needs_no_key_of_a_committing_proof() {
    let model = model();
    let (prover, visibilities) = showing(&model, &Committing::All, &["sum"]);
    let bundle = prover.prove(&[sample(&[1.0, 2.0])]).unwrap().bundle;
    let key = model.key_for(&bundle, bundle.route, None).unwrap();
    assert_eq!((&key, key.visibilities()), (&prover.key(), visibilities));
    verify(&bundle, &key).unwrap();
}

#[test]
fn one_commitment_stands_in_several_proofs() {
    let model = model();
    let first = Prover::new(&model, &ProveSettings { commit_output: true, ..Default::default() });
    let first = first.unwrap();
    let proven = first.prove(&[sample(&[3.0, 1.0])]).unwrap();
    let double = &proven.openings[1];
    assert_eq!((&double.name[..], double.integers.data()), ("double", &[6, 2][..]));
    // What comes out goes in, under the same commitment.
    let (second, _) = showing(&model, &Committing::All, &[]);
    let blindings = [(Side::Input, "x".to_owned(), double.blinding)];
    let none = (ciro_sdk::Context::NONE, None);
    let next = second.prove_blinded(&[sample(&[6.0, 2.0])], &blindings, none).unwrap();
    let of = |prover: &Prover, bundle: &ProofBundle, at: usize| {
        verify(bundle, &prover.key()).unwrap().samples[0].committed[at].commitment
    };
    assert_eq!(of(&first, &proven.bundle, 1), of(&second, &next.bundle, 0));
    // Without it, no two are alike.
    let other = second.prove(&[sample(&[6.0, 2.0])]).unwrap();
    assert_ne!(of(&second, &next.bundle, 0), of(&second, &other.bundle, 0));
    let unknown = [(Side::Output, "sum".to_owned(), double.blinding)];
    let refused = second.prove_blinded(&[sample(&[6.0, 2.0])], &unknown, none).unwrap_err();
    assert!(matches!(refused, ProveError::Blinding { side: Side::Output, .. }), "{refused}");
}

#[test]
fn another_commitment_or_a_shown_value_is_no_statement_of_the_proof() {
    let model = model();
    let (prover, _) = showing(&model, &Committing::All, &["sum"]);
    let bundle = prover.prove(&[sample(&[4.0, -2.0])]).unwrap().bundle;
    let key = prover.key();
    let honest = bundle.statement(&key).unwrap();
    let refused = |change: &dyn Fn(&mut ciro_sdk::Claim)| {
        let mut statement = honest.clone();
        change(&mut statement.claims[0]);
        verify(&bundle.clone().with_statement(&statement), &key).unwrap_err()
    };
    let tensors = honest.claims[0].input.tensors().unwrap();
    let other = refused(&|claim| claim.outputs[0] = tensors[0].clone());
    assert!(matches!(other, VerifyError::Invalid { .. }), "{other}");
    let shown = Tensor::new(vec![1, 1], vec![0]).unwrap();
    let shown = refused(&|claim| claim.outputs[0] = StatedTensor::Public(shown.clone()));
    assert!(matches!(shown, VerifyError::Invalid { .. }), "{shown}");
    let whole = refused(&|claim| claim.input = StatedInput::Committed([0; 32]));
    assert!(matches!(whole, VerifyError::CommittedInput(_)), "{whole}");
}

#[test]
fn rings_hold_keys_of_both_kinds_and_find_each() {
    let model = model();
    let open = Prover::new(&model, &ProveSettings::default()).unwrap();
    let (committing, _) = showing(&model, &Committing::All, &[]);
    let ring = KeyRing::new([committing.key(), open.key()]).unwrap();
    let ring = KeyRing::from_bytes(&ring.to_bytes()).unwrap();
    assert_eq!(ring.kinds().count(), 1);
    assert_eq!(ring.get(open.key().kind()), Some(&open.key()));
    for prover in [&open, &committing] {
        let bundle = prover.prove(&[sample(&[1.0, 1.0])]).unwrap().bundle;
        assert_eq!(ring.find(&bundle), Ok(&prover.key()));
        ring.verify(&bundle, &ciro_sdk::Policy::default()).unwrap();
        // One of them alone is none for the other's proofs.
        let other = if prover.key() == open.key() { &committing } else { &open };
        let single = KeyRing::new([other.key()]).unwrap();
        let refused = single.verify(&bundle, &ciro_sdk::Policy::default()).unwrap_err();
        assert!(matches!(refused, VerifyError::OtherKey { .. }), "{refused}");
    }
    let (outputs, _) = showing(&model, &Committing::Nothing, &["sum"]);
    let twice = KeyRing::new([committing.key(), outputs.key()]).unwrap_err();
    assert!(matches!(twice, KeyRingError::Twice(_)), "{twice}");
    // An entry says which of the two its key is.
    let mut bytes = KeyRing::new([open.key()]).unwrap().to_bytes();
    let mode = 8 + 2 + 2 + 1 + 1 + open.key().preset().name().len() + 4;
    assert_eq!(bytes[mode], 0);
    bytes[mode] = 1;
    assert_eq!(KeyRing::from_bytes(&bytes), Err(KeyRingError::OtherMode(0)));
}

#[test]
fn bundles_have_the_version_that_they_need() {
    let model = model();
    let open = Prover::new(&model, &ProveSettings::default()).unwrap();
    let (committing, _) = showing(&model, &Committing::All, &["sum"]);
    let bytes = |prover: &Prover| prover.prove(&[sample(&[1.0, 1.0])]).unwrap().bundle.to_bytes();
    let (open, committing) = (bytes(&open), bytes(&committing));
    assert_eq!((open[8], committing[8]), (2, 3));
    for (bytes, version) in [(&open, 3), (&committing, 2), (&open, 4), (&open, 1)] {
        let mut other = bytes.clone();
        other[8] = version;
        ProofBundle::from_bytes(&other).unwrap_err();
    }
    for end in 0..committing.len() {
        ProofBundle::from_bytes(&committing[..end]).unwrap_err();
    }
    let mut newer = committing;
    newer[8] = 5;
    let refused = ProofBundle::from_bytes(&newer).unwrap_err();
    assert_eq!(refused, BundleError::Version { expected: 4, found: 5 });
    assert!(refused.to_string().ends_with("use a newer program"));
}
