//! Ranks of features among sorted boundaries.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use super::quantize::read_memory;
use crate::air::{Challenges, Chip, Relation, Row, constant};

/// One row for each feature value `x = (high, low)`: the boundaries next to its rank enclose it, `lower < x <= upper`.
///
/// Fixed: addresses of `high` and `low`, the feature's number in the boundary table, its slot for trees, address and readers of the rank, widths
/// of the limbs. Witness: `high`, `low`, the rank, both boundaries, for each of the two comparisons whether the high parts are
/// equal and the limbs of the gap, and how many tree nodes read the slot.
///
/// # Soundness
/// Pairs are compared in order: if the high parts differ their gap decides, else the low parts. Gaps are range-checked; parts are small, so a
/// negative gap is no small field element. Ranks of one feature have disjoint intervals, so one rank alone fits. The number of readers of a
/// slot is the prover's choice: a slot is one entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RankChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for RankChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let [at_high, at_low, feature, slot, at_rank, readers] =
            std::array::from_fn(|_| row.fixed());
        let ranges: Vec<R::F> = (0..self.limbs.count()).map(|_| row.fixed()).collect();
        let [high, low, rank] = std::array::from_fn(|_| row.witness());
        let lower: [R::F; 2] = std::array::from_fn(|_| row.witness());
        let upper: [R::F; 2] = std::array::from_fn(|_| row.witness());
        let x = [high.clone(), low.clone()];
        let one = constant::<R>(1);
        // x <= upper, and lower + 1 <= x.
        let above = self.ordered(row, &x, &upper, constant::<R>(0));
        let below = self.ordered(row, &lower, &x, one.clone());
        let visits = row.witness();

        read_memory(row, at_high, high);
        read_memory(row, at_low, low);
        let [lower_high, lower_low] = lower;
        let [upper_high, upper_low] = upper;
        let interval = [feature, rank.clone(), lower_high, lower_low, upper_high, upper_low];
        row.lookup(Relation::Boundary, -one, &interval);
        row.lookup(Relation::Rank, visits, &[slot, rank.clone()]);
        row.lookup(Relation::Memory, readers, &[at_rank, rank]);
        for limbs in [above, below] {
            for (range, limb) in ranges.iter().zip(limbs) {
                range_check(row, range.clone(), limb);
            }
        }
    }
}

impl RankChip {
    /// Constrains `a + (0, strict) <= b` in lexicographic order; returns the limbs of the gap.
    fn ordered<R: Row>(
        &self,
        row: &mut R,
        a: &[R::F; 2],
        b: &[R::F; 2],
        strict: R::F,
    ) -> Vec<R::F> {
        let equal = row.witness();
        let limbs: Vec<R::F> = (0..self.limbs.count()).map(|_| row.witness()).collect();
        let gap = self.limbs.join::<R>(&limbs);
        let one = constant::<R>(1);
        let high = b[0].clone() - a[0].clone();
        let low = b[1].clone() - a[1].clone() - strict;
        row.constrain(equal.clone() * (equal.clone() - one.clone()));
        row.constrain(equal.clone() * high.clone());
        let high = high - one;
        row.constrain(equal * (low - high.clone()) + high - gap);
        limbs
    }
}
