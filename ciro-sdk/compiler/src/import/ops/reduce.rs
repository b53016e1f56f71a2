//! Reductions over any axes.

use crate::float::scalar::{self, x};
use crate::float::{BinaryFn, NodeId, Op, Reducer, ScalarFn, UnaryFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family};
use crate::import::data_type::{DataType, is_float};
use crate::import::value::{Outputs, Value, one};

pub(super) const OPS: Family = &[
    ("ArgMax", 1, |cx| arg(cx, Reducer::ArgMax)),
    ("ArgMin", 1, |cx| arg(cx, Reducer::ArgMin)),
    ("CumProd", 26, cum_prod),
    ("CumSum", 11, cum_sum),
    ("Hardmax", 1, hardmax),
    ("LogSoftmax", 1, log_softmax),
    ("ReduceL1", 1, |cx| reduce(cx, L1)),
    ("ReduceL2", 1, |cx| reduce(cx, L2)),
    ("ReduceLogSum", 1, |cx| reduce(cx, LOG_SUM)),
    ("ReduceLogSumExp", 1, log_sum_exp),
    ("ReduceMax", 1, |cx| reduce(cx, MAX)),
    ("ReduceMean", 1, |cx| reduce(cx, MEAN)),
    ("ReduceMin", 1, |cx| reduce(cx, MIN)),
    ("ReduceProd", 1, |cx| reduce(cx, PROD)),
    ("ReduceSum", 1, |cx| reduce(cx, SUM)),
    ("ReduceSumSquare", 1, |cx| reduce(cx, SUM_SQUARE)),
    ("Softmax", 1, softmax),
    ("TopK", 1, top_k),
];

/// What is done before a reduction, the reduction, and what is done after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    before: Option<fn() -> ScalarFn>,
    reducer: Reducer,
    after: Option<UnaryFn>,
}

pub(super) const SUM: Kind = Kind { before: None, reducer: Reducer::Sum, after: None };
pub(super) const MEAN: Kind = Kind { reducer: Reducer::Mean, ..SUM };
pub(super) const PROD: Kind = Kind { reducer: Reducer::Prod, ..SUM };
pub(super) const MAX: Kind = Kind { reducer: Reducer::Max, ..SUM };
pub(super) const MIN: Kind = Kind { reducer: Reducer::Min, ..SUM };
pub(super) const L1: Kind = Kind { before: Some(|| ScalarFn::unary(UnaryFn::Abs)), ..SUM };
pub(super) const SUM_SQUARE: Kind = Kind { before: Some(|| x() * x()), ..SUM };
pub(super) const L2: Kind = Kind { after: Some(UnaryFn::Sqrt), ..SUM_SQUARE };
pub(super) const LOG_SUM: Kind = Kind { after: Some(UnaryFn::Log), ..SUM };

/// A reduction over `axes`: an attribute at first, an input since opset 13 (`ReduceSum`) or 18.
fn reduce(cx: &mut Cx<'_, '_>, kind: Kind) -> Outputs {
    let operand = cx.number(0)?;
    let Some(axes) = axes(cx)? else {
        // No axes and `noop_with_empty_axes`: each element is reduced alone.
        let mut id = operand.id;
        if let Some(before) = kind.before {
            id = cx.g.map(before(), id)?;
        }
        return one(operand.with(after(cx, kind, id)?));
    };
    let mut id = operand.id;
    if let Some(before) = kind.before {
        id = cx.g.map(before(), id)?;
    }
    let empty = axes.iter().any(|&axis| cx.g.shape(id)[axis] == 0);
    let reduced = match (kind.reducer, empty) {
        (Reducer::Max, true) if operand.kind == DataType::Bool => constant(cx, id, &axes, 0.0)?,
        (Reducer::Min, true) if operand.kind == DataType::Bool => constant(cx, id, &axes, 1.0)?,
        (Reducer::Max, true) => constant(cx, id, &axes, f64::NEG_INFINITY)?,
        (Reducer::Min, true) => constant(cx, id, &axes, f64::INFINITY)?,
        _ => keep_or_not(cx, kind.reducer, id, &axes)?,
    };
    one(operand.with(after(cx, kind, reduced)?))
}

