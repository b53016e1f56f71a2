//! Every operator on small random graphs: the integer result stays within a stated bound of the
//! float result.

mod builder;

use std::sync::Arc;

use ciro_compiler::float::{
    Aggregate, BinaryFn, BranchMode, ElementType, Movement, Op, Reducer, ScalarFn, Tree,
    TreeEnsemble, TreeNode, UnaryFn,
};
use ciro_compiler::quantize::{Settings, calibrate, quantize};
use ciro_model::movement::Windows;
use proptest::prelude::*;

pub(crate) use builder::{Builder, X, bin, c, run};

use builder::un;

/// How trees compare, each way once.
pub(crate) const MODES: [BranchMode; 6] = [
    BranchMode::Leq,
    BranchMode::Lt,
    BranchMode::Gte,
    BranchMode::Gt,
    BranchMode::Eq,
    BranchMode::Neq,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn layers_of_a_perceptron(seed: u32, scale in 0.01f64..100.0) {
        let mut b = Builder::default();
        let mut x = b.input(&[2, 6], (-scale, scale), seed.into());
        let mut last = (x, x);
        for layer in 0..2 {
            let w = b.weights(&[6, 6], u64::from(seed % 97) + layer);
            last = (x, w);
            let bias = b.weights(&[6], u64::from(seed % 89) + layer);
            let bias = b.push(Op::Move(Movement::Expand { shape: vec![2, 6] }), &[bias], &[2, 6]);
            let product = b.push(Op::MatMul, &[x, w], &[2, 6]);
            let sum = b.binary(BinaryFn::Add, product, bias);
            x = b.unary(ScalarFn::unary(UnaryFn::Relu), sum);
        }
        b.output(x);
        let terms = b.largest_terms(last.0, last.1);
        b.check_beside(4e-3, terms)?;
    }

    #[test]
    fn convolutions_with_residuals(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 5, 5], (-1.0, 2.0), seed.into());
        let conv = |groups| Op::Conv {
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads: vec![(1, 1), (1, 1)],
            groups,
        };
        let w = b.weights(&[2, 2, 3, 3], seed.into());
        let bias = b.weights(&[2], u64::from(seed) + 1);
        let y = b.push(conv(1), &[x, w, bias], &[1, 2, 5, 5]);
        let y = b.binary(BinaryFn::Add, y, x);
        let y = b.unary(ScalarFn::unary(UnaryFn::Relu), y);
        let depthwise = b.weights(&[2, 1, 3, 3], u64::from(seed) + 2);
        let y = b.push(conv(2), &[y, depthwise], &[1, 2, 5, 5]);
        b.output(y);
        b.check(4e-3)?;
    }

    #[test]
    fn sums_of_tensors_of_very_different_scale(seed: u32, small in 0.001f64..1.0) {
        let mut b = Builder::default();
        let x = b.input(&[8], (-1.0, 1.0), seed.into());
        let y = b.input(&[8], (0.0, small), seed.into());
        let sum = b.binary(BinaryFn::Add, x, y);
        let difference = b.binary(BinaryFn::Sub, sum, y);
        let offset = b.weights(&[8], seed.into());
        let shifted = b.binary(BinaryFn::Add, difference, offset);
        b.output(sum);
        b.output(shifted);
        b.check(1e-3)?;
    }

    #[test]
    fn products_and_quotients(seed: u32, lo in 0.2f64..3.0) {
        let mut b = Builder::default();
        let x = b.input(&[2, 4], (-3.0, 3.0), seed.into());
        let y = b.input(&[2, 4], (lo, 4.0 * lo), seed.into());
        let product = b.binary(BinaryFn::Mul, x, y);
        let quotient = b.binary(BinaryFn::Div, x, y);
        let negative = b.unary(ScalarFn::unary(UnaryFn::Neg), y);
        let negative = b.binary(BinaryFn::Div, x, negative);
        b.output(product);
        b.output(quotient);
        b.output(negative);
        b.check(2e-3)?;
    }

    #[test]
    fn functions_by_table(seed: u32, spread in 0.5f64..6.0) {
        let functions = [
            ScalarFn::unary(UnaryFn::Sigmoid),
            ScalarFn::unary(UnaryFn::Tanh),
            ScalarFn::unary(UnaryFn::Exp),
            ScalarFn::unary(UnaryFn::Softplus),
            ScalarFn::unary(UnaryFn::Abs),
            bin(BinaryFn::Mul, X, ScalarFn::unary(UnaryFn::Sigmoid)),
            bin(BinaryFn::Mul, X, bin(BinaryFn::Add, c(1.0), ScalarFn::unary(UnaryFn::Erf))),
        ];
        for f in functions {
            let mut b = Builder::default();
            let x = b.input(&[16], (-spread, spread), seed.into());
            let y = b.unary(f, x);
            b.output(y);
            b.check(4e-3)?;
        }
    }

    #[test]
    fn roots_and_reciprocals(seed: u32, lo in 0.05f64..1.0) {
        let functions = [
            ScalarFn::unary(UnaryFn::Sqrt),
            un(UnaryFn::Sqrt, bin(BinaryFn::Add, X, c(1e-3))),
            ScalarFn::unary(UnaryFn::Reciprocal),
            bin(BinaryFn::Div, c(-2.0), un(UnaryFn::Sqrt, X)),
            bin(BinaryFn::Pow, X, c(2.0)),
            bin(BinaryFn::Pow, X, c(-0.5)),
        ];
        for f in functions {
            let mut b = Builder::default();
            let x = b.input(&[16], (lo, 4.0), seed.into());
            let y = b.unary(f, x);
            b.output(y);
            b.check(2e-2)?;
        }
    }

    #[test]
    fn clips_and_rounding(seed: u32, step in 0.05f64..0.5) {
        let mut b = Builder::default();
        let x = b.input(&[16], (-4.0, 4.0), seed.into());
        let clip = bin(BinaryFn::Min, bin(BinaryFn::Max, X, c(-1.0)), c(2.5));
        let clipped = b.unary(clip, x);
        b.output(clipped);
        b.check(1e-3)?;
        let mut b = Builder::default();
        let x = b.input(&[16], (-4.0, 4.0), seed.into());
        let quantized = un(UnaryFn::Round, bin(BinaryFn::Div, X, c(step)));
        let quantized = bin(BinaryFn::Min, bin(BinaryFn::Max, quantized, c(-128.0)), c(127.0));
        let fake = b.unary(bin(BinaryFn::Mul, quantized, c(step)), x);
        b.output(fake);
        b.check(1e-9)?;
    }

    #[test]
    fn reductions(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[3, 7], (-2.0, 5.0), seed.into());
        for reducer in [Reducer::Sum, Reducer::Mean, Reducer::Max, Reducer::Min] {
            let y = b.reduce(reducer, x);
            b.output(y);
        }
        b.check(1e-3)?;
    }

    #[test]
    fn positions_of_integers_are_exact(seed: u32) {
        let mut b = Builder::default();
        // Few distinct values: ties are common.
        let x = b.draw(&[5, 6], ElementType::Integer, seed.into(), |unit| (unit * 4.0).floor());
        for reducer in [Reducer::ArgMax, Reducer::ArgMin] {
            let y = b.reduce(reducer, x);
            b.label(y);
        }
        b.check(0.0)?;
    }

    #[test]
    fn comparisons_of_integers_are_exact(seed: u32) {
        let functions = [
            BinaryFn::Less,
            BinaryFn::LessOrEqual,
            BinaryFn::Greater,
            BinaryFn::GreaterOrEqual,
            BinaryFn::Equal,
        ];
        for f in functions {
            let mut b = Builder::default();
            let draw = |unit: f64| (unit * 3.0).floor();
            let x = b.draw(&[12], ElementType::Integer, seed.into(), draw);
            let y = b.draw(&[12], ElementType::Integer, seed.into(), draw);
            let both = b.binary(f, x, y);
            let fixed = b.unary(bin(f, X, c(1.0)), x);
            let logic = b.binary(BinaryFn::Xor, both, fixed);
            let logic = b.binary(BinaryFn::Or, logic, both);
            let chosen = b.push(Op::Where, &[logic, x, y], &[12]);
            b.label(both);
            b.label(fixed);
            b.label(logic);
            b.output(chosen);
            b.check(1e-9)?;
        }
    }

    #[test]
    fn maxima_of_two_tensors(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[2, 5], (-2.0, 2.0), seed.into());
        let y = b.input(&[2, 5], (-0.5, 3.0), seed.into());
        let most = b.binary(BinaryFn::Max, x, y);
        let least = b.binary(BinaryFn::Min, x, y);
        let fixed = b.weights(&[2, 5], seed.into());
        let fixed = b.binary(BinaryFn::Max, x, fixed);
        b.output(most);
        b.output(least);
        b.output(fixed);
        b.check(2e-3)?;
    }

    #[test]
    fn softmax_with_and_without_a_mask(seed: u32, spread in 0.5f64..8.0) {
        let mut b = Builder::default();
        let x = b.input(&[4, 4], (-spread, spread), seed.into());
        let plain = b.push(Op::Softmax, &[x], &[4, 4]);
        b.output(plain);
        b.check(2e-3)?;
        let mut b = Builder::default();
        let x = b.input(&[4, 4], (-spread, spread), seed.into());
        let causal = (0..16).map(|i| f64::from(u8::from(i % 4 <= i / 4))).collect();
        let causal = b.constant(&[4, 4], causal);
        let never = b.constant(&[4, 4], vec![f64::NEG_INFINITY; 16]);
        let masked = b.push(Op::Where, &[causal, x, never], &[4, 4]);
        let probabilities = b.push(Op::Softmax, &[masked], &[4, 4]);
        let value = b.input(&[4, 3], (-1.0, 1.0), seed.into());
        let mean = b.push(Op::MatMul, &[probabilities, value], &[4, 3]);
        b.output(mean);
        b.check(4e-3)?;
    }

    #[test]
    fn layer_normalization(seed: u32, scale in 0.1f64..30.0) {
        let mut b = Builder::default();
        let x = b.input(&[4, 16], (-scale, 2.0 * scale), seed.into());
        let mean = b.reduce(Reducer::Mean, x);
        let mean = b.stretch(mean, 16);
        let centred = b.binary(BinaryFn::Sub, x, mean);
        let squares = b.unary(bin(BinaryFn::Mul, X, X), centred);
        let variance = b.reduce(Reducer::Mean, squares);
        let deviation = b.unary(un(UnaryFn::Sqrt, bin(BinaryFn::Add, X, c(1e-5))), variance);
        let deviation = b.stretch(deviation, 16);
        let normal = b.binary(BinaryFn::Div, centred, deviation);
        let gain = b.weights(&[16], seed.into());
        let gain = b.push(Op::Move(Movement::Expand { shape: vec![4, 16] }), &[gain], &[4, 16]);
        let scaled = b.binary(BinaryFn::Mul, normal, gain);
        let shifted = b.binary(BinaryFn::Add, scaled, gain);
        let weights = b.weights(&[16, 5], u64::from(seed) + 1);
        let y = b.push(Op::MatMul, &[shifted, weights], &[4, 5]);
        b.output(y);
        b.check(6e-3)?;
    }

    #[test]
    fn movements_keep_values(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[1, 2, 4, 4], (-1.0, 3.0), seed.into());
        let windows = |fill| Windows {
            kernel: vec![3, 3],
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads: vec![(1, 1), (1, 1)],
            ceil_mode: false,
            fill,
        };
        let shape = [1, 2, 4, 4, 9];
        let split = b.push(Op::Move(Movement::Windows(windows(f64::NEG_INFINITY))), &[x], &shape);
        let most = b.reduce(Reducer::Max, split);
        let split = b.push(Op::Move(Movement::Windows(windows(0.0))), &[x], &shape);
        let mean = b.reduce(Reducer::Mean, split);
        let joined = b.push(Op::Move(Movement::Concat { axis: 1 }), &[most, mean, x], &[1, 6, 4, 4]);
        let pads = vec![(0, 0), (0, 0), (1, 0), (0, 2)];
        let padded = b.push(Op::Move(Movement::Pad { pads, fill: 0.75 }), &[joined], &[1, 6, 5, 6]);
        b.output(padded);
        b.check(2e-3)?;
    }

    #[test]
    fn embeddings(seed: u32) {
        let mut b = Builder::default();
        let tokens = b.draw(&[5], ElementType::Integer, seed.into(), |unit| (unit * 7.0).floor());
        let table = b.weights(&[7, 3], seed.into());
        let rows = b.push(Op::Gather, &[table, tokens], &[5, 3]);
        let positions = b.weights(&[5, 3], u64::from(seed) + 1);
        let sum = b.binary(BinaryFn::Add, rows, positions);
        b.output(sum);
        b.check(1e-3)?;
    }

    #[test]
    fn trees_take_every_branch_exactly(seed: u32, thresholds in prop::collection::vec(-2i16..3, 6)) {
        let tree = |at: usize| {
            let threshold = f32::from(thresholds[at]);
            let leaf = |weight: f64| TreeNode::Leaf { weights: vec![(0, weight), (1, -0.5)] };
            let root = TreeNode::Branch {
                feature: at % 3,
                mode: MODES[at],
                threshold,
                if_true: 1,
                if_false: 2,
                missing: false,
            };
            Tree { nodes: vec![root, leaf(1.0 + at as f64), leaf(-0.25)] }
        };
        for aggregate in [Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max] {
            let trees = TreeEnsemble {
                features: 3,
                base: vec![0.5, 0.0],
                trees: (0..6).map(tree).collect(),
                aggregate,
            };
            let mut b = Builder::default();
            // Values on the thresholds are common.
            let x = b.draw(&[2, 3], ElementType::Float, seed.into(), |unit| (unit * 5.0).floor() - 2.0);
            let swapped = Movement::Select { axis: 1, indices: vec![2, 0, 1] };
            let x = b.push(Op::Move(swapped), &[x], &[2, 3]);
            let y = b.push(Op::TreeEnsemble(Arc::new(trees)), &[x], &[2, 2]);
            b.output(y);
            b.check(1e-6)?;
        }
    }
}

