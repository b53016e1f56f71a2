//! Values of many magnitudes in one tensor: what is small beside the greatest decides as well.

use ciro_compiler::float::{
    BinaryFn, ElementType, Movement, NodeId, Op, Reducer, ScalarFn, UnaryFn,
};

use crate::operators::{Builder, X, bin, c};

/// An input whose elements have either sign and magnitudes from `least` up, over `decades`.
fn spread(b: &mut Builder, shape: &[usize], least: f64, decades: f64) -> NodeId {
    b.draw(shape, ElementType::Float, 3, |unit| {
        let magnitude = least * 10f64.powf(decades * (2.0 * unit - 1.0).abs());
        if unit < 0.5 { -magnitude } else { magnitude }
    })
}

fn un(f: UnaryFn, x: ScalarFn) -> ScalarFn {
    ScalarFn::Unary(f, Box::new(x))
}

/// Each operator alone has integers; what lies between them would need 40 bits.
#[test]
fn functions_of_one_input_element_are_one_function() {
    let mut b = Builder::default();
    let x = spread(&mut b, &[1, 6], 1e-3, 8.0);
    let square = b.binary(BinaryFn::Mul, x, x);
    let inverse = b.unary(un(UnaryFn::Reciprocal, bin(BinaryFn::Add, X, c(1e-4))), square);
    b.output(inverse);
    let magnitude = b.unary(un(UnaryFn::Abs, X), x);
    let more = b.unary(bin(BinaryFn::Add, X, c(1e-2)), magnitude);
    let quotient = b.binary(BinaryFn::Div, x, more);
    b.output(quotient);
    b.check(5e-3).unwrap();
}

#[test]
fn each_column_may_have_a_function_of_its_own() {
    let mut b = Builder::default();
    let x = spread(&mut b, &[1, 3], 1e-2, 7.0);
    let shift = b.constant(&[1, 3], vec![0.5, -2.0, 0.0]);
    let shifted = b.binary(BinaryFn::Add, x, shift);
    let square = b.binary(BinaryFn::Mul, shifted, shifted);
    let y = b.unary(un(UnaryFn::Tanh, X), square);
    b.output(y);
    b.check(5e-3).unwrap();
}

/// Energies in bands of a spectrum, quiet and loud ones.
#[test]
fn logarithms_of_sums_of_squares_are_right_where_these_are_tiny() {
    let mut b = Builder::default();
    let x = b.input(&[1, 8], (-1.0, 1.0), 1);
    for (index, sample) in b.samples.iter_mut().enumerate() {
        let scale = 10f64.powf(-(index as f64) / 4.0);
        sample[0] = sample[0].map(|x| x * scale);
    }
    let square = b.binary(BinaryFn::Mul, x, x);
    let weights = (0..24).map(|at| 0.1 + f64::from(at % 7)).collect();
    let weights = b.constant(&[8, 3], weights);
    let energy = b.push(Op::MatMul, &[square, weights], &[1, 3]);
    let transpose = Op::Move(Movement::Transpose { perm: vec![1, 0] });
    let moved = b.push(transpose, &[energy], &[3, 1]);
    let y = b.unary(un(UnaryFn::Log, bin(BinaryFn::Add, X, c(1e-6))), moved);
    b.output(y);
    b.check(1e-2).unwrap();
}

/// Rows of unlike magnitudes, each divided by its own deviation.
#[test]
fn rows_whose_norm_is_tiny_are_normalized_as_others_are() {
    let mut b = Builder::default();
    let x = b.input(&[1, 5], (-1.0, 1.0), 1);
    for (index, sample) in b.samples.iter_mut().enumerate() {
        let scale = 10f64.powf(index as f64 / 4.0);
        sample[0] = sample[0].map(|x| x * scale);
    }
    let mean = b.reduce(Reducer::Mean, x);
    let mean = b.stretch(mean, 5);
    let centred = b.binary(BinaryFn::Sub, x, mean);
    let square = b.binary(BinaryFn::Mul, centred, centred);
    let variance = b.reduce(Reducer::Mean, square);
    let root = un(UnaryFn::Sqrt, bin(BinaryFn::Add, X, c(1e-5)));
    let deviation = b.unary(root, variance);
    let deviation = b.stretch(deviation, 5);
    let y = b.binary(BinaryFn::Div, centred, deviation);
    b.output(y);
    b.check(2e-2).unwrap();
}

/// A logarithm of a sum of squares over twelve decades.
#[test]
fn functions_of_a_sum_see_it_near_zero_and_far_from_it() {
    let mut b = Builder::default();
    let x = b.input(&[1, 3], (0.5, 1.0), 1);
    for (index, sample) in b.samples.iter_mut().enumerate() {
        let scale = 10f64.powf(index as f64 / 2.0 - 2.0);
        sample[0] = sample[0].map(|x| x * scale);
    }
    let square = b.binary(BinaryFn::Mul, x, x);
    let sum = b.reduce(Reducer::Sum, square);
    let y = b.unary(un(UnaryFn::Log, bin(BinaryFn::Add, X, c(1e-3))), sum);
    b.output(y);
    b.check(5e-3).unwrap();
}
