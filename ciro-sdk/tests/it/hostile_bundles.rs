//! Bundles from strangers: refused before they take more than a small multiple of their size, and
//! never believed for more than they say.

use std::path::Path;

use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::integer::ops::Linear;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{
    BundleError, Check, Claim, CompileSettings, Context, FloatModel, InputCheck, InputMismatch,
    Key, MemoryShortage, Model, OnnxFile, ProofBundle, ProveError, ProveSettings, Prover,
    RecomputeError, Route, SampleMismatch, StatedInput, StatedTensor, Statement, Tensor,
    VerifyError, verify,
};

/// `y = [1, 2] . x + 3` of one number in [-9, 9], and a proof for x = 4.
fn line() -> (Model, Key, ProofBundle) {
    let model = model([1, 2]);
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let bundle = prover.prove(&[sample(&[4.0, -2.0])]).unwrap().bundle;
    (model, prover.key(), bundle)
}

fn model(weights: [i32; 2]) -> Model {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let weight = builder.constant(Tensor::new(vec![2, 1], weights.to_vec()).unwrap());
    let y = builder.push("y", Linear { weight, bias: None }, &[x], 1.0).unwrap();
    builder.output("y", y, Decoding::Real { scale: 1.0 });
    Model::from(builder.finish().unwrap())
}

fn sample(values: &[f64]) -> Sample {
    vec![Tensor::new(vec![1, values.len()], values.to_vec()).unwrap()]
}

/// Bytes that a statement holds, with everything that was made room for.
fn held(statement: &Statement) -> usize {
    let tensor = |tensor: &Tensor<i32>| {
        size_of::<Tensor<i32>>() + size_of_val(tensor.shape()) + size_of_val(tensor.data())
    };
    let claim = |claim: &Claim| {
        let input = claim.input.public().unwrap_or_default().iter().map(tensor).sum::<usize>();
        input + claim.public_outputs().map(tensor).sum::<usize>()
    };
    statement.claims.capacity() * size_of::<Claim>()
        + statement.claims.iter().map(claim).sum::<usize>()
}

fn empty_claims(bundle: &ProofBundle, count: usize) -> ProofBundle {
    let claim = Claim { input: StatedInput::Public(Vec::new()), outputs: Vec::new() };
    bundle.clone().with_statement(&Statement::of(vec![claim; count]))
}

#[test]
fn a_proof_of_one_context_is_none_of_another() {
    let (model, key, free) = line();
    let context = |last: u8| {
        Context::from_bytes([[0; 31].as_slice(), &[last]].concat().try_into().unwrap()).unwrap()
    };
    let settings = ProveSettings { context: context(1), ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings).unwrap();
    let samples = [sample(&[4.0, -2.0])];
    let bound = prover.prove(&samples).unwrap().bundle;
    let other = prover.prove_in(&samples, context(2), None).unwrap().bundle;
    for (bundle, is) in [(&free, Context::NONE), (&bound, context(1)), (&other, context(2))] {
        let read = ProofBundle::from_bytes(&bundle.to_bytes()).unwrap();
        assert_eq!((&read, read.context), (bundle, is));
        assert_eq!(verify(bundle, &key).unwrap().context, is);
        for asked in [Context::NONE, context(1), context(2)] {
            let verdict = bundle.check_context(asked);
            assert_eq!(verdict.is_ok(), asked == is, "{verdict:?}");
            // A bundle that says what is asked for is no proof of it.
            let mut said = bundle.clone();
            said.context = asked;
            let verdict = verify(&said, &key).map(|_| ()).map_err(|error| error.check());
            let expected = if asked == is { Ok(()) } else { Err(Check::Constraints) };
            assert_eq!(verdict, expected, "{is} as {asked}");
        }
    }
}

#[test]
fn millions_of_empty_claims_are_refused_by_their_number() {
    let (model, key, bundle) = line();
    let hostile = empty_claims(&bundle, 3_000_000);
    // Until a key is there, a bundle is a copy of its bytes and nothing more.
    let bytes = hostile.to_bytes();
    let read = ProofBundle::from_bytes(&bytes).unwrap();
    assert_eq!((read.claims(), &read), (3_000_000, &hostile));
    let refused = verify(&read, &key).unwrap_err();
    assert_eq!(refused, VerifyError::Batch { expected: 1, found: 3_000_000 });
    let refused = model.key_for(&read, Route::Tensor, Some(1 << 30)).unwrap_err();
    assert!(matches!(refused, ProveError::Statement), "{refused}");
}

