//! Rows of paths and of leaf weights.

use super::{EnsemblePaths, count};
use crate::air::{Filler, Shape};
use crate::chips::limbs::Limbs;
use crate::chips::tree::{LeafChip, LeafFixed, LeafWitness, PathChip, PathFixed, PathWitness};
use crate::chips::unique::Width;
use crate::chips::{AnyChip, TableKind};
use crate::field::embed;
use crate::layout::cost::Costs;
use crate::layout::wiring::{Address, Wiring};
use crate::rows::table::{TableCounts, Tables};
use crate::rows::{Auxiliary, Column, PlacedChip, Witness, pad};

/// Rows of the paths of all ensembles, before the readers of the leaves are known.
pub(crate) struct PathRows {
    forests: Vec<EnsemblePaths>,
    /// Width of the gap between a rank and a threshold.
    width: Width,
    limbs: Limbs,
    log_size: u32,
}

/// One path: tree `tree` of forest `forest` for sample `sample`.
#[derive(Clone, Copy)]
struct Path {
    forest: usize,
    sample: usize,
    tree: usize,
    /// Whether it stands in for work and writes nothing.
    idle: bool,
}

impl PathRows {
    /// Lays all paths; `None` if there is none.
    pub(crate) fn new(
        forests: &[EnsemblePaths],
        (limb_bits, costs): (u32, Costs),
        tables: &mut Tables,
    ) -> Option<Self> {
        let most = forests.iter().map(|forest| forest.ranks.most as u64).max()?;
        let width =
            Width::of_branch(most).expect("boundaries are fewer than 2^30: each is in a table");
        let limbs = Limbs::new(width, limb_bits);
        tables.ranges(limbs, [width]);
        let rows: usize =
            forests.iter().map(|forest| forest.samples * forest.depths.iter().sum::<usize>()).sum();
        let forests = forests.to_vec();
        (rows > 0).then(|| Self { forests, width, limbs, log_size: costs.log_size(rows) })
    }

    /// All paths in row order; rows without work walk the first step of the first path again.
    fn paths(&self) -> Vec<(Path, usize)> {
        let mut steps = Vec::with_capacity(1 << self.log_size);
        for (at, forest) in self.forests.iter().enumerate() {
            for sample in 0..forest.samples {
                for (tree, &depth) in forest.depths.iter().enumerate() {
                    let path = Path { forest: at, sample, tree, idle: false };
                    steps.extend((0..depth).map(|step| (path, step)));
                }
            }
        }
        let idle = Path { idle: true, ..steps[0].0 };
        pad(&mut steps, self.log_size, (idle, 0));
        steps
    }

    /// Counts the visits of rows without work.
    pub(crate) fn idle_visits(&self) -> Box<dyn Auxiliary> {
        let paths = self.paths();
        let (first, _) = paths[0];
        let forest = &self.forests[first.forest];
        let [feature, ..] = forest.entry(forest.ensemble.roots[first.tree]);
        let idle = paths.iter().filter(|(path, _)| path.idle).count();
        Box::new(IdleVisits {
            slot: forest.ranks.visits + feature,
            count: i32::try_from(idle).expect("few rows"),
        })
    }

