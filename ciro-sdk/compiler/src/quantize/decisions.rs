//! Decisions that rounding could turn.
//!
//! Where a number hangs on which of two computed values is greater, it jumps, and the rounding of
//! what is compared moves the place where it does. How often a sample lies between the two places
//! is proportional to the rounding, and few samples are too few to say: an accuracy that is
//! measured on them sees nothing until one does. So the values that are compared, and all that they
//! are linear in up to the inputs, get bits before anything is measured, in graphs where these cost
//! next to nothing.

use super::expr::count;
use super::facts::whole_numbers;
use super::ops::features;
use super::ops::threshold::Thresholds;
use super::refine;
use super::scalar::{Parts, Shape};
use super::stretch::LITTLE;
use crate::float::{BinaryFn, Graph, Labels, Node, NodeId, Op, Reducer, ScalarFn, UnaryFn};

/// Bits that what is compared gets beyond those of its range.
const BITS: u32 = 6;

/// The most elements of a tensor that gets them.
const FEW: usize = 256;

/// How many bits beyond those of its range each node's tensor gets, as numbers that leave the model
/// jump by it.
pub(super) fn bits(graph: &Graph) -> Vec<u32> {
    let mut bits = vec![0; graph.nodes.len()];
    if refine::work(graph) > LITTLE {
        return bits;
    }
    let whole = whole_numbers(graph);
    // Whether a number that leaves the model hangs on a node.
    let mut counts = vec![false; graph.nodes.len()];
    for output in graph.outputs.iter().filter(|output| output.labels == Labels::Real) {
        counts[output.node.index()] = true;
    }
    for at in (0..graph.nodes.len()).rev() {
        let node = &graph.nodes[at];
        if !counts[at] {
            continue;
        }
        let reads = decides(graph, node) || (bits[at] > 0 && is_linear(graph, node));
        for &operand in &node.operands {
            counts[operand.index()] = true;
            // Whole numbers are exact.
            let few = count(&graph.node(operand).shape) <= FEW;
            if reads && few && !whole[operand.index()] {
                bits[operand.index()] = BITS;
            }
        }
    }
    bits
}

/// Whether an operator's result jumps by computed operands; what compares an input's own numbers is
/// exact.
fn decides(graph: &Graph, node: &Node) -> bool {
    match (&node.op, &node.operands[..]) {
        (Op::Reduce(Reducer::ArgMax | Reducer::ArgMin), _) => true,
        (Op::Binary(f), _) => f.compares() && Thresholds::of(graph, node).is_none(),
        (Op::Unary(f), _) => {
            let jumps = matches!(Shape::of(f), Shape::Compare { .. }) || Parts::of(f).are_steps();
            jumps && Thresholds::of(graph, node).is_none()
        }
        (Op::TreeEnsemble(_), &[operand]) => features::of_input(graph, operand).is_none(),
        _ => false,
    }
}

/// Whether an operator passes on what its operands are off by, about.
fn is_linear(graph: &Graph, node: &Node) -> bool {
    let constant = |id: &NodeId| graph.constant(*id).is_some();
    match &node.op {
        Op::Move(_) => true,
        Op::Unary(f) => {
            matches!(Shape::of(f), Shape::Line(_) | Shape::Steps(_))
                || *f == ScalarFn::unary(UnaryFn::Abs)
        }
        Op::Binary(BinaryFn::Add | BinaryFn::Sub | BinaryFn::Max | BinaryFn::Min) => true,
        Op::Binary(BinaryFn::Mul) | Op::MatMul => node.operands.iter().any(constant),
        Op::Binary(BinaryFn::Div) => node.operands.get(1).is_some_and(constant),
        Op::Reduce(reducer) => {
            matches!(reducer, Reducer::Sum | Reducer::Mean | Reducer::Max | Reducer::Min)
        }
        _ => false,
    }
}
