//! The model's key: every parameter of the verifier, and what follows from them.
use super::air::balance::{Closers, closers, opens_twice, reads_last};
use super::air::shape::{Chip, Shape, shape_of};
use super::blake::Digest;

/// The version of the key's felts.
const VERSION: felt252 = 1;
/// The tallest and the lowest chip, as binary logarithms.
const LOG_ROWS_MAX: u32 = 20;
const LOG_ROWS_MIN: u32 = 5;

#[derive(Copy, Drop)]
pub struct Key {
    pub query_pow: u32,
    pub challenge_pow: u32,
    pub round_pow: u32,
    pub log_blowup: u32,
    pub queries: u32,
    /// Coefficients of the last layer of FRI, as a binary logarithm.
    pub log_last: u32,
    pub batch: u32,
    pub digest: Digest,
    /// Root of tree 0.
    pub root: Digest,
    pub chips: Span<Chip>,
    pub shapes: Span<Shape>,
    pub closers: Closers,
    pub inputs: Span<Run>,
    pub outputs: Span<Run>,
    /// Rows of the tallest chip, and points of the domain, as binary logarithms.
    pub log_rows: u32,
    pub log_domain: u32,
    /// The powers of challenges that chips read.
    pub lanes: u32,
    /// Opened values of trees 0, 1 and 2, selectors not counted.
    pub opened: [u32; 3],
    /// Sizes of the first-row selectors, then of the last-row selectors.
    pub selectors: Span<u32>,
    pub firsts: u32,
}

/// So many integers that have to be something.
#[derive(Copy, Drop)]
pub struct Run {
    pub count: u32,
    /// 0: in an interval; 1: pairs of limbs of finite float32; 2: those, or a missing value's; 3: a
    /// commitment stands for them.
    pub kind: u32,
    /// The interval's least integer plus 2^30, and how many follow it.
    pub low: u32,
    pub width: u32,
}

#[inline(never)]
pub fn pop(ref data: Span<felt252>) -> felt252 {
    match data.pop_front() {
        Option::Some(x) => *x,
        Option::None => core::panic_with_felt252('short'),
    }
}
#[inline(never)]
pub fn pop32(ref data: Span<felt252>) -> u32 {
    pop(ref data).try_into().expect('u32')
}
/// The next `n` felts.
#[inline(never)]
pub fn split(ref data: Span<felt252>, n: u32) -> Span<felt252> {
    assert(n <= data.len(), 'short');
    let head = data.slice(0, n);
    data = data.slice(n, data.len() - n);
    head
}
#[inline(never)]
fn pop128(ref data: Span<felt252>) -> u128 {
    pop(ref data).try_into().expect('key')
}
/// The lowest digit of a number, which loses it.
#[inline(never)]
fn digit(ref x: u128, base: NonZero<u128>) -> u32 {
    let (rest, digit) = DivRem::div_rem(x, base);
    x = rest;
    digit.try_into().expect('key')
}
/// 32 bytes in two felts, as words.
#[inline(never)]
fn read_digest(ref data: Span<felt252>) -> Digest {
    const BASE: NonZero<u128> = 0x100000000;
    let mut x = pop128(ref data);
    let mut y = pop128(ref data);
    let (a, b, c) = (digit(ref x, BASE), digit(ref x, BASE), digit(ref x, BASE));
    let (e, f, g) = (digit(ref y, BASE), digit(ref y, BASE), digit(ref y, BASE));
    BoxTrait::new([a, b, c, x.try_into().expect('key'), e, f, g, y.try_into().expect('key')])
}
#[inline(never)]
fn read_chip(ref data: Span<felt252>) -> Chip {
    let mut x = pop128(ref data);
    let kind: felt252 = digit(ref x, 0x100).into();
    let log_size = digit(ref x, 0x100);
    let (a, b, c) = (digit(ref x, 0x10000), digit(ref x, 0x10000), digit(ref x, 0x10000));
    assert(x == 0, 'key');
    assert(LOG_ROWS_MIN <= log_size && log_size <= LOG_ROWS_MAX, 'chip rows');
    Chip { kind, log_size, a, b, c }
}
#[inline(never)]
fn read_runs(ref data: Span<felt252>, n: u32) -> Span<Run> {
    let mut runs = array![];
    let mut left = n;
    while left != 0 {
        let mut x = pop128(ref data);
        let count = digit(ref x, 0x100000000);
        let kind = digit(ref x, 0x100);
        let low = digit(ref x, 0x100000000);
        let width = digit(ref x, 0x100000000);
        // Limbs come in pairs.
        let in_pairs = kind == 1 || kind == 2;
        assert(x == 0 && kind < 4 && (!in_pairs || count % 2 == 0), 'key');
        runs.append(Run { count, kind, low, width });
        left -= 1;
    };
    runs.span()
}

