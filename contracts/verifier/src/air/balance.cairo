//! What ties chips together: their LogUp sums add up to 0, and so do their matrix products. One
//! chip closes each sum, and takes in what the others add.
use super::super::field::{Q, ZERO, add, neg, pow2, red, scale};
use super::columns::{extension, extension_twice, split_words};
use super::shape::{Chip, Shape};

/// Numbers of the chips that close the sums.
#[derive(Copy, Drop)]
pub struct Closers {
    pub wiring: u32,
    /// No chip's number if there are no products.
    pub products: u32,
    pub log_rows: u32,
}
/// What other chips add.
#[derive(Copy, Drop)]
pub struct Others {
    pub wiring: Q,
    pub products: Q,
}

#[inline(always)]
fn is_product(kind: felt252) -> bool {
    kind == 3 || kind == 4
}
/// The first of the tallest chips, and the first of the tallest that have products.
#[inline(never)]
pub fn closers(chips: Span<Chip>, log_rows: u32) -> Closers {
    let (mut wiring, mut products) = (chips.len(), chips.len());
    let mut tallest: u32 = 0;
    let mut at: u32 = 0;
    while at != chips.len() {
        let chip: @Chip = chips[at];
        if wiring == chips.len() && *chip.log_size == log_rows {
            wiring = at;
        }
        if is_product(*chip.kind) && *chip.log_size > tallest {
            tallest = *chip.log_size;
            products = at;
        }
        at += 1;
    };
    Closers { wiring, products, log_rows }
}
/// Whether a chip's last LogUp column is opened in two rows: the running sum is, and that of a
/// short chip, which shows that its rows repeat.
pub fn opens_twice(closers: @Closers, chip: u32, log_size: u32) -> bool {
    log_size != *closers.log_rows || chip == *closers.wiring
}
/// Whether a chip reads the selector of the last row.
pub fn reads_last(closers: @Closers, chip: u32, kind: felt252) -> bool {
    kind == 2 || chip == *closers.products
}

/// What the others add to both sums at the point, from the words of all chips in tree 2.
#[inline(never)]
pub fn others(
    chips: Span<Chip>, shapes: Span<Shape>, closers: Closers, words: Span<u32>,
) -> Others {
    let mut words = words;
    let (mut wiring, mut products) = (ZERO, ZERO);
    // Results count against operands.
    let sign: felt252 = if closers.products == chips.len() {
        0
    } else {
        *chips[closers.products].kind
    };
    let mut at: u32 = 0;
    while at != chips.len() {
        let chip: @Chip = chips[at];
        let shape: @Shape = shapes[at];
        let own = split_words(ref words, 4 * *shape.interaction);
        if at != closers.wiring {
            let copies = closers.log_rows - *chip.log_size;
            let fraction = last_fraction(own, *shape.twice);
            // Each copy of a row counts 1 / 2^copies; 2^31 is 1.
            let share = if copies == 0 {
                1
            } else {
                pow2(31 - copies)
            };
            wiring = red(add(wiring, scale(fraction, share)));
        }
        if is_product(*chip.kind) && at != closers.products {
            let total = last_fold(own, *shape.folds);
            products = if *chip.kind == sign {
                red(add(products, neg(total)))
            } else {
                red(add(products, total))
            };
        }
        at += 1;
    };
    Others { wiring, products }
}
#[inline(never)]
fn last_fraction(words: Span<u32>, twice: bool) -> Q {
    let n: u32 = if twice {
        32
    } else {
        16
    };
    let mut last = words.slice(words.len() - n, n);
    if twice {
        let (_, now) = extension_twice(ref last);
        now
    } else {
        extension(ref last)
    }
}
#[inline(never)]
fn last_fold(words: Span<u32>, folds: u32) -> Q {
    let mut last = words.slice(32 * (folds - 1), 32);
    let (_, now) = extension_twice(ref last);
    now
}
