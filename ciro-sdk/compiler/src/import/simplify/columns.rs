//! Splits powers with an exponent for each column into one function for each column.

use std::collections::BTreeMap;

use super::imputers::imputed;
use super::symbol::{in_parts, keeps_missing};
use super::uses;
use crate::float::{BinaryFn, Graph, Movement, Node, NodeId, Op, ScalarFn, UnaryFn};

/// Expressions do not grow beyond this many parts.
const SIZE_MAX: usize = 200;
/// Tensors of more elements are left alone.
const ELEMENTS_MAX: usize = 256;
/// The most parts of all expressions that are made; nodes beyond that are left alone.
const PARTS_MAX: usize = 1 << 20;

/// A node as a function of another one, element by element.
#[derive(Clone)]
struct Functions {
    root: NodeId,
    each: Vec<ScalarFn>,
    /// How many parts they have together.
    parts: usize,
    /// Whether there is a power among them that has no form as an operator of two tensors.
    power: bool,
}

/// Rewrites chains of elementwise operators around `x ^ constants`; returns whether something
/// changed.
///
/// Such chains (the power transforms of tabular data) choose between branches of which only one is
/// a number. As one function of one variable for each column they have a value everywhere, and a
/// table.
pub(super) fn split(graph: &mut Graph) -> bool {
    let powers = |node: &Node| matches!(node.op, Op::Binary(BinaryFn::Pow));
    if !graph.nodes.iter().any(powers) {
        return false;
    }
    let mut functions: Vec<Option<Functions>> = Vec::with_capacity(graph.nodes.len());
    let mut left = PARTS_MAX;
    for at in 0..graph.nodes.len() {
        let known = elementwise(graph, &functions, at, &mut left);
        functions.push(known);
    }
    let uses = uses(graph);
    let mut inside = vec![0; graph.nodes.len()];
    for (at, node) in graph.nodes.iter().enumerate() {
        let Some(own) = &functions[at] else { continue };
        for operand in &node.operands {
            let same = |f: &Functions| f.root == own.root;
            inside[operand.index()] +=
                usize::from(functions[operand.index()].as_ref().is_some_and(same));
        }
    }
    let ends = functions.into_iter().enumerate().filter_map(|(at, functions)| {
        let Functions { root, each, .. } =
            functions.filter(|f| f.power && inside[at] < uses[at])?;
        // Behind an imputer nothing is missing.
        let known = imputed(graph, graph.node(root)).is_some();
        let each = each.into_iter().map(|f| match (in_parts(&f), f.eval(f64::NAN)) {
            (Some(parts), missing) if known || missing.is_nan() => keeps_missing(parts),
            (Some(parts), missing) => {
                ScalarFn::unary(UnaryFn::IsNaN).choose(ScalarFn::Const(missing), parts)
            }
            (None, _) => f,
        });
        Some((at, Split { root, each: (0..).zip(each).collect() }))
    });
    let splits: BTreeMap<usize, Split> = ends.collect();
    if splits.is_empty() {
        return false;
    }
    rebuild(graph, &splits);
    true
}

