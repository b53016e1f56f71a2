//! Normalizations, by means, squares and reciprocal square roots.

use crate::float::scalar::{self, c, x};
use crate::float::{BinaryFn, NodeId, Op, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Binding, Outputs, Value, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("BatchNormalization", 1, batch_norm),
    ("GroupNormalization", 18, group_norm),
    ("InstanceNormalization", 1, instance_norm),
    ("LayerNormalization", 17, layer_norm),
    ("LpNormalization", 1, lp_norm),
    ("LRN", 1, lrn),
    ("MeanVarianceNormalization", 9, mean_variance),
    ("RMSNormalization", 23, rms_norm),
    ("SimplifiedLayerNormalization", 1, rms_norm),
    ("com.microsoft.SimplifiedLayerNormalization", 1, rms_norm),
    ("com.microsoft.SkipLayerNormalization", 1, |cx| skip_layer_norm(cx, true)),
    ("com.microsoft.SkipSimplifiedLayerNormalization", 1, |cx| skip_layer_norm(cx, false)),
];

/// `scale * (x - mean) / sqrt(var + epsilon) + bias` with constant statistics: one factor and
/// offset a channel.
fn batch_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    if cx.flag("training_mode", false) {
        return batch_norm_training(cx, &x);
    }
    let [scale, bias, mean, var] = [cx.id(1)?, cx.id(2)?, cx.id(3)?, cx.id(4)?];
    let rank = cx.g.rank(x.id);
    if rank < 2 || cx.g.shape(scale) != [cx.g.shape(x.id)[1]] {
        return Err(cx
            .g
            .misfit("batch normalization needs one scale a channel", &[x.id, scale])
            .into());
    }
    let deviation = deviation(cx, var)?;
    let factor = cx.g.div(scale, deviation)?;
    let shift = cx.g.mul(mean, factor)?;
    let offset = cx.g.sub(bias, shift)?;
    one(x.with(per_channel(cx, x.id, factor, offset)?))
}

/// `factor[c] * x + offset[c]`: a depthwise convolution of kernel 1, so that it can merge with one
/// before it.
fn per_channel(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    factor: NodeId,
    offset: NodeId,
) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(x).to_vec();
    let (channels, axes) = (shape[1], shape.len() - 2);
    if axes == 0 {
        let scaled = cx.g.mul(x, factor)?;
        return cx.g.add(scaled, offset);
    }
    let mut kernel = vec![channels];
    kernel.resize(axes + 2, 1);
    let weights = cx.g.reshape(factor, &kernel)?;
    let op = Op::Conv {
        strides: vec![1; axes],
        dilations: vec![1; axes],
        pads: vec![(0, 0); axes],
        groups: channels,
    };
    cx.g.push(op, &[x, weights, offset])
}

/// Batch normalization by the statistics of the batch itself, which are outputs too.
fn batch_norm_training(cx: &mut Cx<'_, '_>, x: &Value) -> Outputs {
    let [scale, bias, old_mean, old_var] = [cx.id(1)?, cx.id(2)?, cx.id(3)?, cx.id(4)?];
    let rank = cx.g.rank(x.id);
    let axes: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let centred = centre(cx, x.id, &axes)?;
    let mean = cx.g.reduce(Reducer::Mean, x.id, &axes)?;
    let squares = cx.g.map(scalar::x() * scalar::x(), centred)?;
    let var = cx.g.reduce(Reducer::Mean, squares, &axes)?;
    let deviation = deviation(cx, var)?;
    let mut shape = vec![1; rank];
    shape[1] = cx.g.shape(x.id)[1];
    let mut y = centred;
    for (operand, f) in [(deviation, BinaryFn::Div), (scale, BinaryFn::Mul), (bias, BinaryFn::Add)]
    {
        let operand = cx.g.reshape(operand, &shape)?;
        y = cx.g.binary(f, y, operand)?;
    }
    let momentum = cx.float("momentum", 0.9);
    let mut outputs = vec![Binding::Tensor(x.with(y))];
    for (old, new) in [(old_mean, mean), (old_var, var)] {
        let old = cx.g.with(BinaryFn::Mul, old, momentum)?;
        let new = cx.g.with(BinaryFn::Mul, new, 1.0 - momentum)?;
        outputs.push(Binding::Tensor(x.with(cx.g.add(old, new)?)));
    }
    Ok(outputs)
}

/// Normalizes over the axes from `axis` on.
fn layer_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let axis = cx.axis(-1, cx.g.rank(x.id))?;
    let axes: Vec<usize> = (axis..cx.g.rank(x.id)).collect();
    let mean = cx.g.reduce_keep(Reducer::Mean, x.id, &axes)?;
    let centred = cx.g.sub(x.id, mean)?;
    let inverse = inverse_deviation(cx, centred, &axes, EPSILON)?;
    let mut y = cx.g.mul(centred, inverse)?;
    y = scale_and_bias(cx, y, 1)?;
    Ok([x.with(y), x.with(mean), x.with(inverse)].map(Binding::Tensor).to_vec())
}

