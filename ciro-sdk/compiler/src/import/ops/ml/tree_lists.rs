//! The node lists of `TreeEnsemble` (`ai.onnx.ml` 5).

use super::trees::{Features, MISSING, NODES_MAX, missing, threshold};
use crate::float::{BranchMode, Tree, TreeNode};
use crate::import::Reason;
use crate::import::context::Context;

/// The mode of a branch on membership in a set.
const MEMBER: f64 = 6.0;

/// The lists.
struct Lists<'a> {
    features: &'a [i64],
    splits: Vec<f64>,
    modes: Vec<f64>,
    if_true: &'a [i64],
    if_false: &'a [i64],
    true_leaf: &'a [i64],
    false_leaf: &'a [i64],
    /// For each branch on membership, the set.
    members: Vec<Vec<f64>>,
    targets: &'a [i64],
    weights: Vec<f64>,
    compared: Features,
    /// Whether a missing value goes where the comparison holds.
    missing: Vec<bool>,
}

/// A node that has its place in the tree and is not built yet.
#[derive(Clone, Copy)]
enum Pending {
    /// A branch; for one on membership, the member that is compared next.
    Branch {
        at: usize,
        member: usize,
    },
    Leaf {
        at: usize,
    },
}

/// Builds the trees; a leaf weighs one of `targets` outputs.
///
/// A branch on membership in a set becomes a chain of branches on equality, one for each member.
pub(super) fn trees(cx: &Context<'_, '_>, targets: usize) -> Result<Vec<Tree>, Reason> {
    let lists = Lists::read(cx)?;
    let roots = cx.ints("tree_roots").unwrap_or_default();
    roots.iter().map(|&root| lists.tree(root, targets)).collect()
}

impl<'a> Lists<'a> {
    fn read(cx: &Context<'a, '_>) -> Result<Self, Reason> {
        let ints = |name| cx.ints(name).unwrap_or_default();
        let modes = values(cx, "nodes_modes")?;
        let mut sets = values(cx, "membership_values")?.into_iter();
        let set = |&mode: &f64| match mode {
            MEMBER => sets.by_ref().take_while(|value| !value.is_nan()).collect(),
            _ => Vec::new(),
        };
        let lists = Self {
            members: modes.iter().map(set).collect(),
            features: ints("nodes_featureids"),
            splits: values(cx, "nodes_splits")?,
            if_true: ints("nodes_truenodeids"),
            if_false: ints("nodes_falsenodeids"),
            true_leaf: ints("nodes_trueleafs"),
            false_leaf: ints("nodes_falseleafs"),
            targets: ints("leaf_targetids"),
            weights: values(cx, "leaf_weights")?,
            compared: Features::of(cx)?,
            missing: missing(cx, modes.len())?,
            modes,
        };
        let nodes =
            [lists.features, lists.if_true, lists.if_false, lists.true_leaf, lists.false_leaf];
        let same = nodes.iter().all(|list| list.len() == lists.modes.len());
        if !same
            || lists.splits.len() != lists.modes.len()
            || lists.targets.len() != lists.weights.len()
        {
            return Err(Reason::Unsupported("the lists of a tree ensemble differ in length"));
        }
        Ok(lists)
    }

    fn tree(&self, root: i64, targets: usize) -> Result<Tree, Reason> {
        let mut pending = vec![Pending::Branch { at: index(root, self.modes.len())?, member: 0 }];
        let mut nodes = Vec::new();
        while let Some(&node) = pending.get(nodes.len()) {
            if pending.len() > NODES_MAX {
                // Most likely a node that leads back to itself.
                return Err(Reason::TooManyNodes { limit: NODES_MAX });
            }
            let node = match node {
                Pending::Leaf { at } => {
                    let output = index(self.targets[at], targets)?;
                    TreeNode::Leaf { weights: vec![(output, self.weights[at])] }
                }
                Pending::Branch { at, member } => {
                    let (mode, split, last) = self.comparison(at, member)?;
                    let next = Pending::Branch { at, member: member + 1 };
                    pending.push(self.child(self.if_true[at], self.true_leaf[at])?);
                    pending.push(if last {
                        self.child(self.if_false[at], self.false_leaf[at])?
                    } else {
                        next
                    });
                    TreeNode::Branch {
                        feature: index(self.features[at], usize::MAX)?,
                        mode,
                        threshold: threshold(split, mode, self.compared),
                        if_true: pending.len() - 2,
                        if_false: pending.len() - 1,
                        missing: self.missing[at] || mode == BranchMode::Neq,
                    }
                }
            };
            nodes.push(node);
        }
        Ok(Tree { nodes })
    }

    /// Mode and threshold of a branch, and whether it is the last of its chain.
    fn comparison(&self, at: usize, member: usize) -> Result<(BranchMode, f64, bool), Reason> {
        let mode = match self.modes[at] {
            0.0 => BranchMode::Leq,
            1.0 => BranchMode::Lt,
            2.0 => BranchMode::Gte,
            3.0 => BranchMode::Gt,
            4.0 => BranchMode::Eq,
            5.0 => BranchMode::Neq,
            MEMBER => {
                let set = &self.members[at];
                let value = set.get(member).ok_or(Reason::Unsupported("a set is empty"))?;
                return Ok((BranchMode::Eq, *value, member + 1 == set.len()));
            }
            _ => return Err(Reason::Unsupported("a branch of an unknown mode")),
        };
        Ok((mode, self.splits[at], true))
    }

    fn child(&self, to: i64, leaf: i64) -> Result<Pending, Reason> {
        Ok(match leaf {
            0 => Pending::Branch { at: index(to, self.modes.len())?, member: 0 },
            _ => Pending::Leaf { at: index(to, self.weights.len())? },
        })
    }
}

fn index(value: i64, bound: usize) -> Result<usize, Reason> {
    let index = usize::try_from(value).ok().filter(|&index| index < bound);
    index.ok_or(MISSING)
}

/// The tensor of an attribute as numbers.
fn values(cx: &Context<'_, '_>, name: &str) -> Result<Vec<f64>, Reason> {
    Ok(cx.literal(name)?.map(|literal| literal.value.into_data()).unwrap_or_default())
}
