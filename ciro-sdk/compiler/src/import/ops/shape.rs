//! Operators that change or read shapes.

use super::arithmetic::same_names;
use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, axis_of, bad, integer};
use crate::import::data_type::{DataType, data_type};
use crate::import::value::{Binding, Outputs, Stop, Value, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("Concat", 1, concat),
    ("Constant", 1, constant),
    ("ConstantOfShape", 9, constant_of_shape),
    ("Dropout", 1, dropout),
    ("Expand", 8, expand),
    ("EyeLike", 9, eye_like),
    ("Flatten", 1, flatten),
    ("Identity", 1, identity),
    ("Range", 11, range),
    ("Reshape", 1, reshape),
    ("Shape", 1, shape),
    ("Size", 1, size),
    ("Slice", 1, slice),
    ("Split", 1, split),
    ("Squeeze", 1, squeeze),
    ("Tile", 1, tile),
    ("Transpose", 1, transpose),
    ("Trilu", 14, trilu),
    ("Unsqueeze", 1, unsqueeze),
    ("ai.onnx.ml.ZipMap", 1, identity),
];

/// The operand itself, whatever it is.
fn identity(cx: &mut Cx<'_, '_>) -> Outputs {
    match cx.inputs.first() {
        Some(binding) => Ok(vec![binding.clone()]),
        None => Err(Reason::MissingInput(0).into()),
    }
}

/// The operand itself, and a mask of ones; training mode is refused.
fn dropout(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let training = cx.opset >= 12 && cx.has(2) && cx.const_scalar(2)? != Some(0.0);
    let ratio = if cx.has(1) { cx.const_scalar(1)?.unwrap_or(0.5) } else { 0.5 };
    if training && ratio != 0.0 {
        return Err(Reason::Unsupported("training mode draws random numbers").into());
    }
    let shape = cx.g.shape(x.id).to_vec();
    let mask = cx.g.full(&shape, 1.0)?;
    Ok([x, Value::new(mask, DataType::Bool)].map(Binding::Tensor).to_vec())
}

/// The tensor of an attribute.
fn constant(cx: &mut Cx<'_, '_>) -> Outputs {
    if let Some(tensor) = cx.attribute("value").and_then(|a| a.t.as_ref())
        && let Some(shape) = cx.translator.skipped(tensor)
    {
        return Context::give(cx.g.weights(&tensor.name, shape)?, data_type(tensor.data_type)?);
    }
    if let Some(literal) = cx.literal("value")? {
        return one(cx.constant_of(literal)?);
    }
    let sparse = cx.attribute("sparse_value").and_then(|a| a.sparse_tensor.as_ref());
    if let Some(sparse) = sparse {
        let literal = crate::import::literal::sparse(sparse, cx.translator.external)?;
        return one(cx.constant_of(literal)?);
    }
    let (tensor, kind) = if let Some(a) = cx.attribute("value_float") {
        (Tensor::scalar(f64::from(a.f)), DataType::Float)
    } else if let Some(a) = cx.attribute("value_int") {
        (Tensor::scalar(a.i as f64), DataType::Int64)
    } else if cx.attribute("value_floats").is_some() {
        (Tensor::vector(cx.floats("value_floats")), DataType::Float)
    } else if let Some(ints) = cx.ints("value_ints") {
        (Tensor::vector(ints.iter().map(|&i| i as f64).collect()), DataType::Int64)
    } else {
        return Err(Reason::Unsupported("a constant without a numeric value").into());
    };
    Context::give(cx.g.constant(tensor)?, kind)
}

/// A tensor of a constant shape, filled with one value.
fn constant_of_shape(cx: &mut Cx<'_, '_>) -> Outputs {
    let shape = extents(&cx.const_ints(0)?)?;
    let (value, kind) = match cx.literal("value")? {
        Some(literal) => (literal.value.data().first().copied().unwrap_or(0.0), literal.kind),
        None => (0.0, DataType::Float),
    };
    Context::give(cx.g.full(&shape, value)?, kind)
}

/// The extents of an operand.
fn shape(cx: &mut Cx<'_, '_>) -> Outputs {
    let shape = cx.shape(0)?;
    let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
    let clamp = |at: i64| {
        let at = if at < 0 { at.saturating_add(rank) } else { at };
        usize::try_from(at.clamp(0, rank)).unwrap_or(0)
    };
    let (start, end) = (clamp(cx.int("start", 0)), clamp(cx.int("end", rank)));
    let part = if start < end { &shape[start..end] } else { &[] };
    let part = part.iter().map(|&extent| extent as f64).collect();
    Context::give(cx.g.vector(part)?, DataType::Int64)
}

