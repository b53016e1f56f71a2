//! Which nodes all ways to a node come through.

use std::collections::BTreeSet;

use crate::float::{Graph, Node, NodeId};

/// The most steps from node to node, all in all; beyond that none is found.
const STEPS_MAX: usize = 1 << 26;

/// The operands of a node that are not constants, each once.
pub(super) fn computed(graph: &Graph, node: &Node) -> BTreeSet<NodeId> {
    node.operands.iter().copied().filter(|&id| graph.constant(id).is_none()).collect()
}

/// For each node, the nearest other one that all ways to it come through; `None` if there is none,
/// or the graph is too deep to look for it.
pub(super) fn dominators(graph: &Graph) -> Vec<Option<NodeId>> {
    let mut nearest: Vec<Option<NodeId>> = Vec::with_capacity(graph.nodes.len());
    let mut left = STEPS_MAX;
    for node in &graph.nodes {
        let meet = |a: Option<NodeId>, b: NodeId| {
            let (mut a, mut b) = (a?, b);
            while a != b {
                left = left.checked_sub(1)?;
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