/// Normalizes by the root of the mean square over the axes from `axis` on.
fn rms_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let axis = cx.axis(-1, cx.g.rank(x.id))?;
    let axes: Vec<usize> = (axis..cx.g.rank(x.id)).collect();
    let inverse = inverse_deviation(cx, x.id, &axes, EPSILON)?;
    let y = cx.g.mul(x.id, inverse)?;
    let y = scale_and_bias(cx, y, 1)?;
    let mean = x.with(inverse);
    Ok([x.with(y), mean.clone(), mean].map(Binding::Tensor).to_vec())
}

/// `com.microsoft.SkipLayerNormalization` and its simplified form: normalizes `x + skip + bias`.
fn skip_layer_norm(cx: &mut Cx<'_, '_>, centred: bool) -> Outputs {
    let x = cx.number(0)?;
    let skip = cx.id(1)?;
    let bias = cx.optional(if centred { 4 } else { 3 })?;
    let mut sum = cx.g.add(x.id, skip)?;
    if let Some(bias) = bias {
        sum = cx.g.add(sum, bias.id)?;
    }
    let Some(last) = cx.g.rank(sum).checked_sub(1) else {
        return Err(cx.g.misfit("a normalization needs an axis", &[sum]).into());
    };
    let axes = [last];
    let middle = if centred { centre(cx, sum, &axes)? } else { sum };
    let inverse = inverse_deviation(cx, middle, &axes, EPSILON_CONTRIB)?;
    let mut y = cx.g.mul(middle, inverse)?;
    if let Some(gamma) = cx.optional(2)? {
        y = cx.g.mul(y, gamma.id)?;
    }
    if let Some(beta) = cx.optional(3)?.filter(|_| centred) {
        y = cx.g.add(y, beta.id)?;
    }
    let inverse = x.with(inverse);
    Ok([x.with(y), inverse.clone(), inverse, x.with(sum)].map(Binding::Tensor).to_vec())
}

/// Normalizes each channel of each sample over space.
fn instance_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let rank = cx.g.rank(x.id);
    if rank < 3 {
        return Err(cx.g.misfit("instance normalization needs [N, C, spatial..]", &[x.id]).into());
    }
    let axes: Vec<usize> = (2..rank).collect();
    let centred = centre(cx, x.id, &axes)?;
    let inverse = inverse_deviation(cx, centred, &axes, EPSILON)?;
    let y = cx.g.mul(centred, inverse)?;
    one(x.with(channel_scale_and_bias(cx, y)?))
}

/// Normalizes groups of channels of each sample.
///
/// # Source
/// ONNX `GroupNormalization`: scale and bias are for each group in opset 18, for each channel since
/// 21.
fn group_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let shape = cx.g.shape(x.id).to_vec();
    let groups = usize::try_from(cx.int("num_groups", 0)).unwrap_or(0);
    if shape.len() < 2 || groups == 0 || !shape[1].is_multiple_of(groups) {
        return Err(bad("num_groups", "must divide the channels").into());
    }
    let count: usize = shape[1..].iter().product();
    let grouped = cx.g.reshape(x.id, &[shape[0], groups, count / groups])?;
    let centred = centre(cx, grouped, &[2])?;
    let inverse = inverse_deviation(cx, centred, &[2], EPSILON)?;
    let mut y = cx.g.mul(centred, inverse)?;
    if cx.shape(1)? == [groups] && groups != shape[1] {
        for (index, f) in [(1, BinaryFn::Mul), (2, BinaryFn::Add)] {
            let operand = cx.id(index)?;
            let operand = cx.g.reshape(operand, &[groups, 1])?;
            y = cx.g.binary(f, y, operand)?;
        }
        return one(x.with(cx.g.reshape(y, &shape)?));
    }
    let y = cx.g.reshape(y, &shape)?;
    one(x.with(channel_scale_and_bias(cx, y)?))
}

/// `(x - mean) / deviation` over some axes, by default all but the channels.
fn mean_variance(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let rank = cx.g.rank(x.id);
    let axes = cx.axes(1, rank)?.unwrap_or_else(|| (0..rank).filter(|&a| a != 1).collect());
    let centred = centre(cx, x.id, &axes)?;
    let squares = cx.g.map(scalar::x() * scalar::x(), centred)?;
    let var = cx.g.reduce_keep(Reducer::Mean, squares, &axes)?;
    let deviation = cx.g.unary(UnaryFn::Sqrt, var)?;
    let deviation = cx.g.with(BinaryFn::Add, deviation, 1e-9)?;
    one(x.with(cx.g.div(centred, deviation)?))
}

/// `x` divided by its 1-norm or 2-norm along an axis; 0 where the norm is 0.
fn lp_norm(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let axis = cx.axis(-1, cx.g.rank(x.id))?;
    let norm = norm_along(cx, x.id, axis, cx.int("p", 2) == 1)?;
    let zero = cx.g.with(BinaryFn::Equal, norm, 0.0)?;
    let safe = cx.g.add(norm, zero)?;
    one(x.with(cx.g.div(x.id, safe)?))
}

