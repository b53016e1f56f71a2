//! M31 and its extension QM31 in felts, reduced as late as possible.
//!
//! No function here can panic, so that callers carry no code for it. What keeps sums below 2^128,
//! where `reduce` ends, are these bounds:
//! - components of values are below 2^34, those of reduced ones below p = 2^31 - 1;
//! - a product's components, with the offset `p 2^40`, lie in [0, 2^73);
//! - `sub(x, y)` takes components of `y` up to 4 p;
//! - halves of packed sums stay below 2^62 times the number of their terms.
use core::integer::{U128sFromFelt252Result, u128s_from_felt252, upcast};
use core::internal::bounded_int::{self, AddHelper, BoundedInt, DivRemHelper, MulHelper, UnitInt};

pub const P: felt252 = 0x7fffffff;
/// 4 p: what `sub` adds.
pub const P4: felt252 = 0x1fffffffc;
/// p 2^32: more than a product of an M31 and a component.
pub const P32: felt252 = 0x7fffffff00000000;
/// p 2^40: more than what a product of two QM31 takes away.
const P40: felt252 = 0x7fffffff0000000000;

const BY_P: NonZero<UnitInt<0x7fffffff>> = 0x7fffffff;
const BY_31: NonZero<UnitInt<0x80000000>> = 0x80000000;
const BY_62: NonZero<UnitInt<0x4000000000000000>> = 0x4000000000000000;
const BY_124: NonZero<UnitInt<0x10000000000000000000000000000000>> =
    0x10000000000000000000000000000000;

type M31 = BoundedInt<0, 0x7ffffffe>;
type Bits62 = BoundedInt<0, 0x3fffffffffffffff>;
type Bits120 = BoundedInt<0, 0xffffffffffffffffffffffffffffff>;
type Bits124 = BoundedInt<0, 0xfffffffffffffffffffffffffffffff>;
type Times16 = BoundedInt<0, 0xffffffffffffffffffffffffffffff0>;

impl Mod128 of DivRemHelper<u128, UnitInt<0x7fffffff>> {
    type DivT = BoundedInt<0, 0x2000000040000000800000010>;
    type RemT = M31;
}
impl Mod32 of DivRemHelper<u32, UnitInt<0x7fffffff>> {
    type DivT = BoundedInt<0, 2>;
    type RemT = M31;
}
impl Split128 of DivRemHelper<u128, UnitInt<0x10000000000000000000000000000000>> {
    type DivT = BoundedInt<0, 15>;
    type RemT = Bits124;
}
impl Split124 of DivRemHelper<Bits124, UnitInt<0x4000000000000000>> {
    type DivT = Bits62;
    type RemT = Bits62;
}
impl Split62 of DivRemHelper<Bits62, UnitInt<0x80000000>> {
    type DivT = BoundedInt<0, 0x7fffffff>;
    type RemT = BoundedInt<0, 0x7fffffff>;
}
impl Shift4 of MulHelper<Bits120, UnitInt<16>> {
    type Result = Times16;
}
impl Join4 of AddHelper<Times16, BoundedInt<0, 15>> {
    type Result = Bits124;
}

/// `x mod p` of x below 2^128.
#[inline(always)]
pub fn reduce(x: felt252) -> felt252 {
    match u128s_from_felt252(x) {
        U128sFromFelt252Result::Narrow(v) => {
            let (_, r) = bounded_int::div_rem(v, BY_P);
            upcast(r)
        },
        // Never taken, by the bounds above.
        U128sFromFelt252Result::Wide(_) => 0,
    }
}

#[inline(always)]
pub fn reduce_u32(x: u32) -> felt252 {
    let (_, r) = bounded_int::div_rem(x, BY_P);
    upcast(r)
}

#[inline(always)]
fn four_words(x: Bits124) -> (u32, u32, u32, u32) {
    let (high, low) = bounded_int::div_rem(x, BY_62);
    let (v3, v2) = bounded_int::div_rem(high, BY_31);
    let (v1, v0) = bounded_int::div_rem(low, BY_31);
    (upcast(v0), upcast(v1), upcast(v2), upcast(v3))
}

