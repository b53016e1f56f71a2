//! Committed inputs: their elements lie in the intervals of their encoding.
use super::super::field::{ONE, ZERO, add, mul, one_minus, red, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, give_memory, zero, zero_product};
use super::limbs::{join, range_checks};
use super::shape::Chip;

/// a: limbs, b: their bits, c: whether some elements are limbs of images.
#[inline(never)]
pub fn admit(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let address = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let lo = next(ref x.fixed);
    let spread = next(ref x.fixed);
    let mut widths = next_many(ref x.fixed, *chip.a);
    let mut above = next_many(ref x.witness, *chip.a);
    let mut below = next_many(ref x.witness, *chip.a);
    let gap = join(above, *chip.b);
    let rest = join(below, *chip.b);
    zero(ref ev, sub(add(gap, rest), spread));
    if *chip.c != 0 {
        let low = next(ref x.fixed);
        let high = next(ref x.witness);
        let now = next(ref x.witness);
        let inverse = next(ref x.witness);
        zero(ref ev, sub(now, gap));
        let both = mul(red(add(high, now)), inverse);
        zero_product(ref ev, low, sub(both, ONE), ZERO);
        zero_product(ref ev, one_minus(low), inverse, ZERO);
    }
    give_memory(ref ev, readers, address, red(add(lo, gap)), c);
    while let Option::Some(width) = widths.pop_front() {
        if let Option::Some(limb) = above.pop_front() {
            range_checks(ref ev, array![*width].span(), array![*limb].span(), c);
        }
        if let Option::Some(limb) = below.pop_front() {
            range_checks(ref ev, array![*width].span(), array![*limb].span(), c);
        }
    };
}
