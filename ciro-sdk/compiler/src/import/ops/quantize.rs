//! Quantized tensors: the integers they hold, as numbers, computed exactly as onnxruntime computes
//! them.

use super::conv::convolution;
use super::elementwise::leaky;
use super::pool;
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, NodeId, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad};
use crate::import::data_type::{DataType, data_type, integer_range};
use crate::import::value::{Binding, Outputs, Value};

pub(super) const OPS: Family = &[
    ("ConvInteger", 10, conv_integer),
    ("DequantizeLinear", 10, dequantize_linear),
    ("DynamicQuantizeLinear", 11, dynamic_quantize_linear),
    ("MatMulInteger", 10, mat_mul_integer),
    ("QLinearConv", 10, q_linear_conv),
    ("QLinearMatMul", 10, q_linear_mat_mul),
    ("QuantizeLinear", 10, quantize_linear),
    ("com.microsoft.ConvInteger", 1, conv_integer),
    ("com.microsoft.DequantizeLinear", 1, dequantize_linear),
    ("com.microsoft.DynamicQuantizeLinear", 1, dynamic_quantize_linear),
    ("com.microsoft.MatMulInteger", 1, mat_mul_integer),
    ("com.microsoft.QGemm", 1, q_gemm),
    ("com.microsoft.QLinearAdd", 1, |cx| q_linear_binary(cx, BinaryFn::Add)),
    ("com.microsoft.QLinearAveragePool", 1, q_linear_average_pool),
    ("com.microsoft.QLinearConcat", 1, q_linear_concat),
    ("com.microsoft.QLinearConv", 1, q_linear_conv),
    ("com.microsoft.QLinearGlobalAveragePool", 1, q_linear_global_average_pool),
    ("com.microsoft.QLinearLeakyRelu", 1, q_linear_leaky_relu),
    ("com.microsoft.QLinearMul", 1, |cx| q_linear_binary(cx, BinaryFn::Mul)),
    ("com.microsoft.QLinearSigmoid", 1, |cx| {
        q_linear_unary(cx, |cx, x| cx.g.unary(UnaryFn::Sigmoid, x))
    }),
    ("com.microsoft.QLinearSoftmax", 1, q_linear_softmax),
    ("com.microsoft.QuantizeLinear", 1, quantize_linear),
];

/// `clamp(round_half_even(x / scale) + zero_point)`.
fn quantize_linear(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let zero = cx.optional(2)?;
    let kind = match (&zero, cx.int("output_dtype", 0)) {
        (Some(zero), _) => zero.kind,
        (None, 0) => DataType::Uint8,
        (None, raw) => data_type(i32::try_from(raw).unwrap_or(0))?,
    };
    let scale = cx.number(1)?.id;
    let scale = spread(cx, scale, x.id)?;
    let zero = match zero {
        Some(zero) => Some(spread(cx, zero.id, x.id)?),
        None => None,
    };
    Context::give(quantize(cx, x.id, scale, zero, kind)?, kind)
}

/// `(x - zero_point) * scale`.
fn dequantize_linear(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let scale = cx.number(1)?;
    let spread_scale = spread(cx, scale.id, x.id)?;
    let mut id = x.id;
    if let Some(zero) = cx.optional(2)? {
        let zero = spread(cx, zero.id, x.id)?;
        id = cx.g.sub(id, zero)?;
    }
    Context::give(cx.g.mul(id, spread_scale)?, scale.kind)
}

/// Quantizes to `uint8` with a scale and zero point that the data decide: three computed outputs.
fn dynamic_quantize_linear(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let axes: Vec<usize> = (0..cx.g.rank(operand.id)).collect();
    let max = cx.g.reduce(Reducer::Max, operand.id, &axes)?;
    let max = cx.g.with(BinaryFn::Max, max, 0.0)?;
    let min = cx.g.reduce(Reducer::Min, operand.id, &axes)?;
    let min = cx.g.with(BinaryFn::Min, min, 0.0)?;
    let range = cx.g.sub(max, min)?;
    let scale = cx.g.map(x() / c(255.0), range)?;
    let lowest = cx.g.div(min, scale)?;
    let zero = cx.g.map((c(0.0) - x()).clip(0.0, 255.0).round(), lowest)?;
    let y = quantize(cx, operand.id, scale, Some(zero), DataType::Uint8)?;
    Ok([
        Value::new(y, DataType::Uint8),
        Value::new(scale, DataType::Float),
        Value::new(zero, DataType::Uint8),
    ]
    .map(Binding::Tensor)
    .to_vec())
}

