//! Elementwise arithmetic, rounded or raw: x = p a b + q a + r b + constant.
use super::super::field::{add, mul, neg};
use super::columns::{Cursor, next};
use super::events::{C, Events, give_memory, raw, take_memory, zero_product};
use super::rounding::{lookup_lane, read_lane, read_rounding};
use super::shape::Chip;

/// a: lanes, b: limbs or 0, c: their bits.
#[inline(never)]
pub fn arithmetic(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let p = next(ref x.fixed);
    let q = next(ref x.fixed);
    let r = next(ref x.fixed);
    let constant = next(ref x.fixed);
    let rounding = read_rounding(ref x, *chip.b, *chip.c);
    let mut left = *chip.a;
    while left != 0 {
        let at_a = next(ref x.fixed);
        let at_b = next(ref x.fixed);
        let at_y = next(ref x.fixed);
        let readers = next(ref x.fixed);
        let a = next(ref x.witness);
        let b = next(ref x.witness);
        let lane = read_lane(ref x, rounding);
        let l = lane.unbox();
        let rest = add(constant, neg(l.input));
        zero_product(ref ev, p, mul(a, b), add(add(raw(q, a), raw(r, b)), rest));
        take_memory(ref ev, at_a, a, c);
        take_memory(ref ev, at_b, b, c);
        give_memory(ref ev, readers, at_y, l.output, c);
        lookup_lane(ref ev, rounding, lane, c);
        left -= 1;
    };
}
