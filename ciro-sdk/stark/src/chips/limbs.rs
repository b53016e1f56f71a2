//! Values that are range-checked limb by limb.

use serde::{Deserialize, Serialize};

#[cfg(feature = "prove")]
use stwo::core::fields::m31::BaseField;

#[cfg(feature = "prove")]
use super::unique::Width;
use crate::air::{Relation, Row, constant};

/// Into how many limbs a value is split, and how wide each is.
///
/// A value below `2^total` is `sum_k limb_k * 2^(bits * k)`; every limb is looked up in a range
/// table whose width depends on the row. The widths are fixed columns of the model, and they alone
/// say how large a value may be: they come from a [`Width`](super::unique), which is made where it
/// is known that one value alone passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Limbs {
    /// Number of limbs, at least 1.
    count: u32,
    /// Width of a full limb in bits.
    bits: u32,
}

impl Limbs {
    /// The most limbs of a value.
    pub(crate) const MOST: usize = 8;

    /// Limbs of `bits` bits for values of up to `widest` bits.
    #[cfg(feature = "prove")]
    pub(crate) fn new(widest: Width, bits: u32) -> Self {
        Self { count: widest.bits().div_ceil(bits).max(1), bits }
    }

    /// Limbs that a stranger may write into a key.
    #[cfg(test)]
    pub(crate) fn hostile(count: u32, bits: u32) -> Self {
        Self { count, bits }
    }

    /// Number of limbs.
    pub(crate) fn count(self) -> u32 {
        self.count
    }

    /// Width of a full limb in bits.
    #[cfg(any(feature = "prove", feature = "felts"))]
    pub(crate) fn bits(self) -> u32 {
        self.bits
    }

    /// The limbs' widths for a value: full limbs first, the rest, then limbs that are 0.
    #[cfg(feature = "prove")]
    pub(crate) fn widths(self, total: Width) -> impl Iterator<Item = u32> {
        (0..self.count).map(move |k| total.bits().saturating_sub(k * self.bits).min(self.bits))
    }

    /// Whether every limb has a place below 2^31; keys from outside are not trusted. How large a
    /// value may be is up to the widths, which the key's root commits to.
    pub(crate) fn is_sane(self) -> bool {
        (1..=Self::MOST).contains(&(self.count as usize))
            && (1..=30).contains(&self.bits)
            && (self.count - 1) * self.bits <= 30
    }

    /// The limbs of a value.
    #[cfg(feature = "prove")]
    pub(crate) fn split(self, value: u32) -> impl Iterator<Item = u32> {
        let mask = (1u32 << self.bits) - 1;
        (0..self.count).map(move |k| (value >> (k * self.bits)) & mask)
    }

    /// One cell for each limb.
    #[cfg(feature = "prove")]
    pub(crate) fn cells(self, limbs: impl Iterator<Item = u32>) -> LimbCells {
        let mut cells = LimbCells::default();
        cells.iter_mut().zip(limbs).for_each(|(cell, limb)| *cell = limb.into());
        cells
    }

    /// The value of limbs: `sum_k limbs[k] * 2^(bits * k)`.
    pub(crate) fn join<R: Row>(self, limbs: &[R::F]) -> R::F {
        let zero = constant::<R>(0);
        (0u32..)
            .zip(limbs)
            .fold(zero, |sum, (k, limb)| sum + limb.clone() * constant::<R>(1 << (k * self.bits)))
    }
}

/// Cells of the limbs of a value, or of their widths: as many count as the chip has.
#[cfg(feature = "prove")]
pub(crate) type LimbCells = [BaseField; Limbs::MOST];

/// Takes `(range, value, 0)` from the tables: `0 <= value < 2^range`.
pub(crate) fn range_check<R: Row>(row: &mut R, range: R::F, value: R::F) {
    row.lookup(Relation::Table, -constant::<R>(1), &[range, value, constant::<R>(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limbs_of_keys_may_not_reach_past_the_field() {
        let sane = |count, bits| Limbs { count, bits }.is_sane();
        assert!(sane(1, 14) && sane(3, 15) && sane(8, 4) && sane(1, 30));
        assert!(!sane(0, 4) && !sane(9, 1) && !sane(2, 31) && !sane(1, 31) && !sane(4, 11));
        assert!(!sane(2, u32::MAX) && !sane(u32::MAX, u32::MAX));
    }
}
