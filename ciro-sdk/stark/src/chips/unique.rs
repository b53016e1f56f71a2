//! Where limbs come from: every range check is made here, by the condition under which one value
//! alone passes it.
//!
//! Differences, roundings, divisions and roots are identities of the field between range-checked
//! values. A range that is too wide lets a false value through, modulo `p`. So [`Width`] has no
//! other constructor than those below, limbs take nothing but a [`Width`], and what has none is
//! refused where it is laid out. The conditions themselves are a table that the quantizer reads
//! too: [`ciro_model::integer::room`].

use ciro_model::Interval;
use ciro_model::integer::room;

#[cfg(test)]
use super::defects::{Defect, is_back};

/// The width in bits of a value that is range-checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Width(u32);

impl Width {
    /// The width of 0, which rows without work hold.
    pub(crate) const ZERO: Self = Self(0);

    /// The width in bits.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// The greatest element of `interval` less any other: false differences reach as far below 0 as
    /// true ones above.
    pub(crate) fn of_maximum(interval: Interval) -> Option<Self> {
        let spread = interval.hi.abs_diff(interval.lo);
        room::difference(spread, spread).map(Self)
    }

    /// A value less the least of an interval, and the greatest less the value: both are
    /// range-checked, and together they are what the ends are apart.
    pub(crate) fn of_interval(interval: Interval) -> Option<Self> {
        #[cfg(test)]
        if is_back(Defect::WideAdmission) {
            return Some(Self(31));
        }
        let spread = interval.hi.abs_diff(interval.lo);
        room::difference(spread, spread).map(Self)
    }

    /// As [`Self::of_maximum`], less 1 for elements before the greatest: it must exceed them.
    pub(crate) fn of_first_maximum(interval: Interval) -> Option<Self> {
        let spread = interval.hi.abs_diff(interval.lo);
        #[cfg(test)]
        if is_back(Defect::LooseArgMax) {
            return room::difference(spread, spread).map(Self);
        }
        room::difference(spread, spread.checked_add(1)?).map(Self)
    }

    /// Values among boundaries, all in `interval`, and sentinels one past it: an upper boundary
    /// less a value, a value less a lower boundary less 1. Where a value is not itself the upper
    /// boundary, that difference is less by 1 too.
    pub(crate) fn of_rank(interval: Interval) -> Option<Self> {
        let farthest = interval.width().checked_add(1)?;
        #[cfg(test)]
        if is_back(Defect::WideRanks) {
            return Some(Self(u64::BITS - farthest.leading_zeros()));
        }
        room::difference(farthest, farthest).map(Self)
    }

    /// A threshold less a rank, or a rank less a threshold less 1, for ranks and thresholds up to
    /// `most`.
    pub(crate) fn of_branch(most: u64) -> Option<Self> {
        room::difference(most, most.checked_add(1)?).map(Self)
    }

    /// The remainder below `2^shift` of a value whose quotient is in a table of `quotients`
    /// neighbouring entries.
    pub(crate) fn of_remainder(quotients: u64, shift: u32) -> Option<Self> {
        #[cfg(test)]
        if is_back(Defect::FarOffsets) {
            return Some(Self(shift));
        }
        room::rounding(quotients, shift).then_some(Self(shift))
    }
}

/// How a division is checked, see [`room::division`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Division(room::Division);

impl Division {
    /// Divisions of values in the first interval by values in the second, with quotients in the
    /// third.
    pub(crate) fn new([dividend, divisor, quotient]: [Interval; 3]) -> Option<Self> {
        #[cfg(test)]
        if is_back(Defect::LastDividend) {
            return room::halves(divisor, quotient).map(Self);
        }
        room::division(dividend, divisor, quotient).map(Self)
    }

    /// Bits of the lower halves.
    pub(crate) fn half(self) -> u32 {
        self.0.half
    }

    /// What makes the upper half of the quotient unsigned.
    pub(crate) fn quotient_offset(self) -> u32 {
        1 << (self.0.quotient - 1)
    }

    /// What makes the upper half of the dividend unsigned.
    pub(crate) fn dividend_offset(self) -> u32 {
        1 << (30 - self.0.half)
    }

    /// Widths of both halves of the quotient, both halves of the dividend, the carry, the
    /// remainder, and what the remainder is less than the divisor.
    pub(crate) fn widths(self) -> [Width; 7] {
        let room::Division { half, quotient, divisor } = self.0;
        [half, quotient, half, 31 - half, divisor, divisor, divisor].map(Width)
    }
}

/// Widths of a root `y`, of `r = x - y * y` and of `2 * y - r`: with `y` below 2^15 neither `y * y
/// + r` nor `2 * y` reaches the modulus.
pub(crate) const ROOT: [Width; 3] = [Width(15), Width(16), Width(16)];

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: i64 = 1 << 30;

    #[test]
    fn differences_have_30_bits_at_most() {
        let spread = |hi: i64| Interval::new(0, hi);
        assert_eq!(Width::of_maximum(spread(BOUND - 1)), Some(Width(30)));
        assert_eq!(Width::of_maximum(spread(BOUND)), None);
        assert_eq!(Width::of_first_maximum(spread(BOUND - 2)), Some(Width(30)));
        assert_eq!(Width::of_first_maximum(spread(BOUND - 1)), None);
        assert_eq!(Width::of_rank(spread(BOUND - 3)), Some(Width(30)));
        assert_eq!(Width::of_rank(spread(BOUND - 2)), None);
        assert_eq!(Width::of_branch(5), Some(Width(3)));
    }

    #[test]
    fn remainders_and_quotients_together_stay_below_the_modulus() {
        assert_eq!(Width::of_remainder(1023, 21), Some(Width(21)));
        assert_eq!(Width::of_remainder(1024, 21), None);
        assert_eq!(Width::of_remainder(u64::MAX, 30), None);
    }
}
