//! Decision trees: paths and leaf weights.

mod paths;

pub(crate) use paths::{LeafRows, PathRows};

use std::collections::BTreeMap;

use ciro_model::integer::ops::{TreeEnsemble, TreeNode};

use super::product::{Outcome, Product, Results, Right};
use super::rank::RankGroup;
use super::rounding::Rounding;
use super::table::Tables;
use super::{Auxiliary, count};
use crate::chips::TableKind;
use crate::layout::wiring::{Address, Wiring};

/// The paths of one ensemble, for all samples.
#[derive(Clone, Debug)]
pub(crate) struct EnsemblePaths {
    ensemble: TreeEnsemble,
    /// Steps of every tree.
    depths: Vec<usize>,
    /// Number of node 0 among the nodes of all ensembles, and its position in the node table.
    node: u32,
    ranks: RankGroup,
    samples: usize,
    /// Address of the reached leaf of tree 0 of sample 0.
    leaves: Address,
    weights: Vec<Weight>,
    /// Positions in the leaf table of `(node, output)`.
    leaf_entries: BTreeMap<(u32, usize), usize>,
}

/// What one tree adds to one output of one sample.
#[derive(Clone, Debug)]
struct Weight {
    leaf: Address,
    output: usize,
    weight: Address,
}

impl EnsemblePaths {
    /// Takes an ensemble that reads `ranks` apart; the sums of leaf weights become a matrix
    /// product.
    pub(crate) fn new(
        ensemble: &TreeEnsemble,
        ranks: &RankGroup,
        results: &[Address],
        (node, tables, wiring): (u32, &mut Tables, &mut Wiring<'_>),
    ) -> (Self, Vec<Product>) {
        let samples = ranks.results.len() / ensemble.features;
        let trees = ensemble.roots.len();
        let leaves = wiring.auxiliary(samples * trees);
        let mut forest = Self {
            ensemble: ensemble.clone(),
            depths: depths(ensemble),
            node,
            ranks: ranks.clone(),
            samples,
            leaves,
            weights: vec![],
            leaf_entries: BTreeMap::new(),
        };
        forest.push_nodes(tables);
        let products = forest.push_weights(results, tables, wiring);
        (forest, products)
    }

    pub(crate) fn nodes(&self) -> u32 {
        count(self.ensemble.nodes.len())
    }

    /// `[feature, threshold, left, right]` of a node; a leaf leads to itself, whatever the rank of
    /// feature 0.
    fn entry(&self, node: u32) -> [u32; 4] {
        let most = self.ranks.most;
        match self.ensemble.nodes[node as usize] {
            TreeNode::Branch { feature, threshold, left, right } => {
                [feature, threshold.min(count(most)), left + self.node, right + self.node]
            }
            TreeNode::Leaf { .. } => [0, count(most), node + self.node, node + self.node],
        }
    }

    fn push_nodes(&self, tables: &mut Tables) {
        for node in 0..self.nodes() {
            let [feature, threshold, left, right] = self.entry(node);
            let entry = [node + self.node, feature, threshold, left, right]
                .map(|value| i32::try_from(value).expect("few nodes"));
            tables.push(TableKind::TreeNodes, &entry);
        }
    }

    /// Leaf weights as table entries and auxiliary values, and the product that sums them for each
    /// output.
    fn push_weights(
        &mut self,
        results: &[Address],
        tables: &mut Tables,
        wiring: &mut Wiring<'_>,
    ) -> Vec<Product> {
        let trees = self.ensemble.roots.len();
        let one = wiring.constant(1);
        let mut products = vec![];
        for output in 0..self.ensemble.outputs() {
            let reaching: Vec<usize> = (0..trees).filter(|&tree| self.adds(tree, output)).collect();
            for &tree in &reaching {
                self.push_leaves(tree, output, tables);
            }
            let mut left = vec![];
            for sample in 0..self.samples {
                for &tree in &reaching {
                    let leaf = self.leaf_address(sample, tree);
                    let weight = wiring.auxiliary(1);
                    self.weights.push(Weight { leaf, output, weight });
                    left.push(weight);
                }
                left.push(one);
            }
            let mut right = vec![1; reaching.len()];
            right.push(self.ensemble.base[output]);
            let results = results.iter().skip(output).step_by(self.ensemble.outputs());
            let exact = |&raw| Outcome { raw, written: Some(raw), rounding: Rounding::IDLE };
            let outcomes = results.map(exact).collect();
            let results = Results { outcomes, rounded: false, uses: vec![] };
            let shape = [self.samples, right.len(), 1];
            products.push(Product::new(shape, (left, Right::Fixed(right)), results, wiring.zero()));
        }
        products
    }

    /// Whether some leaf of a tree adds to an output.
    fn adds(&self, tree: usize, output: usize) -> bool {
        self.reachable(tree).into_iter().any(|node| {
            matches!(&self.ensemble.nodes[node as usize],
                TreeNode::Leaf { weights } if weights[output] != 0)
        })
    }

    fn push_leaves(&mut self, tree: usize, output: usize, tables: &mut Tables) {
        for node in self.reachable(tree) {
            let TreeNode::Leaf { weights } = &self.ensemble.nodes[node as usize] else { continue };
            let signed = |value: usize| i32::try_from(value).expect("few nodes and outputs");
            let entry = [signed((node + self.node) as usize), signed(output), weights[output]];
            self.leaf_entries
                .entry((node, output))
                .or_insert_with(|| tables.push(TableKind::Leaves, &entry));
        }
    }

    fn reachable(&self, tree: usize) -> Vec<u32> {
        let mut seen = std::collections::BTreeSet::new();
        let mut open = vec![self.ensemble.roots[tree]];
        while let Some(node) = open.pop() {
            if let (true, TreeNode::Branch { left, right, .. }) =
                (seen.insert(node), &self.ensemble.nodes[node as usize])
            {
                open.extend([left, right]);
            }
        }
        seen.into_iter().collect()
    }

    /// The path of one tree for one sample, as long as the tree is deep: the leaf is repeated.
    fn path(&self, values: &[i32], sample: usize, tree: usize) -> Vec<u32> {
        let features = self.ensemble.features;
        let ranks: Vec<i32> = self.ranks.results[sample * features..][..features]
            .iter()
            .map(|&address| values[address as usize])
            .collect();
        let mut path = self.ensemble.path(self.ensemble.roots[tree], &ranks);
        let leaf = *path.last().expect("a path holds its root");
        path.resize(self.depths[tree] + 1, leaf);
        path
    }

    fn leaf_address(&self, sample: usize, tree: usize) -> Address {
        self.leaves + count(sample * self.ensemble.roots.len() + tree)
    }
}

/// For each tree, the number of steps of its longest path, at least 1.
fn depths(ensemble: &TreeEnsemble) -> Vec<usize> {
    let mut below = vec![0usize; ensemble.nodes.len()];
    for at in (0..ensemble.nodes.len()).rev() {
        if let TreeNode::Branch { left, right, .. } = ensemble.nodes[at] {
            below[at] = 1 + below[left as usize].max(below[right as usize]);
        }
    }
    ensemble.roots.iter().map(|&root| below[root as usize].max(1)).collect()
}

impl Auxiliary for EnsemblePaths {
    fn fill(&self, values: &mut [i32]) {
        let features = self.ensemble.features;
        for sample in 0..self.samples {
            for tree in 0..self.ensemble.roots.len() {
                let path = self.path(values, sample, tree);
                let (leaf, steps) = path.split_last().expect("a path holds its root");
                for &node in steps {
                    let [feature, ..] = self.entry(node);
                    let first = self.ranks.visits + count(sample * features);
                    values[(first + feature) as usize] += 1;
                }
                values[self.leaf_address(sample, tree) as usize] =
                    i32::try_from(leaf + self.node).expect("few nodes");
            }
        }
        for weight in &self.weights {
            let leaf = u32::try_from(values[weight.leaf as usize]).expect("a node number");
            let TreeNode::Leaf { weights } = &self.ensemble.nodes[(leaf - self.node) as usize]
            else {
                unreachable!("paths end at leaves")
            };
            values[weight.weight as usize] = weights[weight.output];
        }
    }
}
