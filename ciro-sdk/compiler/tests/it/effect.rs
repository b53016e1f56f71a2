//! Bits by effect: steep functions, wide factors, columns far from zero, and clips that are told.

use ciro_compiler::float::{BinaryFn, ElementType, NodeId, Op, ScalarFn, UnaryFn};
use ciro_compiler::quantize::{Settings, calibrate, quantize};
use ciro_model::Tensor;
use ciro_model::integer::{Encoding, IntegerModel};

use crate::operators::{Builder, X, bin, c, run};

/// `f(a x + b)`.
fn of(f: UnaryFn, a: f64, b: f64) -> ScalarFn {
    let inner = bin(BinaryFn::Add, bin(BinaryFn::Mul, ScalarFn::X, c(a)), c(b));
    ScalarFn::Unary(f, Box::new(inner))
}

/// How many elements a run of the model cut.
fn cut(model: &IntegerModel, sample: &[Tensor<f64>]) -> u64 {
    let inputs = model.inputs().iter().zip(sample);
    let views = inputs.flat_map(|(input, real)| input.views.iter().map(move |view| (view, real)));
    let integers: Vec<_> =
        views.map(|((_, encoding), real)| encoding.encode(real).unwrap().tensor).collect();
    let trace = model.trace(&integers).unwrap();
    model.clips(&trace).iter().map(|clip| clip.count).sum()
}

#[test]
fn functions_of_an_input_are_as_fine_as_the_function_asks() {
    // A table of equal steps over [1e-3, 1e4] knows next to nothing of what these do near zero.
    for f in [
        of(UnaryFn::Log, 1.0, 0.0),
        of(UnaryFn::Reciprocal, 1.0, 1e-2),
        of(UnaryFn::Tanh, 0.01, 0.0),
        of(UnaryFn::Sigmoid, 1.0, -3.0),
    ] {
        let mut b = Builder::default();
        let x = b.draw(&[1, 6], ElementType::Float, 3, |unit| 1e-3 * 1e7f64.powf(unit));
        let y = b.unary(f, x);
        b.output(y);
        b.check(1e-3).unwrap();
    }
}

#[test]
fn functions_of_a_wide_sum_are_as_fine_as_the_function_asks() {
    for f in [UnaryFn::Sigmoid, UnaryFn::Tanh, UnaryFn::Softplus] {
        let mut b = Builder::default();
        let x = b.input(&[1, 64], (-100.0, 100.0), 1);
        let w = b.weights(&[64, 4], 2);
        let wide = b.push(Op::MatMul, &[x, w], &[1, 4]);
        let wide = b.unary(bin(BinaryFn::Mul, ScalarFn::X, c(0.01)), wide);
        let y = b.unary(ScalarFn::unary(f), wide);
        b.output(y);
        b.check(3e-3).unwrap();
    }
}

#[test]
fn small_differences_of_large_columns_decide() {
    // Seconds since 1970 within two weeks, beside an age.
    let mut b = Builder::default();
    let x = b.draw(&[1, 2], ElementType::Float, 5, |unit| unit);
    for sample in &mut b.samples {
        let [time, age] = sample[0].data() else { panic!("two columns") };
        sample[0] = Tensor::new(vec![1, 2], vec![1.7e9 + 1.2e6 * time, 18.0 + 60.0 * age]).unwrap();
    }
    let mean = b.constant(&[1, 2], vec![-1.7006e9, -48.0]);
    let x = b.binary(BinaryFn::Add, x, mean);
    let deviation = b.constant(&[1, 2], vec![3e-6, 0.05]);
    let x = b.binary(BinaryFn::Mul, x, deviation);
    let w = b.weights(&[2, 3], 7);
    let y = b.push(Op::MatMul, &[x, w], &[1, 3]);
    b.output(y);
    b.check(5e-3).unwrap();
    let model = b.quantized();
    assert!(matches!(model.inputs()[0].views[0].1, Encoding::Ordered), "{:?}", model.inputs());
    // A month later nothing is known, and that is told.
    let later = Tensor::new(vec![1, 2], vec![1.7e9 + 4e6, 30.0]).unwrap();
    assert!(cut(&model, &[later]) > 0);
    assert_eq!(b.samples.iter().map(|sample| cut(&model, sample)).sum::<u64>(), 0);
}

