//! Parts of models whose values lie at the bounds of what can be checked, a little inside or a
//! little outside.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_model::integer::ops::{
    ArgMax, Bucketize, Combine, DivFloor, Isqrt, Lookup, ReduceMax, Requantize, TreeEnsemble,
    TreeNode,
};
use ciro_model::integer::{Encoding, MISSING_BOUNDARY, NodeId};
use ciro_model::{IntegerModel, Interval, Movement, Tensor};

use super::sketch::Sketch;
use crate::prover::tests::models::Stream;

/// What values stay strictly inside of.
const BOUND: i64 = 1 << 30;

/// A random model.
pub(super) fn model(seed: u64) -> Arc<IntegerModel> {
    let mut sketch = Sketch::new(seed);
    let (rows, columns) = (1 + sketch.upto(2), 1 + sketch.upto(3));
    let x = sketch.input(&[rows, columns], -200, 200);
    sketch.pool.push(x);
    let mut outputs: Vec<NodeId> = vec![];
    for _ in 0..1 + sketch.upto(1) {
        let part = match sketch.upto(7) {
            0 => ranks(&mut sketch),
            1 => extremes(&mut sketch),
            2 => quotient(&mut sketch),
            3 => shared_table(&mut sketch),
            4 => limbs(&mut sketch),
            5 => products(&mut sketch),
            6 => rounding(&mut sketch),
            _ => shared_weights(&mut sketch),
        };
        outputs.extend(part.unwrap_or_default());
    }
    let steps = sketch.upto(5);
    sketch.wander(steps);
    outputs.extend(sketch.pool.last());
    // Behind all others, which are what they are without it.
    if seed % 5 == 4 {
        outputs.extend(joined(&mut sketch).unwrap_or_default());
    }
    outputs.sort_unstable();
    outputs.dedup();
    sketch.unchecked(&outputs)
}

/// Inputs that a model takes: often the least or greatest, or next to them or to 0.
pub(super) fn inputs(model: &IntegerModel, random: &mut Stream) -> Vec<Tensor<i32>> {
    let element = |interval: Interval, random: &mut Stream| {
        let Interval { lo, hi } = interval;
        let near = [lo, lo + 1, hi, hi - 1, -1, 0, 1];
        let at = usize::try_from(random.within(0, 11)).unwrap();
        let value = near.get(at).copied().unwrap_or_else(|| random.within(lo, hi).into());
        i32::try_from(value.clamp(lo, hi)).unwrap()
    };
    let tensor = |(id, encoding): (NodeId, &Encoding)| {
        let node = model.node(id);
        let part = |at: usize| match (encoding, at % 2) {
            (encoding, 0) if encoding.has_limbs() => Interval::new(-0x7f7f, 0x7f7f),
            (encoding, _) if encoding.has_limbs() => Interval::new(0, 0xffff),
            _ => node.interval,
        };
        let mut data: Vec<i32> = (0..node.len()).map(|at| element(part(at), random)).collect();
        if *encoding == Encoding::OrderedOrMissing {
            let missing = data.chunks_exact_mut(2).filter(|_| random.within(0, 2) == 0);
            missing.for_each(|limbs| limbs.copy_from_slice(&[0x7f80, 1]));
        }
        Tensor::new(node.shape.clone(), data).unwrap()
    };
    model.input_nodes().map(tensor).collect()
}

/// An interval about as wide as what can be compared, somewhere inside the bounds.
fn wide(sketch: &mut Sketch) -> (i64, i64) {
    let near = i64::from(sketch.random.within(-6, 3));
    let spread = match sketch.upto(5) {
        0 => (1 << 20) + near,
        1 => (1 << 29) + near,
        2 => BOUND + (1 << 28),
        _ => BOUND + near,
    };
    let lo = match sketch.upto(2) {
        0 => 1 - BOUND,
        1 => BOUND - 1 - spread,
        _ => -(spread / 2),
    };
    (lo.max(1 - BOUND), (lo + spread).min(BOUND - 1))
}

/// Trees over features at the bounds, with boundaries that may lie far beyond.
fn ranks(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let (lo, hi) = wide(sketch);
    let features = 1 + sketch.upto(1);
    let rows = 1 + sketch.upto(1);
    let x = sketch.input(&[rows, features], lo, hi);
    let boundaries = (0..features).map(|_| boundaries(sketch, lo, hi)).collect();
    let ranks = sketch.push(Bucketize { boundaries, limbs: false }, &[x])?;
    trees(sketch, ranks, features)
}

