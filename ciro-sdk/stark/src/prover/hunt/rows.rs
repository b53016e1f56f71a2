//! Other witnesses of single rows: with the operands as they are, which other result would a row's constraints and range checks let pass?
//!
//! Each function solves the constraints of one chip for every candidate that the model offers: another rank, another element as the
//! maximum, another quotient, another root. It knows nothing of the conditions under which candidates are unique.

use std::collections::{BTreeMap, BTreeSet};

use stwo::core::fields::m31::{BaseField, P};

use crate::air::Chip as _;
use crate::chips::limbs::Limbs;
use crate::chips::{AnyChip, Book};
use crate::field::embed;
use crate::layout::{Address, Column, Layout, PlacedChip};

/// Another result that one row (or the rows of one group) can give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) chip: usize,
    /// Where the result is written.
    pub(super) address: Address,
    pub(super) value: i32,
    /// `(column, row, value)` of every cell to change.
    pub(super) cells: Vec<(usize, usize, BaseField)>,
}

/// All other results of all rows of a trace.
pub(super) fn others(layout: &Layout, witness: &[Vec<Column>], memory: &[i32]) -> Vec<Other> {
    let tables = Tables::of(layout);
    let mut all = vec![];
    for (chip, (placed, witness)) in layout.chips.iter().zip(witness).enumerate() {
        let sheet = Sheet { chip, placed, witness, memory, tables: &tables };
        match placed.chip {
            AnyChip::Rank(rank) => sheet.ranks(rank.limbs, &mut all),
            AnyChip::Max(max) => sheet.maxima(max.limbs, &mut all),
            AnyChip::ArgMax(arg_max) => sheet.positions(arg_max.limbs, &mut all),
            AnyChip::Divide(divide) => sheet.quotients(divide.limbs, &mut all),
            AnyChip::Root(root) => sheet.roots(root.limbs, &mut all),
            AnyChip::Path(path) => sheet.branches(path.limbs, &mut all),
            AnyChip::Accumulate(chip) => {
                let Some(limbs) = chip.limbs else { continue };
                let first = 8 + chip.lanes as usize;
                for lane in 0..chip.lanes as usize {
                    let place = |row: usize| {
                        let [at, stride] = [6, 7].map(|column| sheet.fixed(column, row));
                        let step = BaseField::from(u32::try_from(lane).unwrap()) * stride;
                        ((at + step).0, sheet.fixed(8 + lane, row).0)
                    };
                    let columns = [first, lane * (2 + limbs.count() as usize)];
                    sheet.roundings(limbs, columns, place, &mut all);
                }
            }
            AnyChip::Arithmetic(chip) => {
                let Some(limbs) = chip.limbs else { continue };
                let first = 4 + 3 + limbs.count() as usize;
                for lane in 0..chip.lanes as usize {
                    let place = |row: usize| {
                        let [at, readers] =
                            [2, 3].map(|k| sheet.fixed(first + 4 * lane + k, row).0);
                        (at, readers)
                    };
                    let columns = [4, lane * (4 + limbs.count() as usize) + 2];
                    sheet.roundings(limbs, columns, place, &mut all);
                }
            }
            _ => {}
        }
    }
    all
}

/// The fixed tables by what they are asked for.
struct Tables {
    /// Table number to argument to value.
    functions: BTreeMap<u32, BTreeMap<i64, BaseField>>,
    /// Feature to `(rank, lower, upper)`.
    boundaries: BTreeMap<u32, Vec<Interval>>,
}

/// `(rank, lower, upper)`, boundaries in two parts.
type Interval = (BaseField, [BaseField; 2], [BaseField; 2]);

