//! Rows of maxima and of their positions.

use std::collections::BTreeSet;

use stwo::core::fields::m31::BaseField;

use super::table::{TableCounts, Tables};
use super::{Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::extremum::{
    ArgMaxChip, ArgMaxFixed, ArgMaxWitness, MaxChip, MaxFixed, MaxWitness,
};
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::field::embed;
use crate::layout::cost::Costs;
use crate::layout::wiring::{Address, Wiring};

/// Groups of elements of one node whose maximum (or its position) is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Width of the difference of two elements.
    pub(crate) width: Width,
    /// Number of elements in a group.
    pub(crate) len: usize,
    /// The elements, group after group.
    pub(crate) elements: Vec<Address>,
    /// The result of each group.
    pub(crate) results: Vec<Address>,
}

/// Which of the two operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extremum {
    /// The maximum.
    Max,
    /// The lowest position of the maximum.
    ArgMax,
}

impl Extremum {
    /// The operator's chip.
    pub(crate) fn chip(self, log_size: u32, limbs: Limbs) -> AnyChip {
        match self {
            Self::Max => AnyChip::Max(MaxChip { log_size, limbs }),
            Self::ArgMax => AnyChip::ArgMax(ArgMaxChip { log_size, limbs }),
        }
    }
}

/// Rows of one operator whose differences have one number of limbs, before the readers of the
/// results are known.
pub(crate) struct Extrema {
    kind: Extremum,
    log_size: u32,
    limbs: Limbs,
    rows: Vec<Row>,
}

#[derive(Clone)]
struct Row {
    width: Width,
    position: u32,
    last: bool,
    /// Index of the group, `None` for padding.
    group: Option<usize>,
    element: Address,
    result: Address,
}

impl Extrema {
    /// Lays groups whose differences all fit `limbs`; `None` if there is no group.
    pub(crate) fn new(
        kind: Extremum,
        groups: &[&Groups],
        limbs: Limbs,
        (costs, wiring): (Costs, &mut Wiring<'_>),
    ) -> Option<Self> {
        let mut rows = vec![];
        let mut group = 0;
        for node in groups {
            for (elements, &result) in node.elements.chunks(node.len).zip(&node.results) {
                let mut elements = elements.to_vec();
                if kind == Extremum::Max {
                    // A masked row repeats one element.
                    let mut seen = BTreeSet::new();
                    elements.retain(|&element| seen.insert(element));
                }
                let last = elements.len() - 1;
                for (position, &element) in elements.iter().enumerate() {
                    rows.push(Row {
                        width: node.width,
                        position: u32::try_from(position).expect("positions fit 31 bits"),
                        last: position == last,
                        group: Some(group),
                        element,
                        result,
                    });
                }
                group += 1;
            }
        }
        if rows.is_empty() {
            return None;
        }
        let log_size = costs.log_size(rows.len());
        let zero = wiring.zero();
        let idle = Row {
            width: Width::ZERO,
            position: 0,
            last: false,
            group: None,
            element: zero,
            result: zero,
        };
        pad(&mut rows, log_size, idle);
        for row in &rows {
            wiring.read(row.element);
        }
        Some(Self { kind, log_size, limbs, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let (log_size, limbs) = (self.log_size, self.limbs);
        let chip = self.kind.chip(log_size, limbs);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            let readers = if row.last { wiring.readers(row.result) } else { 0 };
            let [keep, close] = [row.position > 0, row.last].map(|flag| u32::from(flag).into());
            let [at_a, at_y, readers] = [row.element, row.result, readers].map(Into::into);
            let widths = limbs.cells(limbs.widths(row.width));
            fixed.row(|to| match &chip {
                AnyChip::ArgMax(chip) => {
                    let position = row.position.into();
                    ArgMaxFixed { keep, close, position, at_a, at_y, readers, widths }
                        .write(chip, to);
                }
                AnyChip::Max(chip) => {
                    MaxFixed { keep, close, at_a, at_y, readers, widths }.write(chip, to);
                }
                _ => unreachable!("an extremum has one of two chips"),
            });
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }

    /// For every group, its maximum and the lowest position of it.
    fn maxima(&self, values: &[i32]) -> Vec<(i32, u32)> {
        let mut maxima: Vec<(i32, u32)> = vec![];
        for row in self.rows.iter().filter(|row| row.group.is_some()) {
            let value = values[row.element as usize];
            match maxima.last_mut() {
                Some(best) if row.position > 0 => {
                    if value > best.0 {
                        *best = (value, row.position);
                    }
                }
                _ => maxima.push((value, 0)),
            }
        }
        maxima
    }
}

impl Witness for Extrema {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        match self.kind {
            Extremum::Max => self.max_columns(values, tables, counts),
            Extremum::ArgMax => self.arg_max_columns(values, tables, counts),
        }
    }
}

impl Extrema {
    /// For every row, the maximum of its group, the lowest position of it, and what it exceeds the
    /// element by.
    fn gaps(&self, values: &[i32]) -> impl Iterator<Item = (&Row, i32, u32, u32)> {
        let maxima = self.maxima(values);
        self.rows.iter().map(move |row| {
            let (max, chosen) = row.group.map_or((0, 0), |group| maxima[group]);
            let gap = u32::try_from(max - values[row.element as usize]);
            (row, max, chosen, gap.expect("no element exceeds the maximum"))
        })
    }

    fn max_columns(
        &self,
        values: &[i32],
        tables: &Tables,
        counts: &mut TableCounts,
    ) -> Vec<Column> {
        let (log_size, limbs) = (self.log_size, self.limbs);
        let chip = MaxChip { log_size, limbs };
        let mut columns = Filler::new(2 + limbs.count() as usize, self.rows.len());
        let mut product = embed(1);
        for (row, max, _, gap) in self.gaps(values) {
            let before = if row.position > 0 { product } else { embed(1) };
            product = before * BaseField::from(gap);
            let limbs = counts.limbs(tables, limbs, row.width, gap);
            let cells = MaxWitness { y: embed(max), product, limbs };
            columns.row(|to| cells.write(&chip, to));
        }
        columns.into_columns()
    }

    fn arg_max_columns(
        &self,
        values: &[i32],
        tables: &Tables,
        counts: &mut TableCounts,
    ) -> Vec<Column> {
        let (log_size, limbs) = (self.log_size, self.limbs);
        let chip = ArgMaxChip { log_size, limbs };
        let mut columns = Filler::new(4 + limbs.count() as usize, self.rows.len());
        for (row, max, chosen, gap) in self.gaps(values) {
            let found = row.position >= chosen;
            // Elements before the chosen one are less than it.
            let gap =
                gap.checked_sub((!found).into()).expect("the first maximum is the chosen one");
            let cells = ArgMaxWitness {
                y: embed(max),
                found: u32::from(found).into(),
                chosen: chosen.into(),
                limbs: counts.limbs(tables, limbs, row.width, gap),
                here: u32::from(row.position == chosen).into(),
            };
            columns.row(|to| cells.write(&chip, to));
        }
        columns.into_columns()
    }
}
