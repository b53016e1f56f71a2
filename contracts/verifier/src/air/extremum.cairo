//! Maxima of groups, and their positions.
use super::super::field::{ONE, ZERO, add, mul, mul_add, neg, one_minus, red, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, give_memory, take_memory, zero, zero_product};
use super::limbs::{join, range_checks};
use super::shape::Chip;

/// a: limbs, b: their bits.
#[inline(never)]
pub fn max(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let keep = next(ref x.fixed);
    let close = next(ref x.fixed);
    let at_a = next(ref x.fixed);
    let at_y = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let widths = next_many(ref x.fixed, *chip.a);
    let y_before = next(ref x.witness);
    let y = next(ref x.witness);
    let product_before = next(ref x.witness);
    let product = next(ref x.witness);
    let limbs = next_many(ref x.witness, *chip.a);
    let difference = join(limbs, *chip.b);
    zero_product(ref ev, keep, sub(y, y_before), ZERO);
    let factor = mul_add(keep, product_before, one_minus(keep));
    zero(ref ev, add(product, neg(mul(factor, difference))));
    zero_product(ref ev, close, product, ZERO);
    take_memory(ref ev, at_a, red(sub(y, difference)), c);
    give_memory(ref ev, readers, at_y, y, c);
    range_checks(ref ev, widths, limbs, c);
}
/// a: limbs, b: their bits.
#[inline(never)]
pub fn arg_max(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let keep = next(ref x.fixed);
    let close = next(ref x.fixed);
    let position = next(ref x.fixed);
    let at_a = next(ref x.fixed);
    let at_y = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let widths = next_many(ref x.fixed, *chip.a);
    let y_before = next(ref x.witness);
    let y = next(ref x.witness);
    let found_before = next(ref x.witness);
    let found = next(ref x.witness);
    let chosen_before = next(ref x.witness);
    let chosen = next(ref x.witness);
    let limbs = next_many(ref x.witness, *chip.a);
    let gap = join(limbs, *chip.b);
    let not_found = one_minus(found);
    let difference = red(add(gap, not_found));
    zero_product(ref ev, keep, sub(y, y_before), ZERO);
    zero_product(ref ev, keep, sub(chosen, chosen_before), ZERO);
    zero_product(ref ev, found, sub(found, ONE), ZERO);
    let before = mul(keep, found_before);
    zero_product(ref ev, before, not_found, ZERO);
    zero_product(ref ev, close, not_found, ZERO);
    let here = next(ref x.witness);
    zero(ref ev, add(sub(here, found), before));
    zero_product(ref ev, here, difference, ZERO);
    zero_product(ref ev, here, sub(chosen, position), ZERO);
    take_memory(ref ev, at_a, red(sub(y, difference)), c);
    give_memory(ref ev, readers, at_y, chosen, c);
    range_checks(ref ev, widths, limbs, c);
}
