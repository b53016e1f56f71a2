//! Functions of table entries at one position are tables.
//!
//! What is looked up in several columns at one position, or next to it, and then combined (the
//! steps between the quantiles of a feature, and one over them) is known for every position.

use std::sync::Arc;

use super::push;
use crate::float::{BinaryFn, Graph, Node, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

/// The most rows of a table that is made.
const ROWS_MAX: usize = 1 << 14;
/// How deep it is followed whether positions are negative.
const DEPTH_MAX: usize = 64;

/// Entries of a column at computed positions, in the order of the positions.
struct Column {
    /// The positions, of any shape.
    index: NodeId,
    /// The entry of each position.
    values: Vec<f64>,
}

/// The graph with functions of entries at one position as tables.
pub(super) fn fold(graph: Graph) -> Graph {
    if !graph.nodes.iter().any(|node| node.op == Op::Gather) {
        return graph;
    }
    let mut folded = Graph { nodes: Vec::with_capacity(graph.nodes.len()), ..graph };
    let mut moved: Vec<NodeId> = Vec::with_capacity(graph.nodes.len());
    for mut node in graph.nodes {
        node.operands.iter_mut().for_each(|id| *id = moved[id.index()]);
        let id = match combined(&folded, &node) {
            Some(column) => looked_up(&mut folded, &node, column),
            None => push(&mut folded.nodes, node),
        };
        moved.push(id);
    }
    folded.outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
    folded
}

/// The table that an elementwise operator of columns at one position makes.
fn combined(graph: &Graph, node: &Node) -> Option<Column> {
    if !matches!(node.op, Op::Unary(_) | Op::Binary(_) | Op::Where) {
        return None;
    }
    let columns: Vec<Option<Column>> =
        node.operands.iter().map(|&operand| column(graph, operand)).collect();
    let index = columns.iter().flatten().next()?.index;
    // Where one of the columns has no such position, neither has what is made of them.
    let rows = columns.iter().flatten().map(|column| column.values.len()).min()?;
    let operand = |(column, &id): (&Option<Column>, &NodeId)| match column {
        Some(column) => (column.index == index).then(|| column.values[..rows].to_vec()),
        None => uniform(graph, id).map(|value| vec![value; rows]),
    };
    let operands: Vec<Vec<f64>> =
        columns.iter().zip(&node.operands).map(operand).collect::<Option<_>>()?;
    let values = (0..rows).map(|row| match (&node.op, &operands[..]) {
        (Op::Unary(f), [x]) => f.eval(x[row]),
        (Op::Binary(f), [a, b]) => f.eval(a[row], b[row]),
        (Op::Where, [condition, a, b]) if condition[row] != 0.0 => a[row],
        (Op::Where, [_, _, b]) => b[row],
        _ => f64::NAN,
    });
    Some(Column { index, values: values.collect() })
}

/// A node as a column of a table at computed positions.
fn column(graph: &Graph, id: NodeId) -> Option<Column> {
    let node = graph.node(unshaped(graph, id));
    let (Op::Gather, &[table, indices]) = (&node.op, &node.operands[..]) else { return None };
    let table = graph.constant(table)?;
    let rows = table.len();
    if table.shape() != [rows, 1] || rows > ROWS_MAX {
        return None;
    }
    let (mut index, mut shift) = (unshaped(graph, indices), 0);
    while let (Op::Unary(f), &[operand]) = (&graph.node(index).op, &graph.node(index).operands[..])
        && let Some(step) = f.affine().and_then(|(slope, offset)| steps(slope, offset))
        && is_not_negative(graph, operand, DEPTH_MAX)
    {
        shift += step;
        index = unshaped(graph, operand);
    }
    // Beyond the last row there is no position.
    let values = table.data().get(shift..).filter(|values| !values.is_empty())?.to_vec();
    Some(Column { index, values })
}

/// How many rows further a position is moved by `slope * x + offset`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a whole number of rows that is bounded before"
)]
fn steps(slope: f64, offset: f64) -> Option<usize> {
    let moves = slope.to_bits() == 1.0f64.to_bits() && offset.fract() == 0.0;
    (moves && (1.0..=ROWS_MAX as f64).contains(&offset)).then_some(offset as usize)
}

/// The node whose elements a node has in the same order.
fn unshaped(graph: &Graph, mut id: NodeId) -> NodeId {
    while let (Op::Move(Movement::Reshape { .. }), &[operand]) =
        (&graph.node(id).op, &graph.node(id).operands[..])
    {
        id = operand;
    }
    id
}

/// Whether no element is negative, on any input: negative positions count from the end.
fn is_not_negative(graph: &Graph, id: NodeId, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let node = graph.node(id);
    let all = |operands: &[NodeId]| operands.iter().all(|&id| is_not_negative(graph, id, depth));
    match &node.op {
        Op::Constant(value) => value.data().iter().all(|&x| x >= 0.0),
        Op::Unary(f) => keeps_sign(f) && (is_constant(f) || all(&node.operands)),
        Op::Binary(BinaryFn::Add | BinaryFn::Mul) => all(&node.operands),
        Op::Where => all(&node.operands[1..]),
        Op::Reduce(Reducer::ArgMax | Reducer::ArgMin) => true,
        Op::Move(movement) => movement.fill().is_none_or(|&x| x >= 0.0) && all(&node.operands),
        _ => false,
    }
}

