//! Rows of constant matrices, chosen by computed indices.
use super::super::field::{add, base, red, sub};
use super::columns::{Cursor, next};
use super::events::{C, Event, Events, TABLE, give_memory, take_memory, tuple3, zero_product};
use super::shape::Chip;

/// a: lanes.
#[inline(never)]
pub fn embed(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let at_x = next(ref x.fixed);
    let width = next(ref x.fixed);
    let table = next(ref x.fixed);
    let first = next(ref x.fixed);
    let at_y = next(ref x.fixed);
    let index = next(ref x.witness);
    let position = next(ref x.witness);
    zero_product(ref ev, index, width, sub(first, position));
    take_memory(ref ev, at_x, index, c);
    let mut step = 0;
    let lanes: felt252 = (*chip.a).into();
    while step != lanes {
        let readers = next(ref x.fixed);
        let value = next(ref x.witness);
        let entry = red(add(position, base(step)));
        ev.append(Event::Take(tuple3(TABLE, table, entry, value, c)));
        give_memory(ref ev, readers, red(add(at_y, base(step))), value, c);
        step += 1;
    };
}
