use std::sync::Arc;

use super::*;
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, ElementType, Input, Labels, Output, UnaryFn};
use crate::import::simplify::without_dead_code;
use ciro_model::movement::Movement;
use ciro_model::tensor::Tensor;

const ENTRIES: [f64; 4] = [0.0, 1.0, 3.0, 7.0];

fn push(graph: &mut Graph, op: Op, operands: &[NodeId], shape: &[usize]) -> NodeId {
    let id = NodeId(u32::try_from(graph.nodes.len()).unwrap());
    let (name, origin) = (format!("n{}", id.0), "Test".to_owned());
    let (operands, shape) = (operands.to_vec(), shape.to_vec());
    graph.nodes.push(Node { name, origin, op, operands, shape, unrolled: None });
    id
}

fn entry(graph: &mut Graph, table: &[f64], index: NodeId) -> NodeId {
    let table = Tensor::new(vec![table.len(), 1], table.to_vec()).unwrap();
    let table = push(graph, Op::Constant(Arc::new(table)), &[], &[ENTRIES.len(), 1]);
    let entry = push(graph, Op::Gather, &[table, index], &[2, 1]);
    push(graph, Op::Move(Movement::Reshape { shape: vec![2] }), &[entry], &[2])
}

/// The greatest entry that is at most `x`, found by halves, plus a function of `x`.
fn found(rest: ScalarFn) -> Graph {
    let mut g = Graph::default();
    let (name, shape) = ("x".to_owned(), vec![2]);
    g.inputs.push(Input { name, shape, element_type: ElementType::Float });
    let input = push(&mut g, Op::Input { index: 0 }, &[], &[2]);
    let first = Op::Unary(c(0.0) * x().then(UnaryFn::Truncate));
    let mut position = push(&mut g, first, &[input], &[2]);
    for step in [2.0, 1.0] {
        let next = push(&mut g, Op::Unary(x() + c(step)), &[position], &[2]);
        let entry = entry(&mut g, &ENTRIES, next);
        let above = push(&mut g, Op::Binary(BinaryFn::GreaterOrEqual), &[input, entry], &[2]);
        position = push(&mut g, Op::Where, &[above, next, position], &[2]);
    }
    let entry = entry(&mut g, &ENTRIES, position);
    let rest = push(&mut g, Op::Unary(rest), &[input], &[2]);
    let y = push(&mut g, Op::Binary(BinaryFn::Add), &[entry, rest], &[2]);
    g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
    g
}

fn values(graph: &Graph, x: f64) -> Vec<f64> {
    let values = graph.eval(&[Tensor::vector(vec![x, -x])]).unwrap();
    values[graph.outputs[0].node.index()].data().to_vec()
}

#[test]
fn a_search_is_one_function_of_what_is_searched_for() {
    for rest in [x() * c(0.5), x().then(UnaryFn::Tanh)] {
        let before = found(rest);
        let mut after = before.clone();
        assert!(unfold(&mut after));
        let mut after = without_dead_code(after);
        super::super::name(&mut after);
        after.check().unwrap();
        assert!(!after.nodes.iter().any(|node| matches!(node.op, Op::Gather | Op::Where)));
        for x in [-9.0, -1e-9, 0.0, 0.5, 1.0, 1.5, 2.9999, 3.0, 6.0, 7.0, 1e9] {
            let (old, new) = (values(&before, x), values(&after, x));
            let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-9 * a.abs().max(1.0);
            assert!(old.iter().zip(&new).all(near), "{x}: {old:?} {new:?}");
        }
    }
}

/// The value of the entry that is nearest to `x`: so calibrated classifiers are exported.
fn nearest(table: &[f64]) -> Graph {
    let mut g = Graph::default();
    let (name, shape) = ("x".to_owned(), vec![2]);
    g.inputs.push(Input { name, shape, element_type: ElementType::Float });
    let input = push(&mut g, Op::Input { index: 0 }, &[], &[2]);
    let moves = |movement| Op::Move(movement);
    let column = push(&mut g, moves(Movement::Reshape { shape: vec![2, 1] }), &[input], &[2, 1]);
    let wide = push(&mut g, moves(Movement::Expand { shape: vec![2, 4] }), &[column], &[2, 4]);
    let entries = Tensor::new(vec![2, 4], ENTRIES.repeat(2)).unwrap();
    let entries = push(&mut g, Op::Constant(Arc::new(entries)), &[], &[2, 4]);
    let difference = push(&mut g, Op::Binary(BinaryFn::Sub), &[wide, entries], &[2, 4]);
    let distance = push(&mut g, Op::Unary(x().then(UnaryFn::Abs)), &[difference], &[2, 4]);
    let position = push(&mut g, Op::Reduce(Reducer::ArgMin), &[distance], &[2]);
    let y = entry(&mut g, table, position);
    g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
    g
}

