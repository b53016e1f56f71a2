//! Paths through decision trees, and what their leaves weigh.
use super::super::field::{ONE, ZERO, add, neg, red, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{
    C, Event, Events, LEAF, RANK, TREE_NODE, give_memory, take_memory, tuple, tuple2, tuple3,
    zero_product,
};
use super::limbs::{join, range_checks};
use super::shape::Chip;

/// a: limbs, b: their bits.
#[inline(never)]
pub fn path(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let keep = next(ref x.fixed);
    let root = next(ref x.fixed);
    let slots = next(ref x.fixed);
    let at_leaf = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let widths = next_many(ref x.fixed, *chip.a);
    let node = next(ref x.witness);
    let before = next(ref x.witness);
    let after = next(ref x.witness);
    let feature = next(ref x.witness);
    let threshold = next(ref x.witness);
    let left = next(ref x.witness);
    let right = next(ref x.witness);
    let rank = next(ref x.witness);
    let taken = next(ref x.witness);
    let limbs = next_many(ref x.witness, *chip.a);
    let gap = join(limbs, *chip.b);
    zero_product(ref ev, keep, sub(before, root), sub(root, node));
    zero_product(ref ev, taken, sub(taken, ONE), ZERO);
    zero_product(ref ev, taken, sub(left, right), sub(right, after));
    let to_left = red(sub(threshold, rank));
    let to_right = red(sub(neg(to_left), ONE));
    zero_product(ref ev, taken, sub(to_left, to_right), sub(to_right, gap));
    let entry = array![node, feature, threshold, left, right].span();
    ev.append(Event::Take(tuple(TREE_NODE, entry, c)));
    ev.append(Event::Take(tuple2(RANK, red(add(slots, feature)), rank, c)));
    give_memory(ref ev, readers, at_leaf, after, c);
    range_checks(ref ev, widths, limbs, c);
}
#[inline(never)]
pub fn leaf(ref x: Cursor, ref ev: Events, c: C) {
    let at_leaf = next(ref x.fixed);
    let output = next(ref x.fixed);
    let at_weight = next(ref x.fixed);
    let readers = next(ref x.fixed);
    let leaf = next(ref x.witness);
    let weight = next(ref x.witness);
    take_memory(ref ev, at_leaf, leaf, c);
    ev.append(Event::Take(tuple3(LEAF, leaf, output, weight, c)));
    give_memory(ref ev, readers, at_weight, weight, c);
}
