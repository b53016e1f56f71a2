//! Tree ensembles: ranks of features, then leaves.

use std::collections::BTreeSet;

use super::input;
use crate::float::{Aggregate, BranchMode, Graph, NodeId, Op, TreeEnsemble, TreeNode};
use crate::quantize::casts::{narrow, round_to_i64};
use crate::quantize::error::{QuantizeError, Refusal};
use crate::quantize::expr::{Core, Expr, Term, Value, along, rebuilt};
use crate::quantize::grid::step_at_least;
use crate::quantize::lower::Lowering;
use ciro_model::integer::ops::{
    Bucketize, Mul, ReduceMax, TreeEnsemble as IntegerTrees, TreeNode as IntegerNode,
};
use ciro_model::integer::{
    BOUND, Interval, MISSING_BOUNDARY, NodeId as IntegerId, ordered_image, room,
};
use ciro_model::movement::Movement;

/// Trees that read an input, perhaps moved, compare the order-preserving images of its float32
/// values and take exactly the branches that onnxruntime takes. Computed features are compared as
/// integers, as fine as they come, each in a unit of its own.
pub(super) fn lower(
    cx: &mut Lowering<'_>,
    id: NodeId,
    trees: &TreeEnsemble,
) -> Result<Expr, QuantizeError> {
    let node = cx.graph.node(id);
    let operand = node.operands[0];
    let mut missing = None;
    let (x, images) = match features(cx.graph, operand) {
        Some((index, movements)) => {
            if cx.missing.columns(index).is_some() {
                missing = Some(imputed(cx, operand)?);
            }
            let mut x = input::compared(cx, index)?;
            for movement in movements {
                x = cx.push(&format!("{}.features", node.name), movement, &[x], 1.0)?;
            }
            (x, Images::Ordered)
        }
        None => computed(cx, operand, trees.features)?,
    };
    let limbs = matches!(images, Images::Ordered);
    let ranks = Ranks::new(trees, images, missing);
    let bucketize = Bucketize { boundaries: ranks.boundaries.clone(), limbs };
    let x = cx.push(&format!("{}.ranks", node.name), bucketize, &[x], 1.0)?;
    leaves(cx, id, trees, x, &ranks)
}

/// What missing values of features count as; empty where they stay missing.
fn imputed(cx: &Lowering<'_>, operand: NodeId) -> Result<Vec<f64>, QuantizeError> {
    let Some(values) = cx.missing.imputed(cx.graph, operand) else { return Ok(vec![]) };
    let last = values.rank().saturating_sub(1);
    along(&values, last).ok_or_else(|| cx.refuse(Refusal::TreeOperand))
}

/// The integers of computed features, and what they stand for.
fn computed(
    cx: &mut Lowering<'_>,
    operand: NodeId,
    features: usize,
) -> Result<(IntegerId, Images), QuantizeError> {
    let expr = cx.expr(operand)?;
    if let Some((x, scales)) = scaled(&expr)
        && scales.len() == features
        && cx.builder.node(x).interval.max_abs() < room::RANKED
    {
        let x = oriented(cx, x, &scales)?;
        let values = cx.builder.node(x).interval;
        // A column that does not count is 0, and its values are the offset.
        let unit = |factor: f64| if factor == 0.0 { 1.0 } else { factor.abs() };
        let units = scales.iter().map(|scale| Unit {
            unit: unit(scale.factor),
            offset: scale.offset,
            values,
        });
        return Ok((x, Images::Units(units.collect())));
    }
    let value = cx.wide(operand, room::RANKED as f64)?;
    let unit = Unit { unit: value.scale, offset: 0.0, values: cx.interval(value) };
    Ok((value.id, Images::Units(vec![unit; features])))
}

/// What the integers of one column stand for: `factor * x + offset`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::quantize) struct Scale {
    factor: f64,
    offset: f64,
}

/// The tensor of an expression that is one tensor, scaled and shifted column by column, and the
/// scale of each column.
pub(in crate::quantize) fn scaled(expr: &Expr) -> Option<(IntegerId, Vec<Scale>)> {
    let [Term { core, moves }] = &expr.terms[..] else { return None };
    if !moves.is_empty() {
        return None;
    }
    let last = expr.shape.len().checked_sub(1)?;
    let columns = *expr.shape.last()?;
    let (x, factors) = match core {
        Core::Value { x, factor } => (*x, vec![*factor; columns]),
        Core::Scaled { x, factors } => (*x, along(factors, last)?),
        Core::Linear { .. } | Core::Conv { .. } => return None,
    };
    let offsets = match &expr.offset {
        Some(offset) => along(offset, last)?,
        None => vec![0.0; columns],
    };
    let scales = factors.into_iter().zip(offsets);
    Some((x, scales.map(|(factor, offset)| Scale { factor, offset }).collect()))
}

/// The tensor with the columns of negative factors negated: features grow with their integers.
fn oriented(
    cx: &mut Lowering<'_>,
    x: IntegerId,
    scales: &[Scale],
) -> Result<IntegerId, QuantizeError> {
    if scales.iter().all(|scale| scale.factor > 0.0) {
        return Ok(x);
    }
    let sign = |scale: &Scale| match scale.factor {
        factor if factor > 0.0 => 1,
        factor if factor < 0.0 => -1,
        _ => 0,
    };
    let node = cx.builder.node(x);
    let (shape, scale, name) = (node.shape.clone(), node.scale, node.name.clone());
    let signs = scales.iter().map(sign).cycle().take(shape.iter().product()).collect();
    let label = format!("{name}.signs");
    let signs = cx.constant(rebuilt(&shape, signs), 1.0, &label)?;
    cx.push(&format!("{name}.oriented"), Mul, &[x, signs], scale)
}