/// Product of integer matrices less their zero points.
fn mat_mul_integer(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?.id;
    let a = less_zero(cx, a, 2, true)?;
    let b = cx.number(1)?.id;
    let b = less_zero(cx, b, 3, false)?;
    Context::give(cx.g.mat_mul(a, b)?, DataType::Int32)
}

/// Convolution of integers less their zero points.
fn conv_integer(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut x = cx.number(0)?.id;
    if let Some(zero) = cx.optional(2)? {
        x = cx.g.sub(x, zero.id)?;
    }
    let w = cx.number(1)?.id;
    let w = less_channel_zero(cx, w, 3)?;
    Context::give(convolution(cx, x, w, None)?, DataType::Int32)
}

/// `QLinearMatMul`: product, then requantized.
fn q_linear_mat_mul(cx: &mut Cx<'_, '_>) -> Outputs {
    let a = cx.number(0)?.id;
    let a = less_zero(cx, a, 2, true)?;
    let b = cx.number(3)?.id;
    let b = less_zero(cx, b, 5, false)?;
    let product = cx.g.mat_mul(a, b)?;
    let [a_scale, b_scale] = [row_scale(cx, 1)?, cx.id(4)?];
    let factor = cx.g.mul(a_scale, b_scale)?;
    requantize(cx, product, factor, (6, 7))
}

/// `QLinearConv`: convolution with an integer bias, then requantized.
fn q_linear_conv(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?.id;
    let zero = cx.id(2)?;
    let x = cx.g.sub(x, zero)?;
    let w = cx.number(3)?.id;
    let w = less_channel_zero(cx, w, 5)?;
    let bias = cx.optional(8)?.map(|bias| bias.id);
    let sum = convolution(cx, x, w, bias)?;
    let (x_scale, w_scale) = (cx.id(1)?, cx.id(4)?);
    let w_scale = along_axis(cx, w_scale, cx.g.rank(sum), 1)?;
    let factor = cx.g.mul(x_scale, w_scale)?;
    requantize(cx, sum, factor, (6, 7))
}

/// `com.microsoft.QGemm`: product with an integer bias, then requantized if there is an output
/// scale.
fn q_gemm(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut a = cx.number(0)?.id;
    let zero = cx.id(2)?;
    a = cx.g.sub(a, zero)?;
    let mut b = cx.number(3)?.id;
    if cx.flag("transA", false) {
        a = cx.g.swap_matrix(a)?;
    }
    if cx.flag("transB", false) {
        b = cx.g.swap_matrix(b)?;
    }
    b = less_zero(cx, b, 5, false)?;
    let mut sum = cx.g.mat_mul(a, b)?;
    let alpha = cx.float("alpha", 1.0);
    if let Some(bias) = cx.optional(6)? {
        sum = cx.g.add(sum, bias.id)?;
    }
    let (a_scale, b_scale) = (cx.id(1)?, cx.id(4)?);
    let factor = cx.g.mul(a_scale, b_scale)?;
    let factor = cx.g.with(BinaryFn::Mul, factor, alpha)?;
    if cx.has(7) {
        return requantize(cx, sum, factor, (7, 8));
    }
    Context::give(cx.g.mul(sum, factor)?, DataType::Float)
}

/// `com.microsoft.QLinearAdd` and `QLinearMul`.
fn q_linear_binary(cx: &mut Cx<'_, '_>, f: BinaryFn) -> Outputs {
    let a = dequantized(cx, 0)?;
    let b = dequantized(cx, 3)?;
    let result = cx.g.binary(f, a, b)?;
    requantized(cx, result, (6, 7))
}

