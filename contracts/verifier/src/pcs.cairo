//! The quotients that FRI starts from.
//!
//! Openings are batched by powers of a challenge. A column that is opened in two rows is opened a
//! third time, one period of its size further on, where it must have the value of this row. All
//! numerators of one point are `-2u [Y1 (L - S0) - (y - Y0) S1]`, where L is the sum of a row's
//! words by those powers and S0, S1 are sums of the opened values: one sum for a query and a point.
use core::blake::{blake2s_compress, blake2s_finalize};
use super::air::shape::Shape;
use super::blake::{Digest, iv, pad};
use super::circle::{Pt, QPt, generator, qpt_add};
use super::field::{P, P32, Q, ZERO, add, inv, pack, powers, red, reduce, sub, unpack_into};
use super::key::{Key, pop};

/// A sample of a column outside the row's own point.
#[derive(Copy, Drop)]
pub struct Entry {
    pub column: u32,
    pub previous: (felt252, felt252),
    pub period: (felt252, felt252),
}

/// A point with the sums over its samples.
#[derive(Copy, Drop)]
pub struct Batch {
    pub point: QPt,
    pub s0: Q,
    pub s1: Q,
}

#[derive(Copy, Drop)]
pub struct SizeBatch {
    pub batch: Batch,
    pub entries1: Span<Entry>,
    pub entries2: Span<Entry>,
}

#[derive(Drop, Copy)]
pub struct Plan {
    pub rows: [Span<felt252>; 4],
    pub columns: [u32; 4],
    pub here: Batch,
    pub previous: Batch,
    pub sizes: Span<SizeBatch>,
}

#[derive(Copy, Drop)]
struct Sums {
    s0: Q,
    s1: Q,
}
fn plus(x: Sums, y: Sums) -> Sums {
    Sums { s0: add(x.s0, y.s0), s1: add(x.s1, y.s1) }
}
#[inline(always)]
fn note(ref sums: Sums, power: Q, value: Q) {
    sums.s0 = add(sums.s0, mul_c(power, value.a, value.b));
    sums.s1 = add(sums.s1, mul_c(power, value.c, value.d));
}
/// Powers of the column challenge and the samples they belong to.
#[derive(Copy, Drop)]
struct Terms {
    powers: Span<Q>,
    samples: Span<Q>,
}

/// The next one; there are as many as the shapes say.
fn head(ref list: Span<Q>) -> Q {
    match list.pop_front() {
        Option::Some(q) => *q,
        Option::None => ZERO,
    }
}
/// `n` columns that are opened in their own row alone.
#[inline(never)]
fn singles(ref terms: Terms, ref coefs: Array<felt252>, here: Sums, n: u32) -> Sums {
    let Terms { mut powers, mut samples } = terms;
    let mut sums = here;
    let mut k: felt252 = n.into();
    while k != 0 {
        let p = head(ref powers);
        note(ref sums, p, head(ref samples));
        let (lo, hi) = pack(p);
        coefs.append(lo);
        coefs.append(hi);
        k -= 1;
    };
    terms = Terms { powers, samples };
    sums
}
/// `n` columns that are opened in the row before, too: returns the sums at the own point, before
/// it, and at the period's.
#[inline(never)]
fn doubles(
    ref terms: Terms,
    ref coefs: Array<felt252>,
    ref entries: Array<Entry>,
    sums: (Sums, Sums, Sums),
    column: u32,
    n: u32,
) -> (Sums, Sums, Sums) {
    let Terms { mut powers, mut samples } = terms;
    let (mut here, mut previous, mut period) = sums;
    let mut column = column;
    let end = column + n;
    while column != end {
        let before = head(ref samples);
        let now = head(ref samples);
        let p = head(ref powers);
        note(ref period, p, now);
        let q = head(ref powers);
        note(ref previous, q, before);
        entries.append(Entry { column, previous: pack(q), period: pack(p) });
        let p = head(ref powers);
        note(ref here, p, now);
        let (lo, hi) = pack(p);
        coefs.append(lo);
        coefs.append(hi);
        column += 1;
    };
    terms = Terms { powers, samples };
    (here, previous, period)
}
/// Of one chip in one tree: packed coefficients, samples elsewhere, sums at the period's point.
#[derive(Copy, Drop)]
struct Part {
    coefs: Span<felt252>,
    entries: Span<Entry>,
    period: Sums,
}

