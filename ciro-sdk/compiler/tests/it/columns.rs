//! Trees behind pipelines that split, impute, scale and join columns: what only travels is compared
//! exactly.

use std::sync::Arc;

use ciro_compiler::float::{
    Aggregate, BinaryFn, ElementType, Movement, NodeId, Op, ScalarFn, Tree, TreeEnsemble, TreeNode,
    UnaryFn,
};
use ciro_model::integer::Encoding;
use proptest::prelude::*;

use crate::missing::{forest, holes, imputed};
use crate::operators::{Builder, MODES, X, bin, c};

/// Multiples of 1 / 1024, which float32 holds.
fn fine(b: &mut Builder, shape: &[usize], seed: u32) -> NodeId {
    b.draw(shape, ElementType::Float, seed.into(), |unit| (unit * 2048.0).floor() / 1024.0 - 1.0)
}

fn column(b: &mut Builder, x: NodeId, at: u32) -> NodeId {
    let rows = b.graph.node(x).shape[0];
    b.push(Op::Move(Movement::Select { axis: 1, indices: vec![at] }), &[x], &[rows, 1])
}

fn joined(b: &mut Builder, parts: &[NodeId]) -> NodeId {
    let shapes = parts.iter().map(|&part| b.graph.node(part).shape.clone());
    let (rows, columns) = shapes.fold((1, 0), |(_, columns), shape| (shape[0], columns + shape[1]));
    b.push(Op::Move(Movement::Concat { axis: 1 }), parts, &[rows, columns])
}

/// One comparison of each mode at a value that every sample's feature takes, for every feature.
fn on_values(b: &Builder, features: NodeId) -> TreeEnsemble {
    let width = b.graph.node(features).shape[1];
    let (mut trees, mut weight) = (vec![], 1.0);
    for (at, sample) in b.samples.iter().enumerate() {
        let values = b.graph.eval(sample).unwrap()[features.index()].clone();
        for (feature, &value) in values.data().iter().take(width).enumerate() {
            let (mode, threshold) = (MODES[(at + feature) % 6], single(value));
            let root = TreeNode::Branch {
                feature,
                mode,
                threshold,
                if_true: 1,
                if_false: 2,
                missing: at % 2 == 0,
            };
            let leaf = |weight| TreeNode::Leaf { weights: vec![(0, weight)] };
            trees.push(Tree { nodes: vec![root, leaf(weight), leaf(0.0)] });
            weight = if weight > 1e6 { 1.0 } else { weight * 2.0 };
        }
    }
    TreeEnsemble { features: width, base: vec![0.0], trees, aggregate: Aggregate::Sum }
}

#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
fn single(x: f64) -> f32 {
    x as f32
}

fn planted(b: &mut Builder, trees: TreeEnsemble, features: NodeId) {
    let rows = b.graph.node(features).shape[0];
    let y = b.push(Op::TreeEnsemble(Arc::new(trees)), &[features], &[rows, 1]);
    b.output(y);
}

/// An imputed column, scaled; one that stays missing, turned round; one without any.
fn missing_values_travel(seed: u32) -> Result<(), TestCaseError> {
    let mut b = Builder::default();
    let x = holes(&mut b, &[1, 3], seed);
    let z = fine(&mut b, &[1, 1], seed);
    let (first, last) = (column(&mut b, x, 0), column(&mut b, x, 2));
    let filled = imputed(&mut b, first, vec![0.5]);
    let filled = b.unary(bin(BinaryFn::Mul, X, c(2.0)), filled);
    let turned = b.unary(bin(BinaryFn::Sub, c(0.0), X), last);
    let features = joined(&mut b, &[turned, filled, z]);
    planted(&mut b, forest(seed), features);
    b.check(1e-9)
}

/// Samples whose first missing value is in the column that stays missing.
#[test]
fn a_column_that_stays_missing_calibrates() {
    missing_values_travel(1_972_954_875).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn scaled_and_joined_columns_of_two_inputs_are_compared_exactly(seed: u32) {
        let mut b = Builder::default();
        let x = fine(&mut b, &[1, 3], seed);
        let z = fine(&mut b, &[1, 2], seed ^ 1);
        let mean = b.constant(&[1, 2], vec![0.3, -1e5]);
        let factor = b.constant(&[1, 2], vec![-1.7, 1.0 / 3.0]);
        let centred = b.binary(BinaryFn::Sub, z, mean);
        let scaled = b.binary(BinaryFn::Mul, centred, factor);
        let curved = ScalarFn::Unary(UnaryFn::Sigmoid, Box::new(bin(BinaryFn::Mul, X, c(-3.0))));
        let first = column(&mut b, x, 0);
        let curved = b.unary(curved, first);
        let last = column(&mut b, x, 2);
        let features = joined(&mut b, &[last, scaled, curved, x]);
        let trees = on_values(&b, features);
        planted(&mut b, trees, features);
        b.check(1e-9)?;
        let views = |at: usize| b.quantized().inputs()[at].views.clone();
        prop_assert!(views(0).iter().chain(&views(1)).all(|(_, view)| *view == Encoding::Ordered));
    }

    #[test]
    fn rows_of_columns_that_travel_each_their_way(seed: u32) {
        let mut b = Builder::default();
        let x = fine(&mut b, &[3, 2], seed);
        let turned = Op::Move(Movement::Transpose { perm: vec![1, 0] });
        let turned = b.push(turned, &[x], &[2, 3]);
        let scaled = b.unary(bin(BinaryFn::Sub, c(0.1), X), turned);
        let features = joined(&mut b, &[scaled, turned]);
        let trees = on_values(&b, features);
        planted(&mut b, trees, features);
        b.check(1e-9)?;
    }

    #[test]
    fn missing_values_travel_with_their_columns(seed: u32) {
        missing_values_travel(seed)?;
    }

    #[test]
    fn what_is_computed_of_great_integers_is_not_rounded(seed: u32) {
        let mut b = Builder::default();
        let of = |unit: f64| 16_777_214.0 + (unit * 5.0).floor();
        let x = b.draw(&[1, 2], ElementType::Integer, seed.into(), of);
        let centred = b.unary(bin(BinaryFn::Sub, X, c(16_777_216.0)), x);
        let z = fine(&mut b, &[1, 1], seed);
        let features = joined(&mut b, &[centred, z]);
        let trees = on_values(&b, features);
        planted(&mut b, trees, features);
        b.check(1e-9)?;
    }

    #[test]
    fn computed_columns_beside_them_keep_a_unit_of_their_own(seed: u32) {
        let mut b = Builder::default();
        let x = holes(&mut b, &[2, 3], seed);
        let z = b.draw(&[2, 2], ElementType::Float, seed.into(), |unit| (unit * 9.0).floor() - 4.0);
        let w = b.constant(&[2, 2], vec![1.0, 3.0, -2.0, 1.0]);
        let computed = b.push(Op::MatMul, &[z, w], &[2, 2]);
        let large = b.unary(bin(BinaryFn::Mul, X, c(1e6)), computed);
        let (small, large) = (column(&mut b, computed, 0), column(&mut b, large, 1));
        let first = column(&mut b, x, 0);
        let features = joined(&mut b, &[large, first, small]);
        planted(&mut b, forest(seed), features);
        b.check(1e-9)?;
    }
}
