//! Points of the circle x^2 + y^2 = 1 over M31 and QM31.
use super::blake::half;
use super::field::{ONE, P, P32, Q, add, mul, mul_raw, qinv, red, reduce, scale, sub};

#[derive(Copy, Drop)]
pub struct Pt { pub x: felt252, pub y: felt252 }

/// T[j] generates the subgroup of order 2^j.
const T: [(felt252, felt252); 32] = [
    (1, 0), (2147483646, 0), (0, 2147483646), (32768, 2147450879), (590768354, 978592373),
    (1179735656, 1241207368), (579625837, 1690787918), (838195206, 1774253895),
    (785043271, 1260750973), (13610297, 1064696601), (1434706457, 1835793811),
    (996212859, 1140996376), (2015554631, 1088093947), (1420207432, 2023238517),
    (1330239767, 1446369578), (1543902459, 1632329423), (1389168750, 838891026),
    (438833264, 1327019128), (1799120754, 343598868), (595037635, 2111542451),
    (1633461177, 574296567), (1022251061, 788094511), (6346213, 905523693), (421007138, 256177860),
    (212706801, 1223819887), (2042371533, 1362265296), (334835419, 1444967316),
    (708158977, 683185920), (18817, 1720333214), (97, 141701737), (7, 777079998), (2, 1268011823),
];
pub fn generator(log: u32) -> Pt {
    let (x, y) = *T.span()[log];
    Pt { x, y }
}
#[inline(always)]
pub fn pt_add(a: Pt, b: Pt) -> Pt {
    Pt { x: reduce(a.x * b.x - a.y * b.y + P32), y: reduce(a.x * b.y + a.y * b.x) }
}
/// x of the doubled point.
#[inline(always)]
pub fn double_x(x: felt252) -> felt252 { reduce(x * x + x * x + P - 1) }
pub fn double(p: Pt) -> Pt { Pt { x: double_x(p.x), y: reduce(p.x * p.y + p.x * p.y) } }

/// The point at a position of the circle domain of size 2^log, in bit-reversed order.
pub fn at_position(pos: u32, log: u32) -> Pt {
    let mut p = generator(log + 1);
    let (mut rest, conj) = half(pos);
    let mut table = T.span();
    let _ = table.pop_front();
    while rest != 0 {
        let (r, bit) = half(rest);
        rest = r;
        let (x, y) = *table.pop_front().unwrap();
        if bit != 0 { p = pt_add(p, Pt { x, y }); }
    };
    if conj != 0 { Pt { x: p.x, y: P - p.y } } else { p }
}
/// The first point of the group of eight around a position of the circle domain.
pub fn circle_start(p: Pt, low: felt252) -> Pt {
    // bit 0: conjugate, bit 1: antipode, bit 2: quarter turn
    let Pt { x, y } = p;
    if low == 0 { Pt { x, y } }
    else if low == 1 { Pt { x, y: P - y } }
    else if low == 2 { Pt { x: P - x, y: P - y } }
    else if low == 3 { Pt { x: P - x, y } }
    else if low == 4 { Pt { x: P - y, y: x } }
    else if low == 5 { Pt { x: y, y: x } }
    else if low == 6 { Pt { x: y, y: P - x } }
    else { Pt { x: P - y, y: P - x } }
}
/// The first point of the group of 2^step around a position of a line domain.
pub fn line_start(p: Pt, low: felt252) -> Pt {
    // bit 0: T1, bit 1: T2, bit 2: T3
    if low == 0 { return p; }
    let Pt { x, y } = p;
    let q = if low == 4 || low == 5 || low == 6 || low == 7 {
        // minus T3 = (c, -c): x' = c x - y (c)..., with -T3 = (c, c)
        let c = 32768;
        Pt { x: reduce(c * (x + P - y)), y: reduce(c * (x + y)) }
    } else { p };
    let k = if low == 4 || low == 5 || low == 6 || low == 7 { low - 4 } else { low };
    let Pt { x, y } = q;
    if k == 0 { q }
    else if k == 1 { Pt { x: reduce(P - x), y: reduce(P - y) } }
    else if k == 2 { Pt { x: reduce(P - y), y: x } }
    else { Pt { x: y, y: reduce(P - x) } }
}

#[derive(Copy, Drop)]
pub struct QPt { pub x: Q, pub y: Q }
/// The point plus a point over the base field.
pub fn qpt_add(p: QPt, t: Pt) -> QPt {
    let ny = if t.y == 0 { 0 } else { P - t.y };
    QPt {
        x: red(add(scale(p.x, t.x), scale(p.y, ny))),
        y: red(add(scale(p.x, t.y), scale(p.y, t.x))),
    }
}
/// x of the point doubled n times.
pub fn qdouble_x(x: Q, n: u32) -> Q {
    let mut x = x;
    let mut k = n;
    while k != 0 {
        let s = mul_raw(x, x);
        x = red(add(add(s, s), Q { a: P - 1, b: 0, c: 0, d: 0 }));
        k -= 1;
    };
    x
}
/// A random point, from a challenge: x = (1 - u^2) / (1 + u^2), y = 2 u / (1 + u^2).
#[inline(never)]
pub fn random_point(u: Q) -> QPt {
    let u2 = mul(u, u);
    let d = qinv(red(add(u2, ONE)));
    QPt { x: mul(sub(ONE, u2), d), y: mul(add(u, u), d) }
}
