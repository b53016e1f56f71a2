//! FRI: layers are folded by eight, the last one by what is left. A leaf holds four values.
use core::blake::blake2s_finalize;
use super::blake::{Digest, Hashes, Node, assert_same, divrem4, divrem8, half, iv, root_of};
use super::circle::{Pt, circle_start, double, double_x, line_start};
use super::field::{P, Q, add, inv, mul, mul_raw, pack, pop_q, red, reduce, scale, unpack_sum};

/// A value of a layer, its position and the point there.
#[derive(Copy, Drop)]
pub struct Value {
    pub at: u32,
    pub value: Q,
    pub point: Pt,
}

/// 2 * (even part) + alpha * (odd part): (x + y) + alpha (x - y) / twiddle
#[inline(never)]
fn butterfly(x: Q, y: Q, inverse: felt252, alpha: Q) -> Q {
    let difference = Q {
        a: x.a - y.a + P, b: x.b - y.b + P, c: x.c - y.c + P, d: x.d - y.d + P,
    };
    let d = red(scale(difference, inverse));
    red(add(mul_raw(alpha, d), add(x, y)))
}
fn leaf(a: Q, b: Q, c: Q, d: Q) -> Digest {
    let w = |x: felt252| -> u32 { x.try_into().unwrap() };
    blake2s_finalize(iv(), 64, BoxTrait::new([
        w(a.a), w(a.b), w(a.c), w(a.d), w(b.a), w(b.b), w(b.c), w(b.d),
        w(c.a), w(c.b), w(c.c), w(c.d), w(d.a), w(d.b), w(d.c), w(d.d),
    ]))
}
/// A folding challenge, its square and its fourth power.
#[derive(Copy, Drop)]
struct Alphas {
    a1: Q,
    a2: Q,
    a4: Q,
}
pub fn alphas(a: Q) -> Alphas {
    let a2 = mul(a, a);
    Alphas { a1: a, a2, a4: mul(a2, a2) }
}