/// The 1-norm or 2-norm along an axis that stays with extent 1.
pub(super) fn norm_along(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    axis: usize,
    first: bool,
) -> Result<NodeId, Reason> {
    if first {
        let magnitude = cx.g.unary(UnaryFn::Abs, x)?;
        return cx.g.reduce_keep(Reducer::Sum, magnitude, &[axis]);
    }
    let squares = cx.g.map(scalar::x() * scalar::x(), x)?;
    let sum = cx.g.reduce_keep(Reducer::Sum, squares, &[axis])?;
    cx.g.unary(UnaryFn::Sqrt, sum)
}

/// `x / (bias + alpha / size * sum of squares in neighbouring channels)^beta`.
fn lrn(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let size = usize::try_from(cx.int("size", 0)).unwrap_or(0);
    let shape = cx.g.shape(x.id).to_vec();
    if size == 0 || shape.len() < 2 {
        return Err(bad("size", "must be at least 1").into());
    }
    let (alpha, beta) = (cx.float("alpha", 1e-4), cx.float("beta", 0.75));
    let bias = cx.float("bias", 1.0);
    // Neighbouring channels are summed by a band matrix.
    let channels = shape[1];
    let (before, after) = ((size - 1) / 2, size - 1 - (size - 1) / 2);
    cx.g.allow(channels.saturating_mul(channels))?;
    let band = (0..channels * channels).map(|at| {
        let (from, to) = (at / channels, at % channels);
        f64::from(u8::from(from + before >= to && from <= to + after))
    });
    let band = Tensor::new(vec![channels; 2], band.collect())
        .map_err(|error| Reason::TensorData(error.to_string()))?;
    let band = cx.g.constant(band)?;
    let squares = cx.g.map(scalar::x() * scalar::x(), x.id)?;
    let last = cx.g.move_last(squares, 1)?;
    let sums = cx.g.mat_mul(last, band)?;
    let sums = cx.g.restore_last(sums, 1)?;
    let base = c(bias) + c(alpha / size as f64) * scalar::x();
    let power = base.pow(c(-beta));
    let factor = cx.g.map(power, sums)?;
    one(x.with(cx.g.mul(x.id, factor)?))
}

/// `x - mean(x)` over axes.
pub(super) fn centre(cx: &mut Cx<'_, '_>, x: NodeId, axes: &[usize]) -> Result<NodeId, Reason> {
    let mean = cx.g.reduce_keep(Reducer::Mean, x, axes)?;
    cx.g.sub(x, mean)
}

/// The `epsilon` of ONNX's normalizations where it is left out.
const EPSILON: f64 = 1e-5;
/// That of onnxruntime's own ones.
pub(super) const EPSILON_CONTRIB: f64 = 1e-12;

/// `1 / sqrt(mean(x^2) + epsilon)` over axes, which stay with extent 1; `epsilon` is what the
/// operator has where the attribute is left out.
pub(super) fn inverse_deviation(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    axes: &[usize],
    epsilon: f64,
) -> Result<NodeId, Reason> {
    let squares = cx.g.map(scalar::x() * scalar::x(), x)?;
    let mean = cx.g.reduce_keep(Reducer::Mean, squares, axes)?;
    let epsilon = cx.float("epsilon", epsilon);
    let root = (scalar::x() + c(epsilon)).sqrt();
    cx.g.map(root.then(UnaryFn::Reciprocal), mean)
}

/// `sqrt(var + epsilon)`.
fn deviation(cx: &mut Cx<'_, '_>, var: NodeId) -> Result<NodeId, Reason> {
    let epsilon = cx.float("epsilon", EPSILON);
    cx.g.map((x() + c(epsilon)).sqrt(), var)
}

/// Multiplies by input `index` and adds the next one, where they exist.
fn scale_and_bias(cx: &mut Cx<'_, '_>, x: NodeId, index: usize) -> Result<NodeId, Reason> {
    let mut y = x;
    if let Some(scale) = cx.optional(index)? {
        y = cx.g.mul(y, scale.id)?;
    }
    if let Some(bias) = cx.optional(index + 1)? {
        y = cx.g.add(y, bias.id)?;
    }
    Ok(y)
}

/// Multiplies by input 1 and adds input 2, one element a channel.
fn channel_scale_and_bias(cx: &mut Cx<'_, '_>, x: NodeId) -> Result<NodeId, Reason> {
    let mut shape = vec![1; cx.g.rank(x)];
    shape[1] = cx.g.shape(x)[1];
    let mut y = x;
    for (index, f) in [(1, BinaryFn::Mul), (2, BinaryFn::Add)] {
        let operand = cx.id(index)?;
        let operand = cx.g.reshape(operand, &shape)?;
        y = cx.g.binary(f, y, operand)?;
    }
    Ok(y)
}
