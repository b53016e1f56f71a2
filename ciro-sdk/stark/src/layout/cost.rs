//! What a chip's shape costs, to choose between shapes.

use std::collections::BTreeSet;

use crate::air::{Chip, Shape};
use crate::chips::AnyChip;
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::secrecy::Secrecy;

/// What shapes cost, in committed cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Costs {
    /// A column of any height: queries open it, transforms and hashes begin and end.
    column: u32,
    /// The fewest rows of a chip, as a binary logarithm.
    log_size_min: u32,
    /// Whether proofs hide.
    secrecy: Secrecy,
}

impl Costs {
    /// A fixed cell is already committed, but is still evaluated.
    const FIXED_CELL: f64 = 0.35;
    /// An entry of a table: its multiplicity and its lookup.
    pub(crate) const ENTRY: u32 = 5;
    /// A row of the domain that all columns are lifted to.
    const DOMAIN_ROW: f64 = 4.0;

    /// The costs for a model of so many tensor elements. The larger a model, the less of its
    /// proving time, but not of its proof's size, is in a column.
    ///
    /// No chip has fewer than `2^log_size_min` rows.
    pub(crate) fn of(elements: u64, (secrecy, log_size_min): (Secrecy, u32)) -> Self {
        const COLUMN: u32 = 2500;
        const ELEMENTS_OF_ONE: u32 = 400;
        let elements = u32::try_from(elements).unwrap_or(u32::MAX);
        Self { column: COLUMN + elements / ELEMENTS_OF_ONE, log_size_min, secrecy }
    }

    /// The number of rows of a chip, as a binary logarithm, that holds `rows` rows.
    pub(crate) fn log_size(self, rows: usize) -> u32 {
        rows.max(1).next_power_of_two().ilog2().max(self.log_size_min)
    }

    /// What a column costs beside its cells.
    pub(crate) fn column(self) -> u64 {
        self.column.into()
    }

    /// What a chip costs.
    pub(crate) fn chip(self, chip: &AnyChip) -> f64 {
        let shape = Shape::of(chip);
        let rows = f64::from(1u32 << (chip.log_size() + self.secrecy.excess()));
        let (committed, fixed) = (to_f64(shape.committed()), to_f64(shape.fixed));
        rows * (committed + Self::FIXED_CELL * fixed) + f64::from(self.column) * (committed + fixed)
    }

    /// The cheapest of several chips.
    pub(crate) fn cheapest(self, candidates: impl IntoIterator<Item = AnyChip>) -> AnyChip {
        cheapest(candidates, |chip| self.chip(chip))
    }

    /// The cheapest of several chips, when the others have up to `2^tallest` rows: a taller one
    /// makes the domain of the whole proof larger.
    pub(crate) fn cheapest_beside(
        self,
        tallest: u32,
        candidates: impl IntoIterator<Item = AnyChip>,
    ) -> AnyChip {
        let rows = |chip: &AnyChip| chip.log_size().max(tallest) + self.secrecy.excess();
        let domain = |chip: &AnyChip| f64::from(1u32 << rows(chip));
        let row = Self::DOMAIN_ROW + f64::from(self.secrecy.noise());
        cheapest(candidates, |chip| self.chip(chip) + row * domain(chip))
    }

    /// The limbs that make a chip cheapest whose rows check values of these `widths`: wide limbs
    /// need larger range tables, narrow ones more columns.
    pub(crate) fn cheapest_limbs(
        self,
        widths: &BTreeSet<Width>,
        has_range: impl Fn(u32) -> bool,
        chip: impl Fn(Limbs) -> AnyChip,
    ) -> Limbs {
        let widest = widths.last().copied().unwrap_or(Width::ZERO);
        let candidates = (4..=14).map(|bits| {
            let limbs = Limbs::new(widest, bits);
            let ranges: BTreeSet<u32> =
                widths.iter().flat_map(|&width| limbs.widths(width)).collect();
            let missing = ranges.into_iter().filter(|&width| !has_range(width));
            let entries: f64 = missing.map(|width| f64::from(1u32 << width)).sum();
            (self.chip(&chip(limbs)) + f64::from(Self::ENTRY) * entries, limbs)
        });
        candidates.min_by(|(a, _), (b, _)| a.total_cmp(b)).expect("some widths are tried").1
    }
}

/// The chip of which a cost is least.
fn cheapest(
    candidates: impl IntoIterator<Item = AnyChip>,
    cost: impl Fn(&AnyChip) -> f64,
) -> AnyChip {
    candidates
        .into_iter()
        .map(|chip| (cost(&chip), chip))
        .min_by(|(a, _), (b, _)| a.total_cmp(b))
        .expect("every kind of work has at least one shape")
        .1
}

/// Lane counts that are tried.
pub(crate) const LANES: [u32; 8] = [1, 2, 3, 4, 6, 8, 12, 16];

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
