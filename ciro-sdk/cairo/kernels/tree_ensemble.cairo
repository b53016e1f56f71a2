//! Sums of decision-tree leaves.

use super::Tensor;

/// A node of a decision tree.
#[derive(Copy, Drop)]
pub enum Node {
    /// `(feature, threshold, left, right)`: goes left if the feature's rank is at most the threshold.
    Branch: (u32, u32, u32, u32),
    /// A row of leaf weights.
    Leaf: u32,
}

/// The leaf that a row of ranks reaches from the root, as a row of leaf weights. `lift` makes every rank non-negative, as the
/// thresholds are.
pub fn leaf(tree: Span<Node>, ranks: Tensor, lift: felt252) -> u32 {
    let mut at = 0;
    loop {
        match *tree.at(at) {
            Node::Leaf(weights) => { break weights; },
            Node::Branch((feature, threshold, left, right)) => {
                let rank: u32 = (*ranks.at(feature) + lift).try_into().unwrap();
                at = if rank <= threshold {
                    left
                } else {
                    right
                };
            },
        }
    }
}

/// `sums + weights[leaf]`, elementwise.
pub fn add_leaf(mut sums: Tensor, weights: Tensor, leaf: u32) -> Tensor {
    let mut row = weights.slice(leaf * sums.len(), sums.len());
    let mut y = array![];
    while let Some(sum) = sums.pop_front() {
        y.append(*sum + *row.pop_front().unwrap());
    }
    y.span()
}
