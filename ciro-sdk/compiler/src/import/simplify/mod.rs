//! Makes the translated graph smaller: functions of one variable become one, constants move into
//! weights, dead code goes.

mod columns;
mod dominators;
mod fuse;
mod imputers;
mod scale;
mod search;
mod softmax;
mod squares;
mod symbol;
mod tables;

use std::collections::{HashMap, HashSet};

use crate::float::{Graph, Node, NodeId, Op, ScalarFn};
use crate::import::Reason;
use crate::import::translate::Translator;

/// Rounds of fusion; each finds what the one before has made possible.
const ROUNDS_MAX: usize = 8;

/// Simplifies a graph without changing what its outputs compute.
pub(in crate::import) fn simplify(mut graph: Graph) -> Graph {
    graph = imputers::before_scales(graph);
    if search::unfold(&mut graph) {
        graph = without_dead_code(graph);
    }
    let mut graph = without_dead_code(tables::fold(graph));
    if columns::split(&mut graph) {
        graph = without_dead_code(graph);
    }
    graph = without_dead_code(squares::scaled_before(graph));
    for _ in 0..ROUNDS_MAX {
        let fused = fuse::fuse(&mut graph);
        let scaled = scale::into_weights(&mut graph);
        graph = without_dead_code(graph);
        if !fused && !scaled {
            break;
        }
    }
    graph
}

/// Appends a node.
fn push(nodes: &mut Vec<Node>, node: Node) -> NodeId {
    let id = NodeId(u32::try_from(nodes.len()).expect("import bounds nodes"));
    nodes.push(node);
    id
}

/// Makes names unique: of the nodes that come from one ONNX node the last, its result, keeps the
/// plain name.
pub(in crate::import) fn name(graph: &mut Graph) {
    let mut groups: HashMap<String, Vec<usize>> = HashMap::new();
    let mut order = Vec::new();
    for (at, node) in graph.nodes.iter_mut().enumerate() {
        if node.name.is_empty() {
            node.name = "node".to_owned();
        }
        let group = groups.entry(node.name.clone()).or_default();
        if group.is_empty() {
            order.push(node.name.clone());
        }
        group.push(at);
    }
    let mut taken: HashSet<String> = order.iter().cloned().collect();
    for base in order {
        let group = &groups[&base];
        let computes = |at: &&usize| !matches!(graph.nodes[**at].op, Op::Constant(_));
        let result = group.iter().rev().find(computes).or(group.last()).copied();
        let mut number = 0;
        for &at in group.iter().filter(|&&at| Some(at) != result) {
            let free = loop {
                number += 1;
                let name = format!("{base}.{number}");
                if taken.insert(name.clone()) {
                    break name;
                }
            };
            graph.nodes[at].name = free;
        }
    }
}

/// How many nodes and outputs read each node.
fn uses(graph: &Graph) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    let read = graph.nodes.iter().flat_map(|node| &node.operands);
    let outputs = graph.outputs.iter().map(|output| &output.node);
    read.chain(outputs).for_each(|id| uses[id.index()] += 1);
    uses
}

/// Drops nodes that no output needs; inputs stay.
fn without_dead_code(mut graph: Graph) -> Graph {
    let mut alive = vec![false; graph.nodes.len()];
    graph.outputs.iter().for_each(|output| alive[output.node.index()] = true);
    for at in (0..graph.nodes.len()).rev() {
        alive[at] |= matches!(graph.nodes[at].op, Op::Input { .. });
        if alive[at] {
            graph.nodes[at].operands.iter().for_each(|id| alive[id.index()] = true);
        }
    }
    let mut moved = vec![NodeId(0); graph.nodes.len()];
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for (at, mut node) in graph.nodes.into_iter().enumerate().filter(|(at, _)| alive[*at]) {
        node.operands.iter_mut().for_each(|id| *id = moved[id.index()]);
        moved[at] = NodeId(u32::try_from(nodes.len()).expect("fewer nodes than before"));
        nodes.push(node);
    }
    graph.outputs.iter_mut().for_each(|output| output.node = moved[output.node.index()]);
    Graph { nodes, ..graph }
}

/// Refuses nodes that use values that are no numbers, or infinite ones where only finite ones have
/// a meaning.
pub(in crate::import) fn non_finite(graph: &Graph, translator: &mut Translator<'_>) {
    for node in &graph.nodes {
        let infinities_pass = matches!(
            node.op,
            Op::Where | Op::Binary(_) | Op::Move(_) | Op::Reduce(_) | Op::Softmax
        );
        let values = node.operands.iter().filter_map(|&id| graph.constant(id));
        let values = values.flat_map(|value| value.data().iter().copied());
        let inside = match &node.op {
            Op::Unary(f) => constants(f),
            Op::Constant(value) => value.data().iter().copied().filter(|x| x.is_nan()).collect(),
            _ => Vec::new(),
        };
        let bad = |x: &f64| x.is_nan() || (x.is_infinite() && !infinities_pass);
        let found: Vec<f64> = match node.op {
            Op::Constant(_) => inside,
            Op::Unary(_) => inside.into_iter().filter(|x| x.is_nan()).collect(),
            _ => values.filter(bad).collect(),
        };
        if let Some(&first) = found.first() {
            let reason = Reason::NonFinite { count: found.len(), first };
            translator.refuse(&node.name, &node.origin, reason);
        }
    }
}

/// The constants of an expression.
fn constants(f: &ScalarFn) -> Vec<f64> {
    match f {
        ScalarFn::X => Vec::new(),
        ScalarFn::Const(value) => vec![*value],
        ScalarFn::Unary(_, a) => constants(a),
        ScalarFn::Binary(_, a, b) => [constants(a), constants(b)].concat(),
        ScalarFn::Where(condition, a, b) => {
            [constants(condition), constants(a), constants(b)].concat()
        }
    }
}