/// The eight words of 31 bits of a felt below 2^248; panics with 'packed' otherwise.
pub fn unpack_into(ref out: Array<u32>, x: felt252) {
    let (high, low): (u128, u128) = match u128s_from_felt252(x) {
        U128sFromFelt252Result::Narrow(v) => (0, v),
        U128sFromFelt252Result::Wide(both) => both,
    };
    let (middle, low) = bounded_int::div_rem(low, BY_124);
    let high: Bits120 = match core::integer::downcast(high) {
        Option::Some(v) => v,
        Option::None => core::panic_with_felt252('packed'),
    };
    let high = bounded_int::add(bounded_int::mul::<_, UnitInt<16>>(high, 16), middle);
    let (a, b, c, d) = four_words(low);
    out.append(a);
    out.append(b);
    out.append(c);
    out.append(d);
    let (a, b, c, d) = four_words(high);
    out.append(a);
    out.append(b);
    out.append(c);
    out.append(d);
}

/// 1 / x, and 0 for 0.
#[inline(never)]
pub fn inv(x: felt252) -> felt252 {
    let low = match u128s_from_felt252(x) {
        U128sFromFelt252Result::Narrow(v) => v,
        U128sFromFelt252Result::Wide(_) => 0,
    };
    match core::math::u256_inv_mod(u256 { low, high: 0 }, 0x7fffffff) {
        Option::Some(v) => {
            let v: u256 = v.into();
            v.low.into()
        },
        Option::None => 0,
    }
}

/// a + b i + (c + d i) u, where i^2 = -1 and u^2 = 2 + i.
#[derive(Copy, Drop)]
pub struct Q {
    pub a: felt252,
    pub b: felt252,
    pub c: felt252,
    pub d: felt252,
}

pub const ZERO: Q = Q { a: 0, b: 0, c: 0, d: 0 };
pub const ONE: Q = Q { a: 1, b: 0, c: 0, d: 0 };

/// The product, not reduced.
#[inline(always)]
pub fn mul_raw(x: Q, y: Q) -> Q {
    let t = x.c * y.c - x.d * y.d;
    let s = x.c * y.d + x.d * y.c;
    Q {
        a: x.a * y.a - x.b * y.b + t + t - s + P40,
        b: x.a * y.b + x.b * y.a + t + s + s + P40,
        c: x.a * y.c - x.b * y.d + x.c * y.a - x.d * y.b + P40,
        d: x.a * y.d + x.b * y.c + x.c * y.b + x.d * y.a,
    }
}
#[inline(always)]
pub fn red_inline(x: Q) -> Q {
    Q { a: reduce(x.a), b: reduce(x.b), c: reduce(x.c), d: reduce(x.d) }
}
#[inline(never)]
pub fn red(x: Q) -> Q {
    red_inline(x)
}
#[inline(never)]
pub fn mul(x: Q, y: Q) -> Q {
    red_inline(mul_raw(x, y))
}
#[inline(never)]
pub fn mul_add(x: Q, y: Q, z: Q) -> Q {
    red_inline(add(mul_raw(x, y), z))
}
#[inline(always)]
pub fn scale(x: Q, y: felt252) -> Q {
    Q { a: x.a * y, b: x.b * y, c: x.c * y, d: x.d * y }
}
#[inline(always)]
pub fn add(x: Q, y: Q) -> Q {
    Q { a: x.a + y.a, b: x.b + y.b, c: x.c + y.c, d: x.d + y.d }
}
/// x - y for components of y up to 4 p.
#[inline(always)]
pub fn sub(x: Q, y: Q) -> Q {
    Q { a: x.a - y.a + P4, b: x.b - y.b + P4, c: x.c - y.c + P4, d: x.d - y.d + P4 }
}
/// -x, as `sub`.
#[inline(always)]
pub fn neg(x: Q) -> Q {
    sub(ZERO, x)
}
/// 1 - x, as `sub`.
#[inline(always)]
pub fn one_minus(x: Q) -> Q {
    sub(ONE, x)
}
/// Whether reduced values are equal.
pub fn eq(x: Q, y: Q) -> bool {
    x.a == y.a && x.b == y.b && x.c == y.c && x.d == y.d
}
#[inline(always)]
pub fn base(x: felt252) -> Q {
    Q { a: x, b: 0, c: 0, d: 0 }
}

