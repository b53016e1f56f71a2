//! How much room the checks of the tensor STARK need: one table, which the quantizer and the layout
//! read.
//!
//! A check of the tensor STARK is an identity of the field of `p = 2^31 - 1` elements between
//! values that are known to be small. It means what it says only if no other small values satisfy
//! it modulo `p`. Each function here states that condition for one kind of check, exactly: one more
//! and a false value passes.
//!
//! | check | one value passes if and only if |
//! |---|---|
//! | `x = q * 2^s + r - offset`, `q` in a table of `n` entries, `0 <= r < 2^s` | `n * 2^s <= p` |
//! | `0 <= d < 2^bits` for a difference that may be as low as `-e` | `e + 2^bits <= p` |
//! | `a = q * b + r` in two halves | see [`division`] |

use super::{BOUND, Interval};

/// The number of elements of the field.
pub const MODULUS: u64 = (1 << 31) - 1;

/// Elements of a maximum stay below this in absolute value, so that their differences stay below
/// the bound.
pub const COMPARED: i64 = BOUND / 2;

/// Values that are ranked among boundaries stay below this in absolute value: boundaries and
/// sentinels reach two beyond them.
pub const RANKED: i64 = BOUND / 2 - 1;

/// Differences whose sign is read from a table of quotients by `2^SIGN_SHIFT` stay below this in
/// absolute value.
pub const SIGNED: i64 = BOUND - (1 << SIGN_SHIFT);

/// The greatest shift before a table of signs.
pub const SIGN_SHIFT: u32 = 21;

/// What dividends lie in: their two halves reach from `-2^30` to `2^30 - 1`, and these two are one
/// element of the field.
pub const DIVIDEND: Interval = Interval { lo: 1 - BOUND, hi: BOUND - 2 };

/// The bits of the range check of a difference; `None` if none is sound.
///
/// True differences are at most `greatest`, false ones are negative, but not below `-farthest`.
pub fn difference(greatest: u64, farthest: u64) -> Option<u32> {
    difference_modulo(MODULUS, greatest, farthest)
}

fn difference_modulo(modulus: u64, greatest: u64, farthest: u64) -> Option<u32> {
    let bits = bits(greatest);
    let range = 1u64.checked_shl(bits)?;
    (range.checked_add(farthest)? <= modulus).then_some(bits)
}

/// Whether a value has one quotient in a table of `quotients` neighbouring entries and one
/// remainder below `2^shift`: the values that they stand for are neighbours too.
pub fn rounding(quotients: u64, shift: u32) -> bool {
    rounding_modulo(MODULUS, quotients, shift)
}

fn rounding_modulo(modulus: u64, quotients: u64, shift: u32) -> bool {
    u128::from(quotients) << shift.min(64) <= u128::from(modulus)
}

/// How a division is checked in two halves: `a = a1 * 2^half + a0` and `q = q1 * 2^half + q0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// Bits of the lower half.
    pub half: u32,
    /// Bits of the upper half of the quotient, sign included.
    pub quotient: u32,
    /// Bits of the divisor, of the remainder and of the carry.
    pub divisor: u32,
}

/// How to check `floor(a / b)` for `a` and `b >= 1` in two intervals, with the quotient in a third;
/// `None` if no check is sound.
///
/// `q0 * b + r - a0 = c * 2^half` and `q1 * b + c = a1` are equalities of integers if no side
/// reaches `p / 2`: all products stay below 2^29. What is left is that `a1 * 2^half + a0` is one
/// integer modulo `p`: dividends lie in [`DIVIDEND`].
pub fn division(dividend: Interval, divisor: Interval, quotient: Interval) -> Option<Division> {
    DIVIDEND.contains(dividend).then(|| halves(divisor, quotient))?
}

/// As [`division`], whatever the dividends are.
pub fn halves(divisor: Interval, quotient: Interval) -> Option<Division> {
    let divisor = bits(u64::try_from(divisor.hi).ok()?);
    let half = 29u32.checked_sub(divisor).filter(|&half| half > 0)?;
    let quotient = bits(quotient.max_abs().unsigned_abs() >> half) + 1;
    (quotient + divisor <= 29).then_some(Division { half, quotient, divisor })
}

/// Bits of a number.
fn bits(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prime of the field's form, small enough to try everything.
    const SMALL: u64 = 127;

    #[test]
    fn differences_are_unique_exactly_where_the_table_says() {
        for (greatest, farthest) in (0..SMALL).flat_map(|g| (1..SMALL).map(move |f| (g, f))) {
            let passes = |difference: u64| difference < 1 << bits(greatest);
            let unique = (1..=farthest).all(|d| !passes(SMALL - d));
            let found = difference_modulo(SMALL, greatest, farthest);
            assert_eq!(found.is_some(), unique, "{greatest} and -{farthest}");
        }
    }

    #[test]
    fn roundings_are_unique_exactly_where_the_table_says() {
        for (quotients, shift) in (1..200).flat_map(|q| (0..7).map(move |s| (q, s))) {
            let candidates = (0..quotients).flat_map(|q| (0..1u64 << shift).map(move |r| (q, r)));
            let mut seen = std::collections::BTreeSet::new();
            let unique =
                candidates.into_iter().all(|(q, r)| seen.insert(((q << shift) + r) % SMALL));
            assert_eq!(rounding_modulo(SMALL, quotients, shift), unique, "{quotients} << {shift}");
        }
    }

    #[test]
    fn rooms_of_the_quantizer_are_inside_the_table() {
        let spread = |most: i64| u64::try_from(2 * most).unwrap();
        // A position of a maximum: differences before it are one more.
        let elements = spread(COMPARED - 1);
        assert_eq!(difference(elements, elements + 1), Some(30));
        assert_eq!(difference(elements + 1, elements + 2), None);
        // A rank: a boundary below every value, sentinels one past both.
        let ranked = spread(RANKED - 1) + 1;
        assert_eq!(difference(ranked + 2, ranked + 2), Some(30));
        // Signs.
        let quotients = Interval::new(1 - SIGNED, SIGNED - 1).shift_right(SIGN_SHIFT);
        assert!(rounding(quotients.width(), SIGN_SHIFT));
        let bound = Interval::new(1 - BOUND, BOUND - 1).shift_right(SIGN_SHIFT);
        assert!(!rounding(bound.width(), SIGN_SHIFT));
    }

    #[test]
    fn dividends_are_one_integer_modulo_the_prime() {
        let (divisor, quotient) = (Interval::new(1, 100), Interval::new(0, 1 << 20));
        assert!(division(DIVIDEND, divisor, quotient).is_some());
        let past = Interval { hi: DIVIDEND.hi + 1, ..DIVIDEND };
        assert_eq!(division(past, divisor, quotient), None);
        assert_eq!(division(DIVIDEND, Interval::new(1, 1 << 29), quotient), None);
    }
}
