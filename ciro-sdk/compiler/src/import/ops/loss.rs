//! Losses, which some exported models compute themselves.

use crate::float::{BinaryFn, NodeId, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Binding, Outputs, Value, one};

pub(super) const OPS: Family = &[
    ("NegativeLogLikelihoodLoss", 12, negative_log_likelihood),
    ("SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy),
];

/// The negative of the score of the target class, weighted.
fn negative_log_likelihood(cx: &mut Cx<'_, '_>) -> Outputs {
    let scores = cx.number(0)?;
    one(scores.with(loss(cx, scores.id)?))
}

/// The same of the logarithm of the softmax over the classes, which is the second output.
fn softmax_cross_entropy(cx: &mut Cx<'_, '_>) -> Outputs {
    let scores = cx.number(0)?;
    if cx.g.rank(scores.id) < 2 {
        return Err(cx.g.misfit("scores are [N, C, ..]", &[scores.id]).into());
    }
    let log = cx.g.log_softmax(scores.id, 1)?;
    let loss = loss(cx, log)?;
    let outputs: [Value; 2] = [scores.with(loss), scores.with(log)];
    Ok(outputs.map(Binding::Tensor).to_vec())
}

/// `scores: [N, C, ..]`, targets `[N, ..]`: `-weight[target] * scores[target]`, reduced.
fn loss(cx: &mut Cx<'_, '_>, scores: NodeId) -> Result<NodeId, Reason> {
    let targets = cx.number(1)?.id;
    let shape = cx.g.shape(scores).to_vec();
    let fits = shape.len() >= 2 && *cx.g.shape(targets) == [&shape[..1], &shape[2..]].concat()[..];
    if !fits {
        return Err(cx.g.misfit("scores are [N, C, ..], targets [N, ..]", &[scores, targets]));
    }
    let mut hot = cx.g.one_hot(targets, shape[1])?;
    if let Some(ignored) = cx.attribute("ignore_index") {
        let kept = cx.g.with(BinaryFn::Equal, targets, ignored.i as f64)?;
        let kept = cx.g.unary(UnaryFn::Not, kept)?;
        let kept = cx.g.unsqueeze(kept, shape.len() - 1)?;
        hot = cx.g.mul(hot, kept)?;
    }
    if let Some(weights) = cx.optional(2)? {
        hot = cx.g.mul(hot, weights.id)?;
    }
    let last = shape.len() - 1;
    let weights = cx.g.reduce(Reducer::Sum, hot, &[last])?;
    let scores = cx.g.move_last(scores, 1)?;
    let chosen = cx.g.mul(scores, hot)?;
    let chosen = cx.g.reduce(Reducer::Sum, chosen, &[last])?;
    let losses = cx.g.unary(UnaryFn::Neg, chosen)?;
    let axes: Vec<usize> = (0..last).collect();
    match cx.text("reduction", "mean") {
        "none" => Ok(losses),
        "sum" => cx.g.reduce(Reducer::Sum, losses, &axes),
        "mean" => {
            let sum = cx.g.reduce(Reducer::Sum, losses, &axes)?;
            let count = cx.g.reduce(Reducer::Sum, weights, &axes)?;
            cx.g.div(sum, count)
        }
        _ => Err(bad("reduction", "is not one of ONNX's values")),
    }
}
