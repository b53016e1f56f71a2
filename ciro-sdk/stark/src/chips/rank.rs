//! Ranks of features among sorted boundaries.

use serde::{Deserialize, Serialize};

use super::limbs::{Limbs, range_check};
use crate::air::{Challenges, Chip, Relation, Row, columns, constant, read_memory};

columns! {
    fixed RankFixed(chip: &RankChip) {
        /// Addresses of both parts of the value.
        at_high,
        at_low,
        /// The feature's number in the boundary table.
        feature,
        /// Where trees ask for the rank.
        slot,
        /// Address of the rank.
        at_rank,
        /// Readers of the rank.
        readers,
        /// Widths of the limbs of both gaps.
        widths(chip.limbs),
    }
}

columns! {
    witness RankWitness(chip: &RankChip) {
        high,
        low,
        rank,
        lower_high,
        lower_low,
        upper_high,
        upper_low,
        /// Whether the high parts of the value and the upper boundary are equal.
        above_equal,
        /// Limbs of the gap between them.
        above(chip.limbs),
        /// Whether the high parts of the lower boundary and the value are equal.
        below_equal,
        /// Limbs of the gap between them.
        below(chip.limbs),
        /// How many tree nodes read the slot.
        visits,
    }
}

/// One row for each feature value `x = (high, low)`: the boundaries next to its rank enclose it,
/// `lower < x <= upper`.
///
/// # Soundness
/// Pairs are compared in order: if the high parts differ their gap decides, else the low parts.
/// Gaps are range-checked; parts are small, so a negative gap is no small field element. Ranks of
/// one feature have disjoint intervals, so one rank alone fits. The number of readers of a slot is
/// the prover's choice: a slot is one entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RankChip {
    pub(crate) log_size: u32,
    pub(crate) limbs: Limbs,
}

impl Chip for RankChip {
    fn log_size(&self) -> u32 {
        self.log_size
    }

    fn name(&self) -> &'static str {
        "feature ranks"
    }

    fn is_sane(&self) -> bool {
        self.limbs.is_sane()
    }

    fn evaluate<R: Row>(&self, row: &mut R, _challenges: &Challenges) {
        let RankFixed { at_high, at_low, feature, slot, at_rank, readers, widths } =
            RankFixed::read(row, self);
        let witness = RankWitness::read(row, self);
        let RankWitness { high, low, rank, visits, above, below, .. } = witness;
        let x = [high.clone(), low.clone()];
        let lower = [witness.lower_high, witness.lower_low];
        let upper = [witness.upper_high, witness.upper_low];
        let one = constant::<R>(1);
        // x <= upper, and lower + 1 <= x.
        self.ordered(row, [&x, &upper], constant::<R>(0), (witness.above_equal, &above));
        self.ordered(row, [&lower, &x], one.clone(), (witness.below_equal, &below));

        read_memory(row, at_high, high);
        read_memory(row, at_low, low);
        let [lower_high, lower_low] = lower;
        let [upper_high, upper_low] = upper;
        let interval = [feature, rank.clone(), lower_high, lower_low, upper_high, upper_low];
        row.lookup(Relation::Boundary, -one, &interval);
        row.lookup(Relation::Rank, visits, &[slot, rank.clone()]);
        row.lookup(Relation::Memory, readers, &[at_rank, rank]);
        for limbs in [above, below] {
            for (range, limb) in widths.iter().zip(limbs) {
                range_check(row, range.clone(), limb);
            }
        }
    }
}

impl RankChip {
    /// Constrains `a + (0, strict) <= b` in lexicographic order, where `limbs` are those of the
    /// gap.
    fn ordered<R: Row>(
        &self,
        row: &mut R,
        [a, b]: [&[R::F; 2]; 2],
        strict: R::F,
        (equal, limbs): (R::F, &[R::F]),
    ) {
        let gap = self.limbs.join::<R>(limbs);
        let one = constant::<R>(1);
        let high = b[0].clone() - a[0].clone();
        let low = b[1].clone() - a[1].clone() - strict;
        row.constrain(equal.clone() * (equal.clone() - one.clone()));
        row.constrain(equal.clone() * high.clone());
        let high = high - one;
        row.constrain(equal * (low - high.clone()) + high - gap);
    }
}
