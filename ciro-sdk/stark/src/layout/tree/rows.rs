//! Rows of paths and of leaf weights.

use stwo::core::fields::m31::BaseField;

use super::{Forest, count};
use crate::air::Shape;
use crate::chips::limbs::Limbs;
use crate::chips::unique::Width;
use crate::chips::{AnyChip, Book, LeafChip, PathChip};
use crate::field::embed;
use crate::layout::cost::log_size;
use crate::layout::tables::{TableCounts, Tables};
use crate::layout::wiring::{Address, Wiring};
use crate::layout::{Auxiliary, Column, PlacedChip, Witness};

/// Rows of the paths of all ensembles, before the readers of the leaves are known.
pub(crate) struct PathRows {
    forests: Vec<Forest>,
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
    pub(crate) fn new(forests: &[Forest], limb_bits: u32, tables: &mut Tables) -> Option<Self> {
        let most = forests
            .iter()
            .flat_map(|forest| &forest.ranks.boundaries)
            .map(|boundaries| boundaries.len() as u64)
            .max()?;
        let width =
            Width::of_branch(most).expect("boundaries are fewer than 2^30: each is in a table");
        let limbs = Limbs::new(width, limb_bits);
        limbs.widths(width).for_each(|width| {
            tables.range(width);
        });
        let rows: usize =
            forests.iter().map(|forest| forest.samples * forest.depths.iter().sum::<usize>()).sum();
        let forests = forests.to_vec();
        (rows > 0).then(|| Self { forests, width, limbs, log_size: log_size(rows) })
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
        steps.resize(1 << self.log_size, (idle, 0));
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

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Path(PathChip { log_size: self.log_size, limbs: self.limbs });
        let shape = Shape::of(&chip);
        let mut fixed = vec![Vec::with_capacity(1 << self.log_size); shape.fixed];
        for (path, step) in self.paths() {
            let forest = &self.forests[path.forest];
            let last = !path.idle && step + 1 == forest.depths[path.tree];
            let leaf = forest.leaf_address(path.sample, path.tree);
            let slots = forest.ranks.slot + count(path.sample * forest.ensemble.features);
            let root = forest.node + forest.ensemble.roots[path.tree];
            let readers = if last { wiring.readers(leaf) } else { 0 };
            let mut values = vec![u32::from(step > 0), root, slots, leaf, readers];
            values.extend(self.limbs.widths(self.width));
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(BaseField::from(value));
            }
        }
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for PathRows {
    fn columns(&self, values: &[i32], tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let mut columns =
            vec![Vec::with_capacity(1 << self.log_size); 8 + self.limbs.count() as usize];
        // The node table holds the nodes of all ensembles in the order of their numbers.
        for (path, step) in self.paths() {
            let forest = &self.forests[path.forest];
            let features = forest.ensemble.features;
            let nodes = forest.path(values, path.sample, path.tree);
            let (node, next) = (nodes[step], nodes[step + 1]);
            counts.entry(Book::TreeNodes, (node + forest.node) as usize);
            let [feature, threshold, left, right] = forest.entry(node);
            let rank = forest.ranks.results[path.sample * features + feature as usize];
            let rank = u32::try_from(values[rank as usize]).expect("ranks are not negative");
            let taken = rank <= threshold;
            let gap = if taken { threshold - rank } else { rank - threshold - 1 };
            let mut out = [
                node + forest.node,
                next + forest.node,
                feature,
                threshold,
                left,
                right,
                rank,
                u32::from(taken),
            ]
            .to_vec();
            for (limb, width) in self.limbs.split(gap).zip(self.limbs.widths(self.width)) {
                counts.range(tables, width, limb);
                out.push(limb);
            }
            for (column, value) in columns.iter_mut().zip(out) {
                column.push(value.into());
            }
        }
        columns
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
    forests: Vec<Forest>,
    log_size: u32,
    /// `(forest, weight)` for each row; rows without work repeat the first and write nothing.
    rows: Vec<(usize, usize, bool)>,
}

impl LeafRows {
    /// Lays all weights; `None` if there is none.
    pub(crate) fn new(forests: &[Forest], wiring: &mut Wiring<'_>) -> Option<Self> {
        let mut rows: Vec<(usize, usize, bool)> = vec![];
        for (at, forest) in forests.iter().enumerate() {
            rows.extend((0..forest.weights.len()).map(|weight| (at, weight, true)));
        }
        let &(forest, weight, _) = rows.first()?;
        let log_size = log_size(rows.len());
        rows.resize(1 << log_size, (forest, weight, false));
        for &(forest, weight, _) in &rows {
            wiring.read(forests[forest].weights[weight].leaf);
        }
        Some(Self { forests: forests.to_vec(), log_size, rows })
    }

    /// Writes the fixed columns, once all reads have been counted.
    pub(crate) fn place(self, wiring: &Wiring<'_>) -> PlacedChip {
        let chip = AnyChip::Leaf(LeafChip { log_size: self.log_size });
        let shape = Shape::of(&chip);
        let mut fixed = vec![Vec::with_capacity(self.rows.len()); shape.fixed];
        for &(forest, weight, writes) in &self.rows {
            let weight = &self.forests[forest].weights[weight];
            let readers = if writes { wiring.readers(weight.weight) } else { 0 };
            let values: [Address; 4] = [weight.leaf, count(weight.output), weight.weight, readers];
            for (column, value) in fixed.iter_mut().zip(values) {
                column.push(BaseField::from(value));
            }
        }
        PlacedChip { chip, shape, fixed, witness: Box::new(self) }
    }
}

impl Witness for LeafRows {
    fn columns(&self, values: &[i32], _tables: &Tables, counts: &mut TableCounts) -> Vec<Column> {
        let [mut leaves, mut weights] = [(); 2].map(|()| Vec::with_capacity(self.rows.len()));
        for &(at, weight, _) in &self.rows {
            let forest = &self.forests[at];
            let weight = &forest.weights[weight];
            let leaf = values[weight.leaf as usize];
            let node = u32::try_from(leaf).expect("a node number") - forest.node;
            counts.entry(Book::Leaves, forest.leaf_entries[&(node, weight.output)]);
            leaves.push(embed(leaf));
            weights.push(embed(values[weight.weight as usize]));
        }
        vec![leaves, weights]
    }
}
