//! From collected work to chips with their rows.

use std::collections::{BTreeMap, BTreeSet};

use ciro_model::integer::{Encoding, NodeId, Op};

use super::arithmetic::Arithmetic;
use super::collect::Collector;
use super::cost::{Costs, log_size};
use super::divide::DivisionRows;
use super::embed::{self, Embedding, Embeddings};
use super::error::LayoutError;
use super::extremum::{Extrema, Extremum, Groups};
use super::io::PublicValues;
use super::product::{Accumulation, Product, place_contraction};
use super::tables::Tables;
use super::tree::{Forest, LeafRows, PathRows, RankRows, RankWork, TooFar};
use super::wiring::{Address, Wiring};
use super::{Auxiliary, Layout, PlacedChip, constants};
use crate::air::Chip as _;
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;

impl Collector<'_> {
    /// Lays all work into chips.
    pub(super) fn lay(mut self) -> Result<Layout, LayoutError> {
        let costs = self.costs;
        let mut tables = Tables::default();
        tables.range(0);
        let limbs = self.roundings.limbs();
        let numbers = self.roundings.finish(&mut tables);
        self.number_tables(&numbers, limbs, &mut tables);
        let embeddings = self.embeddings(&mut tables);
        let (ranks, forests) = self.forests(&mut tables)?;
        // Products of one kind stand together, so that few rows only separate others.
        self.products.sort_by_key(|product| (product.is_dynamic(), product.is_rounded()));

        let public = self.public_values();
        let Self { mut wiring, products, elementwise, maxima, positions, divisions, steps, .. } =
            self;
        let mut chips: Vec<PlacedChip> = vec![];
        chips.extend(place_contraction(&products, false, costs, &mut wiring));
        chips.extend(place_contraction(&products, true, costs, &mut wiring));
        let rounded = Arithmetic::new(&elementwise, Some(limbs), costs, &mut wiring);
        let raw = Arithmetic::new(&elementwise, None, costs, &mut wiring);
        let mut extrema = vec![];
        for (kind, groups) in [(Extremum::Max, &maxima), (Extremum::ArgMax, &positions)] {
            extrema.extend(place_extrema(kind, groups, costs, &mut tables, &mut wiring));
        }
        let divisions = [false, true].map(|is_root| {
            DivisionRows::new(&divisions, is_root, costs, (&mut tables, &mut wiring))
        });
        let embeddings = Embeddings::new(&embeddings, costs, &mut wiring);
        let ranks = RankRows::new(&ranks, limbs.bits(), (&mut tables, &mut wiring));
        let paths = PathRows::new(&forests, limbs.bits(), &mut tables);
        let leaves = LeafRows::new(&forests, &mut wiring);
        let mut auxiliary: Vec<Box<dyn Auxiliary>> = vec![];
        auxiliary.extend(steps.into_iter().map(|steps| Box::new(steps) as Box<dyn Auxiliary>));
        auxiliary.extend(paths.as_ref().map(PathRows::idle_visits));
        auxiliary.extend(forests.into_iter().map(|forest| Box::new(forest) as Box<dyn Auxiliary>));
        // From here on every read has been counted.
        let accumulations = [Some(limbs), None]
            .into_iter()
            .filter_map(|limbs| Accumulation::new(&products, limbs, costs, &tables));
        chips.extend(accumulations.map(|accumulation| accumulation.place(&wiring)));
        chips.extend(rounded.into_iter().chain(raw).map(|work| work.place(&wiring)));
        chips.extend(extrema.into_iter().map(|extrema| extrema.place(&wiring)));
        chips.extend(divisions.into_iter().flatten().map(|rows| rows.place(&wiring)));
        chips.extend(embeddings.map(|rows| rows.place(&wiring)));
        chips.extend(ranks.map(|rows| rows.place(&wiring)));
        chips.extend(paths.map(|rows| rows.place(&wiring)));
        chips.extend(leaves.map(|rows| rows.place(&wiring)));
        chips.push(constants::place(costs, &wiring));
        chips.push(public.place(costs, &wiring));
        let tallest = chips.iter().map(|placed| placed.chip.log_size()).max().unwrap_or(0);
        chips.extend(tables.books().map(|book| tables.place(book, costs, tallest)));
        let (bases, extra) = wiring.into_parts();
        Ok(Layout { chips, extra, auxiliary, bases, tables })
    }

    fn embeddings(&self, tables: &mut Tables) -> Vec<Embedding> {
        let mut numbers = BTreeMap::new();
        self.embeds
            .iter()
            .map(|&(id, matrix)| {
                let matrix_of = &self.model.constants()[matrix];
                let table = *numbers
                    .entry(matrix)
                    .or_insert_with(|| embed::matrix_table(matrix_of, tables));
                Embedding {
                    table,
                    width: matrix_of.shape()[1],
                    indices: self.all_cells(self.model.node(id).operands[0]),
                    results: self.all_cells(id),
                }
            })
            .collect()
    }

    /// Ranks and forests; the sums of leaf weights join the matrix products.
    fn forests(&mut self, tables: &mut Tables) -> Result<(RankWork, Vec<Forest>), LayoutError> {
        let model = self.model;
        let mut work = RankWork::default();
        for &id in &self.bucketizes {
            let (node, operand) = (model.node(id), model.node(id).operands[0]);
            let Op::Bucketize(op) = &node.op else { unreachable!("collected by operator") };
            let cells = self.all_cells(operand);
            let operands = if op.limbs {
                self.images(id, &cells)?
            } else {
                let zero = self.wiring.zero();
                cells.into_iter().map(|cell| [cell, zero]).collect()
            };
            let cells = (operands, self.all_cells(id));
            let values = model.node(operand).interval;
            let pushed = work.push(op, values, cells, (tables, &mut self.wiring));
            let wide = |TooFar { boundaries }| LayoutError::WideRanks {
                node: node.name.clone(),
                values,
                boundaries,
            };
            pushed.map_err(wide)?;
        }
        let (mut forests, mut nodes) = (vec![], 0);
        for &id in &self.ensembles {
            let node = model.node(id);
            let Op::TreeEnsemble(op) = &node.op else { unreachable!("collected by operator") };
            // A movement that leaves all ranks in their order has the same cells.
            let cells = self.all_cells(node.operands[0]);
            let ranks = work.nodes.iter().find(|ranks| ranks.results == cells);
            let ranks = ranks.ok_or_else(|| LayoutError::Ranks { node: node.name.clone() })?;
            let results = self.all_cells(id);
            let (forest, products) =
                Forest::new(op, ranks, &results, (nodes, tables, &mut self.wiring));
            nodes += forest.nodes();
            self.products.extend(products);
            forests.push(forest);
        }
        Ok((work, forests))
    }

    /// The `(high, low)` limbs of every operand: two neighbouring elements of an input whose limbs the verifier checks, so that comparing
    /// them in order is comparing what they stand for.
    fn images(&self, id: NodeId, cells: &[Address]) -> Result<Vec<[Address; 2]>, LayoutError> {
        let inputs = self.model.input_nodes();
        let ordered = inputs.filter(|(_, encoding)| matches!(encoding, Encoding::Ordered));
        let ordered: Vec<Address> = ordered.flat_map(|(id, _)| self.all_cells(id)).collect();
        let firsts: BTreeSet<Address> = ordered.into_iter().step_by(2).collect();
        let pairs = cells.chunks_exact(2).map(|pair| [pair[0], pair[1]]).enumerate();
        let pair = |(element, [high, low]): (usize, [Address; 2])| {
            #[cfg(test)]
            if crate::chips::defects::is_back(crate::chips::defects::Defect::AnyLimbs) {
                return Ok([high, low]);
            }
            if firsts.contains(&high) && low == high + 1 {
                return Ok([high, low]);
            }
            Err(LayoutError::Images { node: self.model.node(id).name.clone(), element })
        };
        pairs.map(pair).collect()
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
        for width in shifts.into_iter().flat_map(|shift| limbs.widths(shift)) {
            tables.range(width);
        }
    }

    fn public_values(&mut self) -> PublicValues {
        let model = self.model;
        let inputs: Vec<NodeId> = model.input_nodes().map(|(id, _)| id).collect();
        let outputs: Vec<NodeId> = model.outputs().iter().map(|output| output.node).collect();
        let cells = |nodes: &[NodeId]| -> Vec<Address> {
            self.samples()
                .flat_map(|sample| nodes.iter().map(move |&id| (id, sample)))
                .flat_map(|(id, sample)| self.wiring.cells(id, sample))
                .collect()
        };
        let public = PublicValues { inputs: cells(&inputs), outputs: cells(&outputs) };
        for &address in &public.outputs {
            self.wiring.read(address);
        }
        public
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
    let log_size = log_size(groups.iter().map(|group| group.elements.len()).sum());
    let widths = groups.iter().map(|group| group.width).collect();
    let bits = costs.cheapest_limbs(&widths, tables, |limbs| kind.chip(log_size, limbs)).bits();
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
            for width in limbs.widths(group.width) {
                tables.range(width);
            }
        }
        placed.extend(Extrema::new(kind, &groups, limbs, wiring));
    }
    placed
}