/// An output `(x - z)^2`, at most 10^4, as a sum of terms of 10^6; returns `x z`.
fn cancelling(b: &mut Builder) -> NodeId {
    let x = b.input(&[1, 4], (900.0, 1000.0), 1);
    let z = b.input(&[1, 4], (900.0, 1000.0), 2);
    let squares = [x, z].map(|x| b.binary(BinaryFn::Mul, x, x));
    let both = b.binary(BinaryFn::Mul, x, z);
    let twice = b.unary(bin(BinaryFn::Mul, ScalarFn::X, c(-2.0)), both);
    let sum = b.binary(BinaryFn::Add, squares[0], squares[1]);
    let y = b.binary(BinaryFn::Add, sum, twice);
    b.output(y);
    both
}

#[test]
fn products_that_cancel_get_the_bits_they_need() {
    let mut b = Builder::default();
    cancelling(&mut b);
    b.check(2e-2).unwrap();
}

#[test]
fn numbers_jump_where_the_float_model_does() {
    let below = |at: f64, then: f64, other: ScalarFn| {
        let condition = bin(BinaryFn::Less, X, c(at));
        ScalarFn::Where(Box::new(condition), Box::new(c(then)), Box::new(other))
    };
    let weights = [2e-5, -1e-5, 3e-5, -1.5e-5];
    for steps in [below(0.5, 1.0, c(3.0)), below(-0.7, 0.0, below(0.5, 1.0, c(3.0)))] {
        let mut b = Builder::default();
        let x = b.input(&[1, 4], (0.0, 1e5), 3);
        let w = b.constant(&[4, 1], weights.to_vec());
        let score = b.push(Op::MatMul, &[x, w], &[1, 1]);
        let y = b.unary(steps, score);
        b.output(y);
        let model = b.quantized();
        for (at, sample) in b.samples.iter().enumerate() {
            // A hundred-thousandth of the scores' range on either side of the jump.
            let off = if at % 2 == 0 { 1e-4 } else { -1e-4 };
            let score = |x: &[f64]| x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>();
            let mut near = sample[0].data().to_vec();
            near[0] += (0.5 + off - score(&near)) / weights[0];
            if !(0.0..1e5).contains(&near[0]) {
                continue;
            }
            let near = Tensor::new(vec![1, 4], near).unwrap();
            let got = run(&model, &[near])[0].data()[0];
            assert!((got - if off > 0.0 { 3.0 } else { 1.0 }).abs() < 1e-3, "{at}: {got}");
        }
    }
}

/// Checks what a quotient of `x` by `z` of both signs makes of samples, and that it tells of a
/// divisor that is nearer to zero than they were.
fn divides_by_both_signs(quotient: impl Fn(&mut Builder, [NodeId; 2]) -> NodeId) {
    let mut b = Builder::default();
    let x = b.input(&[1, 6], (-2.0, 3.0), 1);
    let z = b.draw(&[1, 6], ElementType::Float, 2, |unit| {
        if unit < 0.5 { -0.2 - 6.0 * unit } else { 0.2 + 6.0 * (unit - 0.5) }
    });
    // No function of one input's element alone.
    let z = b.binary(BinaryFn::Add, z, z);
    let y = quotient(&mut b, [x, z]);
    b.output(y);
    b.check(5e-3).unwrap();
    let model = b.quantized();
    assert_eq!(b.samples.iter().map(|sample| cut(&model, sample)).sum::<u64>(), 0);
    let [x, z] = &b.samples[0][..] else { panic!("two inputs") };
    let mut data = z.data().to_vec();
    data[2] = -1e-3;
    let near = [x.clone(), Tensor::new(vec![1, 6], data).unwrap()];
    assert!(cut(&model, &near) > 0, "what is nearer to zero is told");
}

#[test]
fn divisors_may_have_both_signs_as_far_from_zero_as_they_have_been() {
    divides_by_both_signs(|b, [x, z]| b.binary(BinaryFn::Div, x, z));
    divides_by_both_signs(|b, [x, z]| {
        let inverse = b.unary(ScalarFn::unary(UnaryFn::Reciprocal), z);
        b.binary(BinaryFn::Add, x, inverse)
    });
}

#[test]
fn magnitudes_that_cancel_are_as_fine_as_what_they_are_of() {
    let mut b = Builder::default();
    let x = b.input(&[1, 4], (-1.0, 1.0), 3);
    let w = b.weights(&[4, 3], 5);
    let score = b.push(Op::MatMul, &[x, w], &[1, 3]);
    let shifted = b.unary(bin(BinaryFn::Add, X, c(1e-3)), score);
    let [near, far] = [score, shifted].map(|x| b.unary(ScalarFn::unary(UnaryFn::Abs), x));
    let y = b.binary(BinaryFn::Sub, far, near);
    b.output(y);
    b.check(2e-2).unwrap();
}

