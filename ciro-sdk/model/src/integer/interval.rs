//! Static intervals: what every element of a tensor is proven to stay inside.

use std::ops::{Add, Mul};

use serde::{Deserialize, Serialize};

/// Integers of a model stay strictly inside `(-BOUND, BOUND)`, so that identities in the 31-bit
/// Mersenne field are identities over the integers.
pub const BOUND: i64 = 1 << 30;

/// A closed interval of integers, `lo <= hi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Interval {
    /// The least value.
    pub lo: i64,
    /// The greatest value.
    pub hi: i64,
}

impl Interval {
    /// Builds the interval `[lo, hi]`; the bounds are swapped if they come in the wrong order.
    pub fn new(lo: i64, hi: i64) -> Self {
        Self { lo: lo.min(hi), hi: lo.max(hi) }
    }

    /// The interval of one value.
    pub fn point(value: i64) -> Self {
        Self { lo: value, hi: value }
    }

    /// The smallest interval that holds every value, `None` for no value.
    pub fn of(values: impl IntoIterator<Item = i64>) -> Option<Self> {
        values.into_iter().map(Self::point).reduce(Self::union)
    }

    /// The smallest interval that holds both.
    pub fn union(self, other: Self) -> Self {
        Self { lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    /// Whether every value of `other` is in `self`.
    pub fn contains(self, other: Self) -> bool {
        self.lo <= other.lo && other.hi <= self.hi
    }

    /// Whether every value is strictly inside `(-2^30, 2^30)`.
    pub fn in_bound(self) -> bool {
        -BOUND < self.lo && self.hi < BOUND
    }

    /// The greatest absolute value.
    pub fn max_abs(self) -> i64 {
        self.lo.saturating_abs().max(self.hi.saturating_abs())
    }

    /// How many integers the interval holds.
    pub fn width(self) -> u64 {
        self.hi.abs_diff(self.lo).saturating_add(1)
    }

    /// `{ c * x }`.
    pub fn scale(self, c: i64) -> Self {
        Self::new(self.lo.saturating_mul(c), self.hi.saturating_mul(c))
    }

    /// `{ x >> shift }`, arithmetic.
    pub fn shift_right(self, shift: u32) -> Self {
        Self { lo: self.lo >> shift, hi: self.hi >> shift }
    }

    /// `{ clamp(x, lo, hi) }`.
    pub fn clamp(self, lo: i64, hi: i64) -> Self {
        Self { lo: self.lo.clamp(lo, hi), hi: self.hi.clamp(lo, hi) }
    }
}

/// A sum of intervals, exact however many there are.
///
/// A running sum that saturates would come back inside the bound with later terms of the other
/// sign, and enclose nothing. Terms of `i64` leave room for 2^63 of them.
#[derive(Clone, Copy, Debug)]
pub struct IntervalSum {
    lo: i128,
    hi: i128,
}

impl IntervalSum {
    /// The sum of one value.
    pub fn point(value: i64) -> Self {
        Self { lo: value.into(), hi: value.into() }
    }

    /// Adds `{ c * x }`.
    pub fn add_scaled(&mut self, x: Interval, c: i64) {
        let ends = [x.lo, x.hi].map(|end| i128::from(end) * i128::from(c));
        self.lo += ends[0].min(ends[1]);
        self.hi += ends[0].max(ends[1]);
    }

    /// The interval, its ends cut to what 64 bits hold, far outside of the bound.
    pub fn total(self) -> Interval {
        let cut = |end: i128| {
            let inside = end.clamp(i64::MIN.into(), i64::MAX.into());
            i64::try_from(inside).expect("clamped to 64 bits")
        };
        Interval { lo: cut(self.lo), hi: cut(self.hi) }
    }
}

impl Add for Interval {
    type Output = Self;

    /// `{ x + y }`, saturating.
    fn add(self, other: Self) -> Self {
        Self { lo: self.lo.saturating_add(other.lo), hi: self.hi.saturating_add(other.hi) }
    }
}

impl Mul for Interval {
    type Output = Self;

    /// `{ x * y }`, saturating.
    fn mul(self, other: Self) -> Self {
        let products =
            [self.lo, self.hi].map(|x| [x.saturating_mul(other.lo), x.saturating_mul(other.hi)]);
        Self::of(products.concat()).expect("four products")
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {}]", self.lo, self.hi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_past_64_bits_do_not_come_back() {
        let (most, one) = (Interval::point(BOUND - 1), Interval::point(1));
        let mut sum = IntervalSum::point(0);
        for _ in 0..12 {
            sum.add_scaled(most, i64::from(i32::MAX));
        }
        for _ in 0..4 {
            sum.add_scaled(most, -i64::from(i32::MAX));
        }
        sum.add_scaled(one, -7);
        assert!(!sum.total().in_bound(), "{}", sum.total());
    }

    #[test]
    fn products_cover_every_sign() {
        assert_eq!(Interval::new(-2, 3) * Interval::new(-5, 1), Interval::new(-15, 10));
        assert_eq!(Interval::new(-7, 7).shift_right(1), Interval::new(-4, 3));
    }

    #[test]
    fn the_bound_is_strict() {
        assert!(Interval::new(-BOUND + 1, BOUND - 1).in_bound());
        assert!(!Interval::new(0, BOUND).in_bound());
        assert!(!Interval::new(-BOUND, 0).in_bound());
    }
}