#[test]
fn the_nearest_entry_is_a_function_of_what_it_is_near_to() {
    let before = nearest(&[0.25, 0.5, 0.5, 8.0]);
    let mut after = before.clone();
    assert!(unfold(&mut after));
    let mut after = without_dead_code(after);
    super::super::name(&mut after);
    after.check().unwrap();
    assert!(!after.nodes.iter().any(|node| matches!(node.op, Op::Gather | Op::Reduce(_))));
    // Of two that are equally near, the first.
    for x in [-9.0, 0.0, 0.4, 0.5, 0.6, 2.0, 4.9, 5.0, 5.1, 1e9] {
        assert_eq!(values(&before, x), values(&after, x), "{x}");
    }
}

#[test]
fn lookups_of_positions_that_come_in_stay() {
    let mut g = Graph::default();
    let (name, shape) = ("i".to_owned(), vec![2]);
    g.inputs.push(Input { name, shape, element_type: ElementType::Integer });
    let input = push(&mut g, Op::Input { index: 0 }, &[], &[2]);
    let next = push(&mut g, Op::Unary(x() + c(1.0)), &[input], &[2]);
    let sum = push(&mut g, Op::Binary(BinaryFn::Min), &[next, input], &[2]);
    let y = entry(&mut g, &ENTRIES, sum);
    g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
    let before = g.clone();
    assert!(!unfold(&mut g));
    assert_eq!(g, before);
}

#[test]
fn a_search_costs_what_is_left_or_is_left_alone() {
    let graph = found(x() * c(0.5));
    let mut left = WORK_MAX;
    assert!(functions(&graph, NodeId(0), &mut left).is_some());
    let cost = WORK_MAX - left;
    // The members, the places and the functions all count.
    for part in [0, graph.nodes.len(), cost / 2, cost - 1] {
        let mut left = part;
        assert!(functions(&graph, NodeId(0), &mut left).is_none(), "{part} of {cost}");
        assert_eq!(left, 0, "{part} of {cost}");
    }
    let mut left = cost;
    assert!(functions(&graph, NodeId(0), &mut left).is_some());
    assert_eq!(left, 0);
}

/// What is missing is found where no comparison holds, not beyond the last entry.
#[test]
fn what_is_missing_is_found_where_the_search_finds_it() {
    let mut g = Graph::default();
    let (name, shape) = ("x".to_owned(), vec![2]);
    g.inputs.push(Input { name, shape, element_type: ElementType::Float });
    let input = push(&mut g, Op::Input { index: 0 }, &[], &[2]);
    let above = |at: f64| {
        let (x, at) = (Box::new(ScalarFn::X), Box::new(c(at)));
        Op::Unary(ScalarFn::Binary(BinaryFn::GreaterOrEqual, x, at))
    };
    let first = push(&mut g, above(1.0), &[input], &[2]);
    let second = push(&mut g, above(5.0), &[input], &[2]);
    let position = push(&mut g, Op::Binary(BinaryFn::Add), &[first, second], &[2]);
    let y = entry(&mut g, &[3.0, 4.0, 9.0, 9.0], position);
    g.outputs.push(Output { name: "y".to_owned(), node: y, labels: Labels::Real });
    let before = g.clone();
    assert!(unfold(&mut g));
    let mut g = without_dead_code(g);
    super::super::name(&mut g);
    g.check().unwrap();
    for x in [f64::NAN, 0.0, 1.0, 2.0, 5.0, 7.0] {
        assert_eq!(values(&before, x), values(&g, x), "{x}");
    }
    assert_eq!(values(&g, f64::NAN), [3.0, 3.0]);
}
