//! Decision trees as ONNX has them.

/// A sum (or other aggregate) of decision trees over float32 features.
///
/// # Source
/// ONNX `TreeEnsembleClassifier`, `TreeEnsembleRegressor`, `TreeEnsemble`; post-transforms and
/// labels are nodes of their own.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeEnsemble {
    /// Number of features.
    pub features: usize,
    /// One start value for each output.
    pub base: Vec<f64>,
    /// The trees.
    pub trees: Vec<Tree>,
    /// How the trees' leaves are put together.
    pub aggregate: Aggregate,
}

/// One tree: nodes, root first, children after their parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree {
    /// The nodes; node 0 is the root.
    pub nodes: Vec<TreeNode>,
}

/// A node of a tree.
#[derive(Clone, Debug, PartialEq)]
pub enum TreeNode {
    /// An inner node.
    Branch {
        /// The feature that is compared.
        feature: usize,
        /// How it is compared.
        mode: BranchMode,
        /// What it is compared with.
        threshold: f32,
        /// Next node where the comparison holds.
        if_true: usize,
        /// Next node where it does not.
        if_false: usize,
        /// Whether a missing value (NaN) goes where the comparison holds.
        missing: bool,
    },
    /// A leaf.
    Leaf {
        /// `(output, weight)`; absent outputs get nothing.
        weights: Vec<(usize, f64)>,
    },
}

/// How a feature is compared with a threshold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BranchMode {
    /// `x <= threshold`
    Leq,
    /// `x < threshold`
    Lt,
    /// `x >= threshold`
    Gte,
    /// `x > threshold`
    Gt,
    /// `x == threshold`
    Eq,
    /// `x != threshold`
    Neq,
}

impl BranchMode {
    /// Whether the comparison holds; of the comparisons with NaN only `Neq` does.
    #[expect(clippy::float_cmp, reason = "the modes `Eq` and `Neq` compare exactly")]
    pub fn holds(self, x: f32, threshold: f32) -> bool {
        match self {
            Self::Leq => x <= threshold,
            Self::Lt => x < threshold,
            Self::Gte => x >= threshold,
            Self::Gt => x > threshold,
            Self::Eq => x == threshold,
            Self::Neq => x != threshold,
        }
    }
}

/// How the leaves of the trees are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// Sum of the leaves.
    Sum,
    /// Sum divided by the number of trees.
    Average,
    /// Least leaf.
    Min,
    /// Greatest leaf.
    Max,
}
