//! Paths through decision trees, and what their leaves weigh.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// One row for each step down a tree: look the node up, compare, go on. A leaf leads to itself, so that every path has the tree's depth.
///
/// Fixed: `keep` (not the first step), the root, the first slot of the sample's features, address of the reached leaf and its readers (in the last
/// step), widths of the limbs. Witness: node, next node, feature, threshold, left, right, rank, `left is taken`, the limbs of the gap.
///
/// # Soundness
/// A path starts at its fixed root and goes on where the step before ended. Node and rank come from tables. The gap is `threshold - rank` on the
/// left and `rank - threshold - 1` on the right; it is range-checked, so the other branch is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for PathChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [keep, root, slots, at_leaf, readers] = std::array::from_fn(|_| row.fixed());
        let ranges: Vec<R::F> = (0..self.limbs.count()).map(|_| row.fixed()).collect();
        let node = row.witness();
        let [before, next] = row.witness_with_previous();
        let [feature, threshold, left, right, rank, taken] = std::array::from_fn(|_| row.witness());
        let limbs: Vec<R::F> = (0..self.limbs.count()).map(|_| row.witness()).collect();
        let gap = self.limbs.join::<R>(&limbs);
        let one = constant::<R>(1);

        row.constrain(keep * (before - root.clone()) + root - node.clone());
        row.constrain(taken.clone() * (taken.clone() - one.clone()));
        let step = left.clone() - right.clone();
        row.constrain(taken.clone() * step + right.clone() - next.clone());
        let to_left = threshold.clone() - rank.clone();
        let to_right = -to_left.clone() - one.clone();
        row.constrain(taken * (to_left - to_right.clone()) + to_right - gap);

        let entry = [node, feature.clone(), threshold, left, right];
        row.lookup(Relation::TreeNode, -one.clone(), &entry);
        row.lookup(Relation::Rank, -one, &[slots + feature, rank]);
        row.lookup(Relation::Memory, readers, &[at_leaf, next]);
        for (range, limb) in ranges.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}

/// One row for each output that a reached leaf adds to.
///
/// Fixed: address of the leaf, the output, address of the weight and its readers. Witness: the leaf, its weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafChip {
    pub(crate) log_size: u32,
}

impl Chip for LeafChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [at_leaf, output, at_weight, readers] = std::array::from_fn(|_| row.fixed());
        let (leaf, weight) = (row.witness(), row.witness());
        read_memory(row, at_leaf, leaf.clone());
        row.lookup(Relation::Leaf, -constant::<R>(1), &[leaf, output, weight.clone()]);
        row.lookup(Relation::Memory, readers, &[at_weight, weight]);
    }
}
