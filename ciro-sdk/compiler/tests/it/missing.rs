//! Missing values: trees, thresholds and imputers take them, exactly, and nothing else does.

use std::sync::Arc;

use ciro_compiler::float::{
    Aggregate, BinaryFn, BranchMode, ElementType, Movement, NodeId, Op, ScalarFn, Tree,
    TreeEnsemble, TreeNode, UnaryFn,
};
use ciro_compiler::quantize::{QuantizeError, Refusal, Settings, calibrate, quantize};
use ciro_model::Tensor;
use ciro_model::integer::Encoding;
use proptest::prelude::*;

use crate::operators::{Builder, X, bin, c, run};

const MODES: [BranchMode; 6] = [
    BranchMode::Leq,
    BranchMode::Lt,
    BranchMode::Gte,
    BranchMode::Gt,
    BranchMode::Eq,
    BranchMode::Neq,
];

/// Whole numbers from -2 to 2, of which a fifth is missing.
pub(crate) fn holes(b: &mut Builder, shape: &[usize], seed: u32) -> NodeId {
    b.draw(shape, ElementType::Float, seed.into(), |unit| match unit {
        unit if unit < 0.2 => f64::NAN,
        unit => ((unit - 0.2) / 0.8 * 5.0).floor() - 2.0,
    })
}

/// Trees of two levels, of every mode, whose missing values go either way.
pub(crate) fn forest(seed: u32) -> TreeEnsemble {
    let tree = |at: usize| {
        let mode = MODES[at % 6];
        let threshold = f32::from(i8::try_from(at % 4).unwrap()) - 1.0;
        let branch = |feature: usize, bit: usize, if_true, if_false| TreeNode::Branch {
            feature: feature % 3,
            mode: MODES[(at + bit) % 6],
            threshold,
            if_true,
            if_false,
            missing: seed >> ((at + 7 * bit) % 32) & 1 == 1,
        };
        assert!(MODES.contains(&mode));
        let leaf = |weight: f64| TreeNode::Leaf { weights: vec![(0, weight)] };
        let weight = |bit: usize| leaf((1 << bit) as f64 + at as f64 / 64.0);
        let nodes = vec![
            branch(at, 0, 1, 2),
            branch(at + 1, 1, 3, 4),
            branch(at + 2, 2, 5, 6),
            weight(0),
            weight(1),
            weight(2),
            weight(3),
        ];
        Tree { nodes }
    };
    let trees = (0..12).map(tree).collect();
    TreeEnsemble { features: 3, base: vec![0.5], trees, aggregate: Aggregate::Sum }
}

/// `where(x is missing, values, x)`
pub(crate) fn imputed(b: &mut Builder, x: NodeId, values: Vec<f64>) -> NodeId {
    let shape = b.graph.node(x).shape.clone();
    let missing = b.unary(ScalarFn::Unary(UnaryFn::IsNaN, Box::new(X)), x);
    let values = b.constant(&shape, values);
    b.push(Op::Where, &[missing, values, x], &shape)
}

/// The encodings of the first input.
fn encodings(b: &Builder) -> Vec<Encoding> {
    b.quantized().inputs()[0].views.iter().map(|(_, encoding)| encoding.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn trees_send_missing_values_where_their_branches_say(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 3], seed);
        let y = b.push(Op::TreeEnsemble(Arc::new(forest(seed))), &[x], &[1, 1]);
        b.output(y);
        b.check(1e-9)?;
    }

    #[test]
    fn trees_behind_an_imputer_see_its_values(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 3], seed);
        let filled = imputed(&mut b, x, vec![0.0, -1.0, 0.5]);
        let swapped = Movement::Select { axis: 1, indices: vec![2, 0, 1] };
        let swapped = b.push(Op::Move(swapped), &[filled], &[1, 3]);
        let y = b.push(Op::TreeEnsemble(Arc::new(forest(seed))), &[swapped], &[1, 1]);
        b.output(y);
        b.check(1e-9)?;
    }

    #[test]
    fn arithmetic_behind_an_imputer_sees_its_values(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 4], seed);
        let column = |indices| Op::Move(Movement::Select { axis: 1, indices });
        let first = b.push(column(vec![0, 1]), &[x], &[1, 2]);
        let last = b.push(column(vec![2, 3]), &[x], &[1, 2]);
        let first = imputed(&mut b, first, vec![0.25, -40.0]);
        let last = imputed(&mut b, last, vec![1.0, 0.0]);
        let joined = b.push(Op::Move(Movement::Concat { axis: 1 }), &[last, first], &[1, 4]);
        let w = b.weights(&[4, 2], seed.into());
        let y = b.push(Op::MatMul, &[joined, w], &[1, 2]);
        b.output(y);
        b.check(1e-3)?;
    }

    #[test]
    fn functions_that_are_one_with_an_imputer_see_its_values(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 3], seed);
        let missing = ScalarFn::Unary(UnaryFn::IsNaN, Box::new(X));
        let filled = ScalarFn::Where(Box::new(missing), Box::new(c(0.5)), Box::new(X));
        let above = bin(BinaryFn::Add, filled.clone(), c(3.0));
        let curved = b.unary(bin(BinaryFn::Mul, filled.clone(), above), x);
        b.output(curved);
        b.check(2e-3)?;
        // Trees behind them too, where they are monotone.
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 3], seed);
        let scaled = b.unary(bin(BinaryFn::Mul, filled, c(-2.0)), x);
        let y = b.push(Op::TreeEnsemble(Arc::new(forest(seed))), &[scaled], &[1, 1]);
        b.output(y);
        b.check(1e-9)?;
    }

    #[test]
    fn a_column_that_nothing_reads_may_miss_values(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[1, 2], seed);
        let column = Op::Move(Movement::Select { axis: 1, indices: vec![1] });
        let last = b.push(column, &[x], &[1, 1]);
        let filled = imputed(&mut b, last, vec![1.0]);
        let y = b.unary(bin(BinaryFn::Mul, X, X), filled);
        b.output(y);
        b.check(2e-3)?;
    }

    #[test]
    fn comparisons_do_not_hold_for_what_is_missing(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[2, 3], seed);
        let filled = imputed(&mut b, x, vec![0.0, 1.0, -1.0, 0.0, 1.0, -1.0]);
        let comparisons = [
            BinaryFn::Less,
            BinaryFn::LessOrEqual,
            BinaryFn::Greater,
            BinaryFn::GreaterOrEqual,
            BinaryFn::Equal,
        ];
        let mut weight = 1.0;
        let mut sum = b.constant(&[2, 3], vec![0.0; 6]);
        for f in comparisons {
            for operand in [x, filled] {
                let scaled = bin(BinaryFn::Mul, bin(f, X, c(0.0)), c(weight));
                let truth = b.unary(scaled, operand);
                sum = b.binary(BinaryFn::Add, sum, truth);
                weight *= 2.0;
            }
        }
        let missing = b.unary(ScalarFn::Unary(UnaryFn::IsNaN, Box::new(X)), x);
        let missing = b.unary(bin(BinaryFn::Mul, X, c(weight)), missing);
        let y = b.binary(BinaryFn::Add, sum, missing);
        b.output(y);
        b.check(1e-9)?;
    }
}

