//! Builds trees from the lists of nodes that ONNX has.

use std::collections::{HashMap, HashSet};

use crate::float::{BranchMode, Tree, TreeNode};
use crate::import::Reason;
use crate::import::context::Context;
use crate::import::data_type::DataType;

/// A node as it is listed: children and leaves by key.
#[derive(Clone, Debug)]
pub(super) enum Listed<K> {
    Branch {
        feature: usize,
        mode: BranchMode,
        threshold: f32,
        if_true: K,
        if_false: K,
        /// Whether a missing value goes where the comparison holds.
        missing: bool,
    },
    Leaf {
        weights: Vec<(usize, f64)>,
    },
}

/// Lays out the tree below `root`, parents first.
///
/// Nodes that several branches lead to (LightGBM's categories do) are copied for each of them.
pub(super) fn tree<K: Copy + Eq + std::hash::Hash>(
    root: K,
    nodes: &HashMap<K, Listed<K>>,
) -> Result<Tree, Reason> {
    refuse_cycles(root, nodes)?;
    let mut order = vec![root];
    let mut tree = Vec::new();
    while let Some(key) = order.get(tree.len()) {
        if order.len() > NODES_MAX {
            return Err(Reason::TooManyNodes { limit: NODES_MAX });
        }
        tree.push(match nodes.get(key).ok_or(MISSING)? {
            Listed::Leaf { weights } => TreeNode::Leaf { weights: weights.clone() },
            &Listed::Branch { feature, mode, threshold, if_true, if_false, missing } => {
                order.extend([if_true, if_false]);
                let (if_true, if_false) = (order.len() - 2, order.len() - 1);
                TreeNode::Branch { feature, mode, threshold, if_true, if_false, missing }
            }
        });
    }
    Ok(Tree { nodes: tree })
}

/// A tree has at most this many nodes.
pub(super) const NODES_MAX: usize = 1 << 20;
pub(super) const MISSING: Reason = Reason::Unsupported("a node of a tree is missing");

/// Refuses nodes that lead back to themselves, by a depth-first walk.
fn refuse_cycles<K: Copy + Eq + std::hash::Hash>(
    root: K,
    nodes: &HashMap<K, Listed<K>>,
) -> Result<(), Reason> {
    let (mut open, mut done) = (HashSet::new(), HashSet::new());
    let mut path = vec![root];
    while let Some(&key) = path.last() {
        let children = match nodes.get(&key).ok_or(MISSING)? {
            Listed::Branch { if_true, if_false, .. } => vec![*if_true, *if_false],
            Listed::Leaf { .. } => Vec::new(),
        };
        let next = if open.insert(key) { children } else { Vec::new() };
        if next.iter().any(|child| open.contains(child) && !done.contains(child)) {
            return Err(Reason::Cycle);
        }
        let unseen: Vec<K> = next.into_iter().filter(|child| !done.contains(child)).collect();
        if unseen.is_empty() {
            done.insert(key);
            path.pop();
        } else {
            path.extend(unseen);
        }
    }
    Ok(())
}

/// How features reach the comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Features {
    /// As float32 values, whatever the thresholds are.
    Single,
    /// As doubles, which are rounded to float32 for the comparison.
    Double,
}

/// The float32 threshold that stands for a double one.
///
/// Float32 features are split exactly as by the double. Double features are rounded with the
/// threshold, to the nearest, so that equal numbers stay equal.
#[expect(clippy::cast_possible_truncation, reason = "rounded to the side that keeps the split")]
pub(super) fn threshold(value: f64, mode: BranchMode, features: Features) -> f32 {
    let near = value as f32;
    let exact = f64::from(near);
    match mode {
        _ if features == Features::Double => near,
        BranchMode::Leq | BranchMode::Gt if exact > value => near.next_down(),
        BranchMode::Lt | BranchMode::Gte if exact < value => near.next_up(),
        _ => near,
    }
}

impl Features {
    /// How the features of input 0 are compared.
    pub(super) fn of(cx: &Context<'_, '_>) -> Result<Self, Reason> {
        Ok(if cx.tensor(0)?.kind == DataType::Double { Self::Double } else { Self::Single })
    }
}

/// Which nodes send missing values where their comparison holds, of `count` nodes: those that say
/// so, and inequalities, which hold for NaN.
pub(super) fn missing(cx: &Context<'_, '_>, count: usize) -> Result<Vec<bool>, Reason> {
    match cx.ints("nodes_missing_value_tracks_true") {
        None | Some([]) => Ok(vec![false; count]),
        Some(tracks) if tracks.len() == count => Ok(tracks.iter().map(|&t| t != 0).collect()),
        Some(_) => Err(Reason::Unsupported("the lists of tree nodes differ in length")),
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
        let down = threshold(value, BranchMode::Leq, Features::Single);
        let up = threshold(value, BranchMode::Lt, Features::Single);
        assert!(f64::from(down) <= value && f64::from(up) >= value);
        assert_eq!(down.next_up().to_bits(), up.to_bits());
        let exact = threshold(0.5, BranchMode::Leq, Features::Single);
        let near = threshold(value, BranchMode::Leq, Features::Double);
        assert_eq!([exact, near].map(f32::to_bits), [0.5f32, 0.1].map(f32::to_bits));
    }

    fn branch(if_true: i32, if_false: i32) -> Listed<i32> {
        let mode = BranchMode::Leq;
        Listed::Branch { feature: 0, mode, threshold: 0.0, if_true, if_false, missing: false }
    }

    #[test]
    fn a_node_that_leads_back_to_itself_is_refused() {
        let nodes = HashMap::from([
            (0, branch(1, 2)),
            (1, Listed::Leaf { weights: vec![] }),
            (2, branch(1, 0)),
        ]);
        assert_eq!(tree(0, &nodes), Err(Reason::Cycle));
        assert_eq!(tree(0, &HashMap::from([(0, branch(1, 0))])), Err(Reason::Cycle));
    }

    #[test]
    fn a_node_that_two_branches_lead_to_is_copied() {
        let nodes = HashMap::from([
            (0, branch(2, 1)),
            (1, branch(2, 3)),
            (2, Listed::Leaf { weights: vec![(0, 1.0)] }),
            (3, Listed::Leaf { weights: vec![(0, 2.0)] }),
        ]);
        let leaves = |node: &&TreeNode| matches!(node, TreeNode::Leaf { .. });
        assert_eq!(tree(0, &nodes).unwrap().nodes.iter().filter(leaves).count(), 3);
    }
}