impl Tables {
    fn of(layout: &Layout) -> Self {
        let mut this = Self { functions: BTreeMap::new(), boundaries: BTreeMap::new() };
        for placed in &layout.chips {
            let AnyChip::Table(table) = placed.chip else { continue };
            for row in 0..1usize << table.log_size {
                for lane in 0..table.lanes as usize {
                    let at = |k: usize| placed.fixed[table.book.width() * lane + k][row];
                    match table.book {
                        Book::Functions => {
                            let entries = this.functions.entry(at(0).0).or_default();
                            entries.insert(signed(at(1)), at(2));
                        }
                        Book::Boundaries => {
                            let entry = (at(1), [at(2), at(3)], [at(4), at(5)]);
                            this.boundaries.entry(at(0).0).or_default().push(entry);
                        }
                        Book::TreeNodes | Book::Leaves => {}
                    }
                }
            }
        }
        this
    }
}

/// One chip with its trace.
struct Sheet<'a> {
    chip: usize,
    placed: &'a PlacedChip,
    witness: &'a [Column],
    memory: &'a [i32],
    tables: &'a Tables,
}

impl Sheet<'_> {
    fn rows(&self) -> usize {
        1 << self.placed.chip.log_size()
    }

    fn fixed(&self, column: usize, row: usize) -> BaseField {
        self.placed.fixed[column][row]
    }

    /// The value of a fixed address.
    fn value(&self, column: usize, row: usize) -> i32 {
        self.memory[self.fixed(column, row).0 as usize]
    }

    /// The bits of a range check whose limbs' widths begin in a fixed column; `step` columns lie between them.
    fn bits(&self, limbs: Limbs, [first, step]: [usize; 2], row: usize) -> u32 {
        (0..limbs.count() as usize).map(|k| self.fixed(first + k * step, row).0).sum()
    }

    fn other(&self, address: u32, value: i32, cells: Vec<(usize, usize, BaseField)>) -> Other {
        Other { chip: self.chip, address, value, cells }
    }

    fn ranks(&self, limbs: Limbs, all: &mut Vec<Other>) {
        let count = limbs.count() as usize;
        let mut seen = BTreeSet::new();
        for row in 0..self.rows() {
            let [feature, at] = [2, 4].map(|column| self.fixed(column, row).0);
            if !seen.insert(at) {
                continue;
            }
            let x = [0, 1].map(|column| embed(self.value(column, row)));
            let bits = self.bits(limbs, [6, 1], row);
            for &(rank, lower, upper) in &self.tables.boundaries[&feature] {
                if signed32(rank) == self.memory[at as usize] {
                    continue;
                }
                let above = ordered(x, upper, BaseField::from(0), bits);
                let below = ordered(lower, x, BaseField::from(1), bits);
                let (Some(above), Some(below)) = (above, below) else { continue };
                let mut cells = vec![(2, row, rank)];
                for (k, value) in [lower, upper].concat().into_iter().enumerate() {
                    cells.push((3 + k, row, value));
                }
                for (first, (equal, gap)) in [(7, above), (8 + count, below)] {
                    cells.push((first, row, u32::from(equal).into()));
                    cells.extend(limbs_at(limbs, gap, first + 1, row));
                }
                all.push(self.other(at, signed32(rank), cells));
            }
        }
    }

    /// The rows of every group: from one whose `keep` is 0 to one whose `close` is 1.
    fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups = vec![];
        let mut open = vec![];
        for row in 0..self.rows() {
            if self.fixed(0, row).0 == 0 {
                open.clear();
            }
            open.push(row);
            if self.fixed(1, row).0 == 1 {
                groups.push(std::mem::take(&mut open));
            }
        }
        groups
    }

    fn maxima(&self, limbs: Limbs, all: &mut Vec<Other>) {
        for rows in self.groups() {
            let elements: Vec<i32> = rows.iter().map(|&row| self.value(2, row)).collect();
            let most = *elements.iter().max().unwrap();
            let candidates: BTreeSet<i32> =
                elements.iter().copied().filter(|&y| y != most).collect();
            for y in candidates {
                let mut cells = vec![];
                let mut product = BaseField::from(1);
                let fits = rows.iter().zip(&elements).all(|(&row, &element)| {
                    let gap = embed(y) - embed(element);
                    product *= gap;
                    cells.extend([(0, row, embed(y)), (1, row, product)]);
                    cells.extend(limbs_at(limbs, gap.0, 2, row));
                    u64::from(gap.0) >> self.bits(limbs, [5, 1], row) == 0
                });
                if fits {
                    let at = self.fixed(3, *rows.last().unwrap()).0;
                    all.push(self.other(at, y, cells));
                }
            }
        }
    }

    fn positions(&self, limbs: Limbs, all: &mut Vec<Other>) {
        let here = 3 + limbs.count() as usize;
        for rows in self.groups() {
            let elements: Vec<i32> = rows.iter().map(|&row| self.value(3, row)).collect();
            let honest = self.witness[2][rows[0]].0 as usize;
            for chosen in (0..rows.len()).filter(|&chosen| chosen != honest) {
                let y = embed(elements[chosen]);
                let at_chosen = BaseField::from(u32::try_from(chosen).unwrap());
                let mut cells = vec![];
                let fits = rows.iter().zip(&elements).enumerate().all(|(at, (&row, &element))| {
                    let found = u32::from(at >= chosen);
                    let gap = y - embed(element) - BaseField::from(1 - found);
                    cells.extend([(0, row, y), (1, row, found.into()), (2, row, at_chosen)]);
                    cells.push((here, row, u32::from(at == chosen).into()));
                    cells.extend(limbs_at(limbs, gap.0, 3, row));
                    u64::from(gap.0) >> self.bits(limbs, [6, 1], row) == 0
                });
                if fits {
                    let at = self.fixed(4, *rows.last().unwrap()).0;
                    all.push(self.other(at, i32::try_from(chosen).unwrap(), cells));
                }
            }
        }
    }

    fn quotients(&self, limbs: Limbs, all: &mut Vec<Other>) {
        let count = limbs.count() as usize;
        for row in 0..self.rows() {
            if self.fixed(3, row).0 == 0 {
                continue;
            }
            let [a, b] = [0, 1].map(|column| i64::from(self.value(column, row)));
            let half = self.fixed(4, row).0.ilog2();
            let [q_offset, a_offset] = [5, 6].map(|column| i64::from(self.fixed(column, row).0));
            for a in [a - i64::from(P), a + i64::from(P)] {
                let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
                let low = |value: i64| value & ((1 << half) - 1);
                let carry = (low(q) * b + r - low(a)) >> half;
                let [q1, a1] = [(q >> half) + q_offset, (a >> half) + a_offset];
                let checked = [low(q), q1, low(a), a1, carry, r, b - 1 - r];
                let mut cells = vec![];
                let fits = checked.into_iter().enumerate().all(|(k, value)| {
                    let bits = self.bits(limbs, [7 + k * count, 1], row);
                    let Ok(value) = u32::try_from(value) else { return false };
                    cells.extend(limbs_at(limbs, value, k * count, row));
                    u64::from(value) >> bits == 0
                });
                if let (true, Ok(q)) = (fits, i32::try_from(q)) {
                    let last = checked.len() * count;
                    cells.push((last + 1, row, embed(q)));
                    all.push(self.other(self.fixed(2, row).0, q, cells));
                }
            }
        }
    }

    fn roots(&self, limbs: Limbs, all: &mut Vec<Other>) {
        let count = limbs.count() as usize;
        for row in 0..self.rows() {
            if self.fixed(2, row).0 == 0 {
                continue;
            }
            let x = i64::from(self.value(0, row));
            let near = [x, x + i64::from(P), x + 2 * i64::from(P)].map(i64::isqrt);
            let candidates = near.into_iter().flat_map(|y| y - 2..=y + 2).chain([0, (1 << 15) - 1]);
            for y in candidates.filter(|&y| y != x.isqrt() && y >= 0).collect::<BTreeSet<_>>() {
                let y = embed(i32::try_from(y).unwrap());
                let r = embed(i32::try_from(x).unwrap()) - y * y;
                let checked = [y, r, y + y - r];
                let mut cells = vec![];
                let fits = checked.into_iter().enumerate().all(|(k, value)| {
                    cells.extend(limbs_at(limbs, value.0, k * count, row));
                    u64::from(value.0) >> self.bits(limbs, [3 + k * count, 1], row) == 0
                });
                if fits {
                    all.push(self.other(self.fixed(1, row).0, signed32(y), cells));
                }
            }
        }
    }

    /// The branch that is not taken. Where it leads is left open: no branch may be open at all.
    fn branches(&self, limbs: Limbs, all: &mut Vec<Other>) {
        for row in 0..self.rows() {
            let [left, right] = [4, 5].map(|column| self.witness[column][row]);
            let [threshold, rank, taken] = [3, 6, 7].map(|column| self.witness[column][row]);
            let (gap, next) = if taken.0 == 1 {
                (rank - threshold - BaseField::from(1), right)
            } else {
                (threshold - rank, left)
            };
            if left != right && u64::from(gap.0) >> self.bits(limbs, [5, 1], row) == 0 {
                all.push(self.other(self.fixed(3, row).0, signed32(next), vec![]));
            }
        }
    }

    /// Other quotients of one lane, whose parameters begin in the fixed and whose witness begins in the witness column of
    /// `columns`.
    fn roundings(
        &self,
        limbs: Limbs,
        [first, cells_at]: [usize; 2],
        place: impl Fn(usize) -> (Address, u32),
        all: &mut Vec<Other>,
    ) {
        for row in 0..self.rows() {
            let (address, readers) = place(row);
            let power = self.fixed(first, row);
            let table = self.tables.functions.get(&self.fixed(first + 2, row).0);
            let (Some(table), true) = (table, readers != 0) else { continue };
            let bits = self.bits(limbs, [first + 3, 1], row);
            let quotient = self.witness[cells_at][row];
            let remainder = (0..limbs.count() as usize).fold(0u64, |sum, k| {
                let place = limbs.bits() * u32::try_from(k).unwrap();
                sum + (u64::from(self.witness[cells_at + 2 + k][row].0) << place)
            });
            let power = i64::from(power.0);
            let shifted = signed(quotient) * power + i64::try_from(remainder).unwrap();
            for shifted in [shifted - i64::from(P), shifted + i64::from(P)] {
                let (q, r) = (shifted.div_euclid(power), shifted.rem_euclid(power));
                let (Some(&y), true) = (table.get(&q), r >> bits == 0) else { continue };
                let q = embed(i32::try_from(q).unwrap());
                let mut cells = vec![(cells_at, row, q), (cells_at + 1, row, y)];
                let remainder = u32::try_from(r).unwrap();
                cells.extend(limbs_at(limbs, remainder, cells_at + 2, row));
                if y != self.witness[cells_at + 1][row] {
                    all.push(self.other(address, signed32(y), cells));
                }
            }
        }
    }
}

/// Solves `a + (0, strict) <= b` of the rank chip: whether the first parts are equal, and a gap of so many bits.
fn ordered(
    a: [BaseField; 2],
    b: [BaseField; 2],
    strict: BaseField,
    bits: u32,
) -> Option<(bool, u32)> {
    let fits = |gap: BaseField| (u64::from(gap.0) >> bits == 0).then_some(gap.0);
    let apart = fits(b[0] - a[0] - BaseField::from(1)).map(|gap| (false, gap));
    let equal = || (b[0] == a[0]).then(|| fits(b[1] - a[1] - strict))?.map(|gap| (true, gap));
    apart.or_else(equal)
}

fn limbs_at(
    limbs: Limbs,
    value: u32,
    column: usize,
    row: usize,
) -> impl Iterator<Item = (usize, usize, BaseField)> {
    limbs.split(value).enumerate().map(move |(k, limb)| (column + k, row, limb.into()))
}

/// The integer below `p / 2` in absolute value.
fn signed(value: BaseField) -> i64 {
    let value = i64::from(value.0);
    if value > i64::from(P / 2) { value - i64::from(P) } else { value }
}

fn signed32(value: BaseField) -> i32 {
    i32::try_from(signed(value)).unwrap()
}
