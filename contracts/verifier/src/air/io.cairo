//! The public inputs and outputs.
use super::super::field::{mul, one_minus};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, dot, give_memory, total};
use super::shape::Chip;

/// a: lanes.
#[inline(never)]
pub fn io(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let lanes = *chip.a;
    let k = c.unbox();
    let mut values = next_many(ref x.witness, lanes);
    let multiplier = mul(*k.t[lanes], one_minus(k.first));
    total(ref x.interaction, ref ev, multiplier, dot(k.t, values), c);
    while let Option::Some(value) = values.pop_front() {
        let address = next(ref x.fixed);
        let multiplicity = next(ref x.fixed);
        give_memory(ref ev, multiplicity, address, *value, c);
    };
}