#[test]
fn even_functions_cut_nothing_between_what_was_seen() {
    let mut b = Builder::default();
    let x = b.draw(&[1, 8], ElementType::Float, 9, |unit| {
        if unit < 0.5 { -1.0 - 4.0 * unit } else { 1.0 + 4.0 * (unit - 0.5) }
    });
    let magnitude = ScalarFn::Unary(UnaryFn::Abs, Box::new(ScalarFn::X));
    let shifted = bin(BinaryFn::Add, magnitude, c(0.7));
    let y = b.unary(ScalarFn::Unary(UnaryFn::Reciprocal, Box::new(shifted)), x);
    b.output(y);
    let model = b.quantized();
    assert_eq!(b.samples.iter().map(|sample| cut(&model, sample)).sum::<u64>(), 0);
}

#[test]
fn a_model_that_meets_its_target_stays_as_it_is() {
    let mut b = Builder::default();
    let x = b.input(&[1, 16], (-1.0, 1.0), 1);
    let w = b.weights(&[16, 8], 2);
    let h = b.push(Op::MatMul, &[x, w], &[1, 8]);
    let h = b.unary(ScalarFn::unary(UnaryFn::Relu), h);
    b.output(h);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let unmeasured = ciro_compiler::quantize::Calibration { probes: vec![], ..calibration.clone() };
    let settings = Settings::default();
    let measured = quantize(&b.graph, &calibration, &settings).unwrap();
    assert_eq!(measured, quantize(&b.graph, &unmeasured, &settings).unwrap());
    let got = run(&measured, &b.samples[0]);
    assert_eq!(got[0].shape(), [1, 8]);
}

#[test]
fn whole_quotients_of_two_tensors_are_exact_and_whole() {
    let integer = ElementType::Integer;
    for (f, least) in
        [(UnaryFn::Truncate, 0.0), (UnaryFn::Truncate, -100.0), (UnaryFn::Floor, -100.0)]
    {
        let mut b = Builder::default();
        let x =
            b.draw(&[3, 20], integer.clone(), 1, |unit| (least + (100.0 - least) * unit).round());
        let y = b.draw(&[3, 20], integer.clone(), 2, |unit| 1.0 + (23.0 * unit).round());
        let quotient = b.push(Op::Binary(BinaryFn::Div), &[x, y], &[3, 20]);
        let rounded = b.unary(ScalarFn::unary(f), quotient);
        b.label(rounded);
        b.check(0.0).unwrap_or_else(|problem| panic!("{f:?} from {least}: {problem}"));
    }
}

#[test]
fn sines_of_many_turns_are_as_fine_as_their_operand() {
    let mut b = Builder::default();
    let x = b.input(&[1, 8], (-1.0, 1.0), 5);
    let turned = bin(BinaryFn::Mul, ScalarFn::X, c(256.0 * std::f64::consts::PI));
    let sine = b.unary(ScalarFn::Unary(UnaryFn::Sin, Box::new(turned.clone())), x);
    let cosine = b.unary(ScalarFn::Unary(UnaryFn::Cos, Box::new(turned)), x);
    let y = b.binary(BinaryFn::Add, sine, cosine);
    b.output(y);
    b.check(0.025).unwrap();
}

#[test]
fn small_magnitudes_keep_their_bits_however_many_they_are() {
    // As of spectra: elements of four decades, whose logarithm is taken.
    let mut b = Builder::default();
    let decades = |unit: f64| 10f64.powf(4.0 * unit - 4.0);
    let parts = [1, 2].map(|seed| b.draw(&[1, 300], ElementType::Float, seed, decades));
    let squares = parts.map(|part| b.binary(BinaryFn::Mul, part, part));
    let power = b.binary(BinaryFn::Add, squares[0], squares[1]);
    let magnitude = b.unary(ScalarFn::unary(UnaryFn::Sqrt), power);
    let y = b.unary(of(UnaryFn::Log, 1.0, 1e-4), magnitude);
    b.output(y);
    b.check(1e-2).unwrap();
}

#[test]
fn what_has_no_room_for_more_bits_leaves_them_to_others() {
    // The sum needs bits, as its terms cancel; the quotient has no room for as many.
    let mut b = Builder::default();
    let both = cancelling(&mut b);
    let small = b.input(&[1, 4], (0.001, 1.0), 3);
    let ratio = b.binary(BinaryFn::Div, both, small);
    b.output(ratio);
    b.check(2e-2).unwrap();
}
