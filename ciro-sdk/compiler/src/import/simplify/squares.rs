//! Factors of squares are factors of what is squared.
//!
//! Distances in units of their own, `(x - mean)^2 / variance`, have columns of any magnitude until
//! they are divided; what is divided before it is squared has one.

use std::sync::Arc;

use super::{push, uses};
use crate::float::scalar::x;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, ScalarFn};
use ciro_model::tensor::Tensor;

/// Factors that differ by less are left where they are.
const UNLIKE: f64 = 16.0;

/// The graph with unlike factors under squares.
pub(super) fn scaled_before(graph: Graph) -> Graph {
    let uses = uses(&graph);
    let found: Vec<Option<Found>> =
        graph.nodes.iter().map(|node| Found::of(&graph, &uses, node)).collect();
    if found.iter().all(Option::is_none) {
        return graph;
    }
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    for (mut node, found) in graph.nodes.into_iter().zip(found) {
        if let Some(Found { base, inner, roots }) = found {
            let mut add = |op: Op, operands: Vec<NodeId>| {
                push(&mut nodes, Node { op, operands, ..node.clone() })
            };
            let mut base = moved[base.index()];
            if inner != ScalarFn::X {
                base = add(Op::Unary(inner), vec![base]);
            }
            let roots = add(Op::Constant(Arc::new(roots)), vec![]);
            let scaled = add(Op::Binary(BinaryFn::Mul), vec![base, roots]);
            node.op = Op::Unary(x() * x());
            node.operands = vec![scaled];
        } else {
            node.operands.iter_mut().for_each(|id| *id = moved[id.index()]);
        }
        moved.push(push(&mut nodes, node));
    }
    let mut graph = Graph { nodes, ..graph };
    graph.outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
    graph
}

/// A square with a factor for each element: `inner(base)^2 * roots^2`.
struct Found {
    base: NodeId,
    inner: ScalarFn,
    roots: Tensor<f64>,
}

impl Found {
    fn of(graph: &Graph, uses: &[usize], node: &Node) -> Option<Self> {
        let (f, square, constant) = match (&node.op, &node.operands[..]) {
            (Op::Binary(f @ (BinaryFn::Mul | BinaryFn::Div)), &[a, b]) => match graph.constant(b) {
                Some(constant) => (*f, a, constant),
                None if *f == BinaryFn::Mul => (*f, b, graph.constant(a)?),
                None => return None,
            },
            _ => return None,
        };
        let (Op::Unary(of), &[base]) = (&graph.node(square).op, &graph.node(square).operands[..])
        else {
            return None;
        };
        if uses[square.index()] > 1 {
            return None;
        }
        let inner = squared(of)?.clone();
        let roots = constant.map(|&c| if f == BinaryFn::Mul { c.sqrt() } else { c.sqrt().recip() });
        let (least, most) = roots.data().iter().fold((f64::MAX, 0.0), |(least, most), &root| {
            (f64::min(least, root), f64::max(most, root))
        });
        let ordinary = roots.data().iter().all(|root| root.is_finite() && *root > 0.0);
        (ordinary && most * most > UNLIKE * least * least).then_some(Self { base, inner, roots })
    }
}

/// What a function is the square of, if that is a line.
fn squared(f: &ScalarFn) -> Option<&ScalarFn> {
    let inner = match f {
        ScalarFn::Binary(BinaryFn::Mul, a, b) if a == b => a,
        ScalarFn::Binary(BinaryFn::Pow, a, b) if **b == ScalarFn::Const(2.0) => a,
        _ => return None,
    };
    inner.affine().map(|_| &**inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::scalar::c;
    use crate::float::{ElementType, Input, Labels, Output};

    /// `(2 x)^2 / variances`, or times them.
    fn distances(f: BinaryFn, variances: [f64; 3]) -> Graph {
        let mut g = Graph::default();
        let (name, shape) = ("x".to_owned(), vec![3]);
        g.inputs.push(Input { name, shape, element_type: ElementType::Float });
        let mut add = |op: Op, operands: &[NodeId]| {
            let (name, origin) = (format!("n{}", g.nodes.len()), "Test".to_owned());
            let operands = operands.to_vec();
            push(&mut g.nodes, Node { name, origin, op, operands, shape: vec![3], unrolled: None })
        };
        let input = add(Op::Input { index: 0 }, &[]);
        let square = add(Op::Unary((x() * c(2.0)).pow(c(2.0))), &[input]);
        let variances = add(Op::Constant(Arc::new(Tensor::vector(variances.to_vec()))), &[]);
        let y = add(Op::Binary(f), &[square, variances]);
        g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
        g
    }

    #[test]
    fn unlike_variances_are_divided_by_before_squaring() {
        for f in [BinaryFn::Div, BinaryFn::Mul] {
            let before = distances(f, [1e-4, 2.0, 3e5]);
            let mut after = scaled_before(before.clone());
            super::super::name(&mut after);
            after.check().unwrap();
            assert!(matches!(after.node(after.outputs[0].node).op, Op::Unary(_)));
            let values = |graph: &Graph| {
                let values = graph.eval(&[Tensor::vector(vec![0.01, -3.0, 700.0])]).unwrap();
                values[graph.outputs[0].node.index()].data().to_vec()
            };
            for (old, new) in values(&before).into_iter().zip(values(&after)) {
                assert!((old - new).abs() <= 1e-12 * old.abs(), "{old} {new}");
            }
        }
    }

    #[test]
    fn factors_that_are_alike_or_have_no_root_stay() {
        for variances in [[1.0, 2.0, 3.0], [1e-4, -2.0, 3e5], [0.0, 1.0, 1e9]] {
            let graph = distances(BinaryFn::Div, variances);
            assert_eq!(scaled_before(graph.clone()), graph);
        }
    }
}
