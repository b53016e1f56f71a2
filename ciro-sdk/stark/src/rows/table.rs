//! Fixed tables: which exist, and where their entries stand.

use std::collections::BTreeMap;

use ciro_model::Interval;

use super::rounding::Rounding;
use super::{Column, NoRows, PlacedChip, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::limbs::{LimbCells, Limbs};
use crate::chips::table::{TableChip, TableKind, TableLane};
use crate::chips::unique::Width;
use crate::field::embed;
use crate::layout::cost::{Costs, LANES};

/// Entries of the largest table that is ever made.
pub(crate) const MOST_ENTRIES: u64 = 1 << 20;

/// Numbers of function tables start behind those of range tables (a range table's number is its
/// width in bits).
const FIRST_FUNCTION: u32 = 32;

/// A unary function as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Arguments from `domain.lo` to `domain.hi`.
    pub(crate) domain: Interval,
    /// One value for each argument.
    pub(crate) outputs: Vec<i32>,
}

/// The tables of a model, kind by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Entries of every kind, flat.
    entries: BTreeMap<TableKind, Vec<i32>>,
    /// Width in bits to position of the first entry.
    ranges: BTreeMap<u32, usize>,
    functions: Vec<(Function, usize)>,
}

impl Tables {
    /// Appends an entry to a kind; returns its position.
    pub(crate) fn push(&mut self, kind: TableKind, entry: &[i32]) -> usize {
        debug_assert_eq!(entry.len(), kind.width());
        let entries = self.entries.entry(kind).or_default();
        entries.extend_from_slice(entry);
        entries.len() / kind.width() - 1
    }

    /// Makes sure that there is a range table of `bits` bits; returns its number.
    pub(crate) fn range(&mut self, bits: u32) -> u32 {
        if !self.ranges.contains_key(&bits) {
            let number = i32::try_from(bits).expect("ranges are narrow");
            let first = self.push(TableKind::Functions, &[number, 0, 0]);
            for value in 1..1 << bits {
                self.push(TableKind::Functions, &[number, value, 0]);
            }
            self.ranges.insert(bits, first);
        }
        bits
    }

    /// Makes sure that there are range tables for the limbs of values of these widths.
    pub(crate) fn ranges(&mut self, limbs: Limbs, values: impl IntoIterator<Item = Width>) {
        values.into_iter().flat_map(|width| limbs.widths(width)).for_each(|bits| {
            self.range(bits);
        });
    }

    /// Whether there is a range table of `bits` bits.
    pub(crate) fn has_range(&self, bits: u32) -> bool {
        self.ranges.contains_key(&bits)
    }

    /// Adds a function table; returns its number.
    pub(crate) fn function(&mut self, function: Function) -> u32 {
        let number = FIRST_FUNCTION + u32::try_from(self.functions.len()).expect("few tables");
        let tag = i32::try_from(number).expect("few tables");
        let mut first = None;
        for (argument, &output) in (function.domain.lo..=function.domain.hi).zip(&function.outputs)
        {
            let argument = i32::try_from(argument).expect("below 2^30");
            let position = self.push(TableKind::Functions, &[tag, argument, output]);
            first.get_or_insert(position);
        }
        self.functions.push((function, first.unwrap_or(0)));
        number
    }

    /// The output of a function table.
    pub(crate) fn apply(&self, table: u32, argument: i32) -> i32 {
        let (function, _) = &self.functions[(table - FIRST_FUNCTION) as usize];
        function.outputs[offset(function, argument)]
    }

    /// Whether the table of a rounding has an entry for every value of an interval.
    pub(crate) fn covers(&self, rounding: Rounding, x: Interval) -> bool {
        let (function, _) = &self.functions[(rounding.table - FIRST_FUNCTION) as usize];
        let offset = Interval::point(rounding.offset.into());
        function.domain.contains((x + offset).shift_right(rounding.shift.bits()))
    }

