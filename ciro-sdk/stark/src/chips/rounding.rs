//! The rounding shift that most activations go through, as a part of other chips.

use super::limbs::{Limbs, range_check};
use crate::air::{Relation, Row, columns, constant};

columns! {
    /// What all lanes of a row share: `x = quotient * power + remainder - offset`, `y =
    /// table(quotient)`.
    fixed RoundingFixed(limbs: Limbs) {
        power,
        offset,
        /// Number of the function table.
        table,
        /// Widths of the remainder's limbs.
        widths(limbs),
    }
}

columns! {
    /// One value before and after rounding.
    witness RoundingLane(limbs: Limbs) {
        quotient,
        output,
        /// Limbs of the remainder.
        remainder(limbs),
    }
}

/// What all lanes of a row share.
pub(crate) struct Rounding<R: Row> {
    fixed: RoundingFixed<R>,
    limbs: Limbs,
}

/// One value before and after rounding.
pub(crate) struct Rounded<R: Row> {
    quotient: R::F,
    remainder: Vec<R::F>,
    /// The value before: an exact integer below 2^30 in absolute value, because quotient and
    /// remainder are range-checked.
    pub(crate) input: R::F,
    /// The value after.
    pub(crate) output: R::F,
}

impl<R: Row> Rounding<R> {
    /// Reads the row's parameters.
    pub(crate) fn read(row: &mut R, limbs: Limbs) -> Self {
        Self { fixed: RoundingFixed::read(row, limbs), limbs }
    }

    /// Reads one lane.
    pub(crate) fn lane(&self, row: &mut R) -> Rounded<R> {
        let RoundingLane { quotient, output, remainder } = RoundingLane::read(row, self.limbs);
        let RoundingFixed { power, offset, .. } = &self.fixed;
        let input =
            quotient.clone() * power.clone() - offset.clone() + self.limbs.join::<R>(&remainder);
        Rounded { quotient, remainder, input, output }
    }

    /// Looks one lane up: the quotient and the output in the function's table, the limbs in range
    /// tables.
    pub(crate) fn lookup(&self, row: &mut R, lane: &Rounded<R>) {
        let RoundingFixed { table, widths, .. } = &self.fixed;
        let entry = [table.clone(), lane.quotient.clone(), lane.output.clone()];
        row.lookup(Relation::Table, -constant::<R>(1), &entry);
        for (width, limb) in widths.iter().zip(&lane.remainder) {
            range_check(row, width.clone(), limb.clone());
        }
    }
}
