//! What a chip demands, as a list: values that vanish, and fractions of its LogUp sum.
use super::super::field::{
    ONE, Q, ZERO, add, base, mul, mul_add, mul_raw, neg, red_inline, sub,
};
use super::columns::{extension, extension_twice};

pub const MEMORY: felt252 = 1;
pub const TABLE: felt252 = 2;
pub const RANK: felt252 = 3;
pub const TREE_NODE: felt252 = 4;
pub const LEAF: felt252 = 5;
pub const BOUNDARY: felt252 = 6;

/// What a chip's constraints depend on beside its columns.
#[derive(Copy, Drop)]
pub struct Context {
    pub z: Q,
    /// alpha^1 and on.
    pub alpha: Span<Q>,
    pub t: Span<Q>,
    pub s: Span<Q>,
    pub lambda: Q,
    /// Selectors of the chip's size.
    pub first: Q,
    pub last: Q,
    /// Whether its total is compared here, and with what.
    pub closes_total: bool,
    pub total: Q,
    /// Whether it closes the balance of all lookups, and what the other chips add to it.
    pub closes_wiring: bool,
    pub others: Q,
    /// Whether its last LogUp column is opened in two rows.
    pub twice: bool,
}
/// A box, so that functions pass one felt.
pub type C = Box<Context>;

#[derive(Copy, Drop)]
pub enum Event {
    /// A value that must vanish, not reduced.
    Zero: Q,
    /// -1 / denominator.
    Take: Q,
    /// numerator / denominator.
    Give: (Q, Q),
}
pub type Events = Array<Event>;

#[inline(never)]
pub fn raw(x: Q, y: Q) -> Q {
    mul_raw(x, y)
}
#[inline(never)]
pub fn zero(ref ev: Events, value: Q) {
    ev.append(Event::Zero(value));
}
/// x y + z must vanish.
#[inline(never)]
pub fn zero_product(ref ev: Events, x: Q, y: Q, z: Q) {
    ev.append(Event::Zero(add(mul_raw(x, y), z)));
}
/// A column in the extension field: now = previous * multiplier + addend.
#[inline(never)]
pub fn fold(ref words: Span<u32>, ref ev: Events, multiplier: Q, addend: Q) -> Q {
    let (previous, now) = extension_twice(ref words);
    ev.append(Event::Zero(sub(sub(now, mul(previous, multiplier)), addend)));
    now
}
/// The last fold, whose value in the last row is the chip's total.
#[inline(never)]
pub fn total(ref words: Span<u32>, ref ev: Events, multiplier: Q, addend: Q, c: C) {
    let value = fold(ref words, ref ev, multiplier, addend);
    let k = c.unbox();
    if k.closes_total {
        ev.append(Event::Zero(mul_raw(sub(value, k.total), k.last)));
    }
}

/// relation + sum_i alpha^(1 + i) values[i] - z.
#[inline(never)]
pub fn tuple(relation: felt252, values: Span<Q>, c: C) -> Q {
    let k = c.unbox();
    dot_from(sub(base(relation), k.z), k.alpha, values)
}
#[inline(never)]
pub fn tuple2(relation: felt252, x: Q, y: Q, c: C) -> Q {
    let k = c.unbox();
    let mut powers = k.alpha;
    let sum = add(sub(base(relation), k.z), mul_raw(head(ref powers), x));
    red_inline(add(sum, mul_raw(head(ref powers), y)))
}
#[inline(never)]
pub fn tuple3(relation: felt252, x: Q, y: Q, z: Q, c: C) -> Q {
    let k = c.unbox();
    let mut powers = k.alpha;
    let sum = add(sub(base(relation), k.z), mul_raw(head(ref powers), x));
    let sum = add(sum, mul_raw(head(ref powers), y));
    red_inline(add(sum, mul_raw(head(ref powers), z)))
}
#[inline(always)]
fn head(ref powers: Span<Q>) -> Q {
    match powers.pop_front() {
        Option::Some(power) => *power,
        Option::None => ZERO,
    }
}
#[inline(never)]
pub fn take_memory(ref ev: Events, address: Q, value: Q, c: C) {
    ev.append(Event::Take(tuple2(MEMORY, address, value, c)));
}
#[inline(never)]
pub fn give_memory(ref ev: Events, readers: Q, address: Q, value: Q, c: C) {
    ev.append(Event::Give((readers, tuple2(MEMORY, address, value, c))));
}
/// start + sum_i powers[i] values[i], reduced.
#[inline(never)]
fn dot_from(start: Q, mut powers: Span<Q>, mut values: Span<Q>) -> Q {
    let mut sum = start;
    while let Option::Some(value) = values.pop_front() {
        sum = add(sum, mul_raw(head(ref powers), *value));
    };
    red_inline(sum)
}
#[inline(never)]
pub fn dot(powers: Span<Q>, values: Span<Q>) -> Q {
    dot_from(ZERO, powers, values)
}

