//! Tree ensembles: classifiers, regressors, and the general form of `ai.onnx.ml` 5.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::labels::Labels;
use super::post::Post;
use super::trees::{Features, Listed, always_scored, missing, threshold, tree};
use crate::float::{Aggregate, BinaryFn, BranchMode, NodeId, Op, Tree, TreeEnsemble, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad, count};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value, one};

pub(in crate::import::ops) const OPS: Family = &[
    ("ai.onnx.ml.TreeEnsemble", 5, general),
    ("ai.onnx.ml.TreeEnsembleClassifier", 1, classifier),
    ("ai.onnx.ml.TreeEnsembleRegressor", 1, regressor),
];

/// Tree and node number.
type Key = (i64, i64);

/// `TreeEnsembleRegressor`: one sum of leaves for each target.
fn regressor(cx: &mut Cx<'_, '_>) -> Outputs {
    let targets = usize::try_from(cx.int("n_targets", 1)).unwrap_or(0);
    cx.g.allow(targets)?;
    let base = numbers(cx, "base_values")?;
    let base = if base.len() == targets { base } else { vec![0.0; targets] };
    let aggregate = match cx.text("aggregate_function", "SUM") {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        _ => return Err(bad("aggregate_function", "is not one of ONNX's values").into()),
    };
    let leaves = Leaves::read(cx, "target", targets)?;
    let trees = listed_trees(cx, &leaves)?;
    let scores = ensemble(cx, trees, base, aggregate)?;
    let post = Post::read(cx)?;
    let scores = match targets {
        1 => post.apply_single(cx, scores)?,
        _ => post.apply(cx, scores)?,
    };
    Context::give(scores, DataType::Float)
}

/// `TreeEnsembleClassifier`: the label of the winning class, and scores.
fn classifier(cx: &mut Cx<'_, '_>) -> Outputs {
    let labels = Labels::read(cx, "classlabels_int64s", "classlabels_strings")?;
    let classes = labels.len();
    let base = numbers(cx, "base_values")?;
    let leaves = Leaves::read(cx, "class", classes)?;
    let trees = listed_trees(cx, &leaves)?;
    let post = Post::read(cx)?;
    if classes <= 2 {
        return binary(cx, &labels, &leaves, trees, &base, post);
    }
    let base_given = base.len() == classes;
    let start = if base_given { base } else { vec![0.0; classes] };
    let all_scored = |class| trees.iter().any(|tree| always_scored(tree, class));
    let plain = base_given || leaves.positive || (0..classes).all(all_scored);
    let presence = if plain { None } else { Some(presence(cx, &trees, classes)?) };
    let scores = ensemble(cx, trees, start, Aggregate::Sum)?;
    // A class that no leaf has scored cannot win.
    let candidates = match presence {
        None => scores,
        Some(present) => {
            let never = cx.g.scalar(f64::NEG_INFINITY)?;
            cx.g.choose(present, scores, never)?
        }
    };
    let last = cx.g.rank(scores) - 1;
    let best = cx.g.reduce(crate::float::Reducer::ArgMax, candidates, &[last])?;
    let label = labels.at(cx, best)?;
    let scores = post.apply(cx, scores)?;
    Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec())
}

/// How many leaves have scored each class.
fn presence(cx: &mut Cx<'_, '_>, trees: &[Tree], classes: usize) -> Result<NodeId, Reason> {
    let mut counting = trees.to_vec();
    for node in counting.iter_mut().flat_map(|tree| &mut tree.nodes) {
        if let crate::float::TreeNode::Leaf { weights } = node {
            weights.iter_mut().for_each(|(_, weight)| *weight = 1.0);
        }
    }
    ensemble(cx, counting, vec![0.0; classes], Aggregate::Sum)
}

