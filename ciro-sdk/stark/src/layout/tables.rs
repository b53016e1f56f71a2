//! Fixed tables: which exist, and where their entries stand.

use std::collections::BTreeMap;

use ciro_graph::Interval;

use super::cost::{LANES, cheapest, log_size};
use super::{Column, PlacedChip, Witness};
use crate::air::Shape;
use crate::chips::{AnyChip, TableChip};
use crate::field::embed;

/// Numbers of function tables start behind those of range tables (a range table's number is its width in bits).
const FIRST_FUNCTION: u32 = 32;

/// A unary function as a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    /// Quotients from `domain.lo` to `domain.hi`.
    pub(crate) domain: Interval,
    /// One value for each quotient.
    pub(crate) outputs: Vec<i32>,
}

/// The tables of a model.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tables {
    /// Width in bits to position of the first entry.
    ranges: BTreeMap<u32, usize>,
    functions: Vec<(Function, usize)>,
    entries: usize,
}

impl Tables {
    /// Makes sure that there is a range table of `bits` bits; returns its number.
    pub(crate) fn range(&mut self, bits: u32) -> u32 {
        let entries = &mut self.entries;
        self.ranges.entry(bits).or_insert_with(|| {
            let start = *entries;
            *entries += 1 << bits;
            start
        });
        bits
    }

    /// Adds a function table; returns its number.
    pub(crate) fn function(&mut self, function: Function) -> u32 {
        let start = self.entries;
        self.entries += function.outputs.len();
        self.functions.push((function, start));
        FIRST_FUNCTION + u32::try_from(self.functions.len() - 1).expect("few tables")
    }

    /// The output of a function table.
    pub(crate) fn apply(&self, table: u32, quotient: i32) -> i32 {
        let (function, _) = &self.functions[(table - FIRST_FUNCTION) as usize];
        function.outputs[offset(function, quotient)]
    }

    /// Lays the entries into a chip.
    pub(crate) fn place(&self) -> PlacedChip {
        let entries = self.entries.max(1);
        let chip = cheapest(LANES[..3].iter().map(|&lanes| {
            let rows = entries.div_ceil(lanes as usize);
            AnyChip::Table(TableChip { log_size: log_size(rows), lanes })
        }));
        let AnyChip::Table(TableChip { log_size, lanes }) = chip else {
            unreachable!("only table chips were offered")
        };
        let (rows, lanes) = (1usize << log_size, lanes as usize);
        let mut fixed = vec![vec![embed(0); rows]; 3 * lanes];
        for (slot, entry) in self.iter().enumerate() {
            let (row, lane) = (slot / lanes, slot % lanes);
            for (k, value) in entry.into_iter().enumerate() {
                fixed[3 * lane + k][row] = embed(value);
            }
        }
        // Unused slots repeat the last entry's column values of no table: number -1 belongs to none.
        for slot in self.entries..rows * lanes {
            fixed[3 * (slot % lanes)][slot / lanes] = embed(-1);
        }
        PlacedChip { chip, shape: Shape::of(&chip), fixed, witness: Box::new(NoRows) }
    }

    /// The multiplicity columns of the table chip.
    pub(crate) fn columns(chip: &TableChip, counts: &TableCounts) -> Vec<Column> {
        let (rows, lanes) = (1usize << chip.log_size, chip.lanes as usize);
        let mut columns = vec![vec![embed(0); rows]; lanes];
        for (slot, &count) in counts.0.iter().enumerate() {
            columns[slot % lanes][slot / lanes] = count.into();
        }
        columns
    }

    /// No lookup counted yet.
    pub(crate) fn counts(&self) -> TableCounts {
        TableCounts(vec![0; self.entries])
    }

    fn iter(&self) -> impl Iterator<Item = [i32; 3]> {
        let mut blocks: Vec<(usize, Vec<[i32; 3]>)> = vec![];
        for (&bits, &start) in &self.ranges {
            let number = i32::try_from(bits).expect("at most 16 bits");
            blocks.push((start, (0..1 << bits).map(|value| [number, value, 0]).collect()));
        }
        for (number, (function, start)) in (FIRST_FUNCTION..).zip(&self.functions) {
            let number = i32::try_from(number).expect("few tables");
            let quotients = function.domain.lo..=function.domain.hi;
            let block = quotients
                .zip(&function.outputs)
                .map(|(q, &y)| [number, i32::try_from(q).expect("below 2^30"), y])
                .collect();
            blocks.push((*start, block));
        }
        blocks.sort_by_key(|(start, _)| *start);
        blocks.into_iter().flat_map(|(_, block)| block)
    }
}

fn offset(function: &Function, quotient: i32) -> usize {
    usize::try_from(i64::from(quotient) - function.domain.lo)
        .expect("interval analysis keeps quotients inside the table")
}

/// How often each table entry is looked up.
#[derive(Clone, Debug)]
pub(crate) struct TableCounts(Vec<u32>);

impl TableCounts {
    /// Counts a range check.
    pub(crate) fn range(&mut self, tables: &Tables, bits: u32, value: u32) {
        debug_assert!(value < 1 << bits, "{value} is not below 2^{bits}");
        self.0[tables.ranges[&bits] + value as usize] += 1;
    }

    /// Counts the lookup of a function's value.
    pub(crate) fn function(&mut self, tables: &Tables, table: u32, quotient: i32) {
        let (function, start) = &tables.functions[(table - FIRST_FUNCTION) as usize];
        self.0[start + offset(function, quotient)] += 1;
    }

    /// Adds what another part of the trace has counted.
    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(&other.0) {
            *sum += count;
        }
    }
}

/// The witness of chips whose columns are made elsewhere or that have none.
pub(crate) struct NoRows;

impl Witness for NoRows {
    fn columns(
        &self,
        _values: &[i32],
        _tables: &Tables,
        _counts: &mut TableCounts,
    ) -> Vec<Column> {
        vec![]
    }
}