/// How many tensors a commitment stands for.
#[inline(never)]
pub fn committed(mut runs: Span<Run>) -> u32 {
    let mut n: u32 = 0;
    while let Option::Some(run) = runs.pop_front() {
        if *run.kind == 3 {
            n += 1;
        }
    };
    n
}

#[inline(never)]
fn read_chips(ref data: Span<felt252>, n: u32) -> (Span<Chip>, u32, u32) {
    let mut chips: Array<Chip> = array![];
    let mut log_rows: u32 = 0;
    let (mut public, mut hashes): (felt252, u32) = (0, 0);
    let mut left = n;
    while left != 0 {
        let chip = read_chip(ref data);
        if chip.log_size > log_rows {
            log_rows = chip.log_size;
        }
        if chip.kind == 2 {
            public += 1;
        }
        if chip.kind == 14 {
            hashes += 1;
        }
        chips.append(chip);
        left -= 1;
    };
    assert(public == 1, 'public values');
    (chips.span(), log_rows, hashes)
}
/// The chips' shapes, the powers they read and how many values are opened.
#[inline(never)]
fn shapes_of(mut chips: Span<Chip>, closers: Closers) -> (Span<Shape>, u32, [u32; 3]) {
    let mut shapes: Array<Shape> = array![];
    let mut lanes: u32 = 2;
    let (mut n0, mut n1, mut n2): (u32, u32, u32) = (0, 0, 0);
    let mut at: u32 = 0;
    while let Option::Some(chip) = chips.pop_front() {
        let twice = opens_twice(@closers, at, *chip.log_size);
        let shape = shape_of(chip, twice);
        n0 += shape.fixed;
        let mut marks = shape.witness;
        while let Option::Some(rows) = marks.pop_front() {
            n1 += *rows;
        };
        n2 += shape.interaction;
        if shape.lanes + 1 > lanes {
            lanes = shape.lanes + 1;
        }
        shapes.append(shape);
        at += 1;
    };
    (shapes.span(), lanes, [n0, n1, n2])
}
/// The sizes of the selectors of one kind, ascending.
#[inline(never)]
fn add_selectors(
    ref sizes: Array<u32>, chips: Span<Chip>, shapes: Span<Shape>, closers: Closers, last: bool,
) {
    let mut size = LOG_ROWS_MIN;
    while size != LOG_ROWS_MAX + 1 {
        let mut at: u32 = 0;
        while at != chips.len() {
            let chip: @Chip = chips[at];
            let reads = if last {
                reads_last(@closers, at, *chip.kind)
            } else {
                *shapes[at].first
            };
            if reads && *chip.log_size == size {
                sizes.append(size);
                break;
            }
            at += 1;
        };
        size += 1;
    };
}

/// Takes the key.
#[inline(never)]
pub fn read(ref data: Span<felt252>) -> Box<Key> {
    assert(pop(ref data) == VERSION, 'key version');
    let mut x = pop128(ref data);
    let query_pow = digit(ref x, 0x100);
    let challenge_pow = digit(ref x, 0x100);
    let round_pow = digit(ref x, 0x100);
    let log_blowup = digit(ref x, 0x100);
    let queries = digit(ref x, 0x10000);
    let log_last = digit(ref x, 0x100);
    let fold_step = digit(ref x, 0x100);
    let n_chips = digit(ref x, 0x100);
    let batch = digit(ref x, 0x100000000);
    assert(x == 0 && fold_step == 3 && queries != 0 && batch != 0, 'key');
    assert(query_pow < 32 && challenge_pow < 32 && round_pow < 32, 'key');
    let mut x = pop128(ref data);
    let n_inputs = digit(ref x, 0x100000000);
    let n_outputs = digit(ref x, 0x100000000);
    assert(x == 0, 'key');
    let digest = read_digest(ref data);
    let root = read_digest(ref data);
    let (chips, log_rows, hashes) = read_chips(ref data, n_chips);
    assert(1 <= log_blowup && log_blowup <= 6 && log_last + 3 <= log_rows, 'key');
    let closers = closers(chips, log_rows);
    let (shapes, lanes, opened) = shapes_of(chips, closers);
    let mut selectors = array![];
    add_selectors(ref selectors, chips, shapes, closers, false);
    let firsts = selectors.len();
    add_selectors(ref selectors, chips, shapes, closers, true);
    let inputs = read_runs(ref data, n_inputs);
    let outputs = read_runs(ref data, n_outputs);
    // What is committed is hashed.
    let committed = committed(inputs) + committed(outputs);
    let expected = if committed == 0 {
        0
    } else {
        1
    };
    assert(hashes == expected, 'commitments');
    BoxTrait::new(
        Key {
            query_pow,
            challenge_pow,
            round_pow,
            log_blowup,
            queries,
            log_last,
            batch,
            digest,
            root,
            chips,
            shapes,
            closers,
            inputs,
            outputs,
            log_rows,
            log_domain: log_rows + log_blowup,
            lanes,
            opened,
            selectors: selectors.span(),
            firsts,
        },
    )
}
