//! Other witnesses of single rows: with the operands as they are, which other result would a row's
//! constraints and range checks let pass?
//!
//! Each function solves the constraints of one chip for every candidate that the model offers:
//! another rank, another element as the maximum, another quotient, another root. It knows nothing
//! of the conditions under which candidates are unique.

use std::collections::{BTreeMap, BTreeSet};

use stwo::core::fields::m31::{BaseField, P};

use crate::air::{Chip as _, Places};
use crate::chips::arithmetic::{ArithmeticFixed, ArithmeticLane};
use crate::chips::division::{DivideFixed, DivideWitness, RootFixed, RootWitness};
use crate::chips::extremum::{ArgMaxFixed, ArgMaxWitness, MaxFixed, MaxWitness};
use crate::chips::limbs::Limbs;
use crate::chips::product::AccumulateFixed;
use crate::chips::rank::{RankFixed, RankWitness};
use crate::chips::rounding::{RoundingFixed, RoundingLane};
use crate::chips::tree::{PathFixed, PathWitness};
use crate::chips::{
    AnyChip, ArgMaxChip, DivideChip, MaxChip, PathChip, RankChip, RootChip, TableKind,
};
use crate::field::embed;
use crate::layout::{Address, Layout};
use crate::rows::{Column, PlacedChip};

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
        let sheet = ChipTrace { chip, placed, witness, memory, tables: &tables };
        match placed.chip {
            AnyChip::Rank(chip) => sheet.ranks(&chip, &mut all),
            AnyChip::Max(chip) => sheet.maxima(&chip, &mut all),
            AnyChip::ArgMax(chip) => sheet.positions(&chip, &mut all),
            AnyChip::Divide(chip) => sheet.quotients(&chip, &mut all),
            AnyChip::Root(chip) => sheet.roots(&chip, &mut all),
            AnyChip::Path(chip) => sheet.branches(&chip, &mut all),
            AnyChip::Accumulate(chip) => {
                let Some(limbs) = chip.limbs else { continue };
                let at = AccumulateFixed::<Places>::at(0, &chip);
                let rounding = RoundingFixed::at(at.readers[0] + at.readers.len(), limbs);
                for (lane, &readers) in at.readers.iter().enumerate() {
                    let place = |row: usize| {
                        let [first, stride] =
                            [at.address, at.stride].map(|column| sheet.fixed(column, row));
                        let step = BaseField::from(u32::try_from(lane).unwrap()) * stride;
                        ((first + step).0, sheet.fixed(readers, row).0)
                    };
                    let cells = RoundingLane::at(lane * (2 + limbs.count() as usize), limbs);
                    sheet.roundings(limbs, (&rounding, &cells), place, &mut all);
                }
            }
            AnyChip::Arithmetic(chip) => {
                let Some(limbs) = chip.limbs else { continue };
                let rounding =
                    RoundingFixed::at(ArithmeticFixed::<Places>::at(0, &chip).c + 1, limbs);
                let first = rounding.widths[0] + rounding.widths.len();
                for lane in 0..chip.lanes as usize {
                    let at = ArithmeticLane::<Places>::at(first + 4 * lane, &chip);
                    let place =
                        |row: usize| (sheet.fixed(at.at_y, row).0, sheet.fixed(at.readers, row).0);
                    let first = lane * (4 + limbs.count() as usize) + 2;
                    let cells = RoundingLane::at(first, limbs);
                    sheet.roundings(limbs, (&rounding, &cells), place, &mut all);
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
                    let at = |k: usize| placed.fixed[table.kind.width() * lane + k][row];
                    match table.kind {
                        TableKind::Functions => {
                            let entries = this.functions.entry(at(0).0).or_default();
                            entries.insert(signed(at(1)), at(2));
                        }
                        TableKind::Boundaries => {
                            let entry = (at(1), [at(2), at(3)], [at(4), at(5)]);
                            this.boundaries.entry(at(0).0).or_default().push(entry);
                        }
                        TableKind::TreeNodes | TableKind::Leaves => {}
                    }
                }
            }
        }
        this
    }
}