/// Trees over ranks of integers and of images, joined in any order, perhaps beside trees that read
/// one node's as they are.
fn joined(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let (rows, features) = (1 + sketch.upto(1), 1 + sketch.upto(1));
    let (lo, hi) = (-(1 << 20), (1 << 20) - 1);
    let x = sketch.input(&[rows, features], lo, hi);
    let integers = (0..features).map(|_| boundaries(sketch, lo, hi)).collect();
    let integers = sketch.push(Bucketize { boundaries: integers, limbs: false }, &[x])?;
    let x = sketch.view(&[rows, features], Encoding::OrderedOrMissing);
    let images = (0..features).map(|_| image_boundaries(sketch)).collect();
    let images = sketch.push(Bucketize { boundaries: images, limbs: true }, &[x])?;
    let both = 2 * rows * features;
    let joined = 1 + sketch.upto(3);
    let place = |_| u32::try_from(sketch.upto(both - 1)).unwrap();
    let indices = (0..rows * joined).map(place).collect();
    let index = Movement::Index { shape: vec![rows, joined], indices };
    let ranks = sketch.push(index, &[integers, images])?;
    let mut outputs = trees(sketch, ranks, joined)?;
    if sketch.upto(1) == 0 {
        outputs.extend(trees(sketch, images, features)?);
    }
    Some(outputs)
}

fn boundaries(sketch: &mut Sketch, lo: i64, hi: i64) -> Vec<i64> {
    let mut set = BTreeSet::new();
    for _ in 0..sketch.upto(4) {
        set.insert(match sketch.upto(15) {
            0 => lo - 1,
            1 => hi,
            2 => lo,
            3 => sketch.pick(&[-BOUND, BOUND, (1 << 31) - 1, -(1 << 31)]),
            _ => sketch.random.within(lo, hi).into(),
        });
    }
    set.into_iter().collect()
}

fn trees(sketch: &mut Sketch, ranks: NodeId, features: usize) -> Option<Vec<NodeId>> {
    let (mut nodes, mut roots) = (vec![], vec![]);
    let number = |count: usize| u32::try_from(count).unwrap();
    for _ in 0..1 + sketch.upto(1) {
        let at = number(nodes.len());
        roots.push(at);
        for step in [0, 2] {
            let (feature, threshold) = (number(sketch.upto(features - 1)), number(sketch.upto(3)));
            let (left, right) = (at + step + 1, at + step + 2);
            nodes.push(TreeNode::Branch { feature, threshold, left, right });
            nodes.push(TreeNode::Leaf { weights: vec![sketch.random.within(-99, 99)] });
        }
        nodes.push(TreeNode::Leaf { weights: vec![sketch.random.within(-99, 99)] });
    }
    let base = vec![sketch.random.within(-5, 5)];
    let y = sketch.push(TreeEnsemble { features, base, nodes, roots }, &[ranks])?;
    sketch.pool.push(y);
    Some(vec![y])
}

/// Maxima and their positions among elements at the bounds.
fn extremes(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let (lo, hi) = wide(sketch);
    let (rows, columns) = (1 + sketch.upto(1), 1 + sketch.upto(3));
    let x = sketch.input(&[rows, columns], lo, hi);
    let position = sketch.upto(2) > 0;
    let y = if position { sketch.push(ArgMax, &[x])? } else { sketch.push(ReduceMax, &[x])? };
    Some(vec![y])
}

/// Divisions and roots of numbers at the bounds.
fn quotient(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let hi = BOUND - 1 - i64::from(sketch.random.within(0, 3));
    if sketch.upto(4) == 0 {
        let x = sketch.input(&[1, 2], 0, hi);
        let y = sketch.push(Isqrt, &[x])?;
        return Some(vec![sketch.blend(y)]);
    }
    let lo = sketch.pick(&[0, -(1 << 29), 1 - BOUND + (1 << 10), -5]);
    let a = sketch.input(&[1, 2], lo, hi);
    let most = sketch.pick(&[1, 3, 100, 1 << 10, 1 << 14, 1 << 20]);
    let b = sketch.input(&[1, 2], 1, most);
    let y = sketch.push(DivFloor, &[a, b])?;
    Some(vec![sketch.blend(y)])
}

/// Two lookups that share a table, one of them shifted far and from far away.
fn shared_table(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let bits = 3 + i64::try_from(sketch.upto(8)).unwrap();
    let far = 1i64 << bits;
    let lo = 1 - far + i64::try_from(sketch.upto(1)).unwrap();
    let entries = 1 + sketch.upto(1);
    let values = (0..entries).map(|_| sketch.random.within(-900, 900)).collect();
    let table = sketch.constant(&[entries], values);
    let shift = u32::try_from(30 - bits).unwrap();
    let lookup = |offset: i64, shift| Lookup {
        offset: i32::try_from(offset).unwrap(),
        shift,
        lo: i32::try_from(lo).unwrap(),
        table,
    };
    let x = sketch.input(&[1, 2], 0, 1);
    let y = sketch.push(lookup(lo << shift, shift), &[x])?;
    let offset = far - i64::try_from(sketch.upto(1)).unwrap();
    let z = sketch.input(&[1, 1], lo - offset, lo - offset);
    let other = sketch.push(lookup(offset, 0), &[z])?;
    Some(vec![sketch.blend(y), other])
}

