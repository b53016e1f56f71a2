//! The rounding shift that most activations go through, as a part of other chips.

use serde::{Deserialize, Serialize};

use crate::air::{Relation, Row, constant};

/// Into how many limbs a remainder is split, and how wide each is.
///
/// A remainder below `2^shift` is `sum_k limb_k * 2^(bits * k)`; every limb is looked up in a range table whose width
/// depends on the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Limbs {
    /// Number of limbs, at least 1.
    pub(crate) count: u32,
    /// Width of a full limb in bits.
    pub(crate) bits: u32,
}

impl Limbs {
    /// The limbs' widths for a remainder of `total` bits: full limbs first, the rest, then limbs that are 0.
    #[cfg(feature = "prove")]
    pub(crate) fn widths(self, total: u32) -> impl Iterator<Item = u32> {
        (0..self.count).map(move |k| total.saturating_sub(k * self.bits).min(self.bits))
    }

    /// Whether the limbs' weights stay below the modulus; keys from outside are not trusted.
    pub(crate) fn is_sane(self) -> bool {
        const BITS: u32 = 30;
        (1..=8).contains(&self.count)
            && (1..=BITS).contains(&self.bits)
            && (self.count - 1) * self.bits <= BITS
    }

    /// The limbs of a value.
    #[cfg(feature = "prove")]
    pub(crate) fn split(self, value: u32) -> impl Iterator<Item = u32> {
        let mask = (1u32 << self.bits) - 1;
        (0..self.count).map(move |k| (value >> (k * self.bits)) & mask)
    }
}

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
            ranges: (0..limbs.count).map(|_| row.fixed()).collect(),
            limbs,
        }
    }

    /// Reads one lane: quotient, output, limbs of the remainder.
    pub(crate) fn lane(&self, row: &mut R) -> Rounded<R> {
        let (quotient, output) = (row.witness(), row.witness());
        let remainder: Vec<R::F> = (0..self.limbs.count).map(|_| row.witness()).collect();
        let mut input = quotient.clone() * self.power.clone() - self.offset.clone();
        for (k, limb) in (0u32..).zip(&remainder) {
            input = input + limb.clone() * constant::<R>(1 << (k * self.limbs.bits));
        }
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

/// Takes `(range, value, 0)` from the tables: `0 <= value < 2^range`.
pub(crate) fn range_check<R: Row>(row: &mut R, range: R::F, value: R::F) {
    row.lookup(Relation::Table, -constant::<R>(1), &[range, value, constant::<R>(0)]);
}

/// Takes a tensor element from memory.
pub(crate) fn read_memory<R: Row>(row: &mut R, address: R::F, value: R::F) {
    row.lookup(Relation::Memory, -constant::<R>(1), &[address, value]);
}