#[test]
fn claims_of_other_shapes_are_refused_before_memory_is_made() {
    let (_, key, bundle) = line();
    let honest = bundle.statement(&key).unwrap();
    let refused = |change: &dyn Fn(&mut Claim)| {
        let mut statement = honest.clone();
        change(&mut statement.claims[0]);
        verify(&bundle.clone().with_statement(&statement), &key).unwrap_err()
    };
    let wide = Tensor::new(vec![1, 1 << 20], vec![0; 1 << 20]).unwrap();
    let input = refused(&|claim| claim.input = StatedInput::Public(vec![wide.clone()]));
    assert!(matches!(input, VerifyError::Statement(BundleError::OtherShape(_))), "{input}");
    let output = refused(&|claim| claim.outputs = vec![StatedTensor::Public(wide.clone())]);
    assert!(matches!(output, VerifyError::Statement(BundleError::OtherShape(_))), "{output}");
    let scalar = StatedTensor::Public(Tensor::scalar(0));
    let more = refused(&|claim| claim.outputs = vec![scalar.clone(); 60_000]);
    let count = BundleError::Count { at: 108, expected: 1, found: 60_000 };
    assert_eq!(more, VerifyError::Statement(count));
    let committed = refused(&|claim| claim.input = StatedInput::Committed([0; 32]));
    assert_eq!(committed, VerifyError::CommittedInput(Route::Tensor));
}

#[test]
fn decoded_claims_take_a_small_multiple_of_their_bytes() {
    let model = model([1, 2]);
    let settings = ProveSettings { batch: 64, ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings).unwrap();
    let samples: Vec<Sample> = (0..64).map(|k| sample(&[f64::from(k % 9), -1.0])).collect();
    let bundle = prover.prove(&samples).unwrap().bundle;
    let statement = bundle.statement(&prover.key()).unwrap();
    // The smallest tensors there are: most of this is what a vector takes anyway.
    let bytes = bundle.to_bytes().len() - bundle.proof.len();
    assert!(held(&statement) <= 8 * bytes, "{} bytes of {bytes}", held(&statement));
    assert_eq!(verify(&bundle, &prover.key()).unwrap().samples.len(), 64);
}

#[test]
fn a_batch_that_would_not_fit_is_refused_before_it_is_laid_out() {
    let (model, key, bundle) = line();
    let claim = bundle.statement(&key).unwrap().claims.remove(0);
    let hostile = Statement::of(vec![claim; 40_000]);
    let hostile = bundle.with_statement(&hostile);
    let refused = model.key_for(&hostile, Route::Tensor, Some(50_000_000)).unwrap_err();
    assert!(matches!(refused, ProveError::Memory(MemoryShortage { limit: 50, .. })), "{refused}");
}

#[test]
fn batches_that_no_verifier_reads_are_not_proven() {
    let settings = ProveSettings { batch: 1 << 20, ..ProveSettings::default() };
    let refused = Prover::new(&model([1, 2]), &settings).unwrap_err();
    let limit = 1 << 17;
    assert!(matches!(refused, ProveError::TooMany { limit: l, .. } if l == limit), "{refused}");
}

#[test]
fn an_input_outside_of_its_range_is_another_input() {
    let model = model([1, 2]);
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let (key, far) = (prover.key(), sample(&[1e6, -2.0]));
    let verified = verify(&prover.prove(&[far]).unwrap().bundle, &key).unwrap();
    let shown = verified.samples[0].real_inputs.as_ref().unwrap();
    assert_eq!(shown[0].name, "x");
    assert_eq!(shown[0].values.as_ref().unwrap().data(), &[9.0, -2.0]);

    let clamped = InputMismatch::Clamped { name: "x".to_owned(), count: 1 };
    let allow = InputCheck { allow_clamped: true, ..InputCheck::default() };
    for value in [1e6, 1e30, 20.0] {
        let given = [sample(&[value, -2.0])];
        assert_eq!(verified.samples[0].check_inputs(&key, &given[0]), Err(clamped.clone()));
        let strict = verified.compare_inputs(&key, &given, &InputCheck::default());
        assert_eq!(strict, Err(clamped.clone()));
        assert_eq!(verified.compare_inputs(&key, &given, &allow), Ok(1));
    }
    let inside = [sample(&[9.0, -2.0])];
    assert_eq!(verified.compare_inputs(&key, &inside, &InputCheck::default()), Ok(0));
    let other = verified.compare_inputs(&key, &[sample(&[8.0, -2.0])], &allow);
    assert_eq!(other, Err(InputMismatch::Value { name: "x".to_owned() }));
    let shape = verified.compare_inputs(&key, &[sample(&[9.0, -2.0, 0.0])], &allow);
    assert!(
        matches!(shape, Err(InputMismatch::NotTaken(SampleMismatch::Shape { .. }))),
        "{shape:?}"
    );
    let none = verified.compare_inputs(&key, &[], &allow);
    assert_eq!(none, Err(InputMismatch::Samples { proven: 1, given: 0 }));
}