/// Quantized operators of one operand: `x, x_scale, x_zero_point, y_scale, y_zero_point`.
fn q_linear_unary(
    cx: &mut Cx<'_, '_>,
    f: impl Fn(&mut Cx<'_, '_>, NodeId) -> Result<NodeId, Reason>,
) -> Outputs {
    let x = dequantized(cx, 0)?;
    let y = f(cx, x)?;
    requantized(cx, y, (3, 4))
}

fn q_linear_average_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    q_linear_unary(cx, |cx, x| {
        let windows = pool::windows(cx, x, 0.0)?;
        pool::average(cx, x, &windows)
    })
}

fn q_linear_global_average_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    q_linear_unary(cx, |cx, x| {
        let axes: Vec<usize> = (2..cx.g.rank(x)).collect();
        cx.g.reduce_keep(Reducer::Mean, x, &axes)
    })
}

fn q_linear_leaky_relu(cx: &mut Cx<'_, '_>) -> Outputs {
    q_linear_unary(cx, |cx, x| {
        let f = leaky(cx.float("alpha", 0.01));
        cx.g.map(f, x)
    })
}

/// `com.microsoft.QLinearSoftmax`: `x, x_scale, x_zero_point, y_scale, y_zero_point`.
fn q_linear_softmax(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = dequantized(cx, 0)?;
    let shape = cx.g.shape(x).to_vec();
    let axis = cx.axis(-1, shape.len())?;
    // Before opset 13 the axes from `axis` on were one.
    let y = if cx.int("opset", 13) < 13 {
        let (outer, inner) = shape.split_at(axis);
        let flat = cx.g.reshape(x, &[outer.iter().product(), inner.iter().product()])?;
        let y = cx.g.softmax(flat, 1)?;
        cx.g.reshape(y, &shape)?
    } else {
        cx.g.softmax(x, axis)?
    };
    requantized(cx, y, (3, 4))
}

/// `com.microsoft.QLinearConcat`: `y_scale, y_zero_point`, then a tensor, a scale and a zero point
/// each.
fn q_linear_concat(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut parts = Vec::new();
    let mut index = 2;
    while cx.has(index) {
        parts.push(dequantized(cx, index)?);
        index += 3;
    }
    let first = *parts.first().ok_or(Reason::MissingInput(2))?;
    let axis = cx.axis(0, cx.g.rank(first))?;
    let joined = cx.g.concat(axis, &parts)?;
    requantized(cx, joined, (0, 1))
}

/// Input `index` less its zero point, times its scale; the next two inputs are those.
fn dequantized(cx: &mut Cx<'_, '_>, index: usize) -> Result<NodeId, Reason> {
    let mut x = cx.number(index)?.id;
    let scale = cx.id(index + 1)?;
    if let Some(zero) = cx.optional(index + 2)? {
        x = cx.g.sub(x, zero.id)?;
    }
    cx.g.mul(x, scale)
}

/// Real numbers quantized with the scale and zero point of two inputs.
fn requantized(cx: &mut Cx<'_, '_>, x: NodeId, (scale, zero): (usize, usize)) -> Outputs {
    let kind = cx.optional(zero)?.map_or(cx.tensor(0)?.kind, |zero| zero.kind);
    let scale = cx.id(scale)?;
    let zero = cx.optional(zero)?.map(|zero| zero.id);
    Context::give(quantize(cx, x, scale, zero, kind)?, kind)
}

/// Integers times `factor / y_scale`, rounded, with the scale and zero point of two inputs.
fn requantize(
    cx: &mut Cx<'_, '_>,
    sum: NodeId,
    factor: NodeId,
    (scale, zero): (usize, usize),
) -> Outputs {
    let zero = cx.number(zero)?;
    let scale = row_scale(cx, scale)?;
    let ratio = cx.g.div(scale, factor)?;
    Context::give(quantize(cx, sum, ratio, Some(zero.id), zero.kind)?, zero.kind)
}

