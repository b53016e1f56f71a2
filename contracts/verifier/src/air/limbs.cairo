//! Values that are range-checked limb by limb.
use super::super::field::{Q, ZERO, add, pow2, red_inline, scale};
use super::events::{C, Event, Events, TABLE, tuple2};

/// sum_k limbs[k] 2^(bits k), reduced.
#[inline(never)]
pub fn join(mut limbs: Span<Q>, bits: u32) -> Q {
    let power = pow2(bits);
    let mut sum = ZERO;
    let mut factor = 1;
    while let Option::Some(limb) = limbs.pop_front() {
        sum = add(sum, scale(*limb, factor));
        factor = factor * power;
    };
    red_inline(sum)
}
/// Looks every limb up in the range table of its width, as `(width, limb, 0)`.
#[inline(never)]
pub fn range_checks(ref ev: Events, mut widths: Span<Q>, mut limbs: Span<Q>, c: C) {
    while let Option::Some(width) = widths.pop_front() {
        if let Option::Some(limb) = limbs.pop_front() {
            ev.append(Event::Take(tuple2(TABLE, *width, *limb, c)));
        }
    };
}
/// The values behind `n` times `count` limbs.
#[inline(never)]
pub fn join_many(limbs: Span<Q>, n: u32, count: u32, bits: u32) -> Span<Q> {
    let mut values = array![];
    let mut at: u32 = 0;
    while at != n {
        values.append(join(limbs.slice(at * count, count), bits));
        at += 1;
    };
    values.span()
}
