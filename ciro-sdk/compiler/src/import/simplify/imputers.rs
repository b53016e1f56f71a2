//! Imputers behind scales are imputers before them.
//!
//! A scaled column is missing where the column is, so that what an imputer puts behind a scale may
//! as well be put before it, unscaled: there it belongs to the encoding of an input.

use std::sync::Arc;

use super::push;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, ScalarFn, UnaryFn};
use ciro_model::tensor::Tensor;

/// The most scales that are passed.
const SCALES_MAX: usize = 16;
/// The most negations and movements that are followed.
const STEPS_MAX: usize = 64;
/// How many numbers above and below what a scale is undone to are tried.
const NEIGHBOURS: usize = 8;

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
    let (mut x, put) = imputer(graph, node)?;
    let (mut values, mut scales) = (put.clone(), vec![]);
    while scales.len() < SCALES_MAX
        && let Some((inner, undone)) = undone(graph, graph.node(x), &values)
    {
        scales.push(x);
        (x, values) = (inner, undone);
    }
    if scales.is_empty() || !is_input(graph, x) {
        return None;
    }
    let values = unscaled(graph, &scales, &values, put)?;
    Some(Passed { x, scales, values })
}

/// What the scales, the last first, make `put` of as float32: `near`, or numbers next to it. `None`
/// if there is no such number for some element.
fn unscaled(
    graph: &Graph,
    scales: &[NodeId],
    near: &Tensor<f64>,
    put: &Tensor<f64>,
) -> Option<Tensor<f64>> {
    let each = near.data().iter().zip(put.data()).enumerate().map(|(element, (&x, &y))| {
        let puts = |x: f64| {
            let scaled = scaled(graph, scales, element, x);
            x.is_finite() && scaled.is_some_and(|scaled| is_single(scaled, y))
        };
        let (mut up, mut down) = (x, x);
        let next = (0..NEIGHBOURS).flat_map(|_| {
            (up, down) = (up.next_up(), down.next_down());
            [up, down]
        });
        std::iter::once(x).chain(next).find(|&x| puts(x))
    });
    Tensor::new(near.shape().to_vec(), each.collect::<Option<Vec<f64>>>()?).ok()
}

/// What the scales, the last first, make of a number at the place of an element.
fn scaled(graph: &Graph, scales: &[NodeId], element: usize, x: f64) -> Option<f64> {
    let at = |constant: &Tensor<f64>| constant.data().get(element).copied();
    scales.iter().rev().try_fold(x, |x, &id| {
        let node = graph.node(id);
        match (&node.op, &node.operands[..]) {
            (Op::Unary(f), _) => Some(f.eval(x)),
            (Op::Binary(f), &[a, b]) => match (graph.constant(a), graph.constant(b)) {
                (None, Some(constant)) => Some(f.eval(x, at(constant)?)),
                (Some(constant), None) => Some(f.eval(at(constant)?, x)),
                _ => None,
            },
            _ => None,
        }
    })
}

/// Whether two numbers are one float32: what decides on which side of a threshold of a tree or of a
/// comparison with a weight they are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "both are rounded, and then they are the same or not"
)]
fn is_single(a: f64, b: f64) -> bool {
    a as f32 == b as f32
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
    for _ in 0..STEPS_MAX {
        let node = graph.node(id);
        match (&node.op, &node.operands[..]) {
            (Op::Move(_), &[x]) => id = x,
            (op, _) => return matches!(op, Op::Input { .. }),
        }
    }
    false
}

/// The tensor whose missing elements a condition tells, and whether it is 1 for them.
fn tells_missing(graph: &Graph, mut id: NodeId) -> Option<(NodeId, bool)> {
    let mut missing = true;
    for _ in 0..STEPS_MAX {
        let node = graph.node(id);
        let (Op::Unary(f), &[x]) = (&node.op, &node.operands[..]) else { return None };
        match f {
            ScalarFn::Unary(UnaryFn::IsNaN, inner) if **inner == ScalarFn::X => {
                return Some((x, missing));
            }
            ScalarFn::Unary(UnaryFn::Not, inner) => match &**inner {
                ScalarFn::X => (id, missing) = (x, !missing),
                ScalarFn::Unary(UnaryFn::IsNaN, x_) if **x_ == ScalarFn::X => {
                    return Some((x, !missing));
                }
                _ => return None,
            },
            _ => return None,
        }
    }
    None
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
                let same = |(&a, &b): (&f64, &f64)| is_single(a, b) || a.is_nan() && b.is_nan();
                assert!(values(&before).iter().zip(&values(&after)).all(same), "{x:?}");
            }
        }
    }

    /// `x * s + m`, imputed with 0, for a scale and an offset of float32.
    fn to_zero(s: f32, m: f32) -> Graph {
        let mut graph = scaled(false);
        graph.nodes[1].op = Op::Unary(x() * c(f64::from(s)));
        graph.nodes[2].op = Op::Constant(Arc::new(Tensor::vector(vec![f64::from(m); 2])));
        graph.nodes[3].op = Op::Binary(BinaryFn::Add);
        graph.nodes[5].op = Op::Constant(Arc::new(Tensor::vector(vec![0.0; 2])));
        graph
    }

    #[test]
    fn an_imputer_puts_what_it_put_behind_the_scales() {
        let parts = (1u8..60).map(f32::from);
        let scales = parts.map(|at| (0.05 + at / 61.0, -at / 67.0));
        let passed = |graph: &Graph| before_scales(graph.clone()) != *graph;
        let (mut moved, mut undone) = (0, 0);
        for (s, m) in scales {
            let before = to_zero(s, m);
            let mut after = before_scales(before.clone());
            super::super::name(&mut after);
            let values = after.eval(&[Tensor::vector(vec![f64::NAN; 2])]).unwrap();
            assert_eq!(values[after.outputs[0].node.index()].data(), [0.0, 0.0], "{s} {m}");
            moved += usize::from(passed(&before));
            let (s, m) = (f64::from(s), f64::from(m));
            undone += usize::from((0.0 - m) / s * s + m == 0.0);
        }
        // Some have no number that the scales make 0 of: those imputers stay where they are.
        assert!(undone < 59 && moved >= undone, "{moved} {undone}");
    }

    #[test]
    fn long_chains_of_negations_are_left_alone() {
        let mut graph = scaled(false);
        let condition = graph.nodes[6].operands[0];
        let mut not = Node { op: Op::Unary(x().then(UnaryFn::Not)), ..graph.nodes[4].clone() };
        let choice = graph.nodes.pop().unwrap();
        not.operands = vec![condition];
        for _ in 0..200_000 {
            not.operands = vec![push(&mut graph.nodes, not.clone())];
        }
        let operands = vec![not.operands[0], choice.operands[1], choice.operands[2]];
        graph.outputs[0].node = push(&mut graph.nodes, Node { operands, ..choice });
        assert_eq!(before_scales(graph.clone()), graph);
    }

    #[test]
    fn what_is_no_scale_is_not_passed() {
        let mut graph = scaled(false);
        graph.nodes[1].op = Op::Unary(x().then(UnaryFn::Tanh));
        graph.nodes[2].op = Op::Constant(Arc::new(Tensor::vector(vec![2.0, 0.0])));
        assert_eq!(before_scales(graph.clone()), graph);
    }
}
