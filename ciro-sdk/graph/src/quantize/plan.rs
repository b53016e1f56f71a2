//! What is known of a float graph before anything is lowered: which nodes count, who reads them, which share their ranges.

use std::collections::BTreeMap;

use super::calibrate::Range;
use super::ops::threshold::Thresholds;
use super::ops::tree_ensemble;
use super::scalar::{Shape, compares};
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, Reducer};

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
    /// How many are trees or comparisons with constants that look through to an input, or movements that only such trees read.
    pub(super) trees: usize,
    /// Whether it is read at all by something that an output needs.
    pub(super) alive: bool,
}

impl Demand {
    /// Whether only trees read the tensor, which compare the input's own values.
    pub(super) fn by_trees(self) -> bool {
        self.trees == self.uses && self.uses > 0
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
        let thresholds = Thresholds::of(graph, node).is_some();
        for (position, operand) in node.operands.iter().enumerate() {
            let demand = &mut demands[operand.index()];
            demand.uses += 1;
            demand.alive = true;
            match &node.op {
                _ if thresholds => demand.trees += 1,
                Op::TreeEnsemble(_) if tree_ensemble::features(graph, *operand).is_some() => {
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
                Op::Binary(f) if compares(*f) => demand.exact = true,
                Op::Binary(BinaryFn::Div) if position == 0 => demand.output |= own.output,
                Op::Unary(f) if matches!(Shape::of(f), Shape::Compare { .. }) => {
                    demand.exact = true
                }
                _ => {}
            }
        }
    }
    demands
}

/// Whether the other operand of a product is a constant matrix on the right.
fn is_matrix(graph: &Graph, node: &Node, position: usize) -> bool {
    let weight = node.operands[1];
    position == 0 && graph.constant(weight).is_some_and(|w| w.rank() == 2)
}

/// Gives the steps of an unrolled loop one range each kind of node, so that they also get one scale and share their weights.
///
/// Where several products use one constant matrix, everything computed from them is of a kind with what does the same: same
/// operator, same shape, operands of the same operators.
pub(super) fn tie(graph: &Graph, ranges: &mut [Range]) {
    let mut shared = vec![0usize; graph.nodes.len()];
    for node in &graph.nodes {
        if let (Op::MatMul | Op::Conv { .. }, [_, weight, ..]) = (&node.op, &node.operands[..])
            && graph.constant(*weight).is_some()
        {
            shared[weight.index()] += 1;
        }
    }
    let mut looped = vec![false; graph.nodes.len()];
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (id, node) in graph.iter() {
        let weight = match (&node.op, &node.operands[..]) {
            (Op::MatMul | Op::Conv { .. }, [_, weight, ..]) if shared[weight.index()] > 1 => {
                Some(*weight)
            }
            _ => None,
        };
        looped[id.index()] =
            weight.is_some() || node.operands.iter().any(|operand| looped[operand.index()]);
        if looped[id.index()] {
            kinds.entry(kind(graph, id, weight)).or_default().push(id.index());
        }
    }
    for members in kinds.values() {
        let range = members.iter().fold(Range::EMPTY, |range, &at| range.union(ranges[at]));
        members.iter().for_each(|&at| ranges[at] = range);
    }
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
    format!("{weight:?} {:?} {attributes} {operands:?}", node.shape)
}
