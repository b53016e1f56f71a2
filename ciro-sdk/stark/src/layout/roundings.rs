//! Rounding shifts of a model: which table each uses, and which share one.

use ciro_model::Interval;
use ciro_model::integer::ops::{Lookup, Requantize};
use ciro_model::integer::{Constants, Op};

use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::rows::rounding::Rounding;
use crate::rows::table::{Function, MOST_ENTRIES, Tables};

/// Collects the roundings of a model and shares tables between them.
#[derive(Debug, Default)]
pub(crate) struct Roundings {
    tables: Vec<Draft>,
    shifts: Vec<(Width, usize)>,
}

#[derive(Debug)]
struct Draft {
    kind: Kind,
    domain: Interval,
    max_shift: u32,
    /// Greatest absolute value of an operand.
    max_operand: i64,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Clamp { lo: i32, hi: i32 },
    Table { lo: i32, entries: Vec<i32> },
}

/// A rounding that cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRoom {
    /// It does not fit the field.
    #[error(
        "values up to {max_operand} with shift {shift} leave no room in a 31-bit field; leave more headroom below 2^30"
    )]
    Field {
        /// The greatest absolute value.
        max_operand: i64,
        /// The shift in bits.
        shift: u32,
    },
    /// Its table would be too large.
    #[error(
        "a table of {entries} entries, from {domain}, is too large (at most {most}); quantize its operand with fewer bits or around 0"
    )]
    Table {
        /// How many entries it has.
        entries: u64,
        /// Its arguments, and 0.
        domain: Interval,
        /// The most that a table may have.
        most: u64,
    },
}

impl Roundings {
    /// The rounding of a `Requantize` or `Lookup` node whose operand lies in `x`; `count` is the
    /// number of elements.
    ///
    /// Returns `None` for other operators. Table numbers are positions in the list of drafts until
    /// [`Self::finish`].
    pub(crate) fn add(
        &mut self,
        op: &Op,
        x: Interval,
        count: usize,
        constants: &Constants,
    ) -> Option<Result<Rounding, NoRoom>> {
        let (shift, offset, kind) = match op {
            Op::Requantize(Requantize { shift, lo, hi }) => {
                let rounding = if *shift == 0 { 0 } else { 1 << (shift - 1) };
                (*shift, rounding, Kind::Clamp { lo: *lo, hi: *hi })
            }
            Op::Lookup(Lookup { offset, shift, lo, table }) => {
                let entries = constants[*table].data().to_vec();
                (*shift, *offset, Kind::Table { lo: *lo, entries })
            }
            _ => return None,
        };
        // Lanes without work hold 0: the domain covers it.
        let covered = x.union(Interval::point(0)) + Interval::point(offset.into());
        let domain = covered.shift_right(shift);
        let draft = Draft { kind, domain, max_shift: shift, max_operand: x.max_abs() };
        let table = match self.tables.iter_mut().position(|known| known.absorb(&draft)) {
            Some(position) => position,
            None if !draft.fits() => {
                return Some(Err(NoRoom::Field { max_operand: x.max_abs(), shift }));
            }
            None if draft.domain.width() > MOST_ENTRIES => {
                let (entries, most) = (draft.domain.width(), MOST_ENTRIES);
                return Some(Err(NoRoom::Table { entries, domain: draft.domain, most }));
            }
            None => {
                self.tables.push(draft);
                self.tables.len() - 1
            }
        };
        let table = u32::try_from(table).expect("few tables");
        let shift = Width::of_remainder(domain.width(), shift).expect("part of a draft that fits");
        self.shifts.push((shift, count));
        Some(Ok(Rounding { shift, offset, table }))
    }

    /// The limb width that makes remainders cheapest: wide limbs need large range tables, narrow
    /// ones many lookups.
    pub(crate) fn limbs(&self) -> Limbs {
        let most = self.shifts.iter().map(|&(shift, _)| shift).max().unwrap_or(Width::ZERO);
        let cost = |bits: u32| {
            let limbs = Limbs::new(most, bits);
            let mut widths: Vec<u32> =
                self.shifts.iter().flat_map(|&(shift, _)| limbs.widths(shift)).collect();
            widths.sort_unstable();
            widths.dedup();
            let entries: usize = widths.iter().map(|&width| 1usize << width).sum();
            let values: usize = self.shifts.iter().map(|&(_, count)| count).sum();
            3 * values * limbs.count() as usize + 4 * entries
        };
        let bits = (4..=14).min_by_key(|&bits| cost(bits)).expect("the range is not empty");
        Limbs::new(most, bits)
    }

    /// Adds the tables; returns the number of each draft.
    pub(crate) fn finish(&self, tables: &mut Tables) -> Vec<u32> {
        assert!(self.tables.iter().all(Draft::fits), "drafts grow only as long as they fit");
        self.tables.iter().map(|draft| tables.function(draft.function())).collect()
    }
}

impl Draft {
    /// Whether `x = q * 2^shift + r - offset` has one solution for every field element `x`,
    /// whatever the offset is.
    fn fits(&self) -> bool {
        #[cfg(test)]
        if crate::chips::defects::is_back(crate::chips::defects::Defect::FarOffsets) {
            let reach = (self.domain.max_abs() + 2) << self.max_shift;
            return self.max_operand + reach < i64::from(stwo::core::fields::m31::P);
        }
        Width::of_remainder(self.domain.width(), self.max_shift).is_some()
    }

    /// Takes another draft in if both can share one table.
    fn absorb(&mut self, other: &Self) -> bool {
        if self.kind != other.kind {
            return false;
        }
        let merged = Self {
            kind: self.kind.clone(),
            domain: self.domain.union(other.domain),
            max_shift: self.max_shift.max(other.max_shift),
            max_operand: self.max_operand.max(other.max_operand),
        };
        let fits = merged.fits() && merged.domain.width() <= MOST_ENTRIES;
        if fits {
            *self = merged;
        }
        fits
    }

    fn function(&self) -> Function {
        let outputs = (self.domain.lo..=self.domain.hi)
            .map(|q| match &self.kind {
                Kind::Clamp { lo, hi } => {
                    i32::try_from(q.clamp((*lo).into(), (*hi).into())).expect("an i32 interval")
                }
                // Quotients that no operand reaches, but that cover idle lanes, have output 0.
                Kind::Table { lo, entries } => usize::try_from(q - i64::from(*lo))
                    .ok()
                    .and_then(|index| entries.get(index).copied())
                    .unwrap_or(0),
            })
            .collect();
        Function { domain: self.domain, outputs }
    }
}