#[test]
fn another_model_does_not_give_the_proven_outputs() {
    let (honest, key, bundle) = line();
    let verified = verify(&bundle, &key).unwrap();
    assert_eq!(honest.recompute(&verified), Ok(1));
    let other = RecomputeError::Output { inference: 0, output: "y".to_owned() };
    assert_eq!(model([1, 3]).recompute(&verified), Err(other));
    let mut outside = verified;
    let far = Tensor::new(vec![1, 2], vec![100, 0]).unwrap();
    outside.samples[0].input = StatedInput::Public(vec![far]);
    let refused = honest.recompute(&outside).unwrap_err();
    assert!(matches!(refused, RecomputeError::Run { inference: 0, .. }), "{refused}");
}

/// `y_k = [1, 2 + k] . x` for two inputs of which one is read.
fn of_two(outputs: i32, scale: f64, reads: usize) -> Model {
    let mut builder = ModelBuilder::new();
    let inputs = ["x", "z"].map(|name| builder.input(name, vec![1, 2]));
    let encoding = Encoding::Affine { scale: 1.0, lo: -9, hi: 9 };
    let x = builder.view(inputs[reads], encoding).unwrap();
    for at in 0..outputs {
        let weight = builder.constant(Tensor::new(vec![2, 1], vec![1, 2 + at]).unwrap());
        let y = builder.push("y", Linear { weight, bias: None }, &[x], 1.0).unwrap();
        builder.output(format!("y{at}"), y, Decoding::Real { scale });
    }
    Model::from(builder.finish().unwrap())
}

#[test]
fn what_is_compared_is_compared_with_the_model_and_key_of_the_proof() {
    let model = of_two(2, 1.0, 0);
    let prover = Prover::new(&model, &ProveSettings::default()).unwrap();
    let given = |x: f64, z: f64| [sample(&[x, x]), sample(&[z, z])].concat();
    let bundle = prover.prove(&[given(4.0, 0.0)]).unwrap().bundle;
    let verified = verify(&bundle, &prover.key()).unwrap();
    assert_eq!(model.recompute(&verified), Ok(1));
    // Fewer outputs, and equal integers that mean something else.
    for other in [of_two(1, 1.0, 0), of_two(2, 1000.0, 0)] {
        assert_eq!(other.recompute(&verified), Err(RecomputeError::OtherModel));
    }
    // A key whose integers are another input's.
    let other = of_two(2, 1.0, 1).key(&ProveSettings::default()).unwrap();
    let check = InputCheck::default();
    let said = verified.compare_inputs(&other, &[given(-7.0, 4.0)], &check);
    assert_eq!(said, Err(InputMismatch::OtherKey));
    let said = verified.compare_inputs(&prover.key(), &[given(-7.0, 4.0)], &check);
    assert_eq!(said, Err(InputMismatch::Value { name: "x".to_owned() }));
}

#[test]
fn the_float_model_tells_when_it_decides_otherwise() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/logreg_iris");
    let inputs = Inputs::read(&folder.join("inputs.npz")).unwrap();
    let settings =
        CompileSettings { calibration: Some(inputs.clone()), ..CompileSettings::default() };
    let onnx = OnnxFile::read(&folder.join("model.onnx"), &settings.import).unwrap();
    let float: FloatModel = onnx.float_model(&settings.import).unwrap();
    let honest = onnx.compile(&settings).unwrap();
    let samples = inputs.samples(&honest.input_specs()).unwrap();
    for sample in &samples {
        let outputs = honest.run(sample).unwrap();
        assert_eq!(float.disagreements(sample, &outputs), Ok(vec![]));
    }
    // Calibrated on a single small flower, the model cannot tell large ones apart.
    let small = Inputs::new(vec![ciro_sdk::inputs::InputArray {
        name: None,
        shape: None,
        data: vec![5.0, 3.0, 1.0, 0.2].into(),
    }]);
    let settings = CompileSettings { calibration: Some(small), ..CompileSettings::default() };
    let narrow = onnx.compile(&settings).unwrap();
    let large = sample(&[7.7, 2.6, 6.9, 2.3]);
    let found = float.disagreements(&large, &narrow.run(&large).unwrap()).unwrap();
    assert!(found.iter().any(|d| d.output == "label" && d.float == "2"), "{found:?}");
}
