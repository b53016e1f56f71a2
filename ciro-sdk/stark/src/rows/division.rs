//! Rows of divisions and square roots.

use super::table::{TableCounts, Tables};
use super::{Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::division::{
    DivideChip, DivideFixed, DivideWitness, RootChip, RootFixed, RootWitness,
};
use crate::chips::limbs::{LimbCells, Limbs};
use crate::chips::unique::{self, Division, Width};
use crate::field::embed;
use crate::layout::cost::Costs;
use crate::layout::wiring::{Address, Wiring};

/// The elements of one division node.
#[derive(Clone, Debug)]
pub(crate) struct Divisions {
    /// How the values are split, and the widths of what is range-checked.
    pub(crate) check: Division,
    /// `(a, b, q)`.
    pub(crate) cells: Vec<[Address; 3]>,
}

/// Rows of all divisions, before the readers of the quotients are known.
pub(crate) struct DivisionRows {
    chip: DivideChip,
    rows: Vec<DivisionRow>,
}

#[derive(Clone)]
struct DivisionRow {
    check: Division,
    cells: [Address; 3],
    writes: bool,
}

impl DivisionRows {
    /// Lays all divisions; `None` if there is none.
    pub(crate) fn new(
        work: &[Divisions],
        costs: Costs,
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> Option<Self> {
        let log_size = costs.log_size(work.iter().map(|work| work.cells.len()).sum());
        let widths = work.iter().flat_map(|work| work.check.widths()).collect();
        let chip = |limbs| AnyChip::Divide(DivideChip { log_size, limbs });
        let limbs = costs.cheapest_limbs(&widths, |bits| tables.has_range(bits), chip);
        let row = |check| move |&cells: &_| DivisionRow { check, cells, writes: true };
        let mut rows: Vec<DivisionRow> =
            work.iter().flat_map(|work| work.cells.iter().map(row(work.check))).collect();
        // Rows without work repeat the first one and write nothing.
        let idle = DivisionRow { writes: false, ..rows.first()?.clone() };
        pad(&mut rows, log_size, idle);
        for DivisionRow { check, cells: [a, b, _], .. } in &rows {
            wiring.read(*a);
            wiring.read(*b);
            tables.ranges(limbs, check.widths());
        }
        Some(Self { chip: DivideChip { log_size, limbs }, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Divide(self.chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            let (check, [a, b, y]) = (row.check, row.cells);
            let readers = if row.writes { wiring.readers(y) } else { 0 };
            let [at_a, at_b, at_q, readers] = [a, b, y, readers].map(Into::into);
            let [q0, q1, a0, a1, carry, r, gap] = width_cells(self.chip.limbs, check.widths());
            let power = (1 << check.half()).into();
            let q_offset = check.quotient_offset().into();
            let a_offset = check.dividend_offset().into();
            let cells = DivideFixed {
                at_a,
                at_b,
                at_q,
                readers,
                power,
                q_offset,
                a_offset,
                q0,
                q1,
                a0,
                a1,
                carry,
                r,
                gap,
            };
            fixed.row(|to| cells.write(&self.chip, to));
        }
        PlacedChip { chip, shape, fixed: fixed.into_columns(), witness: Box::new(self) }
    }
}

/// The range-checked values of `q = floor(a / b)`, and the quotient.
fn split(check: Division, a: i64, b: i64) -> ([i64; 7], i64) {
    let half = check.half();
    let (q, r) = (a.div_euclid(b), a.rem_euclid(b));
    let low = |value: i64| value & ((1 << half) - 1);
    let carry = (low(q) * b + r - low(a)) >> half;
    let checked = [
        low(q),
        (q >> half) + i64::from(check.quotient_offset()),
        low(a),
        (a >> half) + i64::from(check.dividend_offset()),
        carry,
        r,
        b - 1 - r,
    ];
    (checked, q)
}

impl Witness for DivisionRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let limbs = self.chip.limbs;
        let mut columns = Filler::new(7 * limbs.count() as usize + 2, self.rows.len());
        for DivisionRow { check, cells: [a, b, _], .. } in &self.rows {
            let [a, b] = [*a, *b].map(|address| values[address as usize]);
            let (checked, q) = split(*check, a.into(), b.into());
            let [q0, q1, a0, a1, carry, r, gap] =
                checked_cells(checked, (limbs, check.widths()), tables, counts);
            let q = embed(i32::try_from(q).expect("intervals bound quotients"));
            let cells = DivideWitness { q0, q1, a0, a1, carry, r, gap, a: embed(a), q };
            columns.row(|to| cells.write(&self.chip, to));
        }
        columns.into_columns()
    }
}

/// Rows of all square roots, before the readers of the roots are known.
pub(crate) struct RootRows {
    chip: RootChip,
    /// Operand, root, whether the row writes it.
    rows: Vec<(Address, Address, bool)>,
}

impl RootRows {
    /// Lays the square roots `(x, y)`; `None` if there is none.
    pub(crate) fn new(
        work: &[[Address; 2]],
        costs: Costs,
        (tables, wiring): (&mut Tables, &mut Wiring<'_>),
    ) -> Option<Self> {
        let log_size = costs.log_size(work.len());
        let chip = |limbs| AnyChip::Root(RootChip { log_size, limbs });
        let widths = unique::ROOT.into_iter().collect();
        let limbs = costs.cheapest_limbs(&widths, |bits| tables.has_range(bits), chip);
        let mut rows: Vec<_> = work.iter().map(|&[x, y]| (x, y, true)).collect();
        // Rows without work repeat the first one and write nothing.
        let &(x, y, _) = rows.first()?;
        pad(&mut rows, log_size, (x, y, false));
        tables.ranges(limbs, unique::ROOT);
        rows.iter().for_each(|&(x, ..)| wiring.read(x));
        Some(Self { chip: RootChip { log_size, limbs }, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Root(self.chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for &(x, y, writes) in &self.rows {
            let readers = if writes { wiring.readers(y) } else { 0 };
            let [at_x, at_y, readers] = [x, y, readers].map(Into::into);
            let [y, r, gap] = width_cells(self.chip.limbs, unique::ROOT);
            fixed.row(|to| RootFixed { at_x, at_y, readers, y, r, gap }.write(&self.chip, to));
        }
        PlacedChip { chip, shape, fixed: fixed.into_columns(), witness: Box::new(self) }
    }
}

impl Witness for RootRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let limbs = self.chip.limbs;
        let mut columns = Filler::new(3 * limbs.count() as usize + 1, self.rows.len());
        for &(x, ..) in &self.rows {
            let x = values[x as usize];
            let y = i64::from(x).isqrt();
            let r = i64::from(x) - y * y;
            let [y, r, gap] =
                checked_cells([y, r, 2 * y - r], (limbs, unique::ROOT), tables, counts);
            let cells = RootWitness { y, r, gap, x: embed(x) };
            columns.row(|to| cells.write(&self.chip, to));
        }
        columns.into_columns()
    }
}

/// The widths of the limbs of several values.
fn width_cells<const N: usize>(limbs: Limbs, widths: [Width; N]) -> [LimbCells; N] {
    widths.map(|width| limbs.cells(limbs.widths(width)))
}

/// The limbs of several values, counted in the range tables of their widths.
fn checked_cells<const N: usize>(
    checked: [i64; N],
    (limbs, widths): (Limbs, [Width; N]),
    tables: &Tables,
    counts: &mut TableCounts,
) -> [LimbCells; N] {
    std::array::from_fn(|k| {
        let value = u32::try_from(checked[k]).expect("offsets make values unsigned");
        counts.limbs(tables, limbs, widths[k], value)
    })
}
