//! Which nodes all ways to a node come through.

use std::collections::BTreeSet;

use crate::float::{Graph, Node, NodeId};

/// The operands of a node that are not constants, each once.
pub(super) fn computed(graph: &Graph, node: &Node) -> BTreeSet<NodeId> {
    node.operands.iter().copied().filter(|&id| graph.constant(id).is_none()).collect()
}

/// For each node, the nearest other one that all ways to it come through.
pub(super) fn dominators(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut nearest: Vec<Option<NodeId>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        let meet = |a: Option<NodeId>, b: NodeId| {
            let (mut a, mut b) = (a?, b);
            while a != b {
                // Operands come before what reads them.
                let later = if a > b { &mut a } else { &mut b };
                *later = nearest[later.index()]?;
            }
            Some(a)
        };
        let mut operands = computed(graph, node).into_iter();
        let first = operands.next();
        let found = operands.fold(first, meet);
        nearest.push(found);
    }
    nearest
}