/// One or two classes, which ONNX describes by one score or by two.
fn binary(
    cx: &mut Cx<'_, '_>,
    labels: &Labels,
    leaves: &Leaves,
    trees: Vec<Tree>,
    base: &[f64],
    post: Post,
) -> Outputs {
    let scored = |class| leaves.outputs.contains(&class);
    let scores = ensemble(cx, trees, vec![0.0; 2], Aggregate::Sum)?;
    let last = cx.g.rank(scores) - 1;
    let mut first = cx.g.slice(scores, last, 0, 1)?;
    let mut second = cx.g.slice(scores, last, 1, 1)?;
    let mut pair = labels.len() == 2;
    match *base {
        [_, base] if scored(1) => {
            second = cx.g.with(BinaryFn::Add, first, base)?;
            first = cx.g.unary(UnaryFn::Neg, second)?;
        }
        [base_0, base_1] => {
            first = cx.g.with(BinaryFn::Add, first, base_0)?;
            second = cx.g.with(BinaryFn::Add, second, base_1)?;
        }
        [base] => {
            first = cx.g.with(BinaryFn::Add, first, base)?;
            pair &= scored(1);
        }
        _ => pair &= scored(1),
    }
    let decisive = if pair && scored(1) { second } else { first };
    let one_sided = labels.len() == 2 && leaves.outputs.len() == 1;
    let bound = if one_sided && leaves.positive { 0.5 } else { 0.0 };
    let wins = cx.g.with(BinaryFn::Greater, decisive, bound)?;
    let wins = cx.g.squeeze(wins, last)?;
    let label = if one_sided { labels.second_if(cx, wins)? } else { labels.one_if(wins) };
    let scores = if pair {
        let both = cx.g.concat(last, &[first, second])?;
        post.apply(cx, both)?
    } else if labels.len() == 1 {
        post.apply_single(cx, first)?
    } else {
        two_scores(cx, first, post, one_sided && leaves.positive)?
    };
    Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec())
}

/// The scores of two classes from the one of the second: a probability, or a margin.
fn two_scores(
    cx: &mut Cx<'_, '_>,
    score: NodeId,
    post: Post,
    probability: bool,
) -> Result<NodeId, Reason> {
    let last = cx.g.rank(score) - 1;
    let opposite = if probability {
        let one = cx.g.scalar(1.0)?;
        cx.g.sub(one, score)?
    } else {
        cx.g.unary(UnaryFn::Neg, score)?
    };
    let both = cx.g.concat(last, &[opposite, score])?;
    match post {
        Post::Logistic if !probability => cx.g.unary(UnaryFn::Sigmoid, both),
        Post::Probit => Err(Reason::Unsupported("PROBIT of a single score has no second one")),
        _ => Ok(both),
    }
}

/// `TreeEnsemble` of `ai.onnx.ml` 5, whose lists are tensors and whose leaves are separate.
fn general(cx: &mut Cx<'_, '_>) -> Outputs {
    let targets = usize::try_from(cx.int("n_targets", 0)).unwrap_or(0);
    cx.g.allow(targets)?;
    let aggregate = match cx.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        _ => return Err(bad("aggregate_function", "is not one of ONNX's values").into()),
    };
    let trees = super::tree_lists::trees(cx, targets)?;
    let scores = ensemble(cx, trees, vec![0.0; targets], aggregate)?;
    let post = match cx.int("post_transform", 0) {
        0 => Post::None,
        1 => Post::Softmax,
        2 => Post::Logistic,
        3 => Post::SoftmaxZero,
        4 => Post::Probit,
        _ => return Err(bad("post_transform", "is not one of ONNX's values").into()),
    };
    let scores = post.apply(cx, scores)?;
    one(cx.tensor(0)?.with(scores))
}

/// The operator on `x: [N, F]`; a vector counts as one sample.
fn ensemble(
    cx: &mut Cx<'_, '_>,
    trees: Vec<Tree>,
    base: Vec<f64>,
    aggregate: Aggregate,
) -> Result<NodeId, Reason> {
    let mut x = cx.number(0)?.id;
    if cx.g.rank(x) == 1 {
        x = cx.g.unsqueeze(x, 0)?;
    }
    let features = cx.g.shape(x).last().copied().unwrap_or(0);
    cx.g.push(Op::TreeEnsemble(Arc::new(TreeEnsemble { features, base, trees, aggregate })), &[x])
}

/// The weights of leaves.
#[derive(Debug)]
struct Leaves {
    weights: HashMap<Key, Vec<(usize, f64)>>,
    /// The outputs that some leaf has a weight for.
    outputs: BTreeSet<usize>,
    /// Whether no weight is negative.
    positive: bool,
}