/// The input behind a node that only moves its elements, and the movements of its two-limb images.
pub(in crate::quantize) fn features(
    graph: &Graph,
    id: NodeId,
) -> Option<(usize, Vec<Movement<i32>>)> {
    let node = graph.node(id);
    match (&node.op, &node.operands[..]) {
        (Op::Input { index }, _) => Some((*index, vec![])),
        (Op::Move(movement), &[operand]) => {
            let (index, mut movements) = features(graph, operand)?;
            movements.push(limbs(movement, graph.node(operand).shape.len())?);
            Some((index, movements))
        }
        _ => None,
    }
}

/// The same movement of a tensor with one more axis, of two limbs; `None` where it fills.
fn limbs(movement: &Movement<f64>, rank: usize) -> Option<Movement<i32>> {
    let with_limbs = |shape: &[usize]| [shape, &[2]].concat();
    match movement {
        Movement::Reshape { shape } => Some(Movement::Reshape { shape: with_limbs(shape) }),
        Movement::Expand { shape } if shape.len() == rank => {
            Some(Movement::Expand { shape: with_limbs(shape) })
        }
        Movement::Transpose { perm } => {
            Some(Movement::Transpose { perm: perm.iter().copied().chain([perm.len()]).collect() })
        }
        Movement::Select { axis, indices } => {
            Some(Movement::Select { axis: *axis, indices: indices.clone() })
        }
        _ => None,
    }
}

/// What the integers of a feature stand for.
enum Images {
    /// Order-preserving images of float32.
    Ordered,
    /// Multiples of a unit, for each feature its own.
    Units(Vec<Unit>),
}

/// What the integers of one computed feature stand for: `unit * integer + offset`.
#[derive(Clone, Copy)]
struct Unit {
    unit: f64,
    offset: f64,
    /// The integers that the feature can be.
    values: Interval,
}

/// The sorted boundaries of every feature.
struct Ranks {
    boundaries: Vec<Vec<i64>>,
    images: Images,
    /// Whether features may miss values, and what those count as; empty where they stay missing.
    missing: Option<Vec<f64>>,
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

impl Images {
    /// The greatest integer of a feature that stands for at most `threshold` (below it if
    /// `strict`).
    fn last(&self, feature: usize, threshold: f32, strict: bool) -> i64 {
        match self {
            Self::Ordered => ordered_image(threshold) - i64::from(strict),
            Self::Units(features) => {
                let Unit { unit, offset, values } = features[feature];
                let units = (f64::from(threshold) - offset) / unit;
                let last = if strict { units.ceil() - 1.0 } else { units.floor() };
                // Below all values, or at the greatest of them, a boundary decides as it does
                // beyond.
                round_to_i64(last).clamp(values.lo - 1, values.hi)
            }
        }
    }

    /// The boundaries that a comparison needs.
    fn of(&self, feature: usize, mode: BranchMode, threshold: f32) -> Vec<i64> {
        let last = |strict| self.last(feature, threshold, strict);
        match mode {
            BranchMode::Leq | BranchMode::Gt => vec![last(false)],
            BranchMode::Lt | BranchMode::Gte => vec![last(true)],
            BranchMode::Eq | BranchMode::Neq => vec![last(true), last(false)],
        }
    }
}

impl Ranks {
    fn new(trees: &TreeEnsemble, images: Images, missing: Option<Vec<f64>>) -> Self {
        let mut ranks = Self { boundaries: vec![], images, missing };
        let mut sets = vec![BTreeSet::new(); trees.features];
        for node in trees.trees.iter().flat_map(|tree| &tree.nodes) {
            if let &TreeNode::Branch { feature, mode, threshold, missing, .. } = node {
                let comparison = Comparison { feature, mode, threshold, missing };
                sets[feature].extend(ranks.images.of(feature, mode, threshold));
                sets[feature].extend(ranks.detour(comparison).map(|_| MISSING_BOUNDARY));
            }
        }
        ranks.boundaries = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        ranks
    }

    /// Whether a missing value goes where the comparison holds, if its rank, which is greater than
    /// that of every number, does not lead there.
    fn detour(&self, comparison: Comparison) -> Option<bool> {
        let imputed = self.missing.as_ref()?;
        let Comparison { feature, mode, threshold, missing } = comparison;
        let goes = match imputed.get(feature) {
            Some(&value) => mode.holds(single(value), threshold),
            None => missing,
        };
        let leads = matches!(mode, BranchMode::Gt | BranchMode::Gte | BranchMode::Neq);
        (goes != leads).then_some(goes)
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
    boundaries: &Ranks,
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
fn plant(forest: &mut IntegerTrees, nodes: &[TreeNode], ranks: &Ranks, leaf: &Leaf<'_>) {
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
        let bounds = ranks.images.of(feature, mode, threshold);
        match (mode, &bounds[..]) {
            (BranchMode::Leq | BranchMode::Lt, [bound]) => {
                forest.nodes.push(branch(*bound, yes, no))
            }
            (BranchMode::Gt | BranchMode::Gte, [bound]) => {
                forest.nodes.push(branch(*bound, no, yes))
            }
            (_, [below, last]) => {
                let (yes, no) = if mode == BranchMode::Eq { (yes, no) } else { (no, yes) };
                forest.nodes.push(branch(*below, no, place + 1));
                forest.nodes.push(branch(*last, yes, no));
            }
            _ => unreachable!("one boundary for an order, two for an equality"),
        }
    }
}