/// `clamp(round_half_even(x / scale) + zero_point, low, high)`, one function where scale and zero
/// point are one number.
fn quantize(
    cx: &mut Cx<'_, '_>,
    operand: NodeId,
    scale: NodeId,
    zero: Option<NodeId>,
    kind: DataType,
) -> Result<NodeId, Reason> {
    let (low, high) = integer_range(kind)
        .ok_or_else(|| Reason::ElementType(kind.as_str_name().to_lowercase()))?;
    let zero = match zero {
        Some(zero) => zero,
        None => cx.g.scalar(0.0)?,
    };
    if let (Some(scale), Some(zero)) = (cx.g.uniform(scale), cx.g.uniform(zero)) {
        let rounded = (x() / c(scale)).round();
        return cx.g.map((rounded + c(zero)).clip(low, high), operand);
    }
    let scaled = cx.g.div(operand, scale)?;
    let rounded = cx.g.unary(UnaryFn::Round, scaled)?;
    let shifted = cx.g.add(rounded, zero)?;
    cx.g.map(x().clip(low, high), shifted)
}

/// A scale or zero point in the shape that broadcasts against `x`: for all, along an axis, or for
/// blocks of one.
fn spread(cx: &mut Cx<'_, '_>, parameter: NodeId, x: NodeId) -> Result<NodeId, Reason> {
    let (shape, to) = (cx.g.shape(parameter).to_vec(), cx.g.shape(x).to_vec());
    if shape.iter().product::<usize>() == 1 {
        return cx.g.reshape(parameter, &[]);
    }
    let axis = cx.axis(1, to.len())?;
    if shape.len() == 1 {
        return along_axis(cx, parameter, to.len(), axis);
    }
    let block = usize::try_from(cx.int("block_size", 0)).unwrap_or(0);
    if block == 0 || shape.len() != to.len() || shape[axis].saturating_mul(block) < to[axis] {
        return Err(cx.g.misfit("the scales do not fit the blocks", &[x, parameter]));
    }
    let positions: Result<Vec<u32>, _> =
        (0..to[axis]).map(|at| u32::try_from(at / block)).collect();
    let positions = positions.map_err(|_| bad("block_size", "is too small"))?;
    cx.g.select(parameter, axis, positions)
}

/// A vector laid along an axis of a tensor of the given rank; a single number stays one.
fn along_axis(
    cx: &mut Cx<'_, '_>,
    vector: NodeId,
    rank: usize,
    axis: usize,
) -> Result<NodeId, Reason> {
    let count: usize = cx.g.shape(vector).iter().product();
    let mut shape = vec![1; rank.saturating_sub(axis)];
    // A tensor without this axis takes a single number alone; the reshape refuses any other vector.
    if let Some(extent) = shape.first_mut() {
        *extent = count;
    }
    cx.g.reshape(vector, &shape)
}

/// A matrix operand less its zero point, one for all or one for each row (`a`) or column (`b`).
fn less_zero(cx: &mut Cx<'_, '_>, x: NodeId, index: usize, rows: bool) -> Result<NodeId, Reason> {
    let Some(zero) = cx.optional(index)? else { return Ok(x) };
    let mut zero = zero.id;
    if rows && cx.g.rank(zero) == 1 && cx.g.shape(zero) != [1] {
        zero = cx.g.unsqueeze(zero, 1)?;
    }
    cx.g.sub(x, zero)
}

/// A scale, as a column where there is one for each row.
fn row_scale(cx: &mut Cx<'_, '_>, index: usize) -> Result<NodeId, Reason> {
    let scale = cx.id(index)?;
    if cx.g.rank(scale) == 1 && cx.g.shape(scale) != [1] && cx.node.op_type == "QLinearMatMul" {
        return cx.g.unsqueeze(scale, 1);
    }
    if cx.g.shape(scale) == [1] { cx.g.reshape(scale, &[]) } else { Ok(scale) }
}

/// Weights `[O, ..]` less a zero point for all or for each output channel.
fn less_channel_zero(cx: &mut Cx<'_, '_>, w: NodeId, index: usize) -> Result<NodeId, Reason> {
    let Some(zero) = cx.optional(index)? else { return Ok(w) };
    let rank = cx.g.rank(w);
    let zero = along_axis(cx, zero.id, rank, 0)?;
    cx.g.sub(w, zero)
}