/// Ranks of two limbs: those of an image, those of two images, or any two integers.
fn limbs(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let features = 1 + sketch.upto(1);
    let x = match sketch.upto(3) {
        0 => sketch.input(&[1, features, 2], -0x8000, 0xffff),
        1 => {
            let x = sketch.view(&[1, features], Encoding::Ordered);
            sketch.push(Movement::Select { axis: 2, indices: vec![1, 0] }, &[x])?
        }
        2 => sketch.view(&[1, features], Encoding::Ordered),
        _ => sketch.view(&[1, features], Encoding::OrderedOrMissing),
    };
    let boundaries = (0..features).map(|_| image_boundaries(sketch)).collect();
    let ranks = sketch.push(Bucketize { boundaries, limbs: true }, &[x])?;
    trees(sketch, ranks, features)
}

fn image_boundaries(sketch: &mut Sketch) -> Vec<i64> {
    let near = [-0x8000_0000, -65_537, -2, -1, 0, 65_535, 0x7f7f_ffff, MISSING_BOUNDARY];
    let mut set: BTreeSet<i64> = (0..sketch.upto(3)).map(|_| sketch.pick(&near)).collect();
    set.insert(-1);
    set.into_iter().collect()
}

/// Products one after the other, some without terms or without results.
fn products(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let (m, n) = (1 + sketch.upto(1), 1 + sketch.upto(1));
    let mut all: Vec<NodeId> = vec![];
    for _ in 0..2 + sketch.upto(2) {
        let (rows, k) = (sketch.pick(&[m, m, m, 0]), sketch.pick(&[0, 1, 2]));
        let x = sketch.input(&[rows, k], -100, 100);
        let y = if sketch.upto(3) == 0 {
            sketch.linear(x, k)?
        } else {
            let z = sketch.input(&[k, n], -100, 100);
            sketch.product(x, z)?
        };
        if sketch.shape(y) == [m, n] {
            all.push(y);
        } else if rows > 0 {
            sketch.pool.push(y);
        }
    }
    let (&first, rest) = all.split_first()?;
    let mut outputs = vec![first];
    for &other in rest {
        // Intervals that admit a lie about either.
        let both = Combine { coefficients: vec![1, 1], constant: 0 };
        outputs.extend(sketch.push(both, &[other, first]));
    }
    Some(outputs)
}

/// Rounding shifts, clamps and signs of values at the bounds.
fn rounding(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let (lo, hi) = wide(sketch);
    let columns = 1 + sketch.upto(2);
    let x = sketch.input(&[1, columns], lo, hi);
    let shift = u32::try_from(sketch.upto(24)).unwrap();
    let y = if sketch.upto(1) == 0 {
        let (low, high) = sketch.pick(&[(-127, 127), (0, i32::MAX), (i32::MIN, 5), (-3, 1 << 29)]);
        sketch.push(Requantize { shift, lo: low, hi: high }, &[x])?
    } else {
        let quotient = Interval::new(lo, hi).shift_right(shift.max(19));
        let values: Vec<i32> = (quotient.lo..=quotient.hi).map(|q| i32::from(q < 0)).collect();
        let table = sketch.constant(&[values.len()], values);
        let first = i32::try_from(quotient.lo).unwrap();
        sketch.push(Lookup { offset: 0, shift: shift.max(19), lo: first, table }, &[x])?
    };
    Some(vec![sketch.blend(y)])
}

/// Several uses of one weight matrix, with results that nobody reads and clamps of their own.
fn shared_weights(sketch: &mut Sketch) -> Option<Vec<NodeId>> {
    let k = 1 + sketch.upto(2);
    let mut outputs = vec![];
    for most in [30_000, 1] {
        let rows = 1 + sketch.upto(40);
        let x = sketch.input(&[rows, k], -most, most);
        let y = sketch.linear(x, k)?;
        let count = sketch.upto(rows - 1);
        let indices = (0..=count).map(|row| u32::try_from(row).unwrap()).collect();
        let some = sketch.push(Movement::Select { axis: 0, indices }, &[y])?;
        let shift = if most == 1 { 0 } else { 8 };
        outputs.push(sketch.push(Requantize { shift, lo: -100, hi: 100 }, &[some])?);
    }
    Some(outputs)
}
