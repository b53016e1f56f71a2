//! Where numbers need care: sums of unlike scales, long softmax rows, whole numbers, values beyond
//! calibration.

use std::sync::Arc;

use ciro_compiler::float::{
    BinaryFn, ElementType, Movement, NodeId, Op, Reducer, ScalarFn, UnaryFn,
};
use ciro_compiler::quantize::{QuantizeError, Refusal, Settings, calibrate, quantize};
use ciro_model::Tensor;

use crate::operators::{Builder, run};

fn with(f: BinaryFn, c: f64) -> ScalarFn {
    ScalarFn::binary(f, ScalarFn::X, ScalarFn::Const(c))
}

#[test]
fn sums_of_scales_without_a_common_unit_end() {
    for scale in [0.3, 1.0, 2.0, 7.0, 1e3] {
        let mut b = Builder::default();
        let x = b.input(&[1, 4], (-2.0, 2.0), 1);
        let z = b.input(&[1, 4], (-2.0, 2.0), 2);
        let w = b.input(&[1, 4], (0.0, scale), 3);
        let product = b.binary(BinaryFn::Mul, x, z);
        let root = b.unary(ScalarFn::unary(UnaryFn::Sqrt), w);
        let y = b.binary(BinaryFn::Add, product, root);
        b.output(y);
        b.check(5e-3).unwrap();
    }
}

#[test]
fn means_over_three_and_five_are_added() {
    let mut b = Builder::default();
    let x = b.input(&[1, 3], (-2.0, 2.0), 1);
    let z = b.input(&[1, 3], (-2.0, 2.0), 2);
    let w = b.input(&[1, 5], (0.0, 2.0), 3);
    let product = b.binary(BinaryFn::Mul, x, z);
    let a = b.reduce(Reducer::Mean, product);
    let c = b.reduce(Reducer::Mean, w);
    let y = b.binary(BinaryFn::Add, a, c);
    b.output(y);
    b.check(2e-3).unwrap();
}

#[test]
fn a_fine_state_beside_a_coarse_input_is_multiplied_apart() {
    const WIDE: usize = 256;
    for bits in [8, 10, 12] {
        let mut b = Builder::default();
        let x = b.input(&[1, WIDE], (-4.0, 4.0), 1);
        let h = b.input(&[1, WIDE], (-1e-2, 1e-2), 2);
        let [a, c] = [3, 4].map(|seed| b.weights(&[WIDE, WIDE], seed));
        let state = b.push(Op::MatMul, &[h, c], &[1, WIDE]);
        let state = b.unary(ScalarFn::unary(UnaryFn::Relu), state);
        let input = b.push(Op::MatMul, &[x, a], &[1, WIDE]);
        let input = b.unary(ScalarFn::unary(UnaryFn::Relu), input);
        let from_input = b.push(Op::MatMul, &[input, a], &[1, WIDE]);
        let from_state = b.push(Op::MatMul, &[state, c], &[1, WIDE]);
        let sum = b.binary(BinaryFn::Add, from_input, from_state);
        let next = b.unary(ScalarFn::unary(UnaryFn::Relu), sum);
        b.output(next);
        b.output(state);
        let calibration = calibrate(&b.graph, &b.samples).unwrap();
        let settings = Settings { activation_bits: bits, ..Settings::default() };
        quantize(&b.graph, &calibration, &settings).unwrap();
    }
}

/// Both branches use one matrix; what follows them has nothing else in common.
#[test]
fn branches_that_share_a_matrix_keep_their_own_ranges() {
    let mut b = Builder::default();
    let x = b.input(&[1, 4], (0.5, 1.0), 1);
    let z = b.input(&[1, 4], (-1.0, -0.5), 2);
    let w = b.constant(&[4, 4], (0..16).map(|at| f64::from(u8::from(at % 5 == 0))).collect());
    let [p, q] = [x, z].map(|x| b.push(Op::MatMul, &[x, w], &[1, 4]));
    let [p, q] = [p, q].map(|x| b.unary(with(BinaryFn::Mul, 3.0), x));
    let y = b.binary(BinaryFn::Div, x, p);
    let v = b.binary(BinaryFn::Div, x, q);
    b.output(y);
    b.output(v);
    b.check(5e-3).unwrap();
}