    /// The kinds that have entries.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = TableKind> {
        TableKind::ALL.into_iter().filter(|kind| self.len(*kind) > 0)
    }

    fn len(&self, kind: TableKind) -> usize {
        self.entries.get(&kind).map_or(0, |entries| entries.len() / kind.width())
    }

    /// Lays the entries of a kind into a chip, beside chips of up to `2^tallest` rows.
    pub(crate) fn place(&self, kind: TableKind, costs: Costs, tallest: u32) -> PlacedChip {
        let entries = self.len(kind);
        let candidates = LANES.iter().map(|&lanes| {
            let rows = entries.div_ceil(lanes as usize);
            AnyChip::Table(TableChip { log_size: costs.log_size(rows), lanes, kind })
        });
        let any = costs.cheapest_beside(tallest, candidates);
        let AnyChip::Table(chip) = any else { unreachable!("only table chips were offered") };
        let (lanes, width) = (chip.lanes as usize, kind.width());
        // Unused slots belong to table, feature or node -1, which nobody asks for.
        let mut unused = vec![0; width];
        unused[0] = -1;
        let mut slots: Vec<&[i32]> = self.entries[&kind].chunks_exact(width).collect();
        slots.resize(slots.len().next_multiple_of(lanes), &unused);
        let mut rows: Vec<_> = slots.chunks(lanes).map(<[_]>::to_vec).collect();
        pad(&mut rows, chip.log_size, vec![&unused; lanes]);
        let shape = Shape::of(&any);
        let mut fixed = Filler::new(shape.fixed, rows.len());
        for row in rows {
            fixed.row(|to| {
                for entry in row {
                    let entry = entry.iter().map(|&value| embed(value)).collect();
                    TableLane { entry }.write(&chip, to);
                }
            });
        }
        PlacedChip { chip: any, shape, fixed: fixed.into_columns(), witness: Box::new(NoRows) }
    }

    /// The multiplicity columns of a table chip.
    pub(crate) fn columns(chip: &TableChip, counts: &TableCounts) -> Vec<Column> {
        let (rows, lanes) = (1usize << chip.log_size, chip.lanes as usize);
        let mut columns = vec![vec![embed(0); rows]; lanes];
        for (slot, &count) in counts.0[&chip.kind].iter().enumerate() {
            columns[slot % lanes][slot / lanes] = count.into();
        }
        columns
    }

    /// No lookup counted yet.
    pub(crate) fn counts(&self) -> TableCounts {
        TableCounts(self.kinds().map(|kind| (kind, vec![0; self.len(kind)])).collect())
    }
}

fn offset(function: &Function, argument: i32) -> usize {
    usize::try_from(i64::from(argument) - function.domain.lo)
        .expect("interval analysis keeps arguments inside the table")
}

/// How often each table entry is looked up.
#[derive(Clone, Debug)]
pub(crate) struct TableCounts(BTreeMap<TableKind, Vec<u32>>);

impl TableCounts {
    /// Counts the lookup of one entry.
    pub(crate) fn entry(&mut self, kind: TableKind, position: usize) {
        self.0.get_mut(&kind).expect("the kind has entries")[position] += 1;
    }

    /// Counts a range check.
    pub(crate) fn range(&mut self, tables: &Tables, bits: u32, value: u32) {
        debug_assert!(value < 1 << bits, "{value} is not below 2^{bits}");
        self.entry(TableKind::Functions, tables.ranges[&bits] + value as usize);
    }

    /// The limbs of a value of some width, each counted in the range table of its own.
    #[inline]
    pub(crate) fn limbs(
        &mut self,
        tables: &Tables,
        limbs: Limbs,
        width: Width,
        value: u32,
    ) -> LimbCells {
        let counted = limbs.split(value).zip(limbs.widths(width));
        limbs.cells(counted.map(|(limb, bits)| {
            self.range(tables, bits, limb);
            limb
        }))
    }

    /// Counts the lookup of a function's value.
    pub(crate) fn function(&mut self, tables: &Tables, table: u32, argument: i32) {
        let (function, first) = &tables.functions[(table - FIRST_FUNCTION) as usize];
        self.entry(TableKind::Functions, first + offset(function, argument));
    }

    /// Adds what another part of the trace has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (kind, counts) in &other.0 {
            let sums = self.0.get_mut(kind).expect("both count the same tables");
            for (sum, count) in sums.iter_mut().zip(counts) {
                *sum += count;
            }
        }
    }
}
