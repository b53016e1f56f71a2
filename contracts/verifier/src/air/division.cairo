//! Floor division and integer square roots.
use super::super::field::{ONE, add, mul, neg, red, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, give_memory, take_memory, zero, zero_product};
use super::limbs::{join_many, range_checks};
use super::shape::Chip;

/// a: limbs, b: their bits.
#[inline(never)]
pub fn divide(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let at_a = next(ref x.fixed);
    let at_b = next(ref x.fixed);
    let at_q = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let power = next(ref x.fixed);
    let q_offset = next(ref x.fixed);
    let a_offset = next(ref x.fixed);
    let n = 7 * *chip.a;
    let widths = next_many(ref x.fixed, n);
    let limbs = next_many(ref x.witness, n);
    let values = join_many(limbs, 7, *chip.a, *chip.b);
    let (q0, q1) = (*values[0], red(sub(*values[1], q_offset)));
    let (a0, a1) = (*values[2], red(sub(*values[3], a_offset)));
    let (carry, r, gap) = (*values[4], *values[5], *values[6]);
    let b = red(add(add(r, gap), ONE));
    zero_product(ref ev, q0, b, add(sub(r, a0), neg(mul(carry, power))));
    zero_product(ref ev, q1, b, sub(carry, a1));
    let a = next(ref x.witness);
    let q = next(ref x.witness);
    zero_product(ref ev, a1, power, sub(a0, a));
    zero_product(ref ev, q1, power, sub(q0, q));
    take_memory(ref ev, at_a, a, c);
    take_memory(ref ev, at_b, b, c);
    give_memory(ref ev, readers, at_q, q, c);
    range_checks(ref ev, widths, limbs, c);
}
/// a: limbs, b: their bits.
#[inline(never)]
pub fn root(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let at_x = next(ref x.fixed);
    let at_y = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let n = 3 * *chip.a;
    let widths = next_many(ref x.fixed, n);
    let limbs = next_many(ref x.witness, n);
    let values = join_many(limbs, 3, *chip.a, *chip.b);
    let (y, r, gap) = (*values[0], *values[1], *values[2]);
    zero(ref ev, sub(sub(add(y, y), r), gap));
    let radicand = next(ref x.witness);
    zero_product(ref ev, y, y, sub(r, radicand));
    take_memory(ref ev, at_x, radicand, c);
    give_memory(ref ev, readers, at_y, y, c);
    range_checks(ref ev, widths, limbs, c);
}