/// Whether a function gives nothing negative of what is not negative.
fn keeps_sign(f: &ScalarFn) -> bool {
    match f {
        ScalarFn::X => true,
        ScalarFn::Const(c) => *c >= 0.0,
        ScalarFn::Unary(UnaryFn::Abs | UnaryFn::Relu | UnaryFn::Exp | UnaryFn::Not, _) => true,
        ScalarFn::Unary(UnaryFn::Floor | UnaryFn::Ceil | UnaryFn::Round | UnaryFn::Truncate, a) => {
            keeps_sign(a)
        }
        ScalarFn::Binary(BinaryFn::Add | BinaryFn::Mul | BinaryFn::Div, a, b) => {
            keeps_sign(a) && keeps_sign(b)
        }
        ScalarFn::Where(_, a, b) => keeps_sign(a) && keeps_sign(b),
        _ => false,
    }
}

/// Whether a function is a constant, of any variable that is finite.
fn is_constant(f: &ScalarFn) -> bool {
    match f {
        ScalarFn::X => false,
        ScalarFn::Const(_) => true,
        ScalarFn::Binary(BinaryFn::Mul, a, b) => {
            let zero = |f: &ScalarFn| matches!(f, ScalarFn::Const(c) if *c == 0.0);
            zero(a) || zero(b) || (is_constant(a) && is_constant(b))
        }
        ScalarFn::Unary(_, a) => is_constant(a),
        ScalarFn::Binary(_, a, b) => is_constant(a) && is_constant(b),
        ScalarFn::Where(condition, a, b) => {
            [condition, a, b].into_iter().all(|part| is_constant(part))
        }
    }
}

/// The one value of a constant.
fn uniform(graph: &Graph, id: NodeId) -> Option<f64> {
    let (&first, rest) = graph.constant(id)?.data().split_first()?;
    rest.iter().all(|x| x.to_bits() == first.to_bits()).then_some(first)
}

/// Adds the lookup of a column, in the shape of the node that it stands for.
fn looked_up(graph: &mut Graph, node: &Node, column: Column) -> NodeId {
    let Column { index, values } = column;
    let part = |op, operands, shape| Node { op, operands, shape, ..node.clone() };
    let shape = vec![values.len(), 1];
    let table = Tensor::new(shape.clone(), values).expect("one entry a row");
    let table = push(&mut graph.nodes, part(Op::Constant(Arc::new(table)), vec![], shape));
    let shape = [&graph.node(index).shape[..], &[1]].concat();
    let entries = push(&mut graph.nodes, part(Op::Gather, vec![table, index], shape));
    let shape = node.shape.clone();
    push(
        &mut graph.nodes,
        part(Op::Move(Movement::Reshape { shape: shape.clone() }), vec![entries], shape),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::float::{ElementType, Input, Labels, Output};

    /// `table[i + 1] - table[i]` of positions that are an integer input, or all the first.
    fn steps_of(first: bool) -> Graph {
        let (shape, element_type) = (vec![2], ElementType::Integer);
        let input = Input { name: "i".into(), shape, element_type };
        let mut graph = Graph { inputs: vec![input], ..Graph::default() };
        let node = |op, operands: &[u32], shape: &[usize]| Node {
            name: "n".into(),
            origin: "Test".into(),
            op,
            operands: operands.iter().map(|&id| NodeId(id)).collect(),
            shape: shape.to_vec(),
            unrolled: None,
        };
        let table = Tensor::new(vec![3, 1], vec![1.0, 3.0, 8.0]).expect("three rows");
        let zero = ScalarFn::binary(BinaryFn::Mul, ScalarFn::X, ScalarFn::Const(0.0));
        let f = if first { zero } else { ScalarFn::X };
        let next = ScalarFn::binary(BinaryFn::Add, ScalarFn::X, ScalarFn::Const(1.0));
        graph.nodes = vec![
            node(Op::Input { index: 0 }, &[], &[2]),
            node(Op::Unary(f), &[0], &[2]),
            node(Op::Constant(Arc::new(table)), &[], &[3, 1]),
            node(Op::Gather, &[2, 1], &[2, 1]),
            node(Op::Unary(next), &[1], &[2]),
            node(Op::Gather, &[2, 4], &[2, 1]),
            node(Op::Binary(BinaryFn::Sub), &[5, 3], &[2, 1]),
        ];
        graph.outputs = vec![Output { name: "y".into(), node: NodeId(6), labels: Labels::Real }];
        graph
    }

    #[test]
    fn steps_between_the_rows_of_a_table_are_a_table() {
        let folded = fold(steps_of(true));
        let output = column(&folded, folded.outputs[0].node).expect("one lookup");
        // Behind the last row there is none.
        assert_eq!(output.values, [2.0, 5.0]);
    }

    #[test]
    fn positions_that_may_count_from_the_end_stay_apart() {
        let folded = fold(steps_of(false));
        assert!(column(&folded, folded.outputs[0].node).is_none());
    }
}