/// Two fractions as one.
#[inline(never)]
fn joined(n0: Q, d0: Q, n1: Q, d1: Q) -> (Q, Q) {
    (red_inline(add(mul_raw(n0, d1), mul_raw(n1, d0))), mul(d0, d1))
}
/// A pair of fractions that waits for the next one, and the row's sum before it.
#[derive(Copy, Drop)]
struct Row {
    paired: bool,
    numerator: Q,
    denominator: Q,
    runs: bool,
    running: Q,
}
/// (sum - running) denominator - numerator.
#[inline(never)]
fn step(row: Row, sum: Q) -> Q {
    let sum = if row.runs {
        sub(sum, row.running)
    } else {
        sum
    };
    add(raw(sum, row.denominator), neg(row.numerator))
}
/// A complete pair: the one before it has a column of its own.
#[inline(never)]
fn push(ref row: Row, ref words: Span<u32>, ref acc: Q, rc: Q, n: Q, d: Q) {
    if row.paired {
        let now = extension(ref words);
        acc = mul_add(acc, rc, step(row, now));
        row.running = now;
        row.runs = true;
    }
    row.paired = true;
    row.numerator = n;
    row.denominator = d;
}
const MINUS_ONE: Q = Q { a: 0x7ffffffe, b: 0, c: 0, d: 0 };

/// Adds constraints up; two lookups share a column.
///
/// The last column of most chips holds the sum of the row. That of one runs over the rows of all
/// chips: what it grows by, less what the others add, is the sum of its own row.
#[inline(never)]
pub fn logup(ref words: Span<u32>, mut ev: Span<Event>, c: C, rc: Q, acc: Q) -> Q {
    let mut acc = acc;
    let (mut open, mut on, mut od) = (false, ZERO, ONE);
    let mut row = Row {
        paired: false, numerator: ZERO, denominator: ONE, runs: false, running: ZERO,
    };
    while let Option::Some(event) = ev.pop_front() {
        let (n, d) = match event {
            Event::Zero(value) => {
                acc = mul_add(acc, rc, *value);
                continue;
            },
            Event::Take(d) => (MINUS_ONE, *d),
            Event::Give(both) => *both,
        };
        if !open {
            open = true;
            on = n;
            od = d;
        } else {
            open = false;
            let (n, d) = joined(on, od, n, d);
            push(ref row, ref words, ref acc, rc, n, d);
        }
    };
    if open {
        push(ref row, ref words, ref acc, rc, on, od);
    }
    // Every chip makes a lookup, as the shapes say.
    let k = c.unbox();
    let sum = if k.twice {
        let (previous, now) = extension_twice(ref words);
        if k.closes_wiring {
            red_inline(sub(sub(now, previous), k.others))
        } else {
            now
        }
    } else {
        extension(ref words)
    };
    mul_add(acc, rc, step(row, sum))
}
