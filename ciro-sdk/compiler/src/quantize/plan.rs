//! What is known of a float graph before anything is lowered: which nodes count, who reads them,
//! which share their ranges.

use std::collections::{BTreeMap, BTreeSet};

use super::calibrate::Range;
use super::emit::exponent;
use super::grid::{ceil_log2, pow2};
use super::ops::threshold::Thresholds;
use super::ops::{columns, features, periodic};
use super::scalar::{self, Shape};
use super::steep::Slopes;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, Reducer, ScalarFn};

/// How a node's tensor is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Demand {
    /// How many operands and outputs read it.
    pub(super) uses: usize,
    /// How many of them are movements.
    pub(super) moves: usize,
    /// How many elements those movements give.
    pub(super) moved: usize,
    /// How many are products with constant matrices.
    pub(super) products: usize,
    /// Whether an output, or an operator that compares exactly, reads it.
    pub(super) exact: bool,
    /// Whether it is an output, perhaps after movements.
    pub(super) output: bool,
    /// How many are trees or comparisons with constants that look through to an input, or movements
    /// that only such trees read.
    pub(super) trees: usize,
    /// How many are trees that rank computed features, or movements and affine maps by constants
    /// that only such trees read.
    pub(super) ranks: usize,
    /// How many are functions that repeat themselves, and count in turns of their own.
    pub(super) turns: usize,
    /// Whether it is read at all by something that an output needs.
    pub(super) alive: bool,
}

impl Demand {
    /// Whether only trees read the tensor, which compare the input's own values.
    pub(super) fn by_trees(self) -> bool {
        self.trees == self.uses && self.uses > 0
    }

    /// Whether only trees read the tensor, which rank each feature by itself: features need no
    /// common scale.
    pub(super) fn is_ranked(self) -> bool {
        self.ranks == self.uses && self.uses > 0
    }
}

/// The demand on every node.
pub(super) fn demands(graph: &Graph) -> Vec<Demand> {
    let mut demands = vec![Demand::default(); graph.nodes.len()];
    for output in &graph.outputs {
        let demand = &mut demands[output.node.index()];
        (demand.uses, demand.exact, demand.output, demand.alive) =
            (demand.uses + 1, true, true, true);
    }
    for at in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[at];
        let own = demands[at];
        if !own.alive {
            continue;
        }
        if let Some(sources) = features_of(graph, node) {
            for source in sources {
                let demand = &mut demands[source.index()];
                (demand.uses, demand.ranks, demand.alive) =
                    (demand.uses + 1, demand.ranks + 1, true);
            }
            continue;
        }
        let thresholds = Thresholds::of(graph, node).is_some();
        for (position, operand) in node.operands.iter().enumerate() {
            let demand = &mut demands[operand.index()];
            demand.uses += 1;
            demand.alive = true;
            demand.ranks += usize::from(ranks(graph, node, own));
            match &node.op {
                _ if thresholds => demand.trees += 1,
                Op::TreeEnsemble(_) if features::of_input(graph, *operand).is_some() => {
                    demand.trees += 1;
                }
                Op::Move(_) => {
                    demand.trees += usize::from(own.by_trees());
                    demand.moves += 1;
                    demand.moved += node.shape.iter().product::<usize>();
                    demand.output |= own.output;
                    demand.exact |= own.exact && own.uses == 1;
                }
                Op::MatMul if is_matrix(graph, node, position) => demand.products += 1,
                Op::Reduce(Reducer::ArgMax | Reducer::ArgMin) => demand.exact = true,
                Op::Binary(f) if f.compares() => demand.exact = true,
                Op::Binary(BinaryFn::Div) if position == 0 => demand.output |= own.output,
                Op::Unary(f) if matches!(Shape::of(f), Shape::Compare { .. }) => {
                    demand.exact = true
                }
                Op::Unary(f) => demand.turns += usize::from(periodic::period(f).is_some()),
                _ => {}
            }
        }
    }
    demands
}

/// The nodes whose tensors a tree reads that takes its features from several, column by column: it
/// looks through all that is between.
fn features_of(graph: &Graph, node: &Node) -> Option<BTreeSet<NodeId>> {
    let (Op::TreeEnsemble(_), &[operand]) = (&node.op, &node.operands[..]) else { return None };
    if features::of_input(graph, operand).is_some() {
        return None;
    }
    let columns = columns::columns(graph, &BTreeMap::new(), operand)?;
    let computed = columns.iter().filter(|column| column.input.is_none());
    Some(computed.map(|column| column.source).collect())
}

/// Whether trees alone read what a node makes of an operand, element by element.
fn ranks(graph: &Graph, node: &Node, own: Demand) -> bool {
    match (&node.op, &node.operands[..]) {
        (Op::TreeEnsemble(_), _) => true,
        (Op::Move(movement), _) => own.is_ranked() && movement.fill().is_none(),
        (Op::Unary(f), _) => own.is_ranked() && f.affine().is_some(),
        (Op::Binary(BinaryFn::Add | BinaryFn::Sub | BinaryFn::Mul), operands) => {
            own.is_ranked() && operands.iter().any(|&id| graph.constant(id).is_some())
        }
        (Op::Binary(BinaryFn::Div), &[_, divisor]) => {
            own.is_ranked() && graph.constant(divisor).is_some()
        }
        _ => false,
    }
}

