//! From collected work to chips with their rows.

use std::collections::{BTreeMap, BTreeSet};

use ciro_graph::integer::{NodeId, Op};

use super::arithmetic::Arithmetic;
use super::collect::{Collector, LayoutError};
use super::cost::{Costs, log_size};
use super::divide::DivisionRows;
use super::embed::{self, Embedding, Embeddings};
use super::extremum::{Extrema, Extremum, Groups};
use super::io::PublicValues;
use super::product::{Accumulation, Right, place_contraction};
use super::tables::Tables;
use super::tree::{Forest, LeafRows, PathRows, RankRows, RankWork};
use super::wiring::{Address, Wiring};
use super::{Auxiliary, Layout, PlacedChip, constants};
use crate::air::Chip as _;
use crate::chips::quantize::Limbs;

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
        self.products
            .sort_by_key(|product| (matches!(product.right, Right::Computed(_)), product.rounded));

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
        let ranks = RankRows::new(&ranks, limbs.bits, (&mut tables, &mut wiring));
        let paths = PathRows::new(&forests, limbs.bits, &mut tables);
        let leaves = LeafRows::new(&forests, &mut wiring);
        let mut auxiliary: Vec<Box<dyn Auxiliary>> = vec![];
        auxiliary.extend(steps.into_iter().map(|steps| Box::new(steps) as Box<dyn Auxiliary>));
        auxiliary.extend(paths.as_ref().map(PathRows::idle_visits));
        auxiliary.extend(forests.into_iter().map(|forest| Box::new(forest) as Box<dyn Auxiliary>));
        // From here on every read has been counted.
        let accumulations = [Some(limbs), None]
            .into_iter()
            .filter_map(|limbs| Accumulation::new(&products, limbs, costs));
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
        let mut positions = BTreeMap::new();
        for &id in &self.bucketizes {
            let (node, operand) = (model.node(id), model.node(id).operands[0]);
            let Op::Bucketize(op) = &node.op else { unreachable!("collected by operator") };
            let cells = self.all_cells(operand);
            let parts = if op.limbs { 2 } else { 1 };
            let zero = self.wiring.zero();
            let operands =
                cells.chunks(parts).map(|c| [c[0], c.get(1).copied().unwrap_or(zero)]).collect();
            let cells = (operands, self.all_cells(id));
            let interval = model.node(operand).interval;
            let position = work.push(op, interval, cells, (tables, &mut self.wiring));
            positions.insert(id, position);
        }
        let (mut forests, mut nodes) = (vec![], 0);
        for &id in &self.ensembles {
            let node = model.node(id);
            let Op::TreeEnsemble(op) = &node.op else { unreachable!("collected by operator") };
            let ranks = positions
                .get(&node.operands[0])
                .ok_or_else(|| LayoutError::Ranks { node: node.name.clone() })?;
            let results = self.all_cells(id);
            let (forest, products) =
                Forest::new(op, &work.nodes[*ranks], &results, (nodes, tables, &mut self.wiring));
            nodes += forest.nodes();
            self.products.extend(products);
            forests.push(forest);
        }
        Ok((work, forests))
    }

    /// Replaces draft numbers by table numbers, and makes the range tables of remainders.
    fn number_tables(&mut self, numbers: &[u32], limbs: Limbs, tables: &mut Tables) {
        let rounded = self.products.iter_mut().filter(|product| product.rounded);
        let products = rounded.flat_map(|product| &mut product.results);
        let products = products.map(|outcome| &mut outcome.rounding);
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
    let widths = groups.iter().map(|group| group.bits).collect();
    let Limbs { bits, .. } =
        costs.cheapest_limbs(&widths, tables, |limbs| kind.chip(log_size, limbs));
    let mut by_limbs: BTreeMap<u32, Vec<&Groups>> = BTreeMap::new();
    for group in groups {
        let count = group.bits.div_ceil(bits).max(1);
        by_limbs.entry(count).or_default().push(group);
    }
    let mut placed = vec![];
    for (count, groups) in by_limbs {
        let limbs = Limbs { count, bits };
        for group in &groups {
            for width in limbs.widths(group.bits) {
                tables.range(width);
            }
        }
        placed.extend(Extrema::new(kind, &groups, limbs, wiring));
    }
    placed
}
