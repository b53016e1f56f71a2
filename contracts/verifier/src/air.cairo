//! The constraints of all chips at the point out of domain: a file for each of `chips/` of
//! `ciro-stark`, and those of its `air/` that a verifier needs.
pub mod admit;
pub mod arithmetic;
pub mod balance;
pub mod columns;
pub mod constants;
pub mod division;
pub mod embedding;
pub mod events;
pub mod extremum;
pub mod hash;
pub mod io;
pub mod limbs;
pub mod product;
pub mod rank;
pub mod rounding;
pub mod shape;
pub mod table;
pub mod tree;

use super::field::Q;
use columns::Cursor;
use events::{C, Events, logup};
use shape::Chip;

/// What a chip demands. The kinds are those of `AnyChip`, in its order.
#[inline(never)]
fn demands(ref x: Cursor, chip: @Chip, c: C) -> Events {
    let mut ev: Events = array![];
    let kind: u8 = (*chip.kind).try_into().expect('chip');
    match kind {
        0 => table::table(ref x, ref ev, chip, c),
        1 => constants::constants(ref x, ref ev, chip, c),
        2 => io::io(ref x, ref ev, chip, c),
        3 => product::contract(ref x, ref ev, chip, c),
        4 => product::accumulate(ref x, ref ev, chip, c),
        5 => arithmetic::arithmetic(ref x, ref ev, chip, c),
        6 => extremum::max(ref x, ref ev, chip, c),
        7 => extremum::arg_max(ref x, ref ev, chip, c),
        8 => division::divide(ref x, ref ev, chip, c),
        9 => division::root(ref x, ref ev, chip, c),
        10 => embedding::embed(ref x, ref ev, chip, c),
        11 => rank::rank(ref x, ref ev, chip, c),
        12 => tree::path(ref x, ref ev, chip, c),
        13 => tree::leaf(ref x, ref ev, c),
        14 => hash::hash(ref x, ref ev, c),
        15 => admit::admit(ref x, ref ev, chip, c),
        _ => core::panic_with_felt252('chip'),
    }
    ev
}
/// acc * rc^n + the chip's constraints, separated by powers of rc.
#[inline(never)]
pub fn evaluate(ref x: Cursor, chip: @Chip, c: C, rc: Q, acc: Q) -> Q {
    let ev = demands(ref x, chip, c);
    logup(ref x.interaction, ev.span(), c, rc, acc)
}
