//! Moves constant factors and offsets into the weights of the operator before them.

use std::sync::Arc;

use super::uses;
use crate::float::{BinaryFn, Graph, NodeId, Op, ScalarFn};
use ciro_model::tensor::Tensor;

/// A factor and an offset for each output channel.
struct Affine {
    factor: Vec<f64>,
    offset: Vec<f64>,
}

/// Merges affine operators with the convolution or matrix product that alone feeds them; returns
/// whether something changed.
pub(super) fn into_weights(graph: &mut Graph) -> bool {
    let uses = uses(graph);
    let mut changed = false;
    for at in 0..graph.nodes.len() {
        let Some((from, affine)) = affine(graph, at) else { continue };
        if uses[from.index()] == 1 && merge(graph, from, at, &affine, &uses) {
            changed = true;
        }
    }
    changed
}

/// What node `at` does to the result of a linear operator, if it is affine for each channel.
fn affine(graph: &Graph, at: usize) -> Option<(NodeId, Affine)> {
    let node = &graph.nodes[at];
    let from = *node.operands.first()?;
    let (channels, axis) = channels(graph, from)?;
    match &node.op {
        Op::Unary(f) => {
            let (slope, offset) = f.affine()?;
            Some((from, Affine { factor: vec![slope; channels], offset: vec![offset; channels] }))
        }
        Op::Conv { groups, .. } if *groups == channels => {
            let weights = graph.constant(node.operands[1])?;
            let bias = match node.operands.get(2) {
                Some(&bias) => graph.constant(bias)?.data().to_vec(),
                None => vec![0.0; channels],
            };
            let pointwise = weights.len() == channels && node.shape == graph.node(from).shape;
            pointwise.then(|| (from, Affine { factor: weights.data().to_vec(), offset: bias }))
        }
        Op::Binary(f) => {
            let values = along(graph.constant(node.operands[1])?, axis)?;
            let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
            let affine = match f {
                BinaryFn::Mul => Affine { factor: values, offset: zeros },
                BinaryFn::Div => {
                    Affine { factor: values.iter().map(|x| x.recip()).collect(), offset: zeros }
                }
                BinaryFn::Add => Affine { factor: ones, offset: values },
                BinaryFn::Sub => {
                    Affine { factor: ones, offset: values.iter().map(|x| -x).collect() }
                }
                _ => return None,
            };
            Some((from, affine))
        }
        _ => None,
    }
}

/// The number of output channels of a linear operator, and their axis.
fn channels(graph: &Graph, id: NodeId) -> Option<(usize, usize)> {
    let node = graph.node(id);
    match node.op {
        Op::Conv { .. } => Some((node.shape[1], 1)),
        Op::MatMul => Some((*node.shape.last()?, node.shape.len() - 1)),
        _ => None,
    }
}

/// The values of a constant along an axis, if it is the same everywhere else.
fn along(value: &Tensor<f64>, axis: usize) -> Option<Vec<f64>> {
    let extent = value.shape()[axis];
    let inner: usize = value.shape()[axis + 1..].iter().product();
    let values: Vec<f64> =
        value.data().iter().copied().step_by(inner.max(1)).take(extent).collect();
    let same = |(at, x): (usize, &f64)| x.to_bits() == values[at / inner % extent].to_bits();
    value.data().iter().enumerate().all(same).then_some(values)
}

/// Puts an affine function into the weights of `from`; node `at` becomes that operator.
fn merge(graph: &mut Graph, from: NodeId, at: usize, affine: &Affine, uses: &[usize]) -> bool {
    let source = graph.node(from).clone();
    let [x, weights, rest @ ..] = source.operands.as_slice() else { return false };
    let Some(old) = graph.constant(*weights).cloned() else { return false };
    let finite = |values: &[f64]| values.iter().all(|x| x.is_finite());
    if !finite(&affine.factor) || !finite(&affine.offset) || uses[weights.index()] != 1 {
        return false;
    }
    let channels = affine.factor.len();
    let is_conv = matches!(source.op, Op::Conv { .. });
    if !is_conv && (affine.offset.iter().any(|&x| x != 0.0) || old.rank() != 2) {
        return false;
    }
    let each = old.len() / channels.max(1);
    let channel = |i: usize| if is_conv { i / each } else { i % channels };
    let scaled = old.data().iter().enumerate().map(|(i, w)| w * affine.factor[channel(i)]);
    let scaled = Tensor::new(old.shape().to_vec(), scaled.collect()).expect("as many weights");
    if is_conv {
        let bias = match rest.first().map(|&id| graph.constant(id)) {
            None => vec![0.0; channels],
            Some(Some(bias)) => bias.data().to_vec(),
            Some(None) => return false,
        };
        let terms = bias.iter().zip(&affine.factor).zip(&affine.offset);
        let bias = terms.map(|((b, factor), offset)| b * factor + offset).collect();
        // The bias takes the place of the operator that is merged, which nothing else reads.
        let node = &mut graph.nodes[from.index()];
        node.op = Op::Constant(Arc::new(Tensor::vector(bias)));
        node.operands = Vec::new();
        node.shape = vec![channels];
        node.origin = "bias".to_owned();
    }
    graph.nodes[weights.index()].op = Op::Constant(Arc::new(scaled));
    let mut operands = vec![*x, *weights];
    operands.extend(is_conv.then_some(from));
    let name = source.name;
    graph.nodes[at].op = source.op;
    graph.nodes[at].operands = operands;
    graph.nodes[at].origin = source.origin;
    if is_conv {
        let merged = std::mem::replace(&mut graph.nodes[at].name, name);
        graph.nodes[from.index()].name = merged;
    } else {
        graph.nodes[from.index()].op = Op::Unary(ScalarFn::X);
        graph.nodes[from.index()].operands = vec![*x];
        graph.nodes[from.index()].shape = graph.node(*x).shape.clone();
    }
    true
}