const NONE: Sums = Sums { s0: ZERO, s1: ZERO };
#[inline(never)]
fn doubles_in(mut shapes: Span<Shape>) -> u32 {
    let mut n: u32 = 0;
    while let Option::Some(shape) = shapes.pop_front() {
        let mut marks = *shape.witness;
        while let Option::Some(rows) = marks.pop_front() {
            n += *rows - 1;
        };
        n += 4 * *shape.folds;
        if *shape.twice {
            n += 4;
        }
    };
    n
}
fn extend(ref out: Array<felt252>, mut more: Span<felt252>) {
    while let Option::Some(x) = more.pop_front() {
        out.append(*x);
    };
}
fn pad32(ref out: Array<felt252>, columns: u32) {
    let mut k = (16 - columns % 16) % 16;
    while k != 0 {
        out.append(0);
        out.append(0);
        k -= 1;
    };
}

/// Powers and sums, by the order of columns in a row.
pub fn plan(
    key: Box<Key>, samples: Span<Q>, alpha: Q, point: QPt,
) -> Box<Plan> {
    let k = key.unbox();
    let (chips, shapes, selectors, log_rows) = (k.chips, k.shapes, k.selectors, k.log_rows);
    // a sample of its own for the period of every column with two
    let (mut here, mut previous) = (NONE, NONE);
    let mut terms = Terms { powers: powers(alpha, samples.len() + doubles_in(shapes)), samples };
    let mut p0 = array![];
    let mut rest = shapes;
    while let Option::Some(shape) = rest.pop_front() {
        let mut coefs = array![];
        here = singles(ref terms, ref coefs, here, *shape.fixed);
        p0.append(Part { coefs: coefs.span(), entries: array![].span(), period: NONE });
    };
    let mut ps = array![];
    let mut s = selectors;
    while let Option::Some(_) = s.pop_front() {
        let mut coefs = array![];
        here = singles(ref terms, ref coefs, here, 1);
        ps.append(Part { coefs: coefs.span(), entries: array![].span(), period: NONE });
    };
    let mut p1 = array![];
    let mut rest = shapes;
    while let Option::Some(shape) = rest.pop_front() {
        let mut coefs = array![];
        let mut entries = array![];
        let mut period = NONE;
        let mut masks = *shape.witness;
        let mut column: u32 = 0;
        while let Option::Some(m) = masks.pop_front() {
            if *m == 1 {
                here = singles(ref terms, ref coefs, here, 1);
            } else {
                let sums = (here, previous, period);
                let (a, b, c) = doubles(ref terms, ref coefs, ref entries, sums, column, 1);
                here = a;
                previous = b;
                period = c;
            }
            column += 1;
        };
        p1.append(Part { coefs: coefs.span(), entries: entries.span(), period });
    };
    let mut p2 = array![];
    let mut rest = shapes;
    while let Option::Some(shape) = rest.pop_front() {
        let mut coefs = array![];
        let mut entries = array![];
        let folds = 4 * *shape.folds;
        let sums = (here, previous, NONE);
        let (a, b, c) = doubles(ref terms, ref coefs, ref entries, sums, 0, folds);
        here = a;
        previous = b;
        let mut period = c;
        let more = 4 * (*shape.pairs - 1);
        here = singles(ref terms, ref coefs, here, more);
        if *shape.twice {
            let sums = (here, previous, period);
            let (a, b, c) = doubles(ref terms, ref coefs, ref entries, sums, folds + more, 4);
            here = a;
            previous = b;
            period = c;
        } else {
            here = singles(ref terms, ref coefs, here, 4);
        }
        p2.append(Part { coefs: coefs.span(), entries: entries.span(), period });
    };
    let mut r3 = array![];
    here = singles(ref terms, ref r3, here, 8);
    pad32(ref r3, 8);
    assert(terms.samples.is_empty() && terms.powers.is_empty(), 'samples');

    // by size
    let (p0, ps, p1, p2) = (p0.span(), ps.span(), p1.span(), p2.span());
    let (mut r0, mut r1, mut r2) = (array![], array![], array![]);
    let (mut c0, mut c1, mut c2): (u32, u32, u32) = (0, 0, 0);
    let mut sizes = array![];
    let mut size: u32 = 1;
    while size != log_rows + 1 {
        let mut period = NONE;
        let (mut e1, mut e2) = (array![], array![]);
        let mut i: u32 = 0;
        while i != chips.len() {
            if *chips[i].log_size == size {
                let part: @Part = p0[i];
                extend(ref r0, *part.coefs);
                c0 += *shapes[i].fixed;
                let part: @Part = p1[i];
                extend(ref r1, *part.coefs);
                shifted(ref e1, *part.entries, c1);
                c1 += (*part.coefs).len() / 2;
                period = plus(period, *part.period);
                let part: @Part = p2[i];
                extend(ref r2, *part.coefs);
                shifted(ref e2, *part.entries, c2);
                c2 += (*part.coefs).len() / 2;
                period = plus(period, *part.period);
            }
            i += 1;
        };
        let mut i: u32 = 0;
        while i != selectors.len() {
            if *selectors[i] == size {
                let part: @Part = ps[i];
                extend(ref r0, *part.coefs);
                c0 += 1;
            }
            i += 1;
        };
        if e1.len() + e2.len() != 0 {
            let at = qpt_add(point, generator(log_rows - size));
            let batch = Batch { point: at, s0: red(period.s0), s1: red(period.s1) };
            sizes.append(SizeBatch { batch, entries1: e1.span(), entries2: e2.span() });
        }
        size += 1;
    };
    pad32(ref r0, c0);
    pad32(ref r1, c1);
    pad32(ref r2, c2);
    let Pt { x, y } = generator(log_rows);
    let before = qpt_add(point, Pt { x, y: P - y });
    BoxTrait::new(Plan {
        rows: [r0.span(), r1.span(), r2.span(), r3.span()],
        columns: [c0, c1, c2, 8],
        here: Batch { point, s0: red(here.s0), s1: red(here.s1) },
        previous: Batch { point: before, s0: red(previous.s0), s1: red(previous.s1) },
        sizes: sizes.span(),
    })
}
fn shifted(ref out: Array<Entry>, mut entries: Span<Entry>, by: u32) {
    while let Option::Some(e) = entries.pop_front() {
        let Entry { column, previous, period } = *e;
        out.append(Entry { column: column + by, previous, period });
    };
}