/// One layer with groups of eight: returns the folded values.
pub fn layer(
    values: Array<Value>,
    ref witness: Span<u32>,
    root: Digest,
    height: u32,
    alpha: Q,
    circle: bool,
    ref hashes: Hashes,
) -> Array<Value> {
    let al = alphas(alpha);
    let mut leaves: Array<Node> = array![];
    let mut out: Array<Value> = array![];
    let mut values = values.span();
    let mut next = values.pop_front();
    while let Option::Some(v) = next {
        let (group, low) = divrem8(*v.at);
        let start = if circle { circle_start(*v.point, low) } else { line_start(*v.point, low) };
        let first = group * 8;
        let v0 = take(first, ref next, ref values, ref witness);
        let v1 = take(first + 1, ref next, ref values, ref witness);
        let v2 = take(first + 2, ref next, ref values, ref witness);
        let v3 = take(first + 3, ref next, ref values, ref witness);
        let v4 = take(first + 4, ref next, ref values, ref witness);
        let v5 = take(first + 5, ref next, ref values, ref witness);
        let v6 = take(first + 6, ref next, ref values, ref witness);
        let v7 = take(first + 7, ref next, ref values, ref witness);
        leaves.append(Node { at: group * 2, hash: leaf(v0, v1, v2, v3) });
        leaves.append(Node { at: group * 2 + 1, hash: leaf(v4, v5, v6, v7) });
        if circle {
            let Pt { x, y } = start;
            let x2 = double_x(x);
            let xy = reduce(x * y);
            let i = inv(reduce(xy * x2));
            let ixy = reduce(i * x2);
            let ix = reduce(ixy * y);
            let iy = reduce(ixy * x);
            let ix2 = reduce(i * xy);
            let b0 = butterfly(v0, v1, iy, al.a1);
            let b1 = butterfly(v2, v3, P - iy, al.a1);
            let b2 = butterfly(v4, v5, P - ix, al.a1);
            let b3 = butterfly(v6, v7, ix, al.a1);
            let c0 = butterfly(b0, b1, ix, al.a2);
            let c1 = butterfly(b2, b3, iy, al.a2);
            let value = butterfly(c0, c1, ix2, al.a4);
            // the point of the next layer: doubled twice
            let p2 = Pt { x: x2, y: reduce(xy + xy) };
            out.append(Value { at: group, value, point: double(p2) });
        } else {
            let Pt { x, y } = start;
            let xy = reduce(x * y);
            let (s, d) = (x + y, y + P - x);
            let sd = reduce(s * d);
            // x2 = -(sd), y2 = 2xy
            let x2 = reduce(P - sd);
            let y2 = reduce(xy + xy);
            let x4 = double_x(x2);
            let i = inv(reduce(reduce(xy * sd) * x4));
            let ix4 = reduce(i * reduce(xy * sd));
            let i2 = reduce(i * x4);
            let ixy = reduce(i2 * sd);
            let isd = reduce(i2 * xy);
            let (ix, iy) = (reduce(ixy * y), reduce(ixy * x));
            let (is, id) = (reduce(isd * d), reduce(isd * s));
            // 1 / (c s) = 2 c / s
            let b0 = butterfly(v0, v1, ix, al.a1);
            let b1 = butterfly(v2, v3, iy, al.a1);
            let b2 = butterfly(v4, v5, reduce(65536 * is), al.a1);
            let b3 = butterfly(v6, v7, reduce(65536 * id), al.a1);
            let c0 = butterfly(b0, b1, reduce(P - isd), al.a2);
            let c1 = butterfly(b2, b3, reduce(0x40000000 * ixy), al.a2);
            let value = butterfly(c0, c1, ix4, al.a4);
            let p4 = Pt { x: x4, y: reduce(2 * x2 * y2) };
            out.append(Value { at: group, value, point: double(p4) });
        }
    };
    let found = root_of(leaves, height, ref hashes);
    assert_same(found, root, 'fri root');
    out
}
#[inline(never)]
fn take(at: u32, ref next: Option<@Value>, ref values: Span<Value>, ref witness: Span<u32>) -> Q {
    if let Option::Some(v) = next {
        if *v.at == at {
            let value = *v.value;
            next = values.pop_front();
            return value;
        }
    }
    assert(!witness.is_empty(), 'fri values');
    pop_q(ref witness)
}
/// The last line layer, when it folds by two or by four.
pub fn short_layer(
    values: Array<Value>,
    ref witness: Span<u32>,
    root: Digest,
    log_size: u32,
    step: u32,
    alpha: Q,
    ref hashes: Hashes,
) -> Array<Value> {
    let al = alphas(alpha);
    let mut leaves: Array<Node> = array![];
    let mut out: Array<Value> = array![];
    let mut values = values.span();
    let mut next = values.pop_front();
    while let Option::Some(v) = next {
        if step == 2 {
            let (group, low) = divrem4(*v.at);
            let Pt { x, y } = line_start(*v.point, low);
            let first = group * 4;
            let v0 = take(first, ref next, ref values, ref witness);
            let v1 = take(first + 1, ref next, ref values, ref witness);
            let v2 = take(first + 2, ref next, ref values, ref witness);
            let v3 = take(first + 3, ref next, ref values, ref witness);
            leaves.append(Node { at: group, hash: leaf(v0, v1, v2, v3) });
            let b0 = butterfly(v0, v1, inv(x), al.a1);
            let b1 = butterfly(v2, v3, inv(y), al.a1);
            let p2 = double(Pt { x, y });
            let value = butterfly(b0, b1, inv(p2.x), al.a2);
            out.append(Value { at: group, value, point: double(p2) });
        } else {
            let (group, low) = half(*v.at);
            let Pt { x, y } = line_start(*v.point, low);
            let first = group * 2;
            let v0 = take(first, ref next, ref values, ref witness);
            let v1 = take(first + 1, ref next, ref values, ref witness);
            leaves.append(Node { at: first, hash: single(v0) });
            leaves.append(Node { at: first + 1, hash: single(v1) });
            let value = butterfly(v0, v1, inv(x), al.a1);
            out.append(Value { at: group, value, point: double(Pt { x, y }) });
        }
    };
    let height = if step == 2 { log_size - 2 } else { log_size };
    let found = root_of(leaves, height, ref hashes);
    assert_same(found, root, 'fri root');
    out
}
fn single(a: Q) -> Digest {
    let w = |x: felt252| -> u32 { x.try_into().unwrap() };
    let words = [w(a.a), w(a.b), w(a.c), w(a.d), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    blake2s_finalize(iv(), 16, BoxTrait::new(words))
}
/// Coefficients as pairs of packed felts.
#[inline(never)]
pub fn pack_coefs(mut coefs: Span<Q>) -> Span<felt252> {
    let mut out = array![];
    while let Option::Some(c) = coefs.pop_front() {
        let (lo, hi) = pack(*c);
        out.append(lo);
        out.append(hi);
    };
    out.span()
}
/// The last layer's polynomial at x, from 2^log packed coefficients in bit-reversed order.
#[inline(never)]
pub fn evaluate(coefs: Span<felt252>, log: u32, x: felt252) -> Q {
    // factors x, 2x.x, ...: the first belongs to the top bit of the index
    let mut factors = array![];
    let mut f = x;
    let mut k = log;
    while k != 0 {
        factors.append(f);
        f = double_x(f);
        k -= 1;
    };
    let mut basis: Array<felt252> = array![1];
    let mut factors = factors.span();
    while let Option::Some(f) = factors.pop_back() {
        let mut old = basis.span();
        while let Option::Some(b) = old.pop_front() {
            basis.append(reduce(*b * *f));
        };
    };
    let mut basis = basis.span();
    let mut coefs = coefs;
    let (mut lo, mut hi) = (0, 0);
    while let Option::Some(b) = basis.pop_front() {
        if let Option::Some(pair) = coefs.multi_pop_front::<2>() {
            let [l, h] = (*pair).unbox();
            lo += *b * l;
            hi += *b * h;
        }
    };
    unpack_sum(lo, hi)
}