#[test]
fn positions_with_any_stride_are_compared_exactly() {
    for stride in [3.0, 5.0, 6.0, 10.0, 12.0, 17.0] {
        let mut b = Builder::default();
        let rows = b.draw(&[5], ElementType::Integer, 7, |unit| (unit * 7.0).floor());
        let flat = b.unary(with(BinaryFn::Mul, stride), rows);
        let offsets = b.constant(&[5], vec![0.0, 1.0, 2.0, 1.0, 0.0]);
        let flat = b.binary(BinaryFn::Add, flat, offsets);
        let places = 7 * 17;
        let hot = b.stretch(flat, places);
        let iota = (0..5 * places).map(|at| (at % places) as f64).collect();
        let iota = b.constant(&[5, places], iota);
        let hot = b.binary(BinaryFn::Equal, hot, iota);
        b.label(hot);
        b.check(0.0).unwrap();
    }
}

/// Scores `x W` with a spread of `scale`, and what `op` makes of them.
fn classes(columns: usize, scale: f64, op: Op) -> Builder {
    let mut b = Builder::default();
    b.samples.truncate(4);
    let x = b.input(&[1, 8], (-1.0, 1.0), 1);
    let w = (0..8 * columns).map(|i| ((i as f64 + 1.0) * 12.9898).sin() * scale).collect();
    let w = b.constant(&[8, columns], w);
    let scores = b.push(Op::MatMul, &[x, w], &[1, columns]);
    let y = b.push(op, &[scores], &[1, columns]);
    b.output(y);
    b.samples.truncate(4);
    b
}

#[test]
fn softmax_of_long_rows_is_accurate_at_every_scale() {
    for columns in [64, 65, 250, 1000, 6625] {
        // Scores inherit the rounding of the inputs, times their scale.
        for (scale, bound) in [(0.05, 2e-3), (1.0, 2e-3), (3.0, 3e-3), (40.0, 1e-2)] {
            println!("{columns} classes, scale {scale}");
            classes(columns, scale, Op::Softmax).check(bound).unwrap();
        }
    }
}

#[test]
fn logarithms_of_sums_of_exponentials_are_accurate_far_from_zero() {
    for shift in [-1e3, 0.0, 1e4] {
        let mut b = Builder::default();
        let x = b.input(&[2, 5], (-4.0, 4.0), 1);
        let far = b.unary(with(BinaryFn::Add, shift), x);
        let norm = b.reduce(Reducer::LogSumExp, far);
        let norm = b.stretch(norm, 5);
        let logs = b.binary(BinaryFn::Sub, far, norm);
        b.output(logs);
        b.check(1e-3).unwrap();
    }
}

fn integers(b: &mut Builder, shape: &[usize], below: f64, seed: u64) -> NodeId {
    b.draw(shape, ElementType::Integer, seed, |unit| (unit * below).floor())
}

#[test]
fn whole_numbers_are_exact_below_the_bound() {
    let mut b = Builder::default();
    let points = integers(&mut b, &[3, 4], 5000.0, 1);
    let weights = b.constant(&[4, 2], vec![17.0, -3.0, 250.0, 1.0, 0.0, 99.0, -1000.0, 7.0]);
    let score = b.push(Op::MatMul, &[points, weights], &[3, 2]);
    let base = b.constant(&[3, 2], vec![333_333.0; 6]);
    let score = b.binary(BinaryFn::Add, score, base);
    b.label(score);
    let quotient = |f: UnaryFn, c: f64| ScalarFn::Unary(f, Box::new(with(BinaryFn::Div, c)));
    let truncated = b.unary(quotient(UnaryFn::Truncate, 1000.0), score);
    b.label(truncated);
    let floored = b.unary(quotient(UnaryFn::Floor, 7.0), score);
    b.label(floored);
    let left = b.unary(with(BinaryFn::Mod, 97.0), score);
    b.label(left);
    let positive = b.unary(with(BinaryFn::Greater, 1e5), score);
    let least = b.binary(BinaryFn::Min, score, base);
    let either = b.push(Op::Where, &[positive, score, least], &[3, 2]);
    b.label(either);
    let total = b.reduce(Reducer::Sum, score);
    b.label(total);
    let relu = b.unary(ScalarFn::unary(UnaryFn::Relu), score);
    let product = b.unary(with(BinaryFn::Mul, 3.0), relu);
    b.label(product);
    b.check(0.0).unwrap();
}

#[test]
fn whole_numbers_beyond_the_bound_are_refused_by_that_reason() {
    let mut b = Builder::default();
    let cents = integers(&mut b, &[2], 4e6, 1);
    let rate = integers(&mut b, &[2], 900.0, 2);
    let product = b.binary(BinaryFn::Mul, cents, rate);
    b.label(product);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let error = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err();
    let QuantizeError::Refused { reason, .. } = &error else { panic!("{error}") };
    assert!(matches!(reason, Refusal::WideIntegers { .. }), "{error}");
    assert!(error.to_string().contains("exact only between -2^30 and 2^30"), "{error}");
}

