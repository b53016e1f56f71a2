//! Sums of decision-tree leaves.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same, take};
use crate::integer::{Constants, Interval, MAX_ELEMENTS, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[.., o] = base[o] + sum over trees of the weight that the reached leaf gives output o`.
///
/// A branch goes left if the rank of its feature (see [`Bucketize`](super::Bucketize)) is at most
/// its threshold.
///
/// # Shapes
/// `x: [.., F]` ranks `-> [.., outputs]`
///
/// # Source
/// ONNX `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble` (aggregate SUM).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEnsemble {
    /// Number of features `F`.
    pub features: usize,
    /// One start value for each output.
    pub base: Vec<i32>,
    /// Nodes of all trees; children come after their parent.
    pub nodes: Vec<TreeNode>,
    /// The root of each tree.
    pub roots: Vec<u32>,
}

/// A node of a decision tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TreeNode {
    /// An inner node.
    Branch {
        /// The feature that is compared.
        feature: u32,
        /// The greatest rank that goes left.
        threshold: u32,
        /// Next node if `rank <= threshold`.
        left: u32,
        /// Next node if `rank > threshold`.
        right: u32,
    },
    /// A leaf.
    Leaf {
        /// Weight added to each output.
        weights: Vec<i32>,
    },
}

impl TreeEnsemble {
    /// Number of outputs.
    pub fn outputs(&self) -> usize {
        self.base.len()
    }

    /// The nodes that one tree visits for a row of ranks, root first, leaf last.
    pub fn path(&self, root: u32, ranks: &[i32]) -> Vec<u32> {
        let mut path = vec![root];
        let mut at = root;
        while let TreeNode::Branch { feature, threshold, left, right } = self.nodes[at as usize] {
            let rank = i64::from(ranks[feature as usize]);
            at = if rank <= i64::from(threshold) { left } else { right };
            path.push(at);
        }
        path
    }

    fn check_nodes(&self) -> Result<(), OperatorError> {
        if self.nodes.len().saturating_mul(self.outputs()) > MAX_ELEMENTS {
            return Err(OperatorError::Attribute("nodes times outputs are at most 2^28"));
        }
        for (at, node) in (0u32..).zip(&self.nodes) {
            match node {
                TreeNode::Branch { feature, left, right, .. } => {
                    let later = |child: u32| child > at && (child as usize) < self.nodes.len();
                    if !(later(*left) && later(*right)) {
                        return Err(OperatorError::Attribute("children come after their parent"));
                    }
                    if *feature as usize >= self.features {
                        return Err(OperatorError::Attribute("a branch reads an existing feature"));
                    }
                }
                TreeNode::Leaf { weights } => {
                    same("leaf weights", &[self.outputs()], &[weights.len()])?;
                }
            }
        }
        if self.roots.iter().any(|&root| root as usize >= self.nodes.len()) {
            return Err(OperatorError::Attribute("every root is a node"));
        }
        Ok(())
    }

    /// For every node, the interval of each output over the leaves below it.
    fn leaf_intervals(&self) -> Vec<Vec<Interval>> {
        let mut below: Vec<Vec<Interval>> = vec![vec![]; self.nodes.len()];
        for at in (0..self.nodes.len()).rev() {
            below[at] = match &self.nodes[at] {
                TreeNode::Leaf { weights } => {
                    weights.iter().map(|&w| Interval::point(w.into())).collect()
                }
                TreeNode::Branch { left, right, .. } => {
                    let (left, right) = (&below[*left as usize], &below[*right as usize]);
                    left.iter().zip(right).map(|(l, r)| l.union(*r)).collect()
                }
            };
        }
        below
    }
}

impl Operator for TreeEnsemble {
    fn name(&self) -> &'static str {
        "TreeEnsemble"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        let (&last, lead) =
            x.split_last().ok_or(OperatorError::Attribute("the operand has at least one axis"))?;
        same("features", &[self.features], &[last])?;
        self.check_nodes()?;
        Ok(lead.iter().copied().chain([self.outputs()]).collect())
    }

    fn interval(
        &self,
        _operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let below = self.leaf_intervals();
        let mut sums: Vec<Interval> =
            self.base.iter().map(|&base| Interval::point(base.into())).collect();
        for &root in &self.roots {
            for (sum, leaves) in sums.iter_mut().zip(&below[root as usize]) {
                *sum = *sum + *leaves;
            }
        }
        Ok(sums.into_iter().reduce(Interval::union).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let x = operands[0];
        let rows: usize = x.shape()[..x.rank() - 1].iter().product();
        let mut data = Vec::with_capacity(rows * self.outputs());
        for row in 0..rows {
            let ranks = &x.data()[row * self.features..(row + 1) * self.features];
            let mut sums: Vec<i64> = self.base.iter().map(|&base| base.into()).collect();
            for &root in &self.roots {
                let leaf = *self.path(root, ranks).last().expect("a path holds its root");
                let TreeNode::Leaf { weights } = &self.nodes[leaf as usize] else {
                    unreachable!("paths end at leaves")
                };
                for (sum, &weight) in sums.iter_mut().zip(weights) {
                    *sum += i64::from(weight);
                }
            }
            data.extend(sums.into_iter().map(narrow));
        }
        let mut shape = x.shape().to_vec();
        *shape.last_mut().expect("rank at least 1") = self.outputs();
        Tensor::new(shape, data).expect("one sum for each output")
    }

    fn own_parameters(&self) -> usize {
        let own = self.nodes.iter().map(|node| match node {
            TreeNode::Branch { .. } => 1,
            TreeNode::Leaf { weights } => weights.len(),
        });
        own.sum::<usize>() + self.base.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    fn branch(feature: u32, threshold: u32, left: u32, right: u32) -> TreeNode {
        TreeNode::Branch { feature, threshold, left, right }
    }

    fn leaf(weights: &[i32]) -> TreeNode {
        TreeNode::Leaf { weights: weights.to_vec() }
    }

    fn two_trees() -> TreeEnsemble {
        let nodes = vec![
            branch(0, 0, 1, 2),
            leaf(&[1, 0]),
            branch(1, 2, 3, 4),
            leaf(&[0, 10]),
            leaf(&[0, 20]),
            leaf(&[100, 100]),
        ];
        TreeEnsemble { features: 2, base: vec![1000, 0], nodes, roots: vec![0, 5] }
    }

    #[test]
    fn leaves_of_all_trees_are_added() {
        let x = tight(&[3, 2], &[0, 9, 1, 2, 1, 3]);
        let sums = [1101, 100, 1100, 110, 1100, 120];
        check(&[x], |_| two_trees().into(), &[3, 2], &sums);
        assert_eq!(two_trees().path(0, &[1, 3]), [0, 2, 4]);
    }

    #[test]
    fn trees_that_are_no_trees_are_refused() {
        let x = || [tight(&[2], &[0, 0])];
        let mut cycle = two_trees();
        cycle.nodes[2] = branch(1, 0, 2, 3);
        refuse(&x(), |_| cycle.into(), "children come after their parent");
        let mut feature = two_trees();
        feature.nodes[0] = branch(2, 0, 1, 2);
        refuse(&x(), |_| feature.into(), "existing feature");
        let mut root = two_trees();
        root.roots = vec![6];
        refuse(&x(), |_| root.into(), "every root is a node");
        let mut weights = two_trees();
        weights.nodes[1] = leaf(&[1]);
        refuse(&x(), |_| weights.into(), "leaf weights");
    }
}