#[test]
fn powers_of_tensors_have_an_integer_form_where_bases_are_positive() {
    let power = |lo: f64, whole: bool| {
        let mut b = Builder::default();
        let x = b.input(&[8], (lo, 3.0), 1);
        let exponent = |unit: f64| if whole { (unit * 4.0).floor() } else { 0.5 + 2.0 * unit };
        let e = b.draw(&[8], ElementType::Float, 2, exponent);
        let y = b.binary(BinaryFn::Pow, x, e);
        b.output(y);
        b
    };
    power(0.5, false).check(2e-2).unwrap();
    // Negative numbers have whole powers, which no logarithm gives.
    let b = power(-3.0, true);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let error = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err().to_string();
    assert!(error.contains("`Pow` of two computed tensors"), "{error}");
}

#[test]
fn refusals_name_the_node_and_what_to_change() {
    let refused = |b: &Builder| {
        let calibration = calibrate(&b.graph, &b.samples).unwrap();
        let error = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err();
        (error.to_string(), error.hint().unwrap())
    };
    let mut b = Builder::default();
    let x = b.input(&[4], (-1.0, 1.0), 1);
    let y = b.draw(&[4], ElementType::Float, 2, |_| 0.0);
    let quotient = b.binary(BinaryFn::Div, x, y);
    b.output(quotient);
    let (error, hint) = refused(&b);
    assert!(error.starts_with("node `n2` (Test): the divisor takes both signs"), "{error}");
    assert!(hint.contains("small constant"), "{hint}");

    let mut b = Builder::default();
    let x = b.input(&[1, 1, 4], (-1.0, 1.0), 1);
    let w = b.input(&[1, 1, 2], (-1.0, 1.0), 2);
    let conv = Op::Conv { strides: vec![1], dilations: vec![1], pads: vec![(0, 0)], groups: 1 };
    let y = b.push(conv, &[x, w], &[1, 1, 3]);
    b.output(y);
    assert_eq!(refused(&b).0, "node `n2` (Test): the kernel of a convolution is computed");

    let mut b = Builder::default();
    let x = b.input(&[4], (-1.0, 1.0), 1);
    b.label(x);
    assert!(refused(&b).0.contains("the output holds labels"));
}