/// 1 / x of a reduced x, and 0 for 0: (A + B u)^-1 = (A - B u) / (A^2 - (2 + i) B^2).
pub fn qinv(x: Q) -> Q {
    let Q { a, b, c, d } = x;
    // B^2 = s + t i
    let s = c * c - d * d;
    let t = c * d + c * d;
    let n0 = reduce(a * a - b * b - s - s + t + P40);
    let n1 = reduce(a * b + a * b - s - t - t + P40);
    // 1 / (n0 + n1 i) = m0 + m1 i
    let norm = inv(reduce(n0 * n0 + n1 * n1));
    let m0 = reduce(n0 * norm);
    let m1 = reduce((P - n1) * norm);
    red_inline(
        Q {
            a: a * m0 - b * m1 + P40,
            b: a * m1 + b * m0,
            c: d * m1 - c * m0 + P40,
            d: P40 - c * m1 - d * m0,
        },
    )
}
/// i x, as `sub`.
#[inline(always)]
fn mul_i(x: Q) -> Q {
    Q { a: P4 - x.b, b: x.a, c: P4 - x.d, d: x.c }
}
/// x0 + x1 i + x2 u + x3 i u of components below 2^31, reduced.
pub fn combine(x0: Q, x1: Q, x2: Q, x3: Q) -> Q {
    // (A + B u) u = (2 + i) B + A u
    let y = add(x2, mul_i(x3));
    let z = add(x0, mul_i(x1));
    red_inline(
        Q {
            a: z.a + y.c + y.c + 4 * P4 - y.d,
            b: z.b + y.d + y.d + y.c,
            c: z.c + y.a,
            d: z.d + y.b,
        },
    )
}
/// Takes four words; callers have checked that they are there.
#[inline(always)]
pub fn pop_q(ref words: Span<u32>) -> Q {
    match words.multi_pop_front::<4>() {
        Option::Some(w) => {
            let [a, b, c, d] = (*w).unbox();
            Q { a: a.into(), b: b.into(), c: c.into(), d: d.into() }
        },
        Option::None => ZERO,
    }
}

/// Two components in a felt, 128 bits apart.
const SHIFT: felt252 = 0x100000000000000000000000000000000;

/// The components in two felts: sums of their multiples by words are two products a term.
#[inline(always)]
pub fn pack(x: Q) -> (felt252, felt252) {
    (x.a + SHIFT * x.b, x.c + SHIFT * x.d)
}
#[inline(always)]
fn halves(x: felt252) -> (felt252, felt252) {
    match u128s_from_felt252(x) {
        U128sFromFelt252Result::Narrow(v) => {
            let (_, r) = bounded_int::div_rem(v, BY_P);
            (upcast(r), 0)
        },
        U128sFromFelt252Result::Wide((
            high, low,
        )) => {
            let (_, r) = bounded_int::div_rem(low, BY_P);
            let (_, s) = bounded_int::div_rem(high, BY_P);
            (upcast(r), upcast(s))
        },
    }
}
/// The sum behind packed sums, reduced.
#[inline(never)]
pub fn unpack_sum(low: felt252, high: felt252) -> Q {
    let (a, b) = halves(low);
    let (c, d) = halves(high);
    Q { a, b, c, d }
}
/// base^0, .., base^(n - 1), for n of at least 1.
#[inline(never)]
pub fn powers(base: Q, n: u32) -> Span<Q> {
    let mut out = array![ONE];
    let mut x = ONE;
    let mut left: felt252 = n.into() - 1;
    while left != 0 {
        x = red_inline(mul_raw(x, base));
        out.append(x);
        left -= 1;
    };
    out.span()
}
/// 2^n for n of at most 250.
#[inline(never)]
pub fn pow2(n: u32) -> felt252 {
    let mut power = 1;
    let mut left: felt252 = n.into();
    while left != 0 {
        power = power + power;
        left -= 1;
    };
    power
}
