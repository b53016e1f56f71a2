//! Pooling: windows, then a reduction over each.

use super::spatial::Spatial;
use crate::float::{BinaryFn, Movement, NodeId, Op, Reducer, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::value::{Binding, Outputs, Value, one};
use ciro_model::movement::Windows;
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("AveragePool", 1, average_pool),
    ("GlobalAveragePool", 1, |cx| global(cx, Reducer::Mean)),
    ("GlobalLpPool", 1, global_lp_pool),
    ("GlobalMaxPool", 1, |cx| global(cx, Reducer::Max)),
    ("LpPool", 1, lp_pool),
    ("MaxPool", 1, max_pool),
    ("MaxUnpool", 9, max_unpool),
];

/// The greatest element of every window, and where it is.
fn max_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let windows = windows(cx, x.id, f64::NEG_INFINITY)?;
    let split = cx.g.push(Op::Move(Movement::Windows(windows.clone())), &[x.id])?;
    let max = cx.g.push(Op::Reduce(Reducer::Max), &[split])?;
    let mut outputs = vec![Binding::Tensor(x.with(max))];
    if cx.node.output.get(1).is_some_and(|name| !name.is_empty()) {
        let at = positions(cx, x.id, &windows, split)?;
        outputs.push(Binding::Tensor(Value::new(at, DataType::Int64)));
    }
    Ok(outputs)
}

/// The mean of every window; padding counts or does not.
fn average_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let windows = windows(cx, x.id, 0.0)?;
    one(x.with(average(cx, x.id, &windows)?))
}

/// The mean of every window of `x`.
pub(super) fn average(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    windows: &Windows<f64>,
) -> Result<NodeId, Reason> {
    let spatial = cx.g.shape(x)[2..].to_vec();
    let split = cx.g.push(Op::Move(Movement::Windows(windows.clone())), &[x])?;
    let shape = cx.g.shape(split).to_vec();
    let counts =
        counts(windows, &spatial, &shape[2..shape.len() - 1], cx.flag("count_include_pad", false));
    let full = windows.window_len() as f64;
    #[expect(clippy::float_cmp, reason = "counts are small integers")]
    if counts.data().iter().all(|&count| count == full) {
        return cx.g.push(Op::Reduce(Reducer::Mean), &[split]);
    }
    let sum = cx.g.push(Op::Reduce(Reducer::Sum), &[split])?;
    let weights = cx.g.constant(counts.map(|count| count.max(1.0).recip()))?;
    cx.g.mul(sum, weights)
}

/// The p-norm of every window.
fn lp_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let power = power(cx)?;
    let windows = windows(cx, x.id, 0.0)?;
    let split = cx.g.push(Op::Move(Movement::Windows(windows)), &[x.id])?;
    one(x.with(norm(cx, split, power)?))
}

/// A reduction over all spatial axes, which stay with extent 1.
fn global(cx: &mut Cx<'_, '_>, reducer: Reducer) -> Outputs {
    let x = cx.number(0)?;
    let axes: Vec<usize> = (2..cx.g.rank(x.id)).collect();
    one(x.with(cx.g.reduce_keep(reducer, x.id, &axes)?))
}

/// The p-norm over all spatial axes.
fn global_lp_pool(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let power = power(cx)?;
    let shape = cx.g.shape(x.id).to_vec();
    if shape.len() < 2 {
        return Err(cx.g.misfit("pooling needs [N, C, spatial..]", &[x.id]).into());
    }
    let flat = cx.g.reshape(x.id, &[shape[0], shape[1], shape[2..].iter().product()])?;
    let norm = norm(cx, flat, power)?;
    let mut kept = shape[..2].to_vec();
    kept.resize(shape.len(), 1);
    one(x.with(cx.g.reshape(norm, &kept)?))
}

/// Puts every element where `MaxPool` took it from, zeros elsewhere.
fn max_unpool(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, at) = (cx.number(0)?, cx.number(1)?);
    let shape = cx.g.shape(x.id).to_vec();
    if shape.len() < 3 || cx.g.shape(at.id) != shape {
        return Err(cx.g.misfit("unpooling needs [N, C, spatial..] twice", &[x.id, at.id]).into());
    }
    let kernel = cx.counts("kernel_shape", shape.len() - 2, 1)?;
    let spatial = Spatial::read(cx, &kernel)?;
    let mut inner = shape[..2].to_vec();
    for (axis, &(begin, end)) in spatial.pads.iter().enumerate() {
        let extent = (shape[axis + 2].saturating_sub(1))
            .saturating_mul(spatial.strides[axis])
            .saturating_add(spatial.kernel[axis]);
        let extent = i64::try_from(extent).ok().and_then(|e| usize::try_from(e - begin - end).ok());
        inner.push(extent.ok_or_else(|| bad("pads", "takes away more than there is"))?);
    }
    let outer = if cx.has(2) { cx.const_ints(2)? } else { Vec::new() };
    let outer: Vec<usize> = match outer.is_empty() {
        true => inner.clone(),
        false => outer.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect(),
    };
    if outer.len() != inner.len() || outer.iter().zip(&inner).any(|(outer, inner)| outer < inner) {
        return Err(Reason::Unsupported("the output shape is smaller than the unpooled one").into());
    }
    let size = inner.iter().product();
    let count: usize = shape.iter().product();
    let (values, at) = (cx.g.reshape(x.id, &[1, count])?, cx.g.reshape(at.id, &[count])?);
    let hot = cx.g.one_hot(at, size)?;
    let flat = cx.g.mat_mul(values, hot)?;
    let unpooled = cx.g.reshape(flat, &inner)?;
    let pads = outer.iter().zip(&inner).map(|(outer, inner)| (0, outer - inner)).collect();
    one(x.with(cx.g.pad(unpooled, pads, 0.0)?))
}

