//! Programs that are not their models are found before anything is proven.

use ciro_cairo::{
    AgreementError, CairoKey, Compiler, EmitSettings, ExecutionError, InputMode, STEPS_MAX,
    StatementError,
};
use ciro_model::integer::ops::{Bucketize, Combine, Linear, Requantize};
use ciro_model::integer::{Decoding, Encoding, IntegerModel, ModelBuilder};
use ciro_model::tensor::Tensor;

use crate::support::{Case, Compiled, compile};

fn model() -> (IntegerModel, Vec<Tensor<i32>>) {
    let mut case = Case::default();
    let x = case.input(&[1, 3], vec![0, 1, 2], (-100, 100));
    let weight = case.constant(&[3, 2], vec![1, 2, 3, 4, 5, 6]);
    let y = case.node(Linear { weight, bias: None }, &[x]);
    case.output(Requantize { shift: 1, lo: -500, hi: 500 }, &[y]);
    case.finish()
}

/// The model's package with other text in one place, compiled, under the key that the model would
/// get.
fn altered(file: &str, from: &str, to: &str) -> Compiled {
    let (model, _) = model();
    let mut compiled = Compiled::new(&model, EmitSettings::default());
    let text = compiled.package.files.get_mut(file).unwrap();
    assert!(text.contains(from), "{text}");
    *text = text.replacen(from, to, 1);
    compiled.program = compile(&compiled.package);
    compiled.key = CairoKey::new(&model, &compiled.program);
    compiled
}

#[test]
fn a_program_that_is_its_model_passes_every_probe() {
    let (model, inputs) = model();
    let compiled = Compiled::new(&model, EmitSettings::default());
    assert!(compiled.subject().probe(STEPS_MAX).unwrap().steps > 0);
    for mode in [InputMode::Public, InputMode::Committed(77.into())] {
        compiled.subject().run(&inputs, mode).unwrap();
    }
}

/// A stranger's file may choose the route: what it makes a machine run has an end.
#[test]
fn a_run_ends_with_its_steps() {
    let (model, _) = model();
    let compiled = Compiled::new(&model, EmitSettings::default());
    let steps = compiled.subject().probe(STEPS_MAX).unwrap().steps;
    match compiled.subject().probe(steps / 2) {
        Err(AgreementError::Run(ExecutionError::TooLong(most))) => assert_eq!(most, steps / 2),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_program_with_another_result_is_found_and_named() {
    // The upper bound of the last rounding: only inputs that reach it tell the difference.
    let bound = "requantize(x, by, 100, 1100)";
    let compiled = altered("src/layers.cairo", bound, "requantize(x, by, 100, 1099)");
    let (_, inputs) = model();
    compiled.subject().run(&inputs, InputMode::Public).unwrap();
    match compiled.subject().probe(STEPS_MAX) {
        Err(AgreementError::Output { name, index: 1, model: 500, program: 499 }) => {
            assert_eq!(name, "out_2");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn programs_that_state_another_input_or_model_are_found() {
    let state = "state(IDENTITY, input, blinding";
    let found = |to: &str| {
        let compiled = altered("src/lib.cairo", state, to);
        compiled.subject().probe(STEPS_MAX).unwrap_err()
    };
    let error = found("state(IDENTITY, input.slice(0, 2), blinding");
    assert!(matches!(error, AgreementError::Statement(StatementError::Count { .. })), "{error}");
    let error = found("state(IDENTITY, array![0, 0, 0].span(), blinding");
    assert!(matches!(error, AgreementError::Input), "{error}");
    let error = found("state(IDENTITY + 1, input, blinding");
    assert!(matches!(error, AgreementError::Statement(StatementError::Identity)), "{error}");
}

#[test]
fn a_program_that_stops_is_found() {
    let check = "take_checked(ref input, 3, -100, 201)";
    let compiled = altered("src/lib.cairo", check, "take_checked(ref input, 3, -100, 200)");
    let error = compiled.subject().probe(STEPS_MAX).unwrap_err();
    assert!(matches!(error, AgreementError::Run(ExecutionError::Stopped { .. })), "{error}");
}

#[test]
fn limbs_that_no_float_has_stop_the_program() {
    stops_at_limbs(Encoding::Ordered, &[[0x7f80, 1]]);
}

#[test]
fn the_limbs_of_a_missing_value_are_taken_where_there_may_be_one() {
    stops_at_limbs(Encoding::OrderedOrMissing, &[[0x7f80, 2], [0x7f81, 1], [-0x7f81, 0xffff]]);
}

/// Limbs of no float, and these others, stop the program; others do not.
fn stops_at_limbs(encoding: Encoding, others: &[[i32; 2]]) {
    let missing = encoding == Encoding::OrderedOrMissing;
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1]);
    let x = builder.view(input, encoding).unwrap();
    let boundaries = vec![vec![-5, 70_000, ciro_model::integer::MISSING_BOUNDARY]];
    let y = builder.push("y", Bucketize { boundaries, limbs: true }, &[x], 1.0).unwrap();
    builder.output("y", y, Decoding::Integer);
    let model = builder.finish().unwrap();
    let compiled = Compiled::new(&model, EmitSettings::default());
    let run = |limbs: [i32; 2]| {
        let input = [Tensor::new(vec![1, 2], limbs.to_vec()).unwrap()];
        // The interpreter refuses such an input itself; the program has to do so on its own.
        let arguments = ciro_cairo::arguments(&compiled.package, &input, InputMode::Public);
        ciro_cairo::run(&compiled.program, Some(&compiled.package), &arguments)
    };
    for limbs in [[0x7f7f, 0xffff], [-0x7f80, 1], [0, 0], [-1, 0xffff]] {
        run(limbs).unwrap();
    }
    if missing {
        run([0x7f80, 1]).unwrap();
    }
    // Infinity, a NaN, their negatives, and limbs past their 16 bits.
    let refused =
        [[0x7f80, 0], [0x7fff, 0xffff], [-0x7f80, 0], [-0x8000, 5], [0, 0x1_0000], [0, -1]];
    for limbs in refused.iter().chain(others).copied() {
        assert!(matches!(run(limbs), Err(ExecutionError::Stopped { .. })), "{limbs:?}");
    }
    compiled.subject().probe(STEPS_MAX).unwrap();
}

#[test]
fn a_compiler_is_set_up_with_the_core_library_of_its_version() {
    // The compiler compares the versions with every package.
    let mut case = Case::default();
    let x = case.input(&[1], vec![1], (0, 1));
    case.output(Combine { coefficients: vec![2], constant: 0 }, &[x]);
    let package =
        ciro_cairo::emit(&case.finish().0, "net", EmitSettings::default()).expect("a Cairo form");
    Compiler::new().unwrap().compile(&package).unwrap();
}
