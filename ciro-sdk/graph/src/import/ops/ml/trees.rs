//! Builds trees from the lists of nodes that ONNX has.

use std::collections::HashMap;

use super::super::super::Reason;
use crate::float::{BranchMode, Tree, TreeNode};

/// A node as it is listed: children and leaves by key.
#[derive(Clone, Debug)]
pub(super) enum Listed<K> {
    Branch { feature: usize, mode: BranchMode, threshold: f32, if_true: K, if_false: K },
    Leaf { weights: Vec<(usize, f64)> },
}

/// Lays out the tree below `root`, parents first.
///
/// A node that is reached twice is refused: it would be a cycle, or a graph that is no tree.
pub(super) fn tree<K: Copy + Eq + std::hash::Hash>(
    root: K,
    nodes: &HashMap<K, Listed<K>>,
) -> Result<Tree, Reason> {
    let mut order = vec![root];
    let mut seen = std::collections::HashSet::from([root]);
    let mut tree = Vec::new();
    let mut at = 0;
    while let Some(key) = order.get(at) {
        let node = nodes.get(key).ok_or(Reason::Unsupported("a node of a tree is missing"))?;
        tree.push(match node {
            Listed::Leaf { weights } => TreeNode::Leaf { weights: weights.clone() },
            &Listed::Branch { feature, mode, threshold, if_true, if_false } => {
                if !seen.insert(if_true) || !seen.insert(if_false) {
                    return Err(Reason::Cycle);
                }
                order.extend([if_true, if_false]);
                let (if_true, if_false) = (order.len() - 2, order.len() - 1);
                TreeNode::Branch { feature, mode, threshold, if_true, if_false }
            }
        });
        at += 1;
    }
    Ok(Tree { nodes: tree })
}

/// The float32 threshold that splits float32 features as a double one does.
#[expect(clippy::cast_possible_truncation, reason = "rounded to the side that keeps the split")]
pub(super) fn threshold(value: f64, mode: BranchMode) -> f32 {
    let near = value as f32;
    let exact = f64::from(near);
    match mode {
        BranchMode::Leq | BranchMode::Gt if exact > value => near.next_down(),
        BranchMode::Lt | BranchMode::Gte if exact < value => near.next_up(),
        _ => near,
    }
}

/// The outputs that get a weight from this tree whatever the features are.
pub(super) fn always_scored(tree: &Tree, output: usize) -> bool {
    tree.nodes.iter().all(|node| match node {
        TreeNode::Leaf { weights } => weights.iter().any(|&(to, _)| to == output),
        TreeNode::Branch { .. } => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn double_thresholds_round_to_the_side_that_keeps_the_split() {
        let value = 0.1f64;
        let down = threshold(value, BranchMode::Leq);
        let up = threshold(value, BranchMode::Lt);
        assert!(f64::from(down) <= value && f64::from(up) >= value);
        assert_eq!(down.next_up(), up);
        assert_eq!(threshold(0.5, BranchMode::Leq), 0.5);
    }

    #[test]
    fn a_node_that_is_reached_twice_is_refused() {
        let branch = Listed::Branch {
            feature: 0,
            mode: BranchMode::Leq,
            threshold: 0.0,
            if_true: 1,
            if_false: 0,
        };
        let nodes = HashMap::from([(0, branch), (1, Listed::Leaf { weights: vec![] })]);
        assert_eq!(tree(0, &nodes), Err(Reason::Cycle));
    }
}
