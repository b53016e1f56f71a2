//! Imputers behind scales are imputers before them.
//!
//! A scaled column is missing where the column is, so that what an imputer puts behind a scale may
//! as well be put before it, unscaled: there it belongs to the encoding of an input.

use std::sync::Arc;

use crate::float::{BinaryFn, Graph, Node, NodeId, Op, ScalarFn, UnaryFn};
use ciro_model::tensor::Tensor;

/// The most scales that are passed.
const SCALES_MAX: usize = 16;

/// The graph with imputers of inputs before what scales them.
pub(super) fn before_scales(graph: Graph) -> Graph {
    let is_choice = |node: &Node| node.op == Op::Where && passed(&graph, node).is_some();
    if !graph.nodes.iter().any(is_choice) {
        return graph;
    }
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let mut node = node.clone();
        let passed = passed(&graph, &node);
        node.operands.iter_mut().for_each(|id| *id = moved[id.index()]);
        let id = match passed {
            Some(passed) => passed.rebuilt(&graph, &moved, &mut nodes, &node),
            None => push(&mut nodes, node),
        };
        moved.push(id);
    }
    let mut graph = Graph { nodes, ..graph };
    graph.outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
    graph
}

/// An imputer and the scales before it.
struct Passed {
    /// What is scaled.
    x: NodeId,
    /// The scales, the last first.
    scales: Vec<NodeId>,
    /// What the imputer puts, unscaled.
    values: Tensor<f64>,
}

/// The scales that an imputer may pass; `None` if the node is none, or there are none.
fn passed(graph: &Graph, node: &Node) -> Option<Passed> {
    let (mut x, values) = imputer(graph, node)?;
    let (mut values, mut scales) = (values.clone(), vec![]);
    while scales.len() < SCALES_MAX
        && let Some((inner, undone)) = undone(graph, graph.node(x), &values)
    {
        scales.push(x);
        (x, values) = (inner, undone);
    }
    let finite = values.data().iter().all(|value| value.is_finite());
    (finite && !scales.is_empty() && is_input(graph, x)).then_some(Passed { x, scales, values })
}

/// What an imputer imputes.
pub(super) fn imputed(graph: &Graph, node: &Node) -> Option<NodeId> {
    imputer(graph, node).map(|(x, _)| x)
}

/// The operand of an imputer, and what it puts for missing elements.
fn imputer<'g>(graph: &'g Graph, node: &Node) -> Option<(NodeId, &'g Tensor<f64>)> {
    let (Op::Where, &[condition, a, b]) = (&node.op, &node.operands[..]) else { return None };
    let (x, missing) = tells_missing(graph, condition)?;
    let (value, kept) = if missing { (a, b) } else { (b, a) };
    let values = graph.constant(value)?;
    let finite = values.data().iter().all(|value| value.is_finite());
    (kept == x && finite).then_some((x, &**values))
}

/// Whether a node is an input, perhaps moved.
fn is_input(graph: &Graph, mut id: NodeId) -> bool {
    loop {
        let node = graph.node(id);
        match (&node.op, &node.operands[..]) {
            (Op::Move(_), &[x]) => id = x,
            (op, _) => return matches!(op, Op::Input { .. }),
        }
    }
}

/// The tensor whose missing elements a condition tells, and whether it is 1 for them.
fn tells_missing(graph: &Graph, id: NodeId) -> Option<(NodeId, bool)> {
    let node = graph.node(id);
    let (Op::Unary(f), &[x]) = (&node.op, &node.operands[..]) else { return None };
    match f {
        ScalarFn::Unary(UnaryFn::IsNaN, inner) if **inner == ScalarFn::X => Some((x, true)),
        ScalarFn::Unary(UnaryFn::Not, inner) => match &**inner {
            ScalarFn::X => tells_missing(graph, x).map(|(x, missing)| (x, !missing)),
            ScalarFn::Unary(UnaryFn::IsNaN, x_) if **x_ == ScalarFn::X => Some((x, false)),
            _ => None,
        },
        _ => None,
    }
}

/// The operand of a scale, and what becomes `values` by it.
fn undone(graph: &Graph, node: &Node, values: &Tensor<f64>) -> Option<(NodeId, Tensor<f64>)> {
    let zip = |constant: &Tensor<f64>, f: &dyn Fn(f64, f64) -> f64| {
        let data = values.data().iter().zip(constant.data()).map(|(&y, &c)| f(y, c)).collect();
        Tensor::new(values.shape().to_vec(), data).ok()
    };
    match (&node.op, &node.operands[..]) {
        (Op::Unary(f), &[x]) => {
            let (slope, offset) = f.affine().filter(|(slope, _)| *slope != 0.0)?;
            Some((x, values.map(|&y| (y - offset) / slope)))
        }
        (Op::Binary(f), &[a, b]) => {
            let (x, constant, first) = match (graph.constant(a), graph.constant(b)) {
                (None, Some(constant)) => (a, constant, false),
                (Some(constant), None) => (b, constant, true),
                _ => return None,
            };
            let scales = || constant.data().iter().all(|&c| c != 0.0 && c.is_finite());
            let undone = match f {
                BinaryFn::Add => zip(constant, &|y, c| y - c),
                BinaryFn::Sub if first => zip(constant, &|y, c| c - y),
                BinaryFn::Sub => zip(constant, &|y, c| y + c),
                BinaryFn::Mul if scales() => zip(constant, &|y, c| y / c),
                BinaryFn::Div if scales() && !first => zip(constant, &|y, c| y * c),
                _ => None,
            };
            Some((x, undone?))
        }
        _ => None,
    }
}

