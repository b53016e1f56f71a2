//! Rows of tabular data: columns with scales of their own, values on thresholds, scores far apart.

use std::sync::Arc;

use ciro_compiler::float::{
    Aggregate, BinaryFn, BranchMode, ElementType, Movement, NodeId, Op, Tree, TreeEnsemble,
    TreeNode,
};
use proptest::prelude::*;

use crate::operators::{Builder, X, bin, c};

/// Magnitudes that no common scale does justice to.
const MAGNITUDES: [f64; 4] = [1.0, 30.0, 1000.0, 0.01];

/// One row whose columns are of very different magnitudes.
fn row(b: &mut Builder, seed: u32) -> NodeId {
    let x = b.input(&[1, 4], (-1.0, 1.0), seed.into());
    for sample in &mut b.samples {
        let scaled = sample[0].data().iter().zip(MAGNITUDES).map(|(x, scale)| x * scale);
        sample[0] = ciro_model::Tensor::new(vec![1, 4], scaled.collect()).unwrap();
    }
    x
}

/// Weights under which every column counts as much.
fn balanced(b: &mut Builder, magnitudes: &[f64], seed: u32) -> NodeId {
    let data = magnitudes.iter().enumerate().flat_map(|(at, magnitude)| {
        [0.0, 1.0].map(|column| (f64::from(seed) + at as f64 * 3.1 + column).sin() / magnitude)
    });
    b.constant(&[magnitudes.len(), 2], data.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn columns_keep_their_scales_when_they_are_moved(seed: u32) {
        let mut b = Builder::default();
        let x = row(&mut b, seed);
        let taken = Movement::Select { axis: 1, indices: vec![3, 0, 2] };
        let taken = b.push(Op::Move(taken), &[x], &[1, 3]);
        let w = balanced(&mut b, &[0.01, 1.0, 1000.0], seed);
        let y = b.push(Op::MatMul, &[taken, w], &[1, 2]);
        b.output(y);
        b.check(1e-3)?;
    }

    #[test]
    fn columns_keep_their_scales_when_they_are_joined(seed: u32) {
        let mut b = Builder::default();
        let x = row(&mut b, seed);
        let column = |at| Op::Move(Movement::Select { axis: 1, indices: vec![at] });
        let (small, large) = (b.push(column(3), &[x], &[1, 1]), b.push(column(2), &[x], &[1, 1]));
        let square = b.unary(bin(BinaryFn::Mul, X, X), small);
        let product = b.binary(BinaryFn::Mul, small, large);
        let joined = Op::Move(Movement::Concat { axis: 1 });
        let joined = b.push(joined, &[square, product, large, x], &[1, 7]);
        let scaled = b.unary(bin(BinaryFn::Mul, X, c(0.5)), joined);
        let w = balanced(&mut b, &[1e-4, 10.0, 1000.0, 1.0, 30.0, 1000.0, 0.01], seed);
        let y = b.push(Op::MatMul, &[scaled, w], &[1, 2]);
        b.output(y);
        b.check(2e-3)?;
    }

    #[test]
    fn trees_rank_each_computed_column_in_a_unit_of_its_own(seed: u32) {
        let mut b = Builder::default();
        let x = row(&mut b, seed);
        let column = |at| Op::Move(Movement::Select { axis: 1, indices: vec![at] });
        let (small, large) = (b.push(column(3), &[x], &[1, 1]), b.push(column(2), &[x], &[1, 1]));
        let square = b.unary(bin(BinaryFn::Mul, X, X), small);
        let product = b.binary(BinaryFn::Mul, large, large);
        let one = b.constant(&[1, 1], vec![1.0]);
        let joined = Op::Move(Movement::Concat { axis: 1 });
        let joined = b.push(joined, &[square, product, large, one, x], &[1, 8]);
        // Factors of either sign, and one that leaves nothing.
        let factors = b.constant(&[1, 8], vec![2.0, -3.0, 0.5, 1.0, -1.0, 1.0, 0.0, -7.0]);
        let scaled = b.binary(BinaryFn::Mul, joined, factors);
        let means = b.constant(&[1, 8], vec![1e-5, 1e5, 0.0, 0.0, -3.0, 10.0, 0.25, 0.001]);
        let features = b.binary(BinaryFn::Sub, scaled, means);
        let trees = gaps(&b, features).into_iter().enumerate().map(|(feature, threshold)| {
            let (weight, mode) = (f64::from(1 << feature), BranchMode::Leq);
            let root = TreeNode::Branch { feature, mode, threshold, if_true: 1, if_false: 2, missing: false };
            let leaf = |weight| TreeNode::Leaf { weights: vec![(0, weight)] };
            Tree { nodes: vec![root, leaf(weight), leaf(0.0)] }
        });
        let (base, aggregate) = (vec![0.0], Aggregate::Sum);
        let trees = TreeEnsemble { features: 8, base, trees: trees.collect(), aggregate };
        let y = b.push(Op::TreeEnsemble(Arc::new(trees)), &[features], &[1, 1]);
        b.output(y);
        b.check(1e-6)?;
    }

    #[test]
    fn offsets_that_cancel_leave_room_for_what_they_cancel(seed: u32) {
        let mut b = Builder::default();
        let x = row(&mut b, seed);
        let offset = b.constant(&[1, 4], vec![0.0, 0.0, 1500.0, 0.0]);
        let y = b.binary(BinaryFn::Sub, x, offset);
        b.output(y);
        b.check(1e-3)?;
    }

    #[test]
    fn inputs_on_thresholds_are_compared_exactly(seed: u32) {
        let tenths = |unit: f64| single((unit * 6.0).floor() * 0.1);
        let thresholds: Vec<f64> = (0..6).map(|at| single(f64::from(at) * 0.1)).collect();
        for f in [
            BinaryFn::Less,
            BinaryFn::LessOrEqual,
            BinaryFn::Greater,
            BinaryFn::GreaterOrEqual,
            BinaryFn::Equal,
        ] {
            let mut b = Builder::default();
            let x = b.draw(&[1, 6], ElementType::Float, seed.into(), tenths);
            let swapped = Movement::Select { axis: 1, indices: vec![5, 3, 1, 0, 2, 4] };
            let x = b.push(Op::Move(swapped), &[x], &[1, 6]);
            let t = b.constant(&[1, 6], thresholds.clone());
            for y in [
                b.binary(f, x, t),
                b.binary(f, t, x),
                b.unary(bin(f, X, c(thresholds[3])), x),
                b.unary(bin(f, c(thresholds[2]), X), x),
            ] {
                b.label(y);
            }
            b.check(0.0)?;
        }
    }

    #[test]
    fn probabilities_of_scores_far_apart(seed: u32) {
        let mut b = Builder::default();
        // Numbers that the encoding holds: scores are so steep that an input's rounding alone would
        // move probabilities.
        let x = b.draw(&[1, 3], ElementType::Float, seed.into(), |unit| (unit * 2048.0).floor() / 1024.0 - 1.0);
        let rows = [[300.0, 300.0, -300.0, -300.0], [1.0, 0.0, 1.0, -1.0], [0.0, 1.0, -1.0, 1.0]];
        let w = b.constant(&[3, 4], rows.concat());
        let scores = b.push(Op::MatMul, &[x, w], &[1, 4]);
        let y = b.push(Op::Softmax, &[scores], &[1, 4]);
        b.output(y);
        b.check(1e-3)?;
    }

    #[test]
    fn constant_rows_times_a_matrix_of_fewer_axes(seed: u32) {
        let mut b = Builder::default();
        let x = b.input(&[3, 4], (-1.0, 1.0), seed.into());
        let w = b.weights(&[1, 1, 3], seed.into());
        let y = b.push(Op::MatMul, &[w, x], &[1, 1, 4]);
        b.output(y);
        b.check(2e-3)?;
    }
}

/// For each column a threshold in the widest gap between its values; below the only value of a
/// column that is constant.
fn gaps(b: &Builder, columns: NodeId) -> Vec<f32> {
    let rows: Vec<Vec<f64>> = b
        .samples
        .iter()
        .map(|sample| b.graph.eval(sample).unwrap()[columns.index()].data().to_vec())
        .collect();
    let threshold = |column: usize| {
        let mut values: Vec<f64> = rows.iter().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        let gaps =
            values.windows(2).map(|pair| (pair[1] - pair[0], f64::midpoint(pair[0], pair[1])));
        let (width, middle) = gaps.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
        narrowed(if width > 0.0 { middle } else { values[0] - 0.125 })
    };
    (0..rows[0].len()).map(threshold).collect()
}

/// The nearest number that float32 holds.
#[expect(clippy::cast_possible_truncation, reason = "rounding is what is asked for")]
fn narrowed(x: f64) -> f32 {
    x as f32
}

/// The same in float64.
fn single(x: f64) -> f64 {
    f64::from(narrowed(x))
}
