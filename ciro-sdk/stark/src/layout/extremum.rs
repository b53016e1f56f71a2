//! Rows of maxima and of their positions.

use std::collections::BTreeSet;

use stwo::core::fields::m31::BaseField;

use super::cost::log_size;
use super::tables::{TableCounts, Tables};
use super::wiring::{Address, Wiring};
use super::{Column, PlacedChip, Witness};
use crate::air::Shape;
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::chips::{AnyChip, ArgMaxChip, MaxChip};
use crate::field::embed;

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

/// Rows of one operator whose differences have one number of limbs, before the readers of the results are known.
pub(crate) struct Extrema {
    kind: Extremum,
    log_size: u32,
    limbs: Limbs,
    rows: Vec<Row>,
}

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
        wiring: &mut Wiring<'_>,
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
        let log_size = log_size(rows.len());
        let zero = wiring.zero();
        rows.resize_with(1 << log_size, || Row {
            width: Width::ZERO,
            position: 0,
            last: false,
            group: None,
            element: zero,
            result: zero,
        });
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
        let mut fixed = vec![Vec::with_capacity(self.rows.len()); shape.fixed];
        for row in &self.rows {
            let readers = if row.last { wiring.readers(row.result) } else { 0 };
            let mut values = vec![u32::from(row.position > 0), u32::from(row.last)];
            if self.kind == Extremum::ArgMax {
                values.push(row.position);
            }
            values.extend([row.element, row.result, readers]);
            values.extend(limbs.widths(row.width));
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(BaseField::from(value));
            }
        }
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
        let limbs = self.limbs;
        let maxima = self.maxima(values);
        let leading = match self.kind {
            Extremum::Max => 2,
            Extremum::ArgMax => 3,
        };
        let width = leading + limbs.count() as usize + usize::from(self.kind == Extremum::ArgMax);
        let mut columns = vec![vec![embed(0); self.rows.len()]; width];
        let mut product = embed(1);
        for (at, row) in self.rows.iter().enumerate() {
            let (max, chosen) = row.group.map_or((0, 0), |group| maxima[group]);
            let difference = max - values[row.element as usize];
            let mut gap = difference;
            columns[0][at] = embed(max);
            match self.kind {
                Extremum::Max => {
                    let before = if row.position > 0 { product } else { embed(1) };
                    product = before * embed(difference);
                    columns[1][at] = product;
                }
                Extremum::ArgMax => {
                    let found = row.position >= chosen;
                    gap -= i32::from(!found);
                    columns[1][at] = u32::from(found).into();
                    columns[2][at] = chosen.into();
                    columns[width - 1][at] = u32::from(row.position == chosen).into();
                }
            }
            let gap = u32::try_from(gap).expect("no element exceeds the maximum");
            for (k, (limb, bits)) in limbs.split(gap).zip(limbs.widths(row.width)).enumerate() {
                counts.range(tables, bits, limb);
                columns[leading + k][at] = limb.into();
            }
        }
        columns
    }
}