/// The number of elements of an operand.
fn size(cx: &mut Cx<'_, '_>) -> Outputs {
    let count: usize = cx.shape(0)?.iter().product();
    Context::give(cx.g.scalar(count as f64)?, DataType::Int64)
}

/// Another shape for the same elements; 0 keeps an extent, -1 stands for what is left.
fn reshape(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let wanted = if cx.opset < 5 {
        cx.ints("shape").unwrap_or_default().to_vec()
    } else {
        cx.const_ints(1)?
    };
    let from = cx.g.shape(x.id).to_vec();
    let zero_is_zero = cx.flag("allowzero", false);
    let mut shape = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, &extent) in wanted.iter().enumerate() {
        shape.push(match extent {
            -1 if open.is_none() => {
                open = Some(axis);
                1
            }
            0 if !zero_is_zero => *from
                .get(axis)
                .ok_or_else(|| cx.g.misfit("a kept extent is missing in the operand", &[x.id]))?,
            extent => usize::try_from(extent)
                .map_err(|_| cx.g.misfit("a shape has no negative extents", &[x.id]))?,
        });
    }
    if let Some(axis) = open {
        let count: usize = from.iter().product();
        let known = ciro_model::tensor::element_count(&shape).filter(|&known| known > 0);
        shape[axis] = match known {
            Some(known) if count.is_multiple_of(known) => count / known,
            _ => return Err(cx.g.misfit("the elements do not fill the shape", &[x.id]).into()),
        };
    }
    one(x.with(cx.g.reshape(x.id, &shape)?))
}

/// Two axes: those before `axis`, and the others.
fn flatten(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let shape = cx.g.shape(x.id).to_vec();
    // A negative axis counts from the operand's rank; one past the last axis is allowed.
    let past = usize::from(cx.int("axis", 1) >= 0);
    let axis = cx.axis(1, shape.len() + past)?;
    let (outer, inner) = shape.split_at(axis);
    one(x.with(cx.g.reshape(x.id, &[outer.iter().product(), inner.iter().product()])?))
}

/// Removes axes of extent 1.
fn squeeze(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let from = cx.g.shape(x.id).to_vec();
    let axes = cx.axes(1, from.len())?.filter(|axes| cx.has(1) || !axes.is_empty());
    let axes = axes.unwrap_or_else(|| (0..from.len()).filter(|&axis| from[axis] == 1).collect());
    if axes.iter().any(|&axis| from[axis] != 1) {
        return Err(cx.g.misfit("only axes of extent 1 can be squeezed", &[x.id]).into());
    }
    let kept = (0..from.len()).filter(|axis| !axes.contains(axis));
    let shape: Vec<usize> = kept.map(|axis| from[axis]).collect();
    one(x.with(cx.g.reshape(x.id, &shape)?))
}

/// Inserts axes of extent 1 at the given positions of the result.
fn unsqueeze(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let added =
        if cx.has(1) { cx.const_ints(1)?.len() } else { cx.ints("axes").map_or(0, <[i64]>::len) };
    let from = cx.g.shape(x.id).to_vec();
    let axes = cx.axes(1, from.len() + added)?.unwrap_or_default();
    if axes.len() != added {
        return Err(bad("axes", "names an axis twice").into());
    }
    let rank = from.len() + added;
    let mut rest = from.into_iter();
    let fill = |axis| if axes.contains(&axis) { 1 } else { rest.next().unwrap_or(1) };
    let shape: Vec<usize> = (0..rank).map(fill).collect();
    one(x.with(cx.g.reshape(x.id, &shape)?))
}

/// Permutes the axes; without `perm` reverses them.
fn transpose(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let rank = cx.g.rank(x.id);
    let perm = match cx.ints("perm") {
        Some(_) => cx.counts("perm", rank, 0)?,
        None => (0..rank).rev().collect(),
    };
    one(x.with(cx.g.transpose(x.id, &perm)?))
}

/// Joins tensors along an axis.
fn concat(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut parts = cx.tensors()?;
    let first = parts.first().cloned().ok_or(Reason::MissingInput(0))?;
    let axis = cx.axis(1, cx.g.rank(first.id))?;
    if first.kind == DataType::String {
        return concat_names(cx, parts, axis);
    }
    // Empty vectors are neutral in shape arithmetic, whatever their rank.
    if parts.len() > 1 {
        parts.retain(|part| cx.g.shape(part.id) != [0]);
    }
    let ids: Vec<NodeId> = parts.iter().map(|part| part.id).collect();
    match ids.as_slice() {
        [] => one(first),
        ids => one(first.with(cx.g.concat(axis, ids)?)),
    }
}