#[test]
fn codes_of_one_input_may_index_tables_of_unlike_heights() {
    let heights = [50usize, 4, 9];
    let mut b = Builder::default();
    let codes = b.draw(&[1, 3], ElementType::Integer, 3, |unit| unit);
    for (index, sample) in b.samples.iter_mut().enumerate() {
        let code = |column: usize| ((index * 17 + 5 * column) % heights[column]) as f64;
        sample[0] = Tensor::new(vec![1, 3], (0..3).map(code).collect()).unwrap();
    }
    let mut parts = vec![];
    for (column, height) in heights.into_iter().enumerate() {
        let select = Movement::Select { axis: 1, indices: vec![u32::try_from(column).unwrap()] };
        let code = b.push(Op::Move(select), &[codes], &[1, 1]);
        let table = b.weights(&[height, 2], column as u64);
        parts.push(b.push(Op::Gather, &[table, code], &[1, 1, 2]));
    }
    let joined = b.push(Op::Move(Movement::Concat { axis: 2 }), &parts, &[1, 1, 6]);
    b.output(joined);
    b.check(1e-3).unwrap();
}

#[test]
fn negative_positions_count_from_the_end() {
    let mut b = Builder::default();
    let rows = b.draw(&[6], ElementType::Integer, 7, |unit| (unit * 14.0).floor() - 7.0);
    let table = b.weights(&[7, 3], 2);
    let y = b.push(Op::Gather, &[table, rows], &[6, 3]);
    b.output(y);
    b.check(1e-3).unwrap();
}

#[test]
fn integers_that_calibration_saw_beyond_the_bound_are_refused() {
    let mut b = Builder::default();
    let ids = integers(&mut b, &[3], 4e11, 1);
    let bucket = b.unary(with(BinaryFn::Mod, 1000.0), ids);
    b.label(bucket);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let error = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err();
    assert!(error.to_string().contains("exact only between -2^30 and 2^30"), "{error}");
}

/// A maximum of finite numbers is above minus infinity, whatever asks.
#[test]
fn comparisons_with_infinity_are_decided() {
    let mut b = Builder::default();
    let x = b.input(&[2, 3], (-1.0, 1.0), 1);
    let best = b.reduce(Reducer::Max, x);
    let alive = b.unary(with(BinaryFn::Greater, f64::NEG_INFINITY), best);
    b.label(alive);
    b.check(0.0).unwrap();
}

/// `exp(w x)` far beyond what calibration has seen, from inputs that were seen one by one.
#[test]
fn values_beyond_calibration_are_counted_and_named() {
    let mut b = Builder::default();
    let x = b.input(&[1, 4], (-1.0, 1.0), 3);
    for (index, sample) in b.samples.iter_mut().enumerate() {
        let one = |at: usize| if at == index % 4 { 1.0 } else { -0.05 * index as f64 };
        sample[0] = Tensor::new(vec![1, 4], (0..4).map(one).collect()).unwrap();
    }
    let w = b.constant(&[4, 1], vec![0.5; 4]);
    let sum = b.push(Op::MatMul, &[x, w], &[1, 1]);
    let y = b.unary(ScalarFn::unary(UnaryFn::Exp), sum);
    b.output(y);
    let model = b.quantized();
    let clips = |values: [f64; 4]| {
        let sample = Tensor::new(vec![1, 4], values.to_vec()).unwrap();
        let (_, encoding) = &model.inputs()[0].views[0];
        let trace = model.trace(&[encoding.encode(&sample).unwrap().tensor]).unwrap();
        model.clips(&trace)
    };
    assert_eq!(clips([1.0, -0.3, -0.3, -0.3]), vec![]);
    let found = clips([1.0; 4]);
    assert!(!found.is_empty());
    assert!(found[0].node.starts_with("n3") && found[0].count == 1, "{found:?}");
    assert!(found[0].worst > found[0].kept[1], "{found:?}");
}

/// A matrix of ones, for what has no name of its own.
#[test]
fn products_whose_sums_leave_little_room_are_scaled() {
    let mut b = Builder::default();
    let x = b.input(&[1, 4096], (-1000.0, 1000.0), 3);
    let ones = Arc::new(Tensor::full(vec![4096, 2], 1.0).unwrap());
    let ones = b.push(Op::Constant(ones), &[], &[4096, 2]);
    let y = b.push(Op::MatMul, &[x, ones], &[1, 2]);
    b.output(y);
    b.check(1e-2).unwrap();
    let sample = &b.samples[0];
    assert_eq!(run(&b.quantized(), sample).len(), 1);
}
