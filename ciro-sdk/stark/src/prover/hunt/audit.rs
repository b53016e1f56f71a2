//! Static facts of a layout, recomputed from its fixed columns alone: each address has one
//! producer, which writes it as often as it is read; tables are functions; every range check is as
//! narrow as its values demand.

use std::collections::{BTreeMap, BTreeSet};

use ciro_model::Interval;
use stwo::core::fields::m31::P;

use super::forge::Forge;
use super::record::{Lookup, lookups};
use crate::air::{Chip as _, Places, Relation};
use crate::chips::arithmetic::ArithmeticFixed;
use crate::chips::constants::ConstantsLane;
use crate::chips::division::DivideFixed;
use crate::chips::extremum::{ArgMaxFixed, MaxFixed};
use crate::chips::limbs::Limbs;
use crate::chips::product::AccumulateFixed;
use crate::chips::rank::RankFixed;
use crate::chips::rounding::RoundingFixed;
use crate::chips::{AnyChip, TableKind};
use crate::rows::PlacedChip;

const MODULUS: u64 = P as u64;

/// What is wrong with the layout of a model.
pub(super) fn audit(forge: &Forge) -> BTreeSet<String> {
    let layout = forge.prover.layout();
    let mut found = BTreeSet::new();
    memory(&lookups(layout, &forge.witness), &mut found);
    let mut entries = BTreeMap::new();
    for placed in &layout.chips {
        tables(placed, &mut entries, &mut found);
    }
    let intervals = |address: u32| interval(forge, address);
    for placed in &layout.chips {
        let sheet = ChipColumns { placed, entries: &entries, intervals: &intervals };
        let name = placed.chip.name();
        let mut note =
            |what: Option<String>| found.extend(what.map(|what| format!("{name}: {what}")));
        for row in 0..1usize << placed.chip.log_size() {
            match placed.chip {
                AnyChip::Accumulate(chip) => {
                    let at = AccumulateFixed::<Places>::at(0, &chip);
                    let first = at.readers[0] + at.readers.len();
                    let at = chip.limbs.map(|limbs| (limbs, RoundingFixed::at(first, limbs)));
                    note(at.and_then(|(limbs, at)| sheet.rounding(limbs, &at, row)));
                }
                AnyChip::Arithmetic(chip) => {
                    let first = ArithmeticFixed::<Places>::at(0, &chip).c + 1;
                    let at = chip.limbs.map(|limbs| (limbs, RoundingFixed::at(first, limbs)));
                    note(at.and_then(|(limbs, at)| sheet.rounding(limbs, &at, row)));
                }
                AnyChip::Max(chip) => {
                    let at = MaxFixed::<Places>::at(0, &chip);
                    note(sheet.group([at.keep, at.close, at.at_a], &at.widths, row, 0));
                }
                AnyChip::ArgMax(chip) => {
                    let at = ArgMaxFixed::<Places>::at(0, &chip);
                    note(sheet.group([at.keep, at.close, at.at_a], &at.widths, row, 1));
                }
                AnyChip::Divide(chip) => {
                    note(sheet.dividend(DivideFixed::<Places>::at(0, &chip).at_a, row));
                }
                AnyChip::Rank(chip) => note(sheet.rank(&RankFixed::at(0, &chip), row)),
                _ => {}
            }
        }
    }
    found
}

/// Each address has one producer, which is read as often as it says.
fn memory(all: &[Lookup], found: &mut BTreeSet<String>) {
    if all.len() as u64 >= MODULUS {
        found.insert("as many lookups as the modulus".to_owned());
    }
    let mut reads: BTreeMap<u32, u64> = BTreeMap::new();
    let mut writes: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for lookup in all.iter().filter(|lookup| lookup.relation == Relation::Memory) {
        let address = lookup.values[0];
        if address.column.is_some() || lookup.multiplicity.column.is_some() {
            found.insert("the prover chooses an address, or how often one is read".to_owned());
        }
        match lookup.multiplicity.value.0 {
            0 => {}
            count if count == P - 1 => *reads.entry(address.value.0).or_default() += 1,
            count => writes.entry(address.value.0).or_default().push(count),
        }
    }
    for (address, producers) in &writes {
        let count = reads.remove(address).unwrap_or(0);
        if *producers != [u32::try_from(count).unwrap()] {
            found.insert(format!("address {address} is read {count} times, written {producers:?}"));
        }
    }
    found.extend(reads.keys().map(|address| format!("address {address} is read, never written")));
}

/// Entries of function tables (under their number) and of boundaries (under -1 less their feature).
type Entries = BTreeMap<i64, BTreeSet<Vec<u32>>>;

/// Tables hold each key once.
fn tables(placed: &PlacedChip, entries: &mut Entries, found: &mut BTreeSet<String>) {
    let AnyChip::Table(table) = placed.chip else { return };
    let width = table.kind.width();
    let key = if table.kind == TableKind::TreeNodes { 1 } else { 2 };
    let mut seen = BTreeSet::new();
    for row in 0..1usize << table.log_size {
        for lane in 0..table.lanes as usize {
            let entry: Vec<u32> =
                (0..width).map(|k| placed.fixed[width * lane + k][row].0).collect();
            if entry[0] == P - 1 {
                continue;
            }
            if !seen.insert(entry[..key].to_vec()) {
                found.insert(format!(
                    "{:?}: {:?} stands in two entries",
                    table.kind,
                    &entry[..key]
                ));
            }
            let number = i64::from(entry[0]);
            match table.kind {
                TableKind::Functions => entries.entry(number).or_default().insert(entry),
                TableKind::Boundaries => entries.entry(-1 - number).or_default().insert(entry),
                TableKind::TreeNodes | TableKind::Leaves => false,
            };
        }
    }
}

