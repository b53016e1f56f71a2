//! Paths through decision trees, and what their leaves weigh.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use crate::air::{Challenges, Chip, Relation, Row, columns, constant, read_memory};

columns! {
    fixed PathFixed(chip: &PathChip) {
        /// Not the first step.
        keep,
        root,
        /// First slot of the sample's features.
        slots,
        /// Address of the reached leaf.
        at_leaf,
        /// Its readers, in the last step.
        readers,
        /// Widths of the limbs.
        widths(chip.limbs),
    }
}

columns! {
    witness PathWitness(chip: &PathChip) {
        node,
        next: twice,
        feature,
        threshold,
        left,
        right,
        rank,
        /// 1 if the left branch is taken.
        taken,
        /// Limbs of the gap between rank and threshold.
        limbs(chip.limbs),
    }
}

/// One row for each step down a tree: look the node up, compare, go on. A leaf leads to itself, so
/// that every path has the tree's depth.
///
/// # Soundness
/// A path starts at its fixed root and goes on where the step before ended. Node and rank come from
/// tables. The gap is `threshold - rank` on the left and `rank - threshold - 1` on the right; it is
/// range-checked, so the other branch is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PathChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for PathChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "tree paths"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let PathFixed { keep, root, slots, at_leaf, readers, widths } = PathFixed::read(row, self);
        let PathWitness {
            node,
            next: [before, next],
            feature,
            threshold,
            left,
            right,
            rank,
            taken,
            limbs,
        } = PathWitness::read(row, self);
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
        for (range, limb) in widths.into_iter().zip(limbs) {
            range_check(row, range, limb);
        }
    }
}

columns! {
    fixed LeafFixed(_chip: &LeafChip) {
        at_leaf,
        output,
        /// Address of the weight, and its readers.
        at_weight,
        readers,
    }
}

columns! {
    witness LeafWitness(_chip: &LeafChip) {
        leaf,
        weight,
    }
}

/// One row for each output that a reached leaf adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeafChip {
    pub(crate) log_size: u32,
}

impl Chip for LeafChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "leaf weights"
    }

    fn is_sane(&self) -> bool {
        true
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let LeafFixed { at_leaf, output, at_weight, readers } = LeafFixed::read(row, self);
        let LeafWitness { leaf, weight } = LeafWitness::read(row, self);
        read_memory(row, at_leaf, leaf.clone());
        row.lookup(Relation::Leaf, -constant::<R>(1), &[leaf, output, weight.clone()]);
        row.lookup(Relation::Memory, readers, &[at_weight, weight]);
    }
}