/// `log(sum(exp(x)))`.
fn log_sum_exp(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let Some(axes) = axes(cx)? else {
        return one(operand);
    };
    if axes.iter().any(|&axis| cx.g.shape(operand.id)[axis] == 0) {
        return one(operand.with(constant(cx, operand.id, &axes, f64::NEG_INFINITY)?));
    }
    one(operand.with(keep_or_not(cx, Reducer::LogSumExp, operand.id, &axes)?))
}

/// The lowest (or, if asked, highest) position of the greatest or least element.
fn arg(cx: &mut Cx<'_, '_>, reducer: Reducer) -> Outputs {
    let operand = cx.number(0)?;
    let axis = cx.axis(0, cx.g.rank(operand.id))?;
    let keep = cx.flag("keepdims", true);
    let last = cx.flag("select_last_index", false);
    let extent = cx.g.shape(operand.id)[axis];
    let mut id = operand.id;
    if last {
        id = reverse(cx, id, axis)?;
    }
    id = if keep {
        cx.g.reduce_keep(reducer, id, &[axis])?
    } else {
        cx.g.reduce(reducer, id, &[axis])?
    };
    if last {
        let top = cx.g.scalar(extent as f64 - 1.0)?;
        id = cx.g.sub(top, id)?;
    }
    Context::give(id, DataType::Int64)
}

/// Softmax along an axis; before opset 13 over all axes from `axis` on.
fn softmax(cx: &mut Cx<'_, '_>) -> Outputs {
    along_axis(cx, |cx, x, axis| cx.g.softmax(x, axis))
}

/// `x - log(sum(exp(x)))`.
fn log_softmax(cx: &mut Cx<'_, '_>) -> Outputs {
    along_axis(cx, |cx, x, axis| cx.g.log_softmax(x, axis))
}

/// 1 at the first greatest element, 0 elsewhere.
fn hardmax(cx: &mut Cx<'_, '_>) -> Outputs {
    along_axis(cx, |cx, x, axis| {
        let extent = cx.g.shape(x)[axis];
        let best = cx.g.reduce(Reducer::ArgMax, x, &[axis])?;
        let hot = cx.g.one_hot(best, extent)?;
        cx.g.restore_last(hot, axis)
    })
}

/// An operator along `axis`, or before opset 13 on the tensor flattened to two axes there.
fn along_axis(
    cx: &mut Cx<'_, '_>,
    f: impl Fn(&mut Cx<'_, '_>, NodeId, usize) -> Result<NodeId, Reason>,
) -> Outputs {
    let operand = cx.number(0)?;
    let shape = cx.g.shape(operand.id).to_vec();
    if shape.is_empty() {
        return Err(cx.g.misfit("the operator needs an axis", &[operand.id]).into());
    }
    if cx.opset >= 13 {
        let axis = cx.axis(-1, shape.len())?;
        return one(operand.with(f(cx, operand.id, axis)?));
    }
    let axis = cx.axis(1, shape.len())?;
    let (outer, inner) = shape.split_at(axis);
    let flat = cx.g.reshape(operand.id, &[outer.iter().product(), inner.iter().product()])?;
    let result = f(cx, flat, 1)?;
    one(operand.with(cx.g.reshape(result, &shape)?))
}

/// Running sums along an axis: a product with a triangular matrix.
fn cum_sum(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let (axis, extent, includes) = running(cx, &operand)?;
    cx.g.allow(extent.saturating_mul(extent))?;
    let mut matrix = vec![0.0; extent * extent];
    for from in 0..extent {
        for to in 0..extent {
            matrix[from * extent + to] = f64::from(u8::from(includes(from, to)));
        }
    }
    let matrix = ciro_model::tensor::Tensor::new(vec![extent; 2], matrix)
        .map_err(|error| Reason::TensorData(error.to_string()))?;
    let matrix = cx.g.constant(matrix)?;
    let last = cx.g.move_last(operand.id, axis)?;
    let sums = cx.g.mat_mul(last, matrix)?;
    one(operand.with(cx.g.restore_last(sums, axis)?))
}

/// Running products along an axis, position after position.
fn cum_prod(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let (axis, extent, includes) = running(cx, &operand)?;
    let mut parts = Vec::with_capacity(extent);
    for to in 0..extent {
        let mut shape = cx.g.shape(operand.id).to_vec();
        shape[axis] = 1;
        let mut product = cx.g.full(&shape, 1.0)?;
        for from in (0..extent).filter(|&from| includes(from, to)) {
            let factor = cx.g.slice(operand.id, axis, from, 1)?;
            product = cx.g.mul(product, factor)?;
        }
        parts.push(product);
    }
    one(operand.with(cx.g.concat(axis, &parts)?))
}