/// One chip with its trace.
struct ChipTrace<'a> {
    chip: usize,
    placed: &'a PlacedChip,
    witness: &'a [Column],
    memory: &'a [i32],
    tables: &'a Tables,
}

impl ChipTrace<'_> {
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

    /// The bits of a range check whose limbs have these widths.
    fn bits(&self, widths: &[usize], row: usize) -> u32 {
        widths.iter().map(|&column| self.fixed(column, row).0).sum()
    }

    fn other(&self, address: u32, value: i32, cells: Vec<(usize, usize, BaseField)>) -> Other {
        Other { chip: self.chip, address, value, cells }
    }

    fn ranks(&self, chip: &RankChip, all: &mut Vec<Other>) {
        let (fixed, at) = (RankFixed::<Places>::at(0, chip), RankWitness::<Places>::at(0, chip));
        let mut seen = BTreeSet::new();
        for row in 0..self.rows() {
            let [feature, address] =
                [fixed.feature, fixed.at_rank].map(|column| self.fixed(column, row).0);
            if !seen.insert(address) {
                continue;
            }
            let x = [fixed.at_high, fixed.at_low].map(|column| embed(self.value(column, row)));
            let bits = self.bits(&fixed.widths, row);
            for &(rank, lower, upper) in &self.tables.boundaries[&feature] {
                if signed32(rank) == self.memory[address as usize] {
                    continue;
                }
                let above = ordered(x, upper, BaseField::from(0), bits);
                let below = ordered(lower, x, BaseField::from(1), bits);
                let (Some(above), Some(below)) = (above, below) else { continue };
                let mut cells = vec![
                    (at.rank, row, rank),
                    (at.lower_high, row, lower[0]),
                    (at.lower_low, row, lower[1]),
                    (at.upper_high, row, upper[0]),
                    (at.upper_low, row, upper[1]),
                    (at.above_equal, row, u32::from(above.0).into()),
                    (at.below_equal, row, u32::from(below.0).into()),
                ];
                cells.extend(limbs_at(chip.limbs, above.1, &at.above, row));
                cells.extend(limbs_at(chip.limbs, below.1, &at.below, row));
                all.push(self.other(address, signed32(rank), cells));
            }
        }
    }

    /// The rows of every group: from one whose `keep` is 0 to one whose `close` is 1.
    fn groups(&self, [keep, close]: [usize; 2]) -> Vec<Vec<usize>> {
        let mut groups = vec![];
        let mut open = vec![];
        for row in 0..self.rows() {
            if self.fixed(keep, row).0 == 0 {
                open.clear();
            }
            open.push(row);
            if self.fixed(close, row).0 == 1 {
                groups.push(std::mem::take(&mut open));
            }
        }
        groups
    }

    fn maxima(&self, chip: &MaxChip, all: &mut Vec<Other>) {
        let (fixed, at) = (MaxFixed::<Places>::at(0, chip), MaxWitness::<Places>::at(0, chip));
        for rows in self.groups([fixed.keep, fixed.close]) {
            let elements: Vec<i32> = rows.iter().map(|&row| self.value(fixed.at_a, row)).collect();
            let most = *elements.iter().max().unwrap();
            let candidates: BTreeSet<i32> =
                elements.iter().copied().filter(|&y| y != most).collect();
            for y in candidates {
                let mut cells = vec![];
                let mut product = BaseField::from(1);
                let fits = rows.iter().zip(&elements).all(|(&row, &element)| {
                    let gap = embed(y) - embed(element);
                    product *= gap;
                    cells.extend([(at.y, row, embed(y)), (at.product, row, product)]);
                    cells.extend(limbs_at(chip.limbs, gap.0, &at.limbs, row));
                    u64::from(gap.0) >> self.bits(&fixed.widths, row) == 0
                });
                if fits {
                    let address = self.fixed(fixed.at_y, *rows.last().unwrap()).0;
                    all.push(self.other(address, y, cells));
                }
            }
        }
    }

    fn positions(&self, chip: &ArgMaxChip, all: &mut Vec<Other>) {
        let fixed = ArgMaxFixed::<Places>::at(0, chip);
        let places = ArgMaxWitness::<Places>::at(0, chip);
        for rows in self.groups([fixed.keep, fixed.close]) {
            let elements: Vec<i32> = rows.iter().map(|&row| self.value(fixed.at_a, row)).collect();
            let honest = self.witness[places.chosen][rows[0]].0 as usize;
            for chosen in (0..rows.len()).filter(|&chosen| chosen != honest) {
                let y = embed(elements[chosen]);
                let at_chosen = BaseField::from(u32::try_from(chosen).unwrap());
                let mut cells = vec![];
                let fits = rows.iter().zip(&elements).enumerate().all(|(at, (&row, &element))| {
                    let found = u32::from(at >= chosen);
                    let gap = y - embed(element) - BaseField::from(1 - found);
                    cells.extend([
                        (places.y, row, y),
                        (places.found, row, found.into()),
                        (places.chosen, row, at_chosen),
                        (places.here, row, u32::from(at == chosen).into()),
                    ]);
                    cells.extend(limbs_at(chip.limbs, gap.0, &places.limbs, row));
                    u64::from(gap.0) >> self.bits(&fixed.widths, row) == 0
                });
                if fits {
                    let at = self.fixed(fixed.at_y, *rows.last().unwrap()).0;
                    all.push(self.other(at, i32::try_from(chosen).unwrap(), cells));
                }
            }
        }
    }

    fn quotients(&self, chip: &DivideChip, all: &mut Vec<Other>) {
        let fixed = DivideFixed::<Places>::at(0, chip);
        let at = DivideWitness::<Places>::at(0, chip);
        let checks = [
            (&fixed.q0, &at.q0),
            (&fixed.q1, &at.q1),
            (&fixed.a0, &at.a0),
            (&fixed.a1, &at.a1),
            (&fixed.carry, &at.carry),
            (&fixed.r, &at.r),
            (&fixed.gap, &at.gap),
        ];
        for row in 0..self.rows() {
            if self.fixed(fixed.readers, row).0 == 0 {
                continue;
            }
            let [a, b] = [fixed.at_a, fixed.at_b].map(|column| i64::from(self.value(column, row)));
            let half = self.fixed(fixed.power, row).0.ilog2();
            let [q_offset, a_offset] =
                [fixed.q_offset, fixed.a_offset].map(|column| i64::from(self.fixed(column, row).0));
            for a in [a - i64::from(P), a + i64::from(P)] {
                let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
                let low = |value: i64| value & ((1 << half) - 1);
                let carry = (low(q) * b + r - low(a)) >> half;
                let [q1, a1] = [(q >> half) + q_offset, (a >> half) + a_offset];
                let checked = [low(q), q1, low(a), a1, carry, r, b - 1 - r];
                let mut cells = vec![];
                let fits = checked.into_iter().zip(checks).all(|(value, (widths, columns))| {
                    let bits = self.bits(widths, row);
                    let Ok(value) = u32::try_from(value) else { return false };
                    cells.extend(limbs_at(chip.limbs, value, columns, row));
                    u64::from(value) >> bits == 0
                });
                if let (true, Ok(q)) = (fits, i32::try_from(q)) {
                    cells.push((at.q, row, embed(q)));
                    all.push(self.other(self.fixed(fixed.at_q, row).0, q, cells));
                }
            }
        }
    }

    fn roots(&self, chip: &RootChip, all: &mut Vec<Other>) {
        let (fixed, at) = (RootFixed::<Places>::at(0, chip), RootWitness::<Places>::at(0, chip));
        let checks = [(&fixed.y, &at.y), (&fixed.r, &at.r), (&fixed.gap, &at.gap)];
        for row in 0..self.rows() {
            if self.fixed(fixed.readers, row).0 == 0 {
                continue;
            }
            let x = i64::from(self.value(fixed.at_x, row));
            let near = [x, x + i64::from(P), x + 2 * i64::from(P)].map(i64::isqrt);
            let candidates = near.into_iter().flat_map(|y| y - 2..=y + 2).chain([0, (1 << 15) - 1]);
            for y in candidates.filter(|&y| y != x.isqrt() && y >= 0).collect::<BTreeSet<_>>() {
                let y = embed(i32::try_from(y).unwrap());
                let r = embed(i32::try_from(x).unwrap()) - y * y;
                let checked = [y, r, y + y - r];
                let mut cells = vec![];
                let fits = checked.into_iter().zip(checks).all(|(value, (widths, columns))| {
                    cells.extend(limbs_at(chip.limbs, value.0, columns, row));
                    u64::from(value.0) >> self.bits(widths, row) == 0
                });
                if fits {
                    all.push(self.other(self.fixed(fixed.at_y, row).0, signed32(y), cells));
                }
            }
        }
    }

    /// The branch that is not taken. Where it leads is left open: no branch may be open at all.
    fn branches(&self, chip: &PathChip, all: &mut Vec<Other>) {
        let (fixed, at) = (PathFixed::<Places>::at(0, chip), PathWitness::<Places>::at(0, chip));
        for row in 0..self.rows() {
            let [left, right] = [at.left, at.right].map(|column| self.witness[column][row]);
            let [threshold, rank, taken] =
                [at.threshold, at.rank, at.taken].map(|column| self.witness[column][row]);
            let (gap, next) = if taken.0 == 1 {
                (rank - threshold - BaseField::from(1), right)
            } else {
                (threshold - rank, left)
            };
            if left != right && u64::from(gap.0) >> self.bits(&fixed.widths, row) == 0 {
                all.push(self.other(self.fixed(fixed.at_leaf, row).0, signed32(next), vec![]));
            }
        }
    }

    /// Other quotients of one lane.
    fn roundings(
        &self,
        limbs: Limbs,
        (fixed, at): (&RoundingFixed<Places>, &RoundingLane<Places>),
        place: impl Fn(usize) -> (Address, u32),
        all: &mut Vec<Other>,
    ) {
        for row in 0..self.rows() {
            let (address, readers) = place(row);
            let power = self.fixed(fixed.power, row);
            let table = self.tables.functions.get(&self.fixed(fixed.table, row).0);
            let (Some(table), true) = (table, readers != 0) else { continue };
            let bits = self.bits(&fixed.widths, row);
            let quotient = self.witness[at.quotient][row];
            let remainder = at.remainder.iter().enumerate().fold(0u64, |sum, (k, &column)| {
                let place = limbs.bits() * u32::try_from(k).unwrap();
                sum + (u64::from(self.witness[column][row].0) << place)
            });
            let power = i64::from(power.0);
            let shifted = signed(quotient) * power + i64::try_from(remainder).unwrap();
            for shifted in [shifted - i64::from(P), shifted + i64::from(P)] {
                let (q, r) = (shifted.div_euclid(power), shifted.rem_euclid(power));
                let (Some(&y), true) = (table.get(&q), r >> bits == 0) else { continue };
                let q = embed(i32::try_from(q).unwrap());
                let mut cells = vec![(at.quotient, row, q), (at.output, row, y)];
                let remainder = u32::try_from(r).unwrap();
                cells.extend(limbs_at(limbs, remainder, &at.remainder, row));
                if y != self.witness[at.output][row] {
                    all.push(self.other(address, signed32(y), cells));
                }
            }
        }
    }
}

/// Solves `a + (0, strict) <= b` of the rank chip: whether the first parts are equal, and a gap of
/// so many bits.
pub(super) fn ordered(
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

pub(super) fn limbs_at(
    limbs: Limbs,
    value: u32,
    columns: &[usize],
    row: usize,
) -> impl Iterator<Item = (usize, usize, BaseField)> {
    let cells = limbs.split(value).zip(columns);
    cells.map(move |(limb, &column)| (column, row, limb.into()))
}

/// The integer below `p / 2` in absolute value.
fn signed(value: BaseField) -> i64 {
    let value = i64::from(value.0);
    if value > i64::from(P / 2) { value - i64::from(P) } else { value }
}

fn signed32(value: BaseField) -> i32 {
    i32::try_from(signed(value)).unwrap()
}
