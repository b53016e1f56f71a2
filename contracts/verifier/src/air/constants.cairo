//! Constants as tensor elements.
use super::columns::{Cursor, next};
use super::events::{C, Events, give_memory};
use super::shape::Chip;

/// a: lanes.
#[inline(never)]
pub fn constants(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let mut left = *chip.a;
    while left != 0 {
        let address = next(ref x.fixed);
        let value = next(ref x.fixed);
        let readers = next(ref x.fixed);
        give_memory(ref ev, readers, address, value, c);
        left -= 1;
    };
}
