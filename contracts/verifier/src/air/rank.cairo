//! Ranks of features among sorted boundaries.
use super::super::field::{ONE, Q, ZERO, add, neg, red, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{
    BOUNDARY, C, Event, Events, RANK, give_memory, take_memory, tuple, tuple2, zero_product,
};
use super::limbs::{join, range_checks};
use super::shape::Chip;

/// A pair is not greater than another: the differences of their high and of their low parts.
#[inline(never)]
fn ordered(ref x: Cursor, ref ev: Events, chip: @Chip, high: Q, low: Q) -> Span<Q> {
    let equal = next(ref x.witness);
    let limbs = next_many(ref x.witness, *chip.a);
    let gap = join(limbs, *chip.b);
    zero_product(ref ev, equal, sub(equal, ONE), ZERO);
    zero_product(ref ev, equal, high, ZERO);
    let high = red(sub(high, ONE));
    zero_product(ref ev, equal, sub(low, high), add(high, neg(gap)));
    limbs
}
/// a: limbs, b: their bits.
#[inline(never)]
pub fn rank(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let at_high = next(ref x.fixed);
    let at_low = next(ref x.fixed);
    let feature = next(ref x.fixed);
    let slot = next(ref x.fixed);
    let at_rank = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let widths = next_many(ref x.fixed, *chip.a);
    let high = next(ref x.witness);
    let low = next(ref x.witness);
    let rank = next(ref x.witness);
    let lower0 = next(ref x.witness);
    let lower1 = next(ref x.witness);
    let upper0 = next(ref x.witness);
    let upper1 = next(ref x.witness);
    let above = ordered(ref x, ref ev, chip, red(sub(upper0, high)), red(sub(upper1, low)));
    let below_low = red(sub(sub(low, lower1), ONE));
    let below = ordered(ref x, ref ev, chip, red(sub(high, lower0)), below_low);
    let visits = next(ref x.witness);
    take_memory(ref ev, at_high, high, c);
    take_memory(ref ev, at_low, low, c);
    let interval = array![feature, rank, lower0, lower1, upper0, upper1].span();
    ev.append(Event::Take(tuple(BOUNDARY, interval, c)));
    ev.append(Event::Give((visits, tuple2(RANK, slot, rank, c))));
    give_memory(ref ev, readers, at_rank, rank, c);
    range_checks(ref ev, widths, above, c);
    range_checks(ref ev, widths, below, c);
}
