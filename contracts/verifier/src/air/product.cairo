//! Matrix products, checked instead of computed: their operands and their results.
use super::super::field::{Q, add, mul, mul_add, mul_raw, one_minus, red, red_inline, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, dot, fold, give_memory, take_memory, total};
use super::rounding::{Lane, R, lookup_lane, read_lane, read_rounding};
use super::shape::Chip;

/// a: left, b: right, c: whether w is computed.
#[inline(never)]
pub fn contract(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let keep = next(ref x.fixed);
    let close = next(ref x.fixed);
    let begins = next(ref x.fixed);
    let at_x = next_many(ref x.fixed, *chip.a);
    let xs = next_many(ref x.witness, *chip.a);
    let fixed = next_many(ref x.fixed, *chip.b);
    let computed = *chip.c != 0;
    let w = if computed {
        next_many(ref x.witness, *chip.b)
    } else {
        fixed
    };
    let k = c.unbox();
    let u = fold(ref x.interaction, ref ev, mul(*k.s[*chip.a], keep), dot(k.s, xs));
    let v = fold(ref x.interaction, ref ev, mul(*k.t[*chip.b], keep), dot(k.t, w));
    let multiplier = mul_add(k.lambda, begins, sub(one_minus(k.first), begins));
    total(ref x.interaction, ref ev, multiplier, mul(mul(u, v), close), c);
    take_all(ref ev, at_x, xs, c);
    if computed {
        take_all(ref ev, fixed, w, c);
    }
}
#[inline(never)]
fn take_all(ref ev: Events, mut at: Span<Q>, mut values: Span<Q>, c: C) {
    while let Option::Some(address) = at.pop_front() {
        if let Option::Some(value) = values.pop_front() {
            take_memory(ref ev, *address, *value, c);
        }
    };
}

/// n + (m - n) turn, reduced.
#[inline(never)]
fn choose(n: Q, m: Q, turn: Q) -> Q {
    red_inline(add(n, mul_raw(sub(m, n), turn)))
}
/// a: lanes, b: limbs or 0, c: their bits.
#[inline(never)]
pub fn accumulate(ref x: Cursor, ref ev: Events, chip: @Chip, c: C) {
    let lanes = *chip.a;
    let turn = next(ref x.fixed);
    let keep = next(ref x.fixed);
    let close = next(ref x.fixed);
    let chain = next(ref x.fixed);
    let ends = next(ref x.fixed);
    let begins = next(ref x.fixed);
    let address = next(ref x.fixed);
    let stride = next(ref x.fixed);
    let readers = next_many(ref x.fixed, lanes);
    let rounding = read_rounding(ref x, *chip.b, *chip.c);
    let (all, inputs) = read_lanes(ref x, rounding, lanes);
    let k = c.unbox();
    let multiplier = mul(choose(*k.t[lanes], *k.s[lanes], turn), keep);
    let addend = choose(dot(k.t, inputs), dot(k.s, inputs), turn);
    let inner = fold(ref x.interaction, ref ev, multiplier, addend);
    let not_first = one_minus(k.first);
    let hold = mul(one_minus(close), not_first);
    let multiplier = mul_add(choose(*k.s[1], *k.t[1], turn), chain, hold);
    let outer = fold(ref x.interaction, ref ev, multiplier, mul(inner, close));
    let multiplier = mul_add(k.lambda, begins, sub(not_first, begins));
    total(ref x.interaction, ref ev, multiplier, mul(outer, ends), c);
    give_lanes(ref ev, readers, address, stride, all, c);
    let mut all = all;
    while let Option::Some(lane) = all.pop_front() {
        lookup_lane(ref ev, rounding, *lane, c);
    };
}
#[inline(never)]
fn read_lanes(ref x: Cursor, rounding: R, lanes: u32) -> (Span<Box<Lane>>, Span<Q>) {
    let mut all: Array<Box<Lane>> = array![];
    let mut inputs: Array<Q> = array![];
    let mut left = lanes;
    while left != 0 {
        let lane = read_lane(ref x, rounding);
        inputs.append(lane.unbox().input);
        all.append(lane);
        left -= 1;
    };
    (all.span(), inputs.span())
}
/// The outputs of the lanes, at addresses `stride` apart.
#[inline(never)]
fn give_lanes(
    ref ev: Events, mut readers: Span<Q>, address: Q, stride: Q, mut all: Span<Box<Lane>>, c: C,
) {
    let mut address = address;
    while let Option::Some(reader) = readers.pop_front() {
        if let Option::Some(lane) = all.pop_front() {
            give_memory(ref ev, *reader, address, (*lane).unbox().output, c);
        }
        address = red(add(address, stride));
    };
}
