//! The opened values of a chip, taken in the order of its columns.
use super::super::field::{Q, combine, pop_q};

/// Words of the values of one chip. Lengths follow from its shape and are checked at the end.
#[derive(Copy, Drop)]
pub struct Cursor {
    pub fixed: Span<u32>,
    pub witness: Span<u32>,
    pub interaction: Span<u32>,
}

#[inline(never)]
pub fn next(ref words: Span<u32>) -> Q {
    pop_q(ref words)
}
#[inline(never)]
pub fn next_many(ref words: Span<u32>, n: u32) -> Span<Q> {
    let mut out = array![];
    let mut left = n;
    while left != 0 {
        out.append(pop_q(ref words));
        left -= 1;
    };
    out.span()
}
/// A column in the extension field: its four coordinates are columns.
#[inline(never)]
pub fn extension(ref words: Span<u32>) -> Q {
    let x0 = pop_q(ref words);
    let x1 = pop_q(ref words);
    let x2 = pop_q(ref words);
    let x3 = pop_q(ref words);
    combine(x0, x1, x2, x3)
}
/// As `extension`, in the previous row and in this one.
#[inline(never)]
pub fn extension_twice(ref words: Span<u32>) -> (Q, Q) {
    let p0 = pop_q(ref words);
    let n0 = pop_q(ref words);
    let p1 = pop_q(ref words);
    let n1 = pop_q(ref words);
    let p2 = pop_q(ref words);
    let n2 = pop_q(ref words);
    let p3 = pop_q(ref words);
    let n3 = pop_q(ref words);
    (combine(p0, p1, p2, p3), combine(n0, n1, n2, n3))
}
/// The next `n` words.
#[inline(never)]
pub fn split_words(ref words: Span<u32>, n: u32) -> Span<u32> {
    let head = words.slice(0, n);
    words = words.slice(n, words.len() - n);
    head
}
