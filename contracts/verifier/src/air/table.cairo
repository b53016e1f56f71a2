//! Fixed tables.
use super::columns::{Cursor, next, next_many};
use super::events::{BOUNDARY, C, Event, Events, LEAF, TABLE, TREE_NODE, tuple};
use super::shape::Chip;

/// a: lanes, b: what the table holds.
#[inline(never)]
pub fn table(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let kind = *chip.b;
    let (relation, width): (felt252, u32) = if kind == 0 {
        (TABLE, 3)
    } else if kind == 1 {
        (BOUNDARY, 6)
    } else if kind == 2 {
        (TREE_NODE, 5)
    } else {
        (LEAF, 3)
    };
    let mut left = *chip.a;
    while left != 0 {
        let entry = next_many(ref x.fixed, width);
        let count = next(ref x.witness);
        ev.append(Event::Give((count, tuple(relation, entry, c))));
        left -= 1;
    };
}
