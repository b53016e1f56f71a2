//! Tree ensembles: ranks of features, then leaves.

use std::collections::BTreeSet;

use super::features::{self, Features, Image, Part, place};
use crate::float::{Aggregate, BranchMode, NodeId, TreeEnsemble, TreeNode};
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::error::QuantizeError;
use crate::quantize::expr::{Expr, Value, rebuilt};
use crate::quantize::grid::step_at_least;
use crate::quantize::lower::Lowering;
use ciro_model::integer::ops::{
    Bucketize, ReduceMax, TreeEnsemble as IntegerTrees, TreeNode as IntegerNode,
};
use ciro_model::integer::{BOUND, MISSING_BOUNDARY, NodeId as IntegerId};
use ciro_model::movement::Movement;

/// Trees compare the order-preserving images of an input's float32 values wherever a feature is an
/// element of it, perhaps moved, imputed or scaled: they take the branches that onnxruntime takes.
/// Computed features are compared as integers, as fine as they come, each in a unit of its own.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    trees: &TreeEnsemble,
) -> Result<Expr, QuantizeError> {
    let operand = cx.graph.node(id).operands[0];
    let Features { parts, images, missing } = features::of(cx, operand, trees.features)?;
    let ranks = Ranks::new(trees, images, missing);
    let x = ranked(cx, operand, &parts, &ranks.boundaries)?;
    leaves(cx, id, trees, x, &ranks)
}

/// The ranks of all features, those of each part by itself.
fn ranked(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    parts: &[Part],
    boundaries: &[Vec<i64>],
) -> Result<IntegerId, QuantizeError> {
    let name = format!("{}.ranks", cx.node().name);
    let mut ranks = vec![];
    for Part { x, limbs, columns } in parts {
        let boundaries = columns.iter().map(|&at| boundaries[at].clone()).collect();
        ranks.push(cx.push(&name, Bucketize { boundaries, limbs: *limbs }, &[*x], 1.0)?);
    }
    if let [one] = ranks[..] {
        return Ok(one);
    }
    let shape = cx.graph.node(operand).shape.clone();
    let rows = shape.iter().product::<usize>() / boundaries.len().max(1);
    let mut indices = vec![0; rows * boundaries.len()];
    let mut before = 0;
    for Part { columns, .. } in parts {
        for (row, (at, &column)) in
            (0..rows).flat_map(|row| columns.iter().enumerate().map(move |it| (row, it)))
        {
            indices[row * boundaries.len() + column] = place(before + row * columns.len() + at);
        }
        before += rows * columns.len();
    }
    cx.push(&name, Movement::Index { shape, indices }, &ranks, 1.0)
}

/// The sorted boundaries of every feature.
struct Ranks<'g> {
    boundaries: Vec<Vec<i64>>,
    images: Vec<Image<'g>>,
    /// As in [`Features`].
    missing: Vec<Option<f64>>,
}

/// A comparison of a tree.
#[derive(Clone, Copy)]
struct Comparison {
    feature: usize,
    mode: BranchMode,
    threshold: f32,
    /// Whether a missing value goes where the comparison holds.
    missing: bool,
}

impl<'g> Ranks<'g> {
    fn new(trees: &TreeEnsemble, images: Vec<Image<'g>>, missing: Vec<Option<f64>>) -> Self {
        let mut ranks = Self { boundaries: vec![], images, missing };
        let mut sets = vec![BTreeSet::new(); trees.features];
        for node in trees.trees.iter().flat_map(|tree| &tree.nodes) {
            if let &TreeNode::Branch { feature, mode, threshold, missing, .. } = node {
                let comparison = Comparison { feature, mode, threshold, missing };
                sets[feature].extend(ranks.images[feature].boundaries(mode, threshold));
                sets[feature].extend(ranks.detour(comparison).map(|_| MISSING_BOUNDARY));
            }
        }
        ranks.boundaries = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        ranks
    }

    /// Whether a missing value goes where the comparison holds, if its rank, which is greater than
    /// that of every number, does not lead there.
    fn detour(&self, comparison: Comparison) -> Option<bool> {
        let Comparison { feature, mode, threshold, missing } = comparison;
        let counted = self.missing[feature]?;
        let goes = if counted.is_nan() { missing } else { mode.holds(single(counted), threshold) };
        (goes != self.leads(feature, mode)).then_some(goes)
    }

    /// Whether a comparison holds for the greatest rank of all.
    fn leads(&self, feature: usize, mode: BranchMode) -> bool {
        match mode {
            BranchMode::Gt | BranchMode::Gte => !self.images[feature].falls(),
            BranchMode::Leq | BranchMode::Lt => self.images[feature].falls(),
            BranchMode::Eq => false,
            BranchMode::Neq => true,
        }
    }

    /// The greatest rank of a feature that is at most a boundary.
    fn rank(&self, feature: usize, boundary: i64) -> u32 {
        let rank = self.boundaries[feature].binary_search(&boundary);
        u32::try_from(rank.expect("every boundary was collected")).expect("import bounds nodes")
    }
}

#[expect(clippy::cast_possible_truncation, reason = "trees compare float32 values")]
fn single(x: f64) -> f32 {
    x as f32
}