/// Unpacks one row of one tree.
pub fn read_row(ref data: Span<felt252>, columns: u32) -> Array<u32> {
    let mut words = array![];
    let mut k = (columns + 7) / 8;
    while k != 0 {
        unpack_into(ref words, pop(ref data));
        k -= 1;
    };
    pad(ref words);
    words
}
/// Adds four words by their powers, two felts each. As many follow as a row has blocks.
#[inline(always)]
fn add_four(
    ref coefs: Span<felt252>,
    ref lo: felt252,
    ref hi: felt252,
    v0: u32,
    v1: u32,
    v2: u32,
    v3: u32,
) {
    let [a0, b0, a1, b1, a2, b2, a3, b3] = match coefs.multi_pop_front::<8>() {
        Option::Some(coefs) => (*coefs).unbox(),
        Option::None => [0, 0, 0, 0, 0, 0, 0, 0],
    };
    let (v0, v1): (felt252, felt252) = (v0.into(), v1.into());
    let (v2, v3): (felt252, felt252) = (v2.into(), v3.into());
    lo = lo + v0 * a0 + v1 * a1 + v2 * a2 + v3 * a3;
    hi = hi + v0 * b0 + v1 * b1 + v2 * b2 + v3 * b3;
}
/// Hashes a row and adds its linear combination to the sums.
pub fn row(
    mut words: Span<u32>,
    columns: u32,
    mut coefs: Span<felt252>,
    ref lo: felt252,
    ref hi: felt252,
) -> Digest {
    assert(coefs.len() == 2 * words.len(), 'row');
    let mut state = iv();
    let mut count: u32 = 64;
    let (mut l, mut h) = (lo, hi);
    let mut next = words.multi_pop_front::<16>();
    loop {
        let block = match next { Option::Some(block) => *block, Option::None => { break; } };
        next = words.multi_pop_front::<16>();
        if next.is_none() {
            state = blake2s_finalize(state, columns * 4, block);
        } else {
            state = blake2s_compress(state, count, block);
        }
        count += 64;
        let [v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf] = block.unbox();
        add_four(ref coefs, ref l, ref h, v0, v1, v2, v3);
        add_four(ref coefs, ref l, ref h, v4, v5, v6, v7);
        add_four(ref coefs, ref l, ref h, v8, v9, va, vb);
        add_four(ref coefs, ref l, ref h, vc, vd, ve, vf);
    };
    lo = l;
    hi = h;
    state
}
/// Adds what is opened in the previous row (p) and one period further on (q).
pub fn entries(
    mut list: Span<Entry>,
    words: Span<u32>,
    ref plo: felt252,
    ref phi: felt252,
    ref qlo: felt252,
    ref qhi: felt252,
) {
    while let Option::Some(e) = list.pop_front() {
        let v: felt252 = (*words.at(*e.column)).into();
        let (a, b) = *e.previous;
        let (c, d) = *e.period;
        plo += v * a;
        phi += v * b;
        qlo += v * c;
        qhi += v * d;
    };
}
#[inline(always)]
fn mul_c(x: Q, r: felt252, i: felt252) -> Q {
    // x * (r + i i)
    Q {
        a: x.a * r - x.b * i + P32,
        b: x.a * i + x.b * r,
        c: x.c * r - x.d * i + P32,
        d: x.c * i + x.d * r,
    }
}
/// (X0 - x) Y1 - (Y0 - y) X1 as a complex number.
#[inline(never)]
fn denominator(b: @Batch, p: Pt) -> (felt252, felt252) {
    let QPt { x, y } = *b.point;
    let (xr, xi) = (x.a + P - p.x, x.b);
    let (yr, yi) = (y.a + P - p.y, y.b);
    let k = 4 * P32;
    let real = xr * y.c - xi * y.d - yr * x.c + yi * x.d + k;
    let imaginary = xr * y.d + xi * y.c - yr * x.d - yi * x.c + k;
    (reduce(real), reduce(imaginary))
}
/// Y1 (L - S0) - (y - Y0) S1, reduced
#[inline(never)]
fn numerator(b: @Batch, sum: Q, p: Pt) -> Q {
    let y = *b.point.y;
    let left = mul_c(sub(sum, *b.s0), y.c, y.d);
    let yi = if y.b == 0 { 0 } else { P - y.b };
    let right = mul_c(*b.s1, p.y + P - y.a, yi);
    // left components are below 2^66
    let k = 16 * P32;
    red(
        Q {
            a: left.a - right.a + k,
            b: left.b - right.b + k,
            c: left.c - right.c + k,
            d: left.d - right.d + k,
        },
    )
}
/// The quotient at one query.
#[inline(never)]
pub fn answer(plan: Box<Plan>, p: Pt, here: Q, previous: Q, mut periods: Span<Q>) -> Q {
    let plan = plan.unbox();
    // one inversion for all denominators
    let mut dens = array![denominator(@plan.here, p), denominator(@plan.previous, p)];
    let mut nums = array![numerator(@plan.here, here, p), numerator(@plan.previous, previous, p)];
    let mut sizes = plan.sizes;
    while let Option::Some(s) = sizes.pop_front() {
        dens.append(denominator(s.batch, p));
        nums.append(numerator(s.batch, *periods.pop_front().unwrap(), p));
    };
    // prefix products
    let mut prefixes = array![];
    let (mut r, mut i) = (1, 0);
    let mut d = dens.span();
    while let Option::Some(den) = d.pop_front() {
        prefixes.append((r, i));
        let (dr, di) = *den;
        let nr = reduce(r * dr - i * di + P32);
        i = reduce(r * di + i * dr);
        r = nr;
    };
    // none of the points lies on the line of a sample
    let norm = reduce(r * r + i * i);
    assert(norm != 0, 'denominator');
    let n = inv(norm);
    let mut ir = reduce(r * n);
    let mut ii = reduce((P - i) * n);
    let mut sum = ZERO;
    let mut d = dens.span();
    let mut pre = prefixes.span();
    let mut num = nums.span();
    while let Option::Some(den) = d.pop_back() {
        let (pr, pi) = *pre.pop_back().unwrap();
        let (dr, di) = *den;
        let vr = reduce(ir * pr - ii * pi + P32);
        let vi = reduce(ir * pi + ii * pr);
        sum = add(sum, mul_c(*num.pop_back().unwrap(), vr, vi));
        let nr = reduce(ir * dr - ii * di + P32);
        ii = reduce(ir * di + ii * dr);
        ir = nr;
    };
    let s = red(sum);
    // -2 u s: (A + B u) u = (2 + i) B + A u
    let k = 0x7fffffff0;
    red(
        Q {
            a: k + k - 4 * s.c + 2 * s.d,
            b: k + k - 4 * s.d - 2 * s.c,
            c: k - 2 * s.a,
            d: k - 2 * s.b,
        },
    )
}