impl Passed {
    /// Adds the imputer and then the scales; `node` is the imputer as it was.
    fn rebuilt(
        self,
        graph: &Graph,
        moved: &[NodeId],
        nodes: &mut Vec<Node>,
        node: &Node,
    ) -> NodeId {
        let mut add =
            |op: Op, operands: Vec<NodeId>| push(nodes, Node { op, operands, ..node.clone() });
        let x = moved[self.x.index()];
        let missing = add(Op::Unary(ScalarFn::unary(UnaryFn::IsNaN)), vec![x]);
        let values = add(Op::Constant(Arc::new(self.values)), vec![]);
        let mut y = add(Op::Where, vec![missing, values, x]);
        for id in self.scales.into_iter().rev() {
            let scale = graph.node(id);
            let constant = |id: &NodeId| graph.constant(*id).is_some();
            let operand = |id: &NodeId| if constant(id) { moved[id.index()] } else { y };
            let operands = scale.operands.iter().map(operand).collect();
            y = push(nodes, Node { operands, ..scale.clone() });
        }
        y
    }
}

fn push(nodes: &mut Vec<Node>, node: Node) -> NodeId {
    let id = NodeId(u32::try_from(nodes.len()).expect("import bounds nodes"));
    nodes.push(node);
    id
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::scalar::{c, x};
    use crate::float::{ElementType, Input, Labels, Output};

    /// `(x - 3) * [2, -4]`, imputed with `[5, 6]`, plus what was not imputed if `read`.
    fn scaled(read: bool) -> Graph {
        let mut g = Graph::default();
        let (name, shape) = ("x".to_owned(), vec![2]);
        g.inputs.push(Input { name, shape, element_type: ElementType::Float });
        let mut add = |op: Op, operands: &[NodeId]| {
            let (name, origin) = (format!("n{}", g.nodes.len()), "Test".to_owned());
            let operands = operands.to_vec();
            push(&mut g.nodes, Node { name, origin, op, operands, shape: vec![2], unrolled: None })
        };
        let vector = |data: [f64; 2]| Op::Constant(Arc::new(Tensor::vector(data.to_vec())));
        let input = add(Op::Input { index: 0 }, &[]);
        let centred = add(Op::Unary(x() - c(3.0)), &[input]);
        let factors = add(vector([2.0, -4.0]), &[]);
        let scaled = add(Op::Binary(BinaryFn::Mul), &[factors, centred]);
        let known = add(Op::Unary(x().then(UnaryFn::IsNaN).then(UnaryFn::Not)), &[scaled]);
        let values = add(vector([5.0, 6.0]), &[]);
        let mut y = add(Op::Where, &[known, scaled, values]);
        if read {
            y = add(Op::Binary(BinaryFn::Add), &[y, scaled]);
        }
        g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
        g
    }

    #[test]
    fn an_imputer_comes_before_what_scales_its_input() {
        for read in [false, true] {
            let before = scaled(read);
            let mut after = before_scales(before.clone());
            super::super::name(&mut after);
            after.check().unwrap();
            let imputes = |node: &Node| node.op == Op::Where && node.operands[2] == NodeId(0);
            assert!(after.nodes.iter().any(imputes));
            for x in [[1.0, f64::NAN], [f64::NAN, f64::NAN], [0.5, -7.0]] {
                let values = |graph: &Graph| {
                    let values = graph.eval(&[Tensor::vector(x.to_vec())]).unwrap();
                    values[graph.outputs[0].node.index()].data().to_vec()
                };
                let same = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12 || a.is_nan() && b.is_nan();
                assert!(values(&before).iter().zip(&values(&after)).all(same), "{x:?}");
            }
        }
    }

    #[test]
    fn what_is_no_scale_is_not_passed() {
        let mut graph = scaled(false);
        graph.nodes[1].op = Op::Unary(x().then(UnaryFn::Tanh));
        graph.nodes[2].op = Op::Constant(Arc::new(Tensor::vector(vec![2.0, 0.0])));
        assert_eq!(before_scales(graph.clone()), graph);
    }
}
