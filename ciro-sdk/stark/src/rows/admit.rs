//! Rows of committed inputs.

use std::collections::BTreeSet;

use ciro_model::Interval;

use super::table::{TableCounts, Tables};
use super::{Column, PlacedChip, Witness, pad};
use crate::air::{Filler, Shape};
use crate::chips::AnyChip;
use crate::chips::admit::{AdmitChip, AdmitFixed, AdmitWitness, ImageFixed, ImageWitness};
use crate::chips::unique::Width;
use crate::field::embed;
use crate::layout::cost::{Costs, log_size};
use crate::layout::wiring::{Address, Wiring};

/// One element of a committed input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    pub(crate) address: Address,
    /// What it has to lie in.
    pub(crate) interval: Interval,
    /// The width of what it may be apart from the interval's ends.
    pub(crate) width: Width,
    /// Whether it is the low limb of an image whose high limb is the element before.
    pub(crate) low: bool,
}

/// The elements of all committed inputs, before their readers are known.
pub(crate) struct AdmitRows {
    chip: AdmitChip,
    /// `None` in rows without work.
    rows: Vec<Option<Admitted>>,
}

impl AdmitRows {
    /// Lays the elements; `None` if there is none.
    pub(crate) fn new(elements: &[Admitted], costs: Costs, tables: &mut Tables) -> Option<Self> {
        if elements.is_empty() {
            return None;
        }
        let log_size = log_size(elements.len());
        let images = elements.iter().any(|element| element.low);
        let widths: BTreeSet<Width> = elements.iter().map(|element| element.width).collect();
        let chip = |limbs| AnyChip::Admit(AdmitChip { log_size, limbs, images });
        let limbs = costs.cheapest_limbs(&widths, |bits| tables.has_range(bits), chip);
        tables.ranges(limbs, widths);
        let mut rows: Vec<_> = elements.iter().copied().map(Some).collect();
        pad(&mut rows, log_size, None);
        Some(Self { chip: AdmitChip { log_size, limbs, images }, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let (chip, limbs) = (self.chip, self.chip.limbs);
        let any = AnyChip::Admit(chip);
        let shape = Shape::of(&any);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for row in &self.rows {
            let [address, readers] =
                row.map_or([0, 0], |row| [row.address, wiring.readers(row.address)]);
            let [address, readers] = [address, readers].map(Into::into);
            let widths = limbs.cells(limbs.widths(row.map_or(Width::ZERO, |row| row.width)));
            let [lo, spread] = row.map_or([0, 0], |row| ends(row.interval));
            let (lo, spread) = (embed(lo), embed(spread));
            let low = u32::from(row.is_some_and(|row| row.low)).into();
            fixed.row(|to| {
                AdmitFixed { address, readers, lo, spread, widths }.write(&chip, to);
                if chip.images {
                    ImageFixed { low }.write(&chip, to);
                }
            });
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip: any, shape, fixed, witness: Box::new(self) }
    }
}

/// The least value of an interval, and how far the greatest is from it.
fn ends(interval: Interval) -> [i32; 2] {
    [interval.lo, interval.hi - interval.lo]
        .map(|end| i32::try_from(end).expect("an interval with a width is narrower than 2^30"))
}

impl Witness for AdmitRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let (chip, limbs) = (self.chip, self.chip.limbs);
        let width = 2 * limbs.count() as usize + if chip.images { 2 } else { 0 };
        let mut columns = Filler::new(width, self.rows.len());
        let mut before = embed(0);
        for row in &self.rows {
            let (width, gap, rest) = row.map_or((Width::ZERO, 0, 0), |row| {
                let [lo, spread] = ends(row.interval);
                let gap = values[row.address as usize].wrapping_sub(lo);
                (row.width, gap, spread.wrapping_sub(gap))
            });
            let mut split = |value: i32| match u32::try_from(value) {
                Ok(value) if u64::from(value) < 1 << width.bits() => {
                    counts.limbs(tables, limbs, width, value)
                }
                // No witness: whoever lies about an input gets a trace that breaks a constraint.
                _ => counts.limbs(tables, limbs, width, 0),
            };
            let (above, below) = (split(gap), split(rest));
            let gap = embed(gap);
            let both = before + gap;
            let low = row.is_some_and(|row| row.low);
            let inverse = if low && both != embed(0) { both.inverse() } else { embed(0) };
            columns.row(|to| {
                AdmitWitness { above, below }.write(&chip, to);
                if chip.images {
                    ImageWitness { gap, inverse }.write(&chip, to);
                }
            });
            before = gap;
        }
        columns.into_columns()
    }
}