/// Joins string tensors, whose positions must count in one list of names.
fn concat_names(cx: &mut Cx<'_, '_>, parts: Vec<Value>, axis: usize) -> Outputs {
    let mut joined: Option<Value> = None;
    for part in parts {
        joined = Some(match joined {
            None => part,
            Some(before) => {
                let [a, b] = same_names(cx, [before, part])?;
                let id = cx.g.concat(axis, &[a.id, b.id])?;
                b.with(id)
            }
        });
    }
    one(joined.ok_or(Reason::MissingInput(0))?)
}

/// Cuts a tensor along an axis into parts of given or equal length.
fn split(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let axis = cx.axis(0, cx.g.rank(x.id))?;
    let extent = cx.g.shape(x.id)[axis];
    let lengths = if cx.has(1) {
        extents(&cx.const_ints(1)?)?
    } else if let Some(lengths) = cx.ints("split").filter(|lengths| !lengths.is_empty()) {
        extents(lengths)?
    } else {
        let parts = usize::try_from(cx.int("num_outputs", 0)).unwrap_or(0);
        let parts = if parts == 0 { cx.node.output.len() } else { parts };
        cx.g.allow(parts)?;
        equal_parts(extent, parts)
    };
    if lengths.iter().try_fold(0usize, |sum, &len| sum.checked_add(len)) != Some(extent) {
        return Err(cx.g.misfit("the parts do not add up to the axis", &[x.id]).into());
    }
    let mut start = 0;
    let mut parts = Vec::with_capacity(lengths.len());
    for len in lengths {
        parts.push(Binding::Tensor(x.with(cx.g.slice(x.id, axis, start, len)?)));
        start += len;
    }
    Ok(parts)
}

/// Lengths of `parts` parts, the last one shorter where they cannot be equal.
pub(super) fn equal_parts(extent: usize, parts: usize) -> Vec<usize> {
    let len = extent.div_ceil(parts.max(1));
    (0..parts).map(|part| len.min(extent.saturating_sub(part * len))).collect()
}

/// Every `step`-th position between `start` and `end` of some axes.
fn slice(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let rank = cx.g.rank(x.id);
    let (starts, ends, axes, steps) = if cx.opset < 10 {
        let starts = cx.ints("starts").unwrap_or_default().to_vec();
        let ends = cx.ints("ends").unwrap_or_default().to_vec();
        (starts, ends, cx.ints("axes").map(<[i64]>::to_vec), None)
    } else {
        let axes = if cx.has(3) { Some(cx.const_ints(3)?) } else { None };
        let steps = if cx.has(4) { Some(cx.const_ints(4)?) } else { None };
        (cx.const_ints(1)?, cx.const_ints(2)?, axes, steps)
    };
    let axes = axes.unwrap_or_else(|| (0..).take(starts.len()).collect());
    let steps = steps.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(Reason::Unsupported("starts, ends, axes and steps differ in length").into());
    }
    let mut id = x.id;
    for (at, &axis) in axes.iter().enumerate() {
        let axis = axis_of(axis, rank)?;
        let positions = slice_positions(cx.g.shape(id)[axis], starts[at], ends[at], steps[at])?;
        id = cx.g.select(id, axis, positions)?;
    }
    one(x.with(id))
}

/// The positions of NumPy's `start:end:step`, where bounds beyond the axis are clamped.
fn slice_positions(extent: usize, start: i64, end: i64, step: i64) -> Result<Vec<u32>, Reason> {
    let extent = i64::try_from(extent).map_err(|_| Reason::Unsupported("an axis is below 2^63"))?;
    let count = |at: i64| if at < 0 { at.saturating_add(extent) } else { at };
    let mut positions = Vec::new();
    let mut at = match step {
        0 => return Err(Reason::Unsupported("a slice has no step of 0")),
        1.. => count(start).clamp(0, extent),
        _ => count(start).clamp(-1, extent - 1),
    };
    let end = if step > 0 { count(end).clamp(0, extent) } else { count(end).clamp(-1, extent) };
    while (step > 0 && at < end) || (step < 0 && at > end) {
        let position = u32::try_from(at);
        positions.push(position.map_err(|_| Reason::Unsupported("an axis is below 2^32"))?);
        at = at.saturating_add(step);
    }
    Ok(positions)
}

