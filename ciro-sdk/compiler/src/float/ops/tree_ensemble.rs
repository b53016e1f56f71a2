//! Decision trees. Features are rounded to float32 before they are compared, as onnxruntime does.

use super::{Misfit, take, tensor};
use crate::float::{Aggregate, Tree, TreeEnsemble, TreeNode};
use ciro_model::tensor::Tensor;

pub(super) fn shape(trees: &TreeEnsemble, operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    let [x] = take::<1, _>(operands)?;
    let [rows @ .., features] = x else {
        return Err(Misfit::Rule("a tree ensemble needs [.., features]"));
    };
    if *features != trees.features {
        return Err(Misfit::Rule("the last axis has one element for each feature"));
    }
    let sound = |tree: &Tree| {
        !tree.nodes.is_empty()
            && tree.nodes.iter().enumerate().all(|(at, node)| match node {
                TreeNode::Branch { feature, if_true, if_false, .. } => {
                    let inside = at + 1..tree.nodes.len();
                    *feature < trees.features
                        && inside.contains(if_true)
                        && inside.contains(if_false)
                }
                TreeNode::Leaf { weights } => {
                    weights.iter().all(|&(output, _)| output < trees.base.len())
                }
            })
    };
    if !trees.trees.iter().all(sound) {
        return Err(Misfit::Rule("the children of a tree's node come after it, inside the tree"));
    }
    Ok([rows, &[trees.base.len()]].concat())
}

pub(super) fn eval(trees: &TreeEnsemble, x: &Tensor<f64>) -> Tensor<f64> {
    let shape = [&x.shape()[..x.rank() - 1], &[trees.base.len()]].concat();
    let mut data = Vec::with_capacity(shape.iter().product());
    for row in x.data().chunks_exact(trees.features.max(1)) {
        data.extend(sample(trees, row));
    }
    tensor(shape, data)
}

fn sample(trees: &TreeEnsemble, row: &[f64]) -> Vec<f64> {
    let mut scores: Vec<Option<f64>> = vec![None; trees.base.len()];
    for tree in &trees.trees {
        for &(output, weight) in leaf(tree, row) {
            let score = scores[output].get_or_insert(match trees.aggregate {
                Aggregate::Sum | Aggregate::Average => 0.0,
                Aggregate::Min => f64::INFINITY,
                Aggregate::Max => f64::NEG_INFINITY,
            });
            match trees.aggregate {
                Aggregate::Sum | Aggregate::Average => *score += weight,
                Aggregate::Min => *score = score.min(weight),
                Aggregate::Max => *score = score.max(weight),
            }
        }
    }
    let count = match trees.aggregate {
        Aggregate::Average => trees.trees.len() as f64,
        _ => 1.0,
    };
    let base = trees.base.iter();
    base.zip(scores).map(|(base, score)| base + score.unwrap_or(0.0) / count).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "features are compared as float32, which is what the model was trained on"
)]
fn leaf<'a>(tree: &'a Tree, row: &[f64]) -> &'a [(usize, f64)] {
    let mut at = 0;
    loop {
        match &tree.nodes[at] {
            TreeNode::Leaf { weights } => return weights,
            TreeNode::Branch { feature, mode, threshold, if_true, if_false, missing } => {
                let x = row[*feature] as f32;
                let holds = if x.is_nan() { *missing } else { mode.holds(x, *threshold) };
                at = if holds { *if_true } else { *if_false };
            }
        }
    }
}
