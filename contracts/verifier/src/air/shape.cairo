//! How many columns of which kind a chip has.

/// A chip as the key lists it; `a`, `b` and `c` are its shape: lanes, then limbs and their bits.
#[derive(Copy, Drop)]
pub struct Chip {
    /// The number of its kind in `AnyChip`.
    pub kind: felt252,
    pub log_size: u32,
    pub a: u32,
    pub b: u32,
    pub c: u32,
}

#[derive(Copy, Drop)]
pub struct Shape {
    /// Columns of tree 0.
    pub fixed: u32,
    /// Whether it reads the first-row selector.
    pub first: bool,
    /// For each column of tree 1 in how many rows it is opened.
    pub witness: Span<u32>,
    /// Columns in the extension field that fold.
    pub folds: u32,
    /// Columns of LogUp in the extension field; two lookups share one.
    pub pairs: u32,
    /// Whether the last of them is opened in two rows.
    pub twice: bool,
    /// Opened values of tree 2.
    pub interaction: u32,
    /// The powers of folding challenges that it reads.
    pub lanes: u32,
}

/// The most lanes of a chip, and the most limbs of a value.
const LANES_MAX: u32 = 64;
const LIMBS_MAX: u32 = 8;

#[derive(Copy, Drop)]
struct Counts {
    fixed: u32,
    first: bool,
    /// Columns of tree 1, how many of them are opened in two rows, and how many come before those.
    witness: u32,
    before: u32,
    twice: u32,
    folds: u32,
    lookups: u32,
    lanes: u32,
}

#[inline(never)]
pub fn shape_of(chip: @Chip, twice: bool) -> Shape {
    let n = counts(chip);
    let pairs = (n.lookups + 1) / 2;
    let last: u32 = if twice {
        8
    } else {
        4
    };
    let mut witness = array![];
    let mut at: u32 = 0;
    while at != n.witness {
        let rows: u32 = if at >= n.before && at < n.before + n.twice {
            2
        } else {
            1
        };
        witness.append(rows);
        at += 1;
    };
    Shape {
        fixed: n.fixed,
        first: n.first,
        witness: witness.span(),
        folds: n.folds,
        pairs,
        twice,
        interaction: 8 * n.folds + 4 * (pairs - 1) + last,
        lanes: n.lanes,
    }
}

#[inline(never)]
fn lanes(n: u32) -> u32 {
    assert(1 <= n && n <= LANES_MAX, 'lanes');
    n
}
/// The number of limbs, whose places are below 2^31.
#[inline(never)]
fn limbs(count: u32, bits: u32) -> u32 {
    assert(1 <= count && count <= LIMBS_MAX, 'limbs');
    assert(1 <= bits && bits <= 30 && (count - 1) * bits <= 30, 'limbs');
    count
}
/// Nothing but columns that are opened once.
#[inline(never)]
fn plain(fixed: u32, witness: u32, lookups: u32) -> Counts {
    Counts { fixed, first: false, witness, before: 0, twice: 0, folds: 0, lookups, lanes: 0 }
}
/// With folds.
#[inline(never)]
fn folding(fixed: u32, witness: u32, lookups: u32, folds: u32, lanes: u32) -> Counts {
    Counts { fixed, first: true, witness, before: 0, twice: 0, folds, lookups, lanes }
}
/// With columns that are opened in two rows.
#[inline(never)]
fn looking_back(fixed: u32, witness: u32, lookups: u32, before: u32, twice: u32) -> Counts {
    Counts { fixed, first: false, witness, before, twice, folds: 0, lookups, lanes: 0 }
}
/// Columns of a rounding: fixed ones, and those and the lookups of a lane.
#[inline(never)]
fn rounding(chip: @Chip) -> (u32, u32, u32) {
    let (count, bits) = (*chip.b, *chip.c);
    if count == 0 {
        return (0, 1, 0);
    }
    let count = limbs(count, bits);
    (3 + count, 2 + count, 1 + count)
}

#[inline(never)]
fn counts(chip: @Chip) -> Counts {
    let (a, b, c) = (*chip.a, *chip.b, *chip.c);
    let kind: u8 = (*chip.kind).try_into().expect('chip');
    match kind {
        0 => {
            assert(b < 4, 'table');
            let width: u32 = if b == 1 {
                6
            } else if b == 2 {
                5
            } else {
                3
            };
            plain(lanes(a) * width, a, a)
        },
        1 => plain(3 * lanes(a), 0, a),
        2 => folding(2 * lanes(a), a, a, 1, a),
        3 => {
            let computed = if c == 0 {
                0
            } else {
                b
            };
            let most = if a > b {
                a
            } else {
                b
            };
            folding(3 + lanes(a) + lanes(b), a + computed, a + computed, 3, most)
        },
        4 => {
            let (fixed, columns, lookups) = rounding(chip);
            folding(8 + lanes(a) + fixed, a * columns, a * (1 + lookups), 3, a)
        },
        5 => {
            let (fixed, columns, lookups) = rounding(chip);
            plain(4 + fixed + 4 * lanes(a), a * (2 + columns), a * (3 + lookups))
        },
        6 => {
            let n = limbs(a, b);
            looking_back(5 + n, 2 + n, 2 + n, 0, 2)
        },
        7 => {
            let n = limbs(a, b);
            looking_back(6 + n, 4 + n, 2 + n, 0, 3)
        },
        8 => {
            let n = 7 * limbs(a, b);
            plain(7 + n, n + 2, 3 + n)
        },
        9 => {
            let n = 3 * limbs(a, b);
            plain(3 + n, n + 1, 2 + n)
        },
        10 => plain(5 + lanes(a), 2 + a, 1 + 2 * a),
        11 => {
            let n = limbs(a, b);
            plain(6 + n, 10 + 2 * n, 5 + 2 * n)
        },
        12 => {
            let n = limbs(a, b);
            looking_back(5 + n, 8 + n, 3 + n, 1, 1)
        },
        13 => plain(4, 2, 3),
        14 => looking_back(27, 40, 8, 0, 32),
        15 => {
            let n = limbs(a, b);
            if c == 0 {
                plain(4 + n, 2 * n, 1 + 2 * n)
            } else {
                looking_back(5 + n, 2 * n + 2, 1 + 2 * n, 2 * n, 1)
            }
        },
        _ => core::panic_with_felt252('chip'),
    }
}