/// Adds the leaves up, or takes the least or greatest of all trees.
fn leaves(
    cx: &mut Lowering<'_>,
    id: NodeId,
    trees: &TreeEnsemble,
    ranks: IntegerId,
    boundaries: &Ranks<'_>,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let count = trees.trees.len().max(1);
    let (sign, divisor) = match trees.aggregate {
        Aggregate::Sum => (1.0, 1.0),
        Aggregate::Average => (1.0, count as f64),
        Aggregate::Min => (-1.0, 1.0),
        Aggregate::Max => (1.0, 1.0),
    };
    let extreme = matches!(trees.aggregate, Aggregate::Min | Aggregate::Max);
    let unit = unit(trees, divisor);
    let weigh = |w: f64| narrow(round_to_i64((sign * w / divisor / unit).round_ties_even()));
    let outputs = trees.base.len();
    // For a least or greatest, every tree has a column of its own for each output: [outputs,
    // trees].
    let width = if extreme { outputs * count } else { outputs };
    let mut forest = IntegerTrees {
        features: trees.features,
        base: vec![0; width],
        nodes: vec![],
        roots: vec![],
    };
    for (at, tree) in trees.trees.iter().enumerate() {
        let column = |output: usize| if extreme { output * count + at } else { output };
        plant(&mut forest, &tree.nodes, boundaries, &|weights| {
            let mut row = vec![0; width];
            for &(output, weight) in weights {
                row[column(output)] =
                    narrow(i64::from(row[column(output)]) + i64::from(weigh(weight)));
            }
            row
        });
    }
    if !extreme {
        // The base is added after the division of an average.
        forest.base =
            trees.base.iter().map(|b| narrow(round_to_i64((b / unit).round_ties_even()))).collect();
        let sums = cx.push(&node.name, forest, &[ranks], unit)?;
        return Ok(Expr::value(node.shape.clone(), Value { id: sums, scale: unit }));
    }
    let each = cx.push(&format!("{}.trees", node.name), forest, &[ranks], unit)?;
    let shape = [&node.shape[..], &[count]].concat();
    let each =
        cx.push_move(Movement::Reshape { shape }, each, unit, &format!("{}.trees", node.name))?;
    let best = cx.push(&node.name, ReduceMax, &[each], unit)?;
    let expr = Expr::value(node.shape.clone(), Value { id: best, scale: unit }).times(sign);
    let base = node.shape.iter().product::<usize>() / outputs.max(1);
    let base = trees.base.iter().copied().cycle().take(base * outputs).collect();
    Ok(expr.plus_constant(rebuilt(&node.shape, base)))
}

/// The finest power-of-two unit at which no sum of leaves reaches 2^29.
fn unit(trees: &TreeEnsemble, divisor: f64) -> f64 {
    let mut sums: Vec<f64> = trees.base.iter().map(|b| b.abs()).collect();
    for tree in &trees.trees {
        let mut most = vec![0.0f64; sums.len()];
        for node in &tree.nodes {
            let TreeNode::Leaf { weights } = node else { continue };
            let mut row = vec![0.0; sums.len()];
            weights.iter().for_each(|&(output, weight)| row[output] += weight / divisor);
            most.iter_mut().zip(&row).for_each(|(most, w)| *most = most.max(f64::abs(*w)));
        }
        sums.iter_mut().zip(&most).for_each(|(sum, most)| *sum += most);
    }
    let most = sums.into_iter().fold(0.0, f64::max);
    // Each tree's leaf is off by half a unit at most.
    let room = BOUND as f64 / 2.0 - trees.trees.len() as f64 - 1.0;
    if most > 0.0 { step_at_least(1.0, most / room) } else { 1.0 }
}

/// What a leaf adds to every output.
type Leaf<'a> = dyn Fn(&[(usize, f64)]) -> Vec<i32> + 'a;

/// Appends a tree; an equality takes two branches, and a missing value that ranks mislead one more.
fn plant(forest: &mut IntegerTrees, nodes: &[TreeNode], ranks: &Ranks<'_>, leaf: &Leaf<'_>) {
    let mut places = Vec::with_capacity(nodes.len());
    let mut next = forest.nodes.len();
    for node in nodes {
        places.push(u32::try_from(next).expect("import bounds nodes"));
        next += 1;
        if let &TreeNode::Branch { feature, mode, threshold, missing, .. } = node {
            let comparison = Comparison { feature, mode, threshold, missing };
            next += usize::from(matches!(mode, BranchMode::Eq | BranchMode::Neq));
            next += usize::from(ranks.detour(comparison).is_some());
        }
    }
    forest.roots.extend(places.first());
    for (at, node) in nodes.iter().enumerate() {
        let (comparison, yes, no) = match node {
            TreeNode::Leaf { weights } => {
                forest.nodes.push(IntegerNode::Leaf { weights: leaf(weights) });
                continue;
            }
            &TreeNode::Branch { mode, feature, threshold, if_true, if_false, missing } => {
                let comparison = Comparison { feature, mode, threshold, missing };
                (comparison, places[if_true], places[if_false])
            }
        };
        let Comparison { feature, mode, threshold, .. } = comparison;
        let branch = |boundary: i64, left: u32, right: u32| IntegerNode::Branch {
            feature: u32::try_from(feature).expect("import bounds features"),
            threshold: ranks.rank(feature, boundary),
            left,
            right,
        };
        let mut place = places[at];
        if let Some(goes) = ranks.detour(comparison) {
            place += 1;
            forest.nodes.push(branch(MISSING_BOUNDARY, place, if goes { yes } else { no }));
        }
        let bounds = ranks.images[feature].boundaries(mode, threshold);
        match (mode, &bounds[..]) {
            (_, [bound]) if ranks.leads(feature, mode) => {
                forest.nodes.push(branch(*bound, no, yes));
            }
            (_, [bound]) => forest.nodes.push(branch(*bound, yes, no)),
            (_, [below, last]) => {
                let (yes, no) = if mode == BranchMode::Eq { (yes, no) } else { (no, yes) };
                forest.nodes.push(branch(*below, no, place + 1));
                forest.nodes.push(branch(*last, yes, no));
            }
            _ => unreachable!("one boundary for an order, two for an equality"),
        }
    }
}
