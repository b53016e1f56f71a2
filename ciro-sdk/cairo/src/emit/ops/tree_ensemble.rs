//! `TreeEnsemble`: see `kernels/tree_ensemble.cairo`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use ciro_model::integer::ops::{TreeEnsemble, TreeNode};

use super::{EmitError, Layer};

pub(super) fn emit(op: &TreeEnsemble, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let (leaf, add_leaf) =
        (layer.item("tree_ensemble", "leaf"), layer.item("tree_ensemble", "add_leaf"));
    layer.data.import("crate::ops::tree_ensemble::Node");
    let mut leaves = Leaves::default();
    let mut trees = Vec::with_capacity(op.roots.len());
    for (index, &root) in op.roots.iter().enumerate() {
        let nodes = tree(op, root, layer, &mut leaves)?;
        trees.push(layer.array(&format!("tree_{index}"), "Node", nodes)?);
    }
    let weights = layer.array("leaves", "felt252", leaves.weights)?;
    let base = layer.array("base", "felt252", &op.base)?;
    let copy = layer.item("movement", "copy");
    // A rank is compared as an unsigned number.
    let lift = (-layer.interval(0).lo).max(0);
    layer.line("let mut x = x;");
    layer.line("let mut y = array![];");
    layer.line("while !x.is_empty() {");
    layer.line(format_args!("    let ranks = x.slice(0, {});", op.features));
    layer.line(format_args!("    x = x.slice({0}, x.len() - {0});", op.features));
    layer.line(format_args!("    let mut sums = {base};"));
    for tree in trees {
        layer.line(format_args!(
            "    sums = {add_leaf}(sums, {weights}, {leaf}({tree}, ranks, {lift}));"
        ));
    }
    layer.line(format_args!("    {copy}(sums, ref y);"));
    layer.line("}");
    layer.line("y.span()");
    Ok(())
}

/// Rows of leaf weights; equal rows share one.
#[derive(Default)]
struct Leaves {
    rows: BTreeMap<Vec<i32>, usize>,
    weights: Vec<i32>,
}

impl Leaves {
    fn row(&mut self, weights: &[i32]) -> usize {
        let next = self.rows.len();
        let row = *self.rows.entry(weights.to_vec()).or_insert(next);
        if row == next {
            self.weights.extend(weights);
        }
        row
    }
}

/// The nodes of one tree, the root first, children behind their parent.
fn tree(
    op: &TreeEnsemble,
    root: u32,
    layer: &Layer<'_>,
    leaves: &mut Leaves,
) -> Result<Vec<String>, EmitError> {
    let lift = (-layer.interval(0).lo).max(0);
    let mut positions = BTreeMap::from([(root, 0usize)]);
    let mut order = vec![root];
    let mut at = 0;
    while at < order.len() {
        if let TreeNode::Branch { left, right, .. } = op.nodes[order[at] as usize] {
            for child in [left, right] {
                if let Entry::Vacant(entry) = positions.entry(child) {
                    entry.insert(order.len());
                    order.push(child);
                }
            }
        }
        at += 1;
    }
    let nodes = order.iter().map(|&node| match &op.nodes[node as usize] {
        TreeNode::Branch { feature, threshold, left, right } => {
            // Ranks stay below 2^30: greater thresholds all mean "always left".
            let threshold = (i64::from(*threshold) + lift).min(u32::MAX.into());
            let (left, right) = (positions[left], positions[right]);
            format!("Node::Branch(({feature}, {threshold}, {left}, {right}))")
        }
        TreeNode::Leaf { weights } => format!("Node::Leaf({})", leaves.row(weights)),
    });
    Ok(nodes.collect())
}
