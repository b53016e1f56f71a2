//! Powers of two computed tensors, as exponentials of products with logarithms.
//!
//! The float graph keeps the power, which negative bases have for whole exponents. What is lowered
//! has it where all bases of the samples were positive: beyond them the base is clamped, as the
//! variable of any logarithm is.

use super::calibrate::{Calibration, Range};
use super::facts::whole_numbers;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, ScalarFn, UnaryFn};

/// A graph whose powers are taken apart, and what is known of its nodes.
pub(super) struct Apart {
    pub(super) graph: Graph,
    pub(super) calibration: Calibration,
}

/// The graph with powers taken apart; `None` if there are none for which that is possible.
///
/// Whole numbers have powers that are whole, which no logarithm gives: those stay.
pub(super) fn rewritten(graph: &Graph, calibration: &Calibration) -> Option<Apart> {
    let is_power = |node: &Node| node.op == Op::Binary(BinaryFn::Pow);
    if !graph.nodes.iter().any(is_power) {
        return None;
    }
    let whole = whole_numbers(graph);
    let mut apart = Apart {
        graph: Graph { nodes: vec![], inputs: graph.inputs.clone(), outputs: vec![] },
        calibration: Calibration { ranges: vec![], ..calibration.clone() },
    };
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for (at, (node, &range)) in graph.nodes.iter().zip(&calibration.ranges).enumerate() {
        let mut node = node.clone();
        let base = node.operands.first().map(|id| id.index());
        let logs = base.filter(|&base| is_power(&node) && !whole[base]).and_then(|base| {
            Some([logarithm(calibration.ranges[base])?, logarithm(calibration.ranges[at])?])
        });
        node.operands.iter_mut().for_each(|id| *id = moved[id.index()]);
        moved.push(match logs {
            Some(logs) => apart.power(node, logs, range),
            None => apart.push(node, range),
        });
    }
    if apart.graph.nodes.len() == graph.nodes.len() {
        return None;
    }
    apart.graph.outputs = graph.outputs.clone();
    apart.graph.outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
    Some(apart)
}

/// The range of the logarithm of positive numbers.
fn logarithm(range: Range) -> Option<Range> {
    let log = |x| UnaryFn::Log.eval(x);
    let positive = 0.0 < range.lo && range.lo <= range.hi;
    positive.then(|| Range { lo: log(range.lo), hi: log(range.hi) })
}

impl Apart {
    fn push(&mut self, node: Node, range: Range) -> NodeId {
        self.graph.nodes.push(node);
        self.calibration.ranges.push(range);
        NodeId(u32::try_from(self.graph.nodes.len() - 1).expect("import bounds nodes"))
    }

    /// `exp(exponent * log(base))`; `logs` are the ranges of the logarithms of base and power.
    fn power(&mut self, node: Node, [of_base, of_power]: [Range; 2], range: Range) -> NodeId {
        let &[base, exponent] = &node.operands[..] else {
            unreachable!("the shape rule takes two operands")
        };
        let name = format!("{}.log{}", node.name, self.graph.nodes.len());
        let op = Op::Unary(ScalarFn::unary(UnaryFn::Log));
        // The logarithm is steepest at the least base, the exponential at the greatest power.
        self.calibration.slopes.set(&name, UnaryFn::Exp.eval(-of_base.lo));
        self.calibration.slopes.set(&node.name, range.hi);
        let log = Node { name, op, operands: vec![base], ..node.clone() };
        let log = self.push(log, of_base);
        let name = format!("{}.product{}", node.name, self.graph.nodes.len());
        let op = Op::Binary(BinaryFn::Mul);
        let product = Node { name, op, operands: vec![exponent, log], ..node.clone() };
        let product = self.push(product, of_power);
        let op = Op::Unary(ScalarFn::unary(UnaryFn::Exp));
        self.push(Node { op, operands: vec![product], ..node }, range)
    }
}