    fn chip(&self) -> PathChip {
        PathChip { log_size: self.log_size, limbs: self.limbs }
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let (limbs, chip) = (self.limbs, AnyChip::Path(self.chip()));
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, 1 << self.log_size);
        for (path, step) in self.paths() {
            let forest = &self.forests[path.forest];
            let last = !path.idle && step + 1 == forest.depths[path.tree];
            let leaf = forest.leaf_address(path.sample, path.tree);
            let slots = forest.ranks.slot + count(path.sample * forest.ensemble.features);
            let root = forest.node + forest.ensemble.roots[path.tree];
            let readers = if last { wiring.readers(leaf) } else { 0 };
            let [keep, root, slots, at_leaf, readers] =
                [u32::from(step > 0), root, slots, leaf, readers].map(Into::into);
            let widths = limbs.cells(limbs.widths(self.width));
            let cells = PathFixed { keep, root, slots, at_leaf, readers, widths };
            fixed.row(|to| cells.write(&self.chip(), to));
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for PathRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let mut columns = Filler::new(8 + self.limbs.count() as usize, 1 << self.log_size);
        // The node table holds the nodes of all ensembles in the order of their numbers.
        for (path, step) in self.paths() {
            let forest = &self.forests[path.forest];
            let features = forest.ensemble.features;
            let nodes = forest.path(values, path.sample, path.tree);
            let (node, next) = (nodes[step], nodes[step + 1]);
            counts.entry(TableKind::TreeNodes, (node + forest.node) as usize);
            let [feature, threshold, left, right] = forest.entry(node);
            let rank = forest.ranks.results[path.sample * features + feature as usize];
            let rank = u32::try_from(values[rank as usize]).expect("ranks are not negative");
            let taken = rank <= threshold;
            let gap = if taken { threshold - rank } else { rank - threshold - 1 };
            let limbs = counts.limbs(tables, self.limbs, self.width, gap);
            let [node, next, feature, threshold, left, right, rank, taken] = [
                node + forest.node,
                next + forest.node,
                feature,
                threshold,
                left,
                right,
                rank,
                u32::from(taken),
            ]
            .map(Into::into);
            let cells =
                PathWitness { node, next, feature, threshold, left, right, rank, taken, limbs };
            columns.row(|to| cells.write(&self.chip(), to));
        }
        columns.into_columns()
    }
}

/// Rows without work walk a first step again: they visit its slot too.
struct IdleVisits {
    slot: Address,
    count: i32,
}

impl Auxiliary for IdleVisits {
    fn fill(&self, values: &mut [i32]) {
        values[self.slot as usize] += self.count;
    }
}

/// Rows of the weights of reached leaves, before the readers of the weights are known.
pub(crate) struct LeafRows {
    forests: Vec<EnsemblePaths>,
    log_size: u32,
    /// `(forest, weight)` for each row; rows without work repeat the first and write nothing.
    rows: Vec<(usize, usize, bool)>,
}

impl LeafRows {
    /// Lays all weights; `None` if there is none.
    pub(crate) fn new(
        forests: &[EnsemblePaths],
        costs: Costs,
        wiring: &mut Wiring<'_>,
    ) -> Option<Self> {
        let mut rows: Vec<(usize, usize, bool)> = vec![];
        for (at, forest) in forests.iter().enumerate() {
            rows.extend((0..forest.weights.len()).map(|weight| (at, weight, true)));
        }
        let &(forest, weight, _) = rows.first()?;
        let log_size = costs.log_size(rows.len());
        pad(&mut rows, log_size, (forest, weight, false));
        for &(forest, weight, _) in &rows {
            wiring.read(forests[forest].weights[weight].leaf);
        }
        Some(Self { forests: forests.to_vec(), log_size, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let leaf_chip = LeafChip { log_size: self.log_size };
        let chip = AnyChip::Leaf(leaf_chip);
        let shape = Shape::of(&chip);
        let mut fixed = Filler::new(shape.fixed, self.rows.len());
        for &(forest, weight, writes) in &self.rows {
            let weight = &self.forests[forest].weights[weight];
            let readers = if writes { wiring.readers(weight.weight) } else { 0 };
            let [at_leaf, output, at_weight, readers] =
                [weight.leaf, count(weight.output), weight.weight, readers].map(Into::into);
            let cells = LeafFixed { at_leaf, output, at_weight, readers };
            fixed.row(|to| cells.write(&leaf_chip, to));
        }
        let fixed = fixed.into_columns();
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for LeafRows {
    fn columns(&self, values: &[i32], _tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let chip = LeafChip { log_size: self.log_size };
        let mut columns = Filler::new(2, self.rows.len());
        for &(at, weight, _) in &self.rows {
            let forest = &self.forests[at];
            let weight = &forest.weights[weight];
            let leaf = values[weight.leaf as usize];
            let node = u32::try_from(leaf).expect("a node number") - forest.node;
            counts.entry(TableKind::Leaves, forest.leaf_entries[&(node, weight.output)]);
            let weight = embed(values[weight.weight as usize]);
            columns.row(|to| LeafWitness { leaf: embed(leaf), weight }.write(&chip, to));
        }
        columns.into_columns()
    }
}