/// Axis and extent of a running operator, and which positions each result takes in.
fn running(
    cx: &Cx<'_, '_>,
    operand: &Value,
) -> Result<(usize, usize, impl Fn(usize, usize) -> bool + use<>), Reason> {
    let axis = crate::import::context::axis_of(cx.const_int(1)?, cx.g.rank(operand.id))?;
    let (exclusive, reverse) = (cx.flag("exclusive", false), cx.flag("reverse", false));
    let includes = move |from: usize, to: usize| match (from.cmp(&to), reverse) {
        (std::cmp::Ordering::Equal, _) => !exclusive,
        (order, false) => order.is_lt(),
        (order, true) => order.is_gt(),
    };
    Ok((axis, cx.g.shape(operand.id)[axis], includes))
}

/// The `k` greatest or least elements along an axis, in order, ties by position.
///
/// The rank of an element is the number of elements before it; the result at place `p` is the sum
/// of elements of rank `p`.
fn top_k(cx: &mut Cx<'_, '_>) -> Outputs {
    let operand = cx.number(0)?;
    let axis = cx.axis(-1, cx.g.rank(operand.id))?;
    let k = if cx.opset < 10 { cx.int("k", 0) } else { cx.const_int(1)? };
    let last = cx.g.move_last(operand.id, axis)?;
    let extent = cx.g.shape(operand.id)[axis];
    let k = usize::try_from(k).ok().filter(|&k| k <= extent);
    let k = k.ok_or(Reason::Unsupported("`k` is not between 0 and the extent of the axis"))?;
    let largest = cx.opset < 11 || cx.flag("largest", true);
    let (values, indices) = match extent > LONG && k * FEW <= extent {
        true => repeated_top(cx, last, k, largest)?,
        false => sorted_top(cx, last, k, largest)?,
    };
    let values = cx.g.restore_last(values, axis)?;
    let indices = cx.g.restore_last(indices, axis)?;
    Ok([operand.with(values), Value::new(indices, DataType::Int64)]
        .map(crate::import::value::Binding::Tensor)
        .to_vec())
}

/// Few elements of a longer axis are found one after the other: comparing all with all takes its
/// square.
const LONG: usize = 256;
/// Elements are few if there are this many times more.
const FEW: usize = 8;

/// Values and positions of the first `k` of the last axis: the greatest, the greatest of the
/// others, and so on.
fn repeated_top(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    k: usize,
    largest: bool,
) -> Result<(NodeId, NodeId), Reason> {
    let shape = cx.g.shape(x).to_vec();
    let (extent, axis) = (shape.last().copied().unwrap_or(1), shape.len() - 1);
    cx.g.allow(extent.saturating_mul(k))?;
    let scores = if largest { x } else { cx.g.unary(UnaryFn::Neg, x)? };
    let hidden = cx.g.scalar(f64::NEG_INFINITY)?;
    let hidden = cx.g.expand(hidden, &shape)?;
    let mut taken: Option<NodeId> = None;
    let (mut values, mut indices) = (vec![], vec![]);
    for _ in 0..k {
        let left = match taken {
            Some(taken) => cx.g.push(Op::Where, &[taken, hidden, scores])?,
            None => scores,
        };
        let value = cx.g.reduce(Reducer::Max, left, &[axis])?;
        let index = cx.g.reduce(Reducer::ArgMax, left, &[axis])?;
        let place = cx.g.one_hot(index, extent)?;
        taken = Some(match taken {
            Some(taken) => cx.g.binary(BinaryFn::Or, taken, place)?,
            None => place,
        });
        let value = if largest { value } else { cx.g.unary(UnaryFn::Neg, value)? };
        values.push(cx.g.unsqueeze(value, axis)?);
        indices.push(cx.g.unsqueeze(index, axis)?);
    }
    Ok((cx.g.concat(axis, &values)?, cx.g.concat(axis, &indices)?))
}