/// Whether the other operand of a product is a constant matrix on the right.
fn is_matrix(graph: &Graph, node: &Node, position: usize) -> bool {
    let weight = node.operands[1];
    position == 0 && graph.constant(weight).is_some_and(|w| w.rank() == 2)
}

/// Gives corresponding nodes of the turns of an unrolled loop one range, so that they also get one
/// scale and share their weights.
///
/// Nodes of one loop correspond if they are the same operator of the same shape on operands of the
/// same operators. What one constant matrix multiplies, in a loop or not, shares a range too, as do
/// the products.
pub(super) fn tie(graph: &Graph, ranges: &mut [Range]) {
    let mut shared = vec![0usize; graph.nodes.len()];
    for node in &graph.nodes {
        if let (Op::MatMul | Op::Conv { .. }, [_, weight, ..]) = (&node.op, &node.operands[..])
            && graph.constant(*weight).is_some()
        {
            shared[weight.index()] += 1;
        }
    }
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    let mut factors: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (id, node) in graph.iter() {
        let weight = match (&node.op, &node.operands[..]) {
            (Op::MatMul | Op::Conv { .. }, [x, weight, ..]) if shared[weight.index()] > 1 => {
                factors.entry(*weight).or_default().push(x.index());
                Some(*weight)
            }
            _ => None,
        };
        if weight.is_some() || node.unrolled.is_some() {
            kinds.entry(kind(graph, id, weight)).or_default().push(id.index());
        }
    }
    for members in kinds.values().chain(factors.values()) {
        let range = members.iter().fold(Range::EMPTY, |range, &at| range.union(ranges[at]));
        members.iter().for_each(|&at| ranges[at] = range);
    }
}

/// A step of an operand may move the result by this part of its range.
const STEP_EFFECT: f64 = 1.0 / 512.0;
/// The most bits that an operand gets for its effect.
const EXTRA_BITS_MAX: u32 = 4;

/// How many bits beyond `bits` each node's tensor is worth, because a function that reads it is
/// steep somewhere in its range: logarithms and quotients near zero, powers.
pub(super) fn extra_bits(
    graph: &Graph,
    (ranges, slopes): (&[Range], &Slopes),
    bits: u32,
) -> Vec<u32> {
    let mut extra = vec![0u32; graph.nodes.len()];
    for at in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[at];
        let (operand, effect) = match (&node.op, &node.operands[..]) {
            (Op::Unary(f), &[x]) => {
                let step = ranges[x.index()].width() * pow2(-exponent(bits));
                (x, greatest_change(f, ranges[x.index()], step) / ranges[at].width())
            }
            (Op::Binary(BinaryFn::Div), &[_, b]) => {
                let range = ranges[b.index()];
                let least = match range.lo <= 0.0 && range.hi >= 0.0 {
                    true => slopes.least_divisor(node).unwrap_or(0.0),
                    false => range.lo.abs().min(range.hi.abs()),
                };
                (b, range.width() * pow2(-exponent(bits)) / least)
            }
            (Op::Move(_), operands) => {
                for x in operands {
                    extra[x.index()] = extra[x.index()].max(extra[at]);
                }
                continue;
            }
            _ => continue,
        };
        if effect.is_finite() && effect > STEP_EFFECT {
            let wanted = u32::try_from(ceil_log2(effect / STEP_EFFECT)).unwrap_or(0);
            let known = &mut extra[operand.index()];
            *known = (*known).max(wanted.min(EXTRA_BITS_MAX));
        }
    }
    extra
}

/// The greatest change of a function over a step inside a range, of those that are finite.
fn greatest_change(f: &ScalarFn, range: Range, step: f64) -> f64 {
    const PROBES: i32 = 64;
    if range.lo >= range.hi || f.affine().is_some() || scalar::steps(f).is_some() {
        return 0.0;
    }
    let at = |probe: i32| range.lo + range.width() * f64::from(probe) / f64::from(PROBES);
    let change = |x: f64| (f.eval((x + step).min(range.hi)) - f.eval(x)).abs();
    let inner = (0..PROBES).map(at).chain([range.hi - step]);
    inner.map(change).filter(|change| change.is_finite()).fold(0.0, f64::max)
}

fn kind(graph: &Graph, id: NodeId, weight: Option<NodeId>) -> String {
    let node = graph.node(id);
    let own = |node: &Node| match &node.op {
        Op::Constant(_) => "constant".to_owned(),
        Op::Move(_) => "move".to_owned(),
        op => format!("{op:?}"),
    };
    let operands: Vec<String> =
        node.operands.iter().map(|&operand| own(graph.node(operand))).collect();
    let attributes = match &node.op {
        Op::Move(movement) => format!("{movement:?}"),
        _ => own(node),
    };
    format!("{:?} {weight:?} {:?} {attributes} {operands:?}", node.unrolled, node.shape)
}
