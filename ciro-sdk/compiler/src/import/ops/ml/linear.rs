//! Linear classifiers and regressors.

use super::labels::Labels;
use super::post::Post;
use crate::float::{BinaryFn, NodeId, Reducer};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value};
use ciro_model::tensor::Tensor;

pub(in crate::import::ops) const OPS: Family =
    &[("ai.onnx.ml.LinearClassifier", 1, classifier), ("ai.onnx.ml.LinearRegressor", 1, regressor)];

/// `LinearClassifier`: the label of the greatest score, and the scores.
///
/// A single score decides between two classes by its sign; its second score is `1 - score`,
/// whatever the transform.
fn classifier(cx: &mut Cx<'_, '_>) -> Outputs {
    let labels = Labels::read(cx, "classlabels_ints", "classlabels_strings")?;
    let targets = cx.floats("intercepts").len();
    let scores = scores(cx, targets)?;
    let post = Post::read(cx)?;
    let last = cx.g.rank(scores) - 1;
    if targets > 1 {
        if labels.len() < targets {
            return Err(Reason::Unsupported("there are fewer labels than scores").into());
        }
        let best = cx.g.reduce(Reducer::ArgMax, scores, &[last])?;
        let label = labels.at(cx, best)?;
        let scores = post.apply(cx, scores)?;
        return Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec());
    }
    let wins = cx.g.with(BinaryFn::Greater, scores, 0.0)?;
    let wins = cx.g.squeeze(wins, last)?;
    let two = labels.len() == 2;
    let label = if two { labels.second_if(cx, wins)? } else { labels.one_if(wins) };
    let scores = match post {
        Post::Probit => post.apply_single(cx, scores)?,
        _ if two => {
            let one = cx.g.scalar(1.0)?;
            let opposite = cx.g.sub(one, scores)?;
            cx.g.concat(last, &[opposite, scores])?
        }
        _ => scores,
    };
    Ok([label, Value::new(scores, DataType::Float)].map(Binding::Tensor).to_vec())
}

/// `LinearRegressor`: `x coefficients^T + intercepts`.
fn regressor(cx: &mut Cx<'_, '_>) -> Outputs {
    let targets = usize::try_from(cx.int("targets", 1)).unwrap_or(0);
    let scores = scores(cx, targets)?;
    let post = Post::read(cx)?;
    let scores =
        if targets == 1 { post.apply_single(cx, scores)? } else { post.apply(cx, scores)? };
    Context::give(scores, DataType::Float)
}

/// `x: [N, F] -> [N, targets]`; a vector counts as one sample.
fn scores(cx: &mut Cx<'_, '_>, targets: usize) -> Result<NodeId, Reason> {
    let x = samples(cx)?;
    let features = cx.g.shape(x)[1];
    let coefficients = cx.floats("coefficients");
    let weights = Tensor::new(vec![targets, features], coefficients)
        .map_err(|_| bad("coefficients", "has not one element a feature and target"))?;
    let weights = cx.g.constant(weights)?;
    let weights = cx.g.transpose(weights, &[1, 0])?;
    let product = cx.g.mat_mul(x, weights)?;
    match cx.floats("intercepts") {
        intercepts if intercepts.is_empty() => Ok(product),
        intercepts if intercepts.len() == targets => {
            let intercepts = cx.g.vector(intercepts)?;
            cx.g.add(product, intercepts)
        }
        _ => Err(bad("intercepts", "has not one element a target")),
    }
}

/// Input 0 as `[N, F]`.
pub(super) fn samples(cx: &mut Cx<'_, '_>) -> Result<NodeId, Reason> {
    let x = cx.number(0)?.id;
    match cx.g.rank(x) {
        1 => cx.g.unsqueeze(x, 0),
        2 => Ok(x),
        _ => Err(cx.g.misfit("samples are [N, F]", &[x])),
    }
}