/// A node as functions of the furthest node that it is elementwise in; `left` is how many parts may
/// still be made.
fn elementwise(
    graph: &Graph,
    known: &[Option<Functions>],
    at: usize,
    left: &mut usize,
) -> Option<Functions> {
    let node = &graph.nodes[at];
    let count: usize = node.shape.iter().product();
    if count > ELEMENTS_MAX || !matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Where) {
        return None;
    }
    // What is missing is replaced before anything is computed of it.
    if imputed(graph, node).is_some_and(|x| known[x.index()].is_none()) {
        return None;
    }
    let root = node
        .operands
        .iter()
        .find(|&&id| graph.constant(id).is_none())
        .map(|&id| known[id.index()].as_ref().map_or(id, |f| f.root))?;
    let inner = node.operands.iter().filter_map(|id| known[id.index()].as_ref());
    let rest = left.checked_sub(inner.map(|f| f.parts).sum::<usize>() + count);
    *left = rest.unwrap_or(0);
    rest?;
    let mut parts = Vec::with_capacity(node.operands.len());
    let mut power = matches!(node.op, Op::Binary(BinaryFn::Pow));
    for &id in &node.operands {
        parts.push(match (graph.constant(id), &known[id.index()]) {
            (Some(value), _) => value.data().iter().map(|&c| ScalarFn::Const(c)).collect(),
            (None, Some(f)) if f.root == root => {
                power |= f.power;
                f.each.clone()
            }
            (None, _) if id == root => vec![ScalarFn::X; count],
            (None, _) => return None,
        });
    }
    let each = |element: usize| {
        let mut operands = parts.iter().map(|part: &Vec<ScalarFn>| part.get(element).cloned());
        let mut next = || operands.next().flatten();
        let f = match &node.op {
            Op::Unary(f) => f.after(&next()?),
            Op::Binary(f) => ScalarFn::binary(*f, next()?, next()?),
            _ => ScalarFn::Where(Box::new(next()?), Box::new(next()?), Box::new(next()?)),
        };
        (f.size() <= SIZE_MAX).then_some(f)
    };
    let each = (0..count).map(each).collect::<Option<Vec<_>>>()?;
    let parts = each.iter().map(ScalarFn::size).sum();
    Some(Functions { root, each, parts, power })
}

/// A node as functions of elements of another one.
pub(super) struct Split {
    pub(super) root: NodeId,
    /// For each element, that of the root, and what is made of it.
    pub(super) each: Vec<(u32, ScalarFn)>,
}

/// Replaces nodes by functions, one for each group of elements that share it.
pub(super) fn rebuild(graph: &mut Graph, splits: &BTreeMap<usize, Split>) {
    let mut nodes: Vec<Node> = Vec::with_capacity(graph.nodes.len());
    let mut moved = Vec::with_capacity(graph.nodes.len());
    for (at, mut node) in std::mem::take(&mut graph.nodes).into_iter().enumerate() {
        node.operands.iter_mut().for_each(|id| *id = moved_to(&moved, *id));
        match splits.get(&at) {
            Some(split) => columns(&mut nodes, node, moved_to(&moved, split.root), &split.each),
            None => nodes.push(node),
        }
        moved.push(nodes.len() - 1);
    }
    graph.outputs.iter_mut().for_each(|output| output.node = moved_to(&moved, output.node));
    graph.nodes = nodes;
}

fn moved_to(moved: &[usize], id: NodeId) -> NodeId {
    NodeId(u32::try_from(moved[id.index()]).expect("import bounds nodes"))
}

