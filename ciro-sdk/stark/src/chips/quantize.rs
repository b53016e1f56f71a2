//! The rounding shift that most activations go through, as a part of other chips.

use super::limbs::{Limbs, range_check};
use crate::air::{Relation, Row, constant};

/// What all lanes of a row share: `x = quotient * 2^shift + remainder - offset`, `y = table(quotient)`.
pub(crate) struct Rounding<R: Row> {
    power: R::F,
    offset: R::F,
    table: R::F,
    ranges: Vec<R::F>,
    limbs: Limbs,
}

/// One value before and after rounding.
pub(crate) struct Rounded<R: Row> {
    quotient: R::F,
    remainder: Vec<R::F>,
    /// The value before: an exact integer below 2^30 in absolute value, because quotient and remainder are range-checked.
    pub(crate) input: R::F,
    /// The value after.
    pub(crate) output: R::F,
}

impl<R: Row> Rounding<R> {
    /// Reads the row's parameters.
    pub(crate) fn read(row: &mut R, limbs: Limbs) -> Self {
        Self {
            power: row.fixed(),
            offset: row.fixed(),
            table: row.fixed(),
            ranges: (0..limbs.count()).map(|_| row.fixed()).collect(),
            limbs,
        }
    }

    /// Reads one lane: quotient, output, limbs of the remainder.
    pub(crate) fn lane(&self, row: &mut R) -> Rounded<R> {
        let (quotient, output) = (row.witness(), row.witness());
        let remainder: Vec<R::F> = (0..self.limbs.count()).map(|_| row.witness()).collect();
        let input = quotient.clone() * self.power.clone() - self.offset.clone()
            + self.limbs.join::<R>(&remainder);
        Rounded { quotient, remainder, input, output }
    }

    /// Looks one lane up: the quotient and the output in the function's table, the limbs in range tables.
    pub(crate) fn lookup(&self, row: &mut R, lane: &Rounded<R>) {
        let entry = [self.table.clone(), lane.quotient.clone(), lane.output.clone()];
        row.lookup(Relation::Table, -constant::<R>(1), &entry);
        for (range, limb) in self.ranges.iter().zip(&lane.remainder) {
            range_check(row, range.clone(), limb.clone());
        }
    }
}

/// Takes a tensor element from memory.
pub(crate) fn read_memory<R: Row>(row: &mut R, address: R::F, value: R::F) {
    row.lookup(Relation::Memory, -constant::<R>(1), &[address, value]);
}
