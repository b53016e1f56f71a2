//! Commitments: Poseidon over M31, one round a row.
use super::super::field::{Q, ZERO, add, mul, one_minus, red, scale, sub};
use super::columns::{Cursor, next, next_many};
use super::events::{C, Events, give_memory, zero, zero_product};

/// Elements of the state, and how many are absorbed at once.
const WIDTH: u32 = 16;
const RATE: u32 = 8;

/// The first row of the circulant MDS matrix, twice: row `to` begins at `16 - to`.
const MDS_ROW: [felt252; 32] = [
    1, 1, 51, 1, 11, 17, 2, 1, 101, 63, 15, 2, 67, 22, 13, 3, 1, 1, 51, 1, 11, 17, 2, 1, 101, 63,
    15, 2, 67, 22, 13, 3,
];

#[inline(never)]
pub fn hash(ref x: Cursor, ref ev: Events, c: C) {
    let mut constants = next_many(ref x.fixed, WIDTH);
    let mut addresses = next_many(ref x.fixed, RATE);
    let multiplicity = next(ref x.fixed);
    let full = next(ref x.fixed);
    let round = next(ref x.fixed);
    let (before, state) = twice_many(ref x.witness);
    let (squares_before, squares) = twice_many(ref x.witness);
    let mut absorbed = next_many(ref x.witness, RATE);

    let powers = powers_of(before, squares_before);
    let mut to: u32 = 0;
    while let Option::Some(constant) = constants.pop_front() {
        let mut sum = mixed(*constant, powers, to);
        if to < RATE {
            sum = add(sum, *absorbed[to]);
        }
        zero(ref ev, sub(*state[to], red(sum)));
        to += 1;
    };
    let mut at: u32 = 0;
    while at != WIDTH {
        let now = *state[at];
        let squared = mul(now, now);
        if at == 0 {
            zero(ref ev, sub(*squares[at], mul(round, squared)));
        } else {
            let rest = sub(sub(*squares[at], mul(full, squared)), round);
            zero(ref ev, add(rest, full));
        }
        at += 1;
    };
    let idle = one_minus(round);
    let mut at: u32 = 0;
    while at != RATE {
        zero_product(ref ev, idle, *state[at], ZERO);
        at += 1;
    };
    while let Option::Some(address) = addresses.pop_front() {
        if let Option::Some(value) = absorbed.pop_front() {
            give_memory(ref ev, multiplicity, *address, *value, c);
        }
    };
}
/// The elements of a state in the previous row, and in this one.
#[inline(never)]
fn twice_many(ref words: Span<u32>) -> (Span<Q>, Span<Q>) {
    let (mut before, mut now) = (array![], array![]);
    let mut left = WIDTH;
    while left != 0 {
        before.append(next(ref words));
        now.append(next(ref words));
        left -= 1;
    };
    (before.span(), now.span())
}
/// state square^2, element by element.
#[inline(never)]
fn powers_of(mut state: Span<Q>, mut squares: Span<Q>) -> Span<Q> {
    let mut powers = array![];
    while let Option::Some(square) = squares.pop_front() {
        if let Option::Some(element) = state.pop_front() {
            powers.append(mul(*element, mul(*square, *square)));
        }
    };
    powers.span()
}
/// An element of the state behind the matrix, not reduced: below 2^41, as its factors add up to
/// less than 2^9.
#[inline(never)]
fn mixed(constant: Q, mut powers: Span<Q>, to: u32) -> Q {
    let mut sum = constant;
    let mut factors = MDS_ROW.span().slice(WIDTH - to, WIDTH);
    while let Option::Some(power) = powers.pop_front() {
        if let Option::Some(factor) = factors.pop_front() {
            sum = add(sum, scale(*power, *factor));
        }
    };
    sum
}