#[test]
fn an_imputer_costs_nothing_and_takes_values_that_calibration_did_not_miss() {
    let mut b = Builder::default();
    let x = b.input(&[1, 2], (-1.0, 1.0), 3);
    let filled = imputed(&mut b, x, vec![0.5, 8.0]);
    let w = b.constant(&[2, 1], vec![1.0, 1.0]);
    let y = b.push(Op::MatMul, &[filled, w], &[1, 1]);
    b.output(y);
    assert!(matches!(encodings(&b)[..], [Encoding::Imputed { .. }]), "{:?}", encodings(&b));
    let model = b.quantized();
    assert!(model.nodes().len() <= 4, "{:?}", model.nodes());
    let got = run(&model, &[Tensor::new(vec![1, 2], vec![f64::NAN; 2]).unwrap()]);
    assert!((got[0].data()[0] - 8.5).abs() < 1e-2, "{got:?}");
}

#[test]
fn without_missing_values_trees_have_the_images_of_numbers_alone() {
    let mut b = Builder::default();
    let x = b.input(&[1, 3], (-2.0, 2.0), 3);
    let y = b.push(Op::TreeEnsemble(Arc::new(forest(11))), &[x], &[1, 1]);
    b.output(y);
    assert_eq!(encodings(&b), [Encoding::Ordered]);
}

#[test]
fn a_missing_value_that_is_computed_with_is_refused_by_its_column() {
    // Column 1 is imputed and column 0 is not.
    let mut b = Builder::default();
    let x = holes(&mut b, &[1, 2], 5);
    let column = |at| Op::Move(Movement::Select { axis: 1, indices: vec![at] });
    let (raw, holed) = (b.push(column(0), &[x], &[1, 1]), b.push(column(1), &[x], &[1, 1]));
    let filled = imputed(&mut b, holed, vec![0.0]);
    // The greatest of a number and of none is a number, here and in no other place.
    let joined = b.push(Op::Move(Movement::Concat { axis: 1 }), &[raw, filled], &[1, 2]);
    let y = b.reduce(ciro_compiler::float::Reducer::Max, joined);
    b.output(y);
    let calibration = calibrate(&b.graph, &b.samples).unwrap();
    let refused = quantize(&b.graph, &calibration, &Settings::default()).unwrap_err();
    let column = Refusal::MissingValues { input: "x0".into(), column: 0 };
    assert!(matches!(&refused, QuantizeError::Refused { reason, .. } if *reason == column));
    // Where calibration misses nothing in that column, a missing value is refused as an input.
    for sample in &mut b.samples {
        let data = [0.5, sample[0].data()[1]];
        sample[0] = Tensor::new(vec![1, 2], data.to_vec()).unwrap();
    }
    let encoding = encodings(&b).remove(0);
    let missing =
        |data: [f64; 2]| encoding.encode(&Tensor::new(vec![1, 2], data.to_vec()).unwrap());
    missing([0.5, f64::NAN]).unwrap();
    missing([f64::NAN, 0.5]).unwrap_err();
}