/// Values and positions of the first `k` of the last axis in order.
fn sorted_top(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    k: usize,
    largest: bool,
) -> Result<(NodeId, NodeId), Reason> {
    let shape = cx.g.shape(x).to_vec();
    let extent = shape.last().copied().unwrap_or(1);
    let wide = [shape.as_slice(), &[extent]].concat();
    cx.g.allow(extent.saturating_mul(extent))?;
    let rows = cx.g.unsqueeze(x, shape.len())?;
    let rows = cx.g.expand(rows, &wide)?;
    let columns = cx.g.unsqueeze(x, shape.len() - 1)?;
    let columns = cx.g.expand(columns, &wide)?;
    // `before[.., i, j]`: element j comes before element i.
    let beats = if largest { BinaryFn::Greater } else { BinaryFn::Less };
    let strictly = cx.g.binary(beats, columns, rows)?;
    let equal = cx.g.binary(BinaryFn::Equal, columns, rows)?;
    let earlier = (0..extent * extent).map(|at| f64::from(u8::from(at % extent < at / extent)));
    let earlier = ciro_model::tensor::Tensor::new(vec![extent; 2], earlier.collect())
        .map_err(|error| Reason::TensorData(error.to_string()))?;
    let earlier = cx.g.constant(earlier)?;
    let tied = cx.g.mul(equal, earlier)?;
    let before = cx.g.add(strictly, tied)?;
    let rank = cx.g.reduce(Reducer::Sum, before, &[shape.len()])?;
    // `place[.., i, p]`: element i has rank p.
    let place = cx.g.one_hot(rank, k)?;
    let place = cx.g.swap_matrix(place)?;
    let column = cx.g.unsqueeze(x, shape.len())?;
    let values = cx.g.mat_mul(place, column)?;
    let values = cx.g.squeeze(values, shape.len())?;
    let positions = cx.g.iota(extent)?;
    let indices = cx.g.mat_mul(place, positions)?;
    // One element has each rank, so that the sum is a position, which interval analysis does not
    // see.
    let position = scalar::x().round();
    let inside = position.clip(0.0, extent.saturating_sub(1) as f64);
    let indices = cx.g.map(inside, indices)?;
    Ok((values, indices))
}

fn reverse(cx: &mut Cx<'_, '_>, x: NodeId, axis: usize) -> Result<NodeId, Reason> {
    let extent = cx.g.shape(x)[axis];
    let reversed: Result<Vec<u32>, _> = (0..extent).rev().map(u32::try_from).collect();
    let reversed = reversed.map_err(|_| cx.g.misfit("an axis is below 2^32", &[x]))?;
    cx.g.select(x, axis, reversed)
}

/// The axes of the node; `None` if it has none and is then an identity.
fn axes(cx: &Cx<'_, '_>) -> Result<Option<Vec<usize>>, Reason> {
    let rank = cx.rank(0)?;
    let axes = cx.axes(1, rank)?.filter(|axes| !axes.is_empty());
    Ok(match axes {
        Some(axes) => Some(axes),
        None if cx.flag("noop_with_empty_axes", false) => None,
        None => Some((0..rank).collect()),
    })
}

fn keep_or_not(
    cx: &mut Cx<'_, '_>,
    reducer: Reducer,
    x: NodeId,
    axes: &[usize],
) -> Result<NodeId, Reason> {
    if cx.flag("keepdims", true) {
        cx.g.reduce_keep(reducer, x, axes)
    } else {
        cx.g.reduce(reducer, x, axes)
    }
}

/// The result of a reduction over no elements.
fn constant(cx: &mut Cx<'_, '_>, x: NodeId, axes: &[usize], value: f64) -> Result<NodeId, Reason> {
    let keep = cx.flag("keepdims", true);
    let kept = cx.g.shape(x).iter().enumerate().filter_map(|(axis, &extent)| {
        match (axes.contains(&axis), keep) {
            (false, _) => Some(extent),
            (true, true) => Some(1),
            (true, false) => None,
        }
    });
    let shape: Vec<usize> = kept.collect();
    cx.g.full(&shape, value)
}

fn after(cx: &mut Cx<'_, '_>, kind: Kind, x: NodeId) -> Result<NodeId, Reason> {
    let mean_of_integers =
        kind.reducer == Reducer::Mean && cx.tensor(0).is_ok_and(|value| !is_float(value.kind));
    match kind.after {
        Some(f) => cx.g.unary(f, x),
        None if mean_of_integers => cx.g.unary(UnaryFn::Truncate, x),
        None => Ok(x),
    }
}
