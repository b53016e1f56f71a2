//! From collected work to chips with their rows.

use std::collections::{BTreeMap, BTreeSet};

use super::collect::Collector;
use super::commitments::Shown;
use super::cost::Costs;
use super::error::LayoutError;
use super::wiring::Wiring;
use super::{Layout, ops};
use crate::air::Chip as _;
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::key::Terms;
use crate::rows::admit::AdmitRows;
use crate::rows::arithmetic::Arithmetic;
use crate::rows::division::{DivisionRows, RootRows};
use crate::rows::embedding::Embeddings;
use crate::rows::extremum::{Extrema, Extremum, Groups};
use crate::rows::hash::HashRows;
use crate::rows::product::{Accumulation, Product, place_contraction};
use crate::rows::rank::RankRows;
use crate::rows::table::Tables;
use crate::rows::tree::{LeafRows, PathRows};
use crate::rows::{Auxiliary, PlacedChip, constants};

impl Collector<'_> {
    /// Lays all work into chips.
    pub(super) fn lay(mut self, terms: &Terms) -> Result<Layout, LayoutError> {
        let costs = self.costs;
        let mut tables = Tables::default();
        tables.range(0);
        let limbs = self.roundings.limbs();
        let numbers = self.roundings.finish(&mut tables);
        self.number_tables(&numbers, limbs, &mut tables);
        let embeddings = ops::embed::embeddings(&self, &mut tables);
        let ranks = ops::bucketize::ranks(&mut self, &mut tables)?;
        let forests = ops::tree_ensemble::forests(&mut self, &ranks, &mut tables);
        // Products of one kind stand together, so that few rows only separate others.
        self.products.sort_by_key(|product| (product.is_dynamic(), product.is_rounded()));

        let Shown { public, committed, admitted } = self.show(&terms.visibilities)?;
        let Self {
            mut wiring,
            products,
            elementwise,
            maxima,
            positions,
            divisions,
            roots,
            steps,
            ..
        } = self;
        let mut chips: Vec<PlacedChip> = vec![];
        chips.extend(place_contraction(&products, false, costs, &mut wiring));
        chips.extend(place_contraction(&products, true, costs, &mut wiring));
        let rounded = Arithmetic::new(&elementwise, Some(limbs), costs, &mut wiring);
        let raw = Arithmetic::new(&elementwise, None, costs, &mut wiring);
        let mut extrema = vec![];
        for (kind, groups) in [(Extremum::Max, &maxima), (Extremum::ArgMax, &positions)] {
            extrema.extend(place_extrema(kind, groups, costs, &mut tables, &mut wiring));
        }
        let divisions = DivisionRows::new(&divisions, costs, (&mut tables, &mut wiring));
        let roots = RootRows::new(&roots, costs, (&mut tables, &mut wiring));
        let embeddings = Embeddings::new(&embeddings, costs, &mut wiring);
        let ranks = RankRows::new(&ranks, (limbs.bits(), costs), (&mut tables, &mut wiring));
        let paths = PathRows::new(&forests, (limbs.bits(), costs), &mut tables);
        let leaves = LeafRows::new(&forests, costs, &mut wiring);
        let admitted = AdmitRows::new(&admitted, costs, &mut tables);
        let salts = committed.iter().map(|tensor| tensor.salt).collect();
        let hashes = HashRows::new(committed, costs, &mut wiring);
        let mut auxiliary: Vec<Box<dyn Auxiliary>> = vec![];
        auxiliary.extend(steps.into_iter().map(|steps| Box::new(steps) as Box<dyn Auxiliary>));
        auxiliary.extend(paths.as_ref().map(PathRows::idle_visits));
        auxiliary.extend(forests.into_iter().map(|forest| Box::new(forest) as Box<dyn Auxiliary>));
        auxiliary.extend(hashes.clone().map(|hashes| Box::new(hashes) as Box<dyn Auxiliary>));
        // From here on every read has been counted.
        let accumulations = [Some(limbs), None]
            .into_iter()
            .filter_map(|limbs| Accumulation::new(&products, limbs, costs, &tables));
        chips.extend(accumulations.map(|accumulation| accumulation.place(&wiring)));
        chips.extend(rounded.into_iter().chain(raw).map(|work| work.place(&wiring)));
        chips.extend(extrema.into_iter().map(|extrema| extrema.place(&wiring)));
        chips.extend(divisions.map(|rows| rows.place(&wiring)));
        chips.extend(roots.map(|rows| rows.place(&wiring)));
        chips.extend(embeddings.map(|rows| rows.place(&wiring)));
        chips.extend(ranks.map(|rows| rows.place(&wiring)));
        chips.extend(paths.map(|rows| rows.place(&wiring)));
        chips.extend(leaves.map(|rows| rows.place(&wiring)));
        chips.extend(admitted.map(|rows| rows.place(&wiring)));
        chips.extend(hashes.map(HashRows::place));
        chips.push(constants::place(costs, &wiring));
        chips.push(public.place(costs, &wiring));
        let tallest = chips.iter().map(|placed| placed.chip.log_size()).max().unwrap_or(0);
        chips.extend(tables.kinds().map(|kind| tables.place(kind, costs, tallest)));
        let (bases, extra) = wiring.into_parts();
        Ok(Layout { chips, extra, auxiliary, bases, tables, salts, secrecy: terms.secrecy })
    }

    /// Replaces draft numbers by table numbers, and makes the range tables of remainders.
    fn number_tables(&mut self, numbers: &[u32], limbs: Limbs, tables: &mut Tables) {
        let rounded = self.products.iter_mut().filter(|product| product.is_rounded());
        let products = rounded.flat_map(Product::roundings_mut);
        let elementwise = self.elementwise.iter_mut().flat_map(|work| &mut work.rounding);
        let mut shifts = BTreeSet::new();
        for rounding in products.chain(elementwise) {
            rounding.table = numbers[rounding.table as usize];
            shifts.insert(rounding.shift);
        }
        tables.ranges(limbs, shifts);
    }
}

/// One chip for each number of limbs that the differences need.
fn place_extrema(
    kind: Extremum,
    groups: &[Groups],
    costs: Costs,
    tables: &mut Tables,
    wiring: &mut Wiring<'_>,
) -> Vec<Extrema> {
    let log_size = costs.log_size(groups.iter().map(|group| group.elements.len()).sum());
    let widths = groups.iter().map(|group| group.width).collect();
    let has_range = |bits| tables.has_range(bits);
    let bits = costs.cheapest_limbs(&widths, has_range, |limbs| kind.chip(log_size, limbs)).bits();
    let mut by_limbs: BTreeMap<u32, Vec<&Groups>> = BTreeMap::new();
    for group in groups {
        let count = Limbs::new(group.width, bits).count();
        by_limbs.entry(count).or_default().push(group);
    }
    let mut placed = vec![];
    for groups in by_limbs.into_values() {
        let widest = groups.iter().map(|group| group.width).max().unwrap_or(Width::ZERO);
        let limbs = Limbs::new(widest, bits);
        for group in &groups {
            tables.ranges(limbs, [group.width]);
        }
        placed.extend(Extrema::new(kind, &groups, limbs, (costs, wiring)));
    }
    placed
}