/// What the value of an address lies in; `None` for values between steps.
fn interval(forge: &Forge, address: u32) -> Option<Interval> {
    if let Some((_, id, _)) = forge.element(address) {
        return Some(forge.model.node(id).interval);
    }
    let layout = forge.prover.layout();
    let fixed = |placed: &PlacedChip| {
        let AnyChip::Constants(chip) = placed.chip else { return None };
        (0..chip.lanes as usize).find_map(|lane| {
            let lane = ConstantsLane::<Places>::at(3 * lane, &chip);
            let [at, value, readers] =
                [lane.address, lane.value, lane.readers].map(|column| &placed.fixed[column]);
            let row =
                at.iter().zip(readers).position(|(at, readers)| at.0 == address && readers.0 > 0);
            row.map(|row| Interval::point(signed(value[row].0)))
        })
    };
    layout.chips.iter().find_map(fixed)
}

struct ChipColumns<'a> {
    placed: &'a PlacedChip,
    entries: &'a Entries,
    intervals: &'a dyn Fn(u32) -> Option<Interval>,
}

impl ChipColumns<'_> {
    fn fixed(&self, column: usize, row: usize) -> u32 {
        self.placed.fixed[column][row].0
    }

    fn bits(&self, widths: &[usize], row: usize) -> u32 {
        widths.iter().map(|&column| self.fixed(column, row)).sum()
    }

    /// Limbs without gaps that hold the remainder exactly, and a table that leaves room for it.
    fn rounding(&self, limbs: Limbs, at: &RoundingFixed<Places>, row: usize) -> Option<String> {
        let (power, table) = (self.fixed(at.power, row), self.fixed(at.table, row));
        let mut below = 0;
        for (k, &column) in (0u32..).zip(&at.widths) {
            let width = self.fixed(column, row);
            if width > 0 && below != limbs.bits() * k {
                return Some("limbs with gaps".to_owned());
            }
            below += width;
        }
        if 1u64 << below != u64::from(power) {
            return Some(format!("remainders of {below} bits for the power {power}"));
        }
        let Some(entries) = self.entries.get(&i64::from(table)) else {
            return Some(format!("there is no table {table}"));
        };
        let window = (entries.len() as u64) * u64::from(power);
        (window > MODULUS).then(|| format!("{} quotients times {power}", entries.len()))
    }

    /// The difference of two elements of the group that begins in a row: a false one is no true
    /// one.
    fn group(
        &self,
        [keep, close, at]: [usize; 3],
        widths: &[usize],
        row: usize,
        strict: u64,
    ) -> Option<String> {
        if self.fixed(keep, row) != 0 {
            return None;
        }
        let rows = self.placed.fixed[0].len();
        let mut elements: Option<Interval> = None;
        let mut bits = 0;
        for row in row..rows {
            if let Some(interval) = (self.intervals)(self.fixed(at, row)) {
                elements = Some(elements.map_or(interval, |all| all.union(interval)));
            }
            bits = bits.max(self.bits(widths, row));
            if self.fixed(close, row) == 1 {
                let spread = elements.map_or(0, |all| all.width() - 1);
                let wide = spread + strict + (1 << bits) > MODULUS;
                return wide.then(|| format!("{bits} bits for elements {spread} apart"));
            }
        }
        None
    }

    fn dividend(&self, at: usize, row: usize) -> Option<String> {
        let a = (self.intervals)(self.fixed(at, row))?;
        (a.hi > (1 << 30) - 2 || a.lo < 1 - (1 << 30)).then(|| format!("dividends in {a}"))
    }

    fn rank(&self, at: &RankFixed<Places>, row: usize) -> Option<String> {
        let [x, low] =
            [at.at_high, at.at_low].map(|column| (self.intervals)(self.fixed(column, row)));
        let feature = i64::from(self.fixed(at.feature, row));
        let bits = self.bits(&at.widths, row);
        let two = low != Some(Interval::point(0));
        // Limbs of an image: the high one, and the low one, which is never negative.
        let x = if two { Interval::new(-0x8000, 0x7fff) } else { x? };
        // Boundaries and sentinels as integers next to the values: one past 2^30 - 1 is 2^30.
        let near = |element: u32| x.lo + signed(modulo(i64::from(element) - x.lo));
        let entries = || self.entries[&(-1 - feature)].iter();
        let least_upper = entries().map(|entry| near(entry[4])).min()?;
        let most_lower = entries().map(|entry| near(entry[2])).max()?;
        // How far a value may be past its upper boundary, or not above its lower one.
        let farthest = (x.hi - least_upper).max(most_lower - x.lo) + 1;
        let wide = farthest + (1i64 << bits) > i64::from(P);
        wide.then(|| format!("{bits} bits for values in {x} and boundaries {farthest} away"))
    }
}

/// The residue of an integer.
fn modulo(value: i64) -> u32 {
    u32::try_from(value.rem_euclid(i64::from(P))).expect("a residue is below the modulus")
}

/// The integer below `p / 2` in absolute value.
fn signed(value: u32) -> i64 {
    let value = i64::from(value);
    if value > i64::from(P / 2) { value - i64::from(P) } else { value }
}