impl Leaves {
    /// Reads the lists whose names begin with `prefix`.
    fn read(cx: &Cx<'_, '_>, prefix: &str, outputs: usize) -> Result<Self, Reason> {
        let ints = |name: &str| cx.ints(&format!("{prefix}_{name}")).unwrap_or_default();
        let (trees, nodes, ids) = (ints("treeids"), ints("nodeids"), ints("ids"));
        let weights = numbers(cx, &format!("{prefix}_weights"))?;
        if [trees.len(), nodes.len(), ids.len()] != [weights.len(); 3] {
            return Err(Reason::Unsupported("the lists of leaf weights differ in length"));
        }
        let mut leaves = Self { weights: HashMap::new(), outputs: BTreeSet::new(), positive: true };
        for at in 0..weights.len() {
            let output = usize::try_from(ids[at]).ok().filter(|&output| output < outputs);
            let output = output.ok_or(Reason::Unsupported("a leaf weighs an unknown output"))?;
            let key = (trees[at], nodes[at]);
            leaves.weights.entry(key).or_default().push((output, weights[at]));
            leaves.outputs.insert(output);
            leaves.positive &= weights[at] >= 0.0;
        }
        Ok(leaves)
    }
}

/// The trees of the attributes `nodes_...`; the first node listed of a tree is its root.
fn listed_trees(cx: &Cx<'_, '_>, leaves: &Leaves) -> Result<Vec<Tree>, Reason> {
    let ints = |name| cx.ints(name).unwrap_or_default();
    let (trees, ids) = (ints("nodes_treeids"), ints("nodes_nodeids"));
    let (if_true, if_false) = (ints("nodes_truenodeids"), ints("nodes_falsenodeids"));
    let features = ints("nodes_featureids");
    let (values, modes) = (numbers(cx, "nodes_values")?, cx.texts("nodes_modes"));
    let lengths = [trees, ids, if_true, if_false, features].map(<[i64]>::len);
    if lengths != [modes.len(); 5] || values.len() != modes.len() {
        return Err(Reason::Unsupported("the lists of tree nodes differ in length"));
    }
    let compared = Features::of(cx)?;
    let missing = missing(cx, modes.len())?;
    let mut nodes: HashMap<Key, Listed<Key>> = HashMap::new();
    let mut roots: Vec<Key> = Vec::new();
    let mut known = BTreeSet::new();
    for at in 0..modes.len() {
        let key = (trees[at], ids[at]);
        if known.insert(trees[at]) {
            roots.push(key);
        }
        let node = match branch_mode(&modes[at])? {
            None => Listed::Leaf { weights: leaves.weights.get(&key).cloned().unwrap_or_default() },
            Some(mode) => Listed::Branch {
                feature: count(features[at] as f64)?,
                mode,
                threshold: threshold(values[at], mode, compared),
                if_true: (trees[at], if_true[at]),
                if_false: (trees[at], if_false[at]),
                missing: missing[at] || mode == BranchMode::Neq,
            },
        };
        if nodes.insert(key, node).is_some() {
            return Err(Reason::Unsupported("a node of a tree is listed twice"));
        }
    }
    roots.into_iter().map(|root| tree(root, &nodes)).collect()
}

fn branch_mode(name: &str) -> Result<Option<BranchMode>, Reason> {
    Ok(Some(match name {
        "LEAF" => return Ok(None),
        "BRANCH_LEQ" => BranchMode::Leq,
        "BRANCH_LT" => BranchMode::Lt,
        "BRANCH_GTE" => BranchMode::Gte,
        "BRANCH_GT" => BranchMode::Gt,
        "BRANCH_EQ" => BranchMode::Eq,
        "BRANCH_NEQ" => BranchMode::Neq,
        _ => return Err(bad("nodes_modes", "has an element that is not one of ONNX's values")),
    }))
}

/// A list of numbers, or the tensor of doubles that may stand for it.
fn numbers(cx: &Cx<'_, '_>, name: &str) -> Result<Vec<f64>, Reason> {
    match cx.literal(&format!("{name}_as_tensor"))? {
        Some(literal) => Ok(literal.value.into_data()),
        None => Ok(cx.floats(name)),
    }
}