/// Repeats axes of extent 1 up to a shape that broadcasting gives.
fn expand(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let wanted = extents(&cx.const_ints(1)?)?;
    let shape = crate::import::algebra::broadcast_shapes(&[cx.g.shape(x.id), &wanted])
        .ok_or_else(|| cx.g.misfit("the operand cannot be broadcast to the shape", &[x.id]))?;
    one(x.with(cx.g.expand(x.id, &shape)?))
}

/// Repeats every axis a number of times.
fn tile(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let repeats = if cx.opset < 6 {
        let mut repeats = vec![1; cx.g.rank(x.id)];
        let axis = axis_of(cx.const_int(2)?, repeats.len())?;
        repeats[axis] = cx.const_int(1)?;
        extents(&repeats)?
    } else {
        extents(&cx.const_ints(1)?)?
    };
    if repeats.len() != cx.g.rank(x.id) {
        return Err(cx.g.misfit("tile needs one number for each axis", &[x.id]).into());
    }
    let mut id = x.id;
    for (axis, &times) in repeats.iter().enumerate() {
        let extent = cx.g.shape(id)[axis];
        let len = extent.checked_mul(times).and_then(|len| u32::try_from(len).ok());
        let len = len.ok_or_else(|| cx.g.misfit("an axis is below 2^32", &[x.id]))?;
        let extent = u32::try_from(extent).unwrap_or(u32::MAX).max(1);
        cx.g.allow(len as usize)?;
        id = cx.g.select(id, axis, (0..len).map(|at| at % extent).collect())?;
    }
    one(x.with(id))
}

/// 0 steps from `start` to `limit`: a constant.
fn range(cx: &mut Cx<'_, '_>) -> Outputs {
    let kind = cx.tensor(0)?.kind;
    let bounds = [cx.constant(0)?, cx.constant(1)?, cx.constant(2)?];
    let [start, end, step] = bounds.map(|bound| bound.data().first().copied().unwrap_or(0.0));
    let len = ((end - start) / step).ceil().max(0.0);
    let limit = cx.g.limit();
    if !len.is_finite() || len > limit as f64 {
        return Err(Reason::TooManyElements { limit }.into());
    }
    let len = usize::try_from(integer(len)).unwrap_or(0);
    let values = (0..len).map(|i| start + i as f64 * step).collect();
    Context::give(cx.g.vector(values)?, kind)
}

/// A matrix with ones on one diagonal.
fn eye_like(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let &[rows, columns] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("an identity matrix has two axes", &[x.id]).into());
    };
    let kind = match cx.attribute("dtype") {
        Some(a) => data_type(i32::try_from(a.i).unwrap_or(0))?,
        None => x.kind,
    };
    let diagonal = cx.int("k", 0);
    triangle(cx, [rows, columns], |offset| offset == diagonal)
        .map_err(Stop::from)
        .and_then(|id| Context::give(id, kind))
}

/// Keeps the upper or lower triangle of matrices, zeros elsewhere.
fn trilu(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let &[.., rows, columns] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("a triangle needs a matrix", &[x.id]).into());
    };
    let k = if cx.has(1) { cx.const_int(1)? } else { 0 };
    let upper = cx.flag("upper", true);
    let keep =
        triangle(cx, [rows, columns], |offset| if upper { offset >= k } else { offset <= k })?;
    let zero = cx.g.scalar(0.0)?;
    one(x.with(cx.g.choose(keep, x.id, zero)?))
}

/// A constant matrix with ones where the column minus the row fulfils a condition.
fn triangle(
    cx: &mut Cx<'_, '_>,
    [rows, columns]: [usize; 2],
    condition: impl Fn(i64) -> bool,
) -> Result<NodeId, Reason> {
    cx.g.allow(rows.saturating_mul(columns))?;
    let signed = |i: usize| i64::try_from(i).unwrap_or(i64::MAX);
    let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let ones = cells.map(|(row, column)| signed(column) - signed(row));
    let ones = ones.map(|offset| f64::from(u8::from(condition(offset)))).collect();
    let matrix = Tensor::new(vec![rows, columns], ones).expect("one number for each cell");
    cx.g.constant(matrix)
}

/// Extents as counts.
pub(super) fn extents(values: &[i64]) -> Result<Vec<usize>, Reason> {
    let counts: Result<Vec<usize>, _> = values.iter().map(|&v| usize::try_from(v)).collect();
    counts.map_err(|_| Reason::Unsupported("a shape has no negative extents"))
}
