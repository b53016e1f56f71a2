//! The rounding shift that most activations go through, as a part of other chips.
use super::super::field::{Q, ZERO, add, mul_raw, red_inline, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Event, Events, TABLE, tuple3};
use super::limbs::{join, range_checks};

/// What all lanes of a row share; without limbs values stay as they are.
#[derive(Copy, Drop)]
pub struct Rounding {
    power: Q,
    offset: Q,
    table: Q,
    widths: Span<Q>,
    count: u32,
    bits: u32,
}
pub type R = Box<Rounding>;

/// One value before and after rounding.
#[derive(Copy, Drop)]
pub struct Lane {
    quotient: Q,
    limbs: Span<Q>,
    pub input: Q,
    pub output: Q,
}

#[inline(never)]
pub fn read_rounding(ref x: Cursor, count: u32, bits: u32) -> R {
    if count == 0 {
        let (power, offset, table) = (ZERO, ZERO, ZERO);
        let widths = array![].span();
        return BoxTrait::new(Rounding { power, offset, table, widths, count, bits });
    }
    let power = next(ref x.fixed);
    let offset = next(ref x.fixed);
    let table = next(ref x.fixed);
    let widths = next_many(ref x.fixed, count);
    BoxTrait::new(Rounding { power, offset, table, widths, count, bits })
}
#[inline(never)]
pub fn read_lane(ref x: Cursor, r: R) -> Box<Lane> {
    let quotient = next(ref x.witness);
    let k = r.unbox();
    if k.count == 0 {
        let limbs = array![].span();
        return BoxTrait::new(Lane { quotient, limbs, input: quotient, output: quotient });
    }
    let output = next(ref x.witness);
    let limbs = next_many(ref x.witness, k.count);
    let remainder = sub(join(limbs, k.bits), k.offset);
    let input = red_inline(add(mul_raw(quotient, k.power), remainder));
    BoxTrait::new(Lane { quotient, limbs, input, output })
}
#[inline(never)]
pub fn lookup_lane(ref ev: Events, r: R, lane: Box<Lane>, c: C) {
    let (k, l) = (r.unbox(), lane.unbox());
    if k.count == 0 {
        return;
    }
    ev.append(Event::Take(tuple3(TABLE, k.table, l.quotient, l.output, c)));
    range_checks(ref ev, k.widths, l.limbs, c);
}