/// The windows of the node at hand over `x: [N, C, spatial..]`.
pub(super) fn windows(cx: &Cx<'_, '_>, x: NodeId, fill: f64) -> Result<Windows<f64>, Reason> {
    let shape = cx.g.shape(x);
    if shape.len() < 3 {
        return Err(cx.g.misfit("pooling needs [N, C, spatial..]", &[x]));
    }
    let axes = shape.len() - 2;
    if cx.ints("kernel_shape").is_none() {
        return Err(bad("kernel_shape", "is missing"));
    }
    let kernel = cx.counts("kernel_shape", axes, 1)?;
    let mut spatial = Spatial::read(cx, &kernel)?;
    spatial.settle(&shape[2..])?;
    let pads = spatial.counts()?;
    Ok(Windows {
        kernel: spatial.kernel,
        strides: spatial.strides,
        dilations: spatial.dilations,
        pads,
        ceil_mode: cx.flag("ceil_mode", false),
        fill,
    })
}

/// `(sum |x|^p)^(1/p)` over the last axis.
fn norm(cx: &mut Cx<'_, '_>, x: NodeId, power: f64) -> Result<NodeId, Reason> {
    let magnitude = cx.g.unary(UnaryFn::Abs, x)?;
    let powers = cx.g.with(BinaryFn::Pow, magnitude, power)?;
    let sum = cx.g.push(Op::Reduce(Reducer::Sum), &[powers])?;
    cx.g.with(BinaryFn::Pow, sum, power.recip())
}

/// The exponent of a norm; it was a float before opset 2.
fn power(cx: &Cx<'_, '_>) -> Result<f64, Reason> {
    let power = match cx.attribute("p") {
        None => 2.0,
        Some(p) if p.i != 0 => p.i as f64,
        Some(p) => f64::from(p.f),
    };
    if power > 0.0 { Ok(power) } else { Err(bad("p", "must be positive")) }
}

/// How many elements of each window count, `[1, 1, out..]`.
fn counts(
    windows: &Windows<f64>,
    spatial: &[usize],
    out: &[usize],
    include_pads: bool,
) -> Tensor<f64> {
    let along = |axis: usize| -> Vec<f64> {
        let (begin, end) = windows.pads[axis];
        let inside = match include_pads {
            true => 0..begin + spatial[axis] + end,
            false => begin..begin + spatial[axis],
        };
        let taps =
            |at: usize| (0..windows.kernel[axis]).map(move |t| at + t * windows.dilations[axis]);
        let starts = (0..out[axis]).map(|at| at * windows.strides[axis]);
        starts.map(|at| taps(at).filter(|tap| inside.contains(tap)).count() as f64).collect()
    };
    let mut counts = vec![1.0];
    for axis in 0..out.len() {
        let along = along(axis);
        counts = counts.iter().flat_map(|a| along.iter().map(move |b| a * b)).collect();
    }
    let shape = [&[1, 1], out].concat();
    Tensor::new(shape, counts).expect("one count for each output position")
}

/// The flat position in `x` of the greatest element of each window.
fn positions(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    windows: &Windows<f64>,
    split: NodeId,
) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(x).to_vec();
    let mut flat: Vec<f64> = (0..shape.iter().product::<usize>()).map(|i| i as f64).collect();
    if cx.int("storage_order", 0) == 1 {
        flat = column_major(&shape);
    }
    let flat = cx.g.constant(Tensor::new(shape, flat).expect("one number for each element"))?;
    let numbered = Windows { fill: 0.0, ..windows.clone() };
    let numbers = cx.g.push(Op::Move(Movement::Windows(numbered)), &[flat])?;
    let best = cx.g.push(Op::Reduce(Reducer::ArgMax), &[split])?;
    let hot = cx.g.one_hot(best, windows.window_len())?;
    let chosen = cx.g.mul(hot, numbers)?;
    cx.g.push(Op::Reduce(Reducer::Sum), &[chosen])
}

/// For each element in row-major order, its number if the spatial axes were counted in column-major
/// order.
fn column_major(shape: &[usize]) -> Vec<f64> {
    let spatial = &shape[2..];
    let plane: usize = spatial.iter().product();
    let number = |mut index: usize| {
        let mut number = 0;
        let mut weight = plane;
        for &extent in spatial.iter().rev() {
            weight /= extent.max(1);
            number += (index % extent) * weight;
            index /= extent;
        }
        number
    };
    let planes = 0..shape[0] * shape[1];
    planes.flat_map(|p| (0..plane).map(move |i| (p * plane + number(i)) as f64)).collect()
}