/// One function for each group of elements that share it, side by side, then every element back to
/// its place.
fn columns(nodes: &mut Vec<Node>, node: Node, root: NodeId, each: &[(u32, ScalarFn)]) {
    let mut groups: Vec<(&ScalarFn, Vec<usize>)> = Vec::new();
    for (at, (_, f)) in each.iter().enumerate() {
        match groups.iter_mut().find(|(known, _)| *known == f) {
            Some((_, elements)) => elements.push(at),
            None => groups.push((f, vec![at])),
        }
    }
    let Node { name, origin, shape, unrolled, .. } = node;
    let mut push = |op: Op, operands: Vec<NodeId>, shape: Vec<usize>| {
        let (name, origin) = (name.clone(), origin.clone());
        nodes.push(Node { name, origin, op, operands, shape, unrolled });
        NodeId(u32::try_from(nodes.len() - 1).expect("import bounds nodes"))
    };
    let mut parts = Vec::with_capacity(groups.len());
    for (f, elements) in &groups {
        let part = vec![elements.len()];
        let indices = elements.iter().map(|&at| each[at].0).collect();
        let taken = Movement::Index { shape: part.clone(), indices };
        let taken = push(Op::Move(taken), vec![root], part.clone());
        parts.push(push(Op::Unary((*f).clone()), vec![taken], part));
    }
    let joined = push(Op::Move(Movement::Concat { axis: 0 }), parts, vec![each.len()]);
    let mut places = vec![0; each.len()];
    let order = groups.iter().flat_map(|(_, elements)| elements);
    order.zip(0..).for_each(|(&element, at)| places[element] = at);
    let places = Movement::Index { shape: shape.clone(), indices: places };
    push(Op::Move(places), vec![joined], shape);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::float::{ElementType, Input, Labels, Output};
    use crate::import::simplify::{name, without_dead_code};
    use ciro_model::tensor::Tensor;

    fn push(graph: &mut Graph, op: Op, operands: &[NodeId]) -> NodeId {
        let id = NodeId(u32::try_from(graph.nodes.len()).unwrap());
        let (name, origin) = (format!("n{}", id.0), "Test".to_owned());
        let operands = operands.to_vec();
        graph.nodes.push(Node { name, origin, op, operands, shape: vec![1, 4], unrolled: None });
        id
    }

    /// `x >= 0 ? (x + 1)^a : -(1 - x)^b`, where the branch that is not chosen may be no number.
    fn transform() -> Graph {
        let mut g = Graph::default();
        let shape = vec![1, 4];
        let element_type = ElementType::Float;
        g.inputs.push(Input { name: "x".to_owned(), shape: shape.clone(), element_type });
        let constant = |data: [f64; 4]| {
            Op::Constant(Arc::new(Tensor::new(shape.clone(), data.to_vec()).unwrap()))
        };
        let x = push(&mut g, Op::Input { index: 0 }, &[]);
        let ones = push(&mut g, constant([1.0; 4]), &[]);
        let a = push(&mut g, constant([0.3, 1.7, 0.3, 2.5]), &[]);
        let b = push(&mut g, constant([1.2, 0.4, 1.2, 0.6]), &[]);
        let above = push(&mut g, Op::Binary(BinaryFn::Add), &[x, ones]);
        let above = push(&mut g, Op::Binary(BinaryFn::Pow), &[above, a]);
        let below = push(&mut g, Op::Binary(BinaryFn::Sub), &[ones, x]);
        let below = push(&mut g, Op::Binary(BinaryFn::Pow), &[below, b]);
        let below = push(&mut g, Op::Unary(ScalarFn::unary(UnaryFn::Neg)), &[below]);
        let zero = ScalarFn::Const(0.0);
        let sign = ScalarFn::binary(BinaryFn::GreaterOrEqual, ScalarFn::X, zero);
        let sign = push(&mut g, Op::Unary(sign), &[x]);
        let y = push(&mut g, Op::Where, &[sign, above, below]);
        g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
        g
    }

    #[test]
    fn every_column_becomes_one_function_that_is_a_number_everywhere() {
        let before = transform();
        let mut after = before.clone();
        assert!(split(&mut after));
        let mut after = without_dead_code(after);
        name(&mut after);
        after.check().unwrap();
        let functions = after.nodes.iter().filter(|node| matches!(node.op, Op::Unary(_)));
        // Two columns have the same exponents.
        assert_eq!(functions.count(), 3);
        for x in [[-7.0, -0.5, 0.0, 3.0], [2.0, 5.0, -3.0, -4.0]] {
            let sample = [Tensor::new(vec![1, 4], x.to_vec()).unwrap()];
            let (old, new) = (before.eval(&sample).unwrap(), after.eval(&sample).unwrap());
            assert!(old.iter().any(|value| value.data().iter().any(|x| x.is_nan())));
            assert!(new.iter().all(|value| value.data().iter().all(|x| x.is_finite())));
            let (old, new) =
                (&old[before.outputs[0].node.index()], &new[after.outputs[0].node.index()]);
            assert_eq!(old, new);
        }
    }

    #[test]
    fn expressions_beyond_the_budget_are_not_made() {
        let graph = transform();
        let mut known = vec![];
        let mut left = 30;
        for at in 0..graph.nodes.len() {
            let functions = elementwise(&graph, &known, at, &mut left);
            known.push(functions);
        }
        // Each takes what its operands have, and one more for each of the four elements.
        assert_eq!(left, 0);
        assert!(known.iter().any(Option::is_some) && known[known.len() - 1].is_none());
    }

    #[test]
    fn graphs_without_such_powers_stay() {
        let mut graph = transform();
        for node in &mut graph.nodes {
            if matches!(node.op, Op::Binary(BinaryFn::Pow)) {
                node.op = Op::Binary(BinaryFn::Mul);
            }
        }
        let before = graph.clone();
        assert!(!split(&mut graph));
        assert_eq!(graph, before);
    }
}
