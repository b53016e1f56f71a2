//! Operators that read or write elements at given positions.

use crate::float::{BinaryFn, Movement, NodeId, Op, Reducer};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad, count, integer};
use crate::import::data_type::DataType;
use crate::import::value::{Outputs, one};
use ciro_model::tensor::{Tensor, strides};

pub(super) const OPS: Family = &[
    ("Compress", 9, compress),
    ("Gather", 1, gather),
    ("GatherElements", 11, gather_elements),
    ("GatherND", 11, gather_nd),
    ("NonZero", 9, non_zero),
    ("OneHot", 9, one_hot),
    ("Scatter", 9, scatter_elements),
    ("ScatterElements", 11, scatter_elements),
    ("ScatterND", 11, scatter_nd),
    ("ai.onnx.ml.ArrayFeatureExtractor", 1, array_feature_extractor),
];

/// Slices of `x` along an axis at the given positions.
fn gather(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices) = (cx.tensor(0)?, cx.number(1)?);
    let axis = cx.axis(0, cx.g.rank(x.id))?;
    one(x.with(gather_axis(cx, x.id, indices.id, axis)?))
}

/// `out[a.., i.., b..] = x[a.., indices[i..], b..]`, where `axis` of `x` is replaced by the axes of
/// `indices`.
pub(super) fn gather_axis(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    indices: NodeId,
    axis: usize,
) -> Result<NodeId, Reason> {
    let (x_shape, i_shape) = (cx.g.shape(x).to_vec(), cx.g.shape(indices).to_vec());
    if axis >= x_shape.len() {
        return Err(cx.g.misfit("a table needs an axis", &[x]));
    }
    let shape = [&x_shape[..axis], &i_shape, &x_shape[axis + 1..]].concat();
    if let Some(positions) = positions(cx, indices, x_shape[axis])? {
        let selected = cx.g.select(x, axis, positions)?;
        return cx.g.reshape(selected, &shape);
    }
    // The axis comes first, the rest is one row of a table.
    let mut perm: Vec<usize> = (0..x_shape.len()).filter(|&a| a != axis).collect();
    perm.insert(0, axis);
    let rest: Vec<usize> = perm[1..].iter().map(|&a| x_shape[a]).collect();
    let table = cx.g.transpose(x, &perm)?;
    let table = cx.g.reshape(table, &[x_shape[axis], rest.iter().product()])?;
    let rows = cx.g.rows(table, indices)?;
    let rows = cx.g.reshape(rows, &[i_shape.as_slice(), &rest].concat())?;
    // From [i.., a.., b..] to [a.., i.., b..].
    let (ranks, before) = (i_shape.len(), axis);
    let back: Vec<usize> =
        (ranks..ranks + before).chain(0..ranks).chain(ranks + before..shape.len()).collect();
    cx.g.transpose(rows, &back)
}

/// The positions that constant indices stand for; negative ones count from the end.
fn positions(cx: &Cx<'_, '_>, indices: NodeId, extent: usize) -> Result<Option<Vec<u32>>, Reason> {
    let Some(value) = cx.g.value(indices) else { return Ok(None) };
    value.data().iter().map(|&index| position(index, extent)).collect::<Result<_, _>>().map(Some)
}

fn position(index: f64, extent: usize) -> Result<u32, Reason> {
    let index = integer(index);
    let rank = i64::try_from(extent).unwrap_or(i64::MAX);
    let index = if index < 0 { index.saturating_add(rank) } else { index };
    u32::try_from(index)
        .ok()
        .filter(|&index| (index as usize) < extent)
        .ok_or(Reason::Unsupported("an index is outside the axis"))
}

/// `out[p] = x[p with p[axis] replaced by indices[p]]`.
fn gather_elements(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices) = (cx.tensor(0)?, cx.number(1)?);
    let rank = cx.g.rank(x.id);
    let axis = cx.axis(0, rank)?;
    let (from, shape) = (cx.g.shape(x.id).to_vec(), cx.g.shape(indices.id).to_vec());
    if shape.len() != rank || (0..rank).any(|a| a != axis && shape[a] > from[a]) {
        return Err(cx
            .g
            .misfit("the indices have the axes of the operand", &[x.id, indices.id])
            .into());
    }
    let steps = strides(&from);
    let base = offsets(&shape, |a| if a == axis { 0 } else { steps[a] });
    let flat = flat_index(cx, indices.id, from[axis], steps[axis], base)?;
    one(x.with(read_flat(cx, x.id, flat, &shape)?))
}

/// `out[i.., r..] = x[indices[i..], r..]`, after `batch_dims` axes that both share.
fn gather_nd(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices) = (cx.tensor(0)?, cx.number(1)?);
    let batch = usize::try_from(cx.int("batch_dims", 0)).unwrap_or(usize::MAX);
    let (from, at) = (cx.g.shape(x.id).to_vec(), cx.g.shape(indices.id).to_vec());
    let depth = at.last().copied().unwrap_or(0);
    let fits = batch < at.len()
        && batch.checked_add(depth).is_some_and(|used| used <= from.len())
        && from[..batch] == at[..batch];
    if !fits {
        return Err(cx.g.misfit("the indices do not fit the operand", &[x.id, indices.id]).into());
    }
    let steps = strides(&from);
    let rest: Vec<usize> = from[batch + depth..].to_vec();
    let lead = &at[..at.len() - 1];
    let shape = [lead, &rest].concat();
    let base = offsets(lead, |a| if a < batch { steps[a] } else { 0 });
    let flat = flat_tuples(cx, indices.id, &from[batch..batch + depth], &steps[batch..], base)?;
    // Each index names a block of `rest` elements; give every element its own.
    let wide: Vec<usize> = lead.iter().copied().chain(vec![1; rest.len()]).collect();
    let flat = cx.g.reshape(flat, &wide)?;
    let rest_steps = strides(&rest);
    let inner = offsets(&rest, |a| rest_steps[a]);
    let inner = cx.g.constant(inner)?;
    let flat = cx.g.add(flat, inner)?;
    one(x.with(read_flat(cx, x.id, flat, &shape)?))
}

/// `out = x`, then `out[p with p[axis] = indices[p]]` takes `updates[p]`, added or otherwise
/// combined.
fn scatter_elements(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices, updates) = (cx.number(0)?, cx.number(1)?, cx.number(2)?);
    let rank = cx.g.rank(x.id);
    let axis = cx.axis(0, rank)?;
    let (to, shape) = (cx.g.shape(x.id).to_vec(), cx.g.shape(indices.id).to_vec());
    if shape.len() != rank || cx.g.shape(updates.id) != shape {
        let operands = [x.id, indices.id, updates.id];
        return Err(cx
            .g
            .misfit("indices and updates have the axes of the operand", &operands)
            .into());
    }
    let steps = strides(&to);
    let base = offsets(&shape, |a| if a == axis { 0 } else { steps[a] });
    let flat = flat_index(cx, indices.id, to[axis], steps[axis], base)?;
    one(x.with(write_flat(cx, x.id, flat, updates.id)?))
}

/// `out = x`, then the block `out[indices[i..]]` takes `updates[i..]`, added or otherwise combined.
fn scatter_nd(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices, updates) = (cx.number(0)?, cx.number(1)?, cx.number(2)?);
    let (to, at) = (cx.g.shape(x.id).to_vec(), cx.g.shape(indices.id).to_vec());
    let depth = at.last().copied().unwrap_or(usize::MAX);
    if depth > to.len() {
        return Err(cx.g.misfit("the indices do not fit the operand", &[x.id, indices.id]).into());
    }
    let steps = strides(&to);
    let (lead, rest) = (&at[..at.len() - 1], &to[depth..]);
    let shape = [lead, rest].concat();
    if cx.g.shape(updates.id) != shape {
        return Err(cx
            .g
            .misfit("the updates do not fit the indices", &[indices.id, updates.id])
            .into());
    }
    let base = offsets(lead, |_| 0);
    let flat = flat_tuples(cx, indices.id, &to[..depth], &steps, base)?;
    let wide: Vec<usize> = lead.iter().copied().chain(vec![1; rest.len()]).collect();
    let flat = cx.g.reshape(flat, &wide)?;
    let rest_steps = strides(rest);
    let inner = cx.g.constant(offsets(rest, |a| rest_steps[a]))?;
    let flat = cx.g.add(flat, inner)?;
    let flat = cx.g.expand(flat, &shape)?;
    one(x.with(write_flat(cx, x.id, flat, updates.id)?))
}

/// `off` everywhere but `on` at the positions along a new axis.
fn one_hot(cx: &mut Cx<'_, '_>) -> Outputs {
    let (indices, values) = (cx.number(0)?, cx.tensor(2)?);
    let depth = cx.constant(1)?.data().first().copied().unwrap_or(0.0);
    let depth = count(depth)?;
    let rank = cx.g.rank(indices.id);
    let axis = cx.axis(-1, rank + 1)?;
    let wrapped = cx.g.with(BinaryFn::Mod, indices.id, depth as f64)?;
    let outside = {
        // Positions outside -depth .. depth are off everywhere: give them a position that does not
        // exist.
        let low = cx.g.with(BinaryFn::Less, indices.id, -(depth as f64))?;
        let high = cx.g.with(BinaryFn::GreaterOrEqual, indices.id, depth as f64)?;
        cx.g.binary(BinaryFn::Or, low, high)?
    };
    let nowhere = cx.g.scalar(-1.0)?;
    let position = cx.g.choose(outside, nowhere, wrapped)?;
    let hot = cx.g.one_hot(position, depth)?;
    let hot = cx.g.restore_last(hot, axis)?;
    let off = cx.g.slice(values.id, 0, 0, 1)?;
    let on = cx.g.slice(values.id, 0, 1, 1)?;
    one(values.with(cx.g.choose(hot, on, off)?))
}

/// The slices of an axis where a constant condition holds.
fn compress(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let condition = cx.constant(1)?;
    let (id, axis) = match cx.attribute("axis") {
        Some(_) => (x.id, cx.axis(0, cx.g.rank(x.id))?),
        None => {
            let count = cx.g.shape(x.id).iter().product();
            (cx.g.reshape(x.id, &[count])?, 0)
        }
    };
    let extent = cx.g.shape(id)[axis];
    let kept = condition.data().iter().take(extent).zip(0u32..);
    let kept = kept.filter(|(holds, _)| **holds != 0.0).map(|(_, at)| at).collect();
    one(x.with(cx.g.select(id, axis, kept)?))
}

/// The positions of the elements of a constant that are not 0.
fn non_zero(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.constant(0)?;
    let steps = strides(x.shape());
    let found: Vec<usize> = (0..x.len()).filter(|&at| x.data()[at] != 0.0).collect();
    let rows = steps.iter().zip(x.shape());
    let data = rows
        .flat_map(|(&step, &extent)| found.iter().map(move |&at| ((at / step) % extent) as f64));
    let shape = vec![x.rank(), found.len()];
    let value = Tensor::new(shape, data.collect()).expect("one number for each axis and element");
    Context::give(cx.g.constant(value)?, DataType::Int64)
}

/// The columns of the last axis at given positions (`ai.onnx.ml`); a vector counts as one row.
fn array_feature_extractor(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, indices) = (cx.tensor(0)?, cx.number(1)?);
    let count = cx.g.shape(indices.id).iter().product();
    let flat = cx.g.reshape(indices.id, &[count])?;
    let rank = cx.g.rank(x.id);
    if rank == 0 {
        return Err(cx.g.misfit("the operand needs an axis", &[x.id]).into());
    }
    let gathered = gather_axis(cx, x.id, flat, rank - 1)?;
    let id = if rank == 1 { cx.g.unsqueeze(gathered, 0)? } else { gathered };
    one(x.with(id))
}

/// For every position of a shape, the sum of its coordinates times the steps of the axes.
fn offsets(shape: &[usize], step: impl Fn(usize) -> usize) -> Tensor<f64> {
    let inner = strides(shape);
    let count: usize = shape.iter().product();
    let offset = |at: usize| {
        let axes = 0..shape.len();
        axes.map(|a| (at / inner[a]) % shape[a] * step(a)).sum::<usize>() as f64
    };
    Tensor::new(shape.to_vec(), (0..count).map(offset).collect()).expect("one offset an element")
}

/// `(index mod extent) * step + base`: where an index along one axis leads in the flattened
/// operand.
fn flat_index(
    cx: &mut Cx<'_, '_>,
    indices: NodeId,
    extent: usize,
    step: usize,
    base: Tensor<f64>,
) -> Result<NodeId, Reason> {
    let indices = wrap(cx, indices, extent)?;
    let scaled = cx.g.with(BinaryFn::Mul, indices, step as f64)?;
    let base = cx.g.constant(base)?;
    cx.g.add(scaled, base)
}

/// Where tuples along the last axis lead in the flattened operand.
fn flat_tuples(
    cx: &mut Cx<'_, '_>,
    indices: NodeId,
    extents: &[usize],
    steps: &[usize],
    base: Tensor<f64>,
) -> Result<NodeId, Reason> {
    let last = cx.g.rank(indices) - 1;
    let mut sum = cx.g.constant(base)?;
    for (at, (&extent, &step)) in extents.iter().zip(steps).enumerate() {
        let part = cx.g.slice(indices, last, at, 1)?;
        let part = cx.g.squeeze(part, last)?;
        let part = wrap(cx, part, extent)?;
        let part = cx.g.with(BinaryFn::Mul, part, step as f64)?;
        sum = cx.g.add(sum, part)?;
    }
    Ok(sum)
}

/// Negative constant indices count from the end; computed ones are taken as they are.
fn wrap(cx: &mut Cx<'_, '_>, indices: NodeId, extent: usize) -> Result<NodeId, Reason> {
    match positions(cx, indices, extent)? {
        None => Ok(indices),
        Some(positions) => {
            let shape = cx.g.shape(indices).to_vec();
            let data = positions.into_iter().map(f64::from).collect();
            cx.g.constant(Tensor::new(shape, data).expect("as many positions as indices"))
        }
    }
}

/// The elements of `x` at flat positions.
fn read_flat(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    flat: NodeId,
    shape: &[usize],
) -> Result<NodeId, Reason> {
    let count: usize = cx.g.shape(x).iter().product();
    let flat = cx.g.expand(flat, shape)?;
    if let Some(indices) = positions(cx, flat, count)? {
        let shape = shape.to_vec();
        return cx.g.push(Op::Move(Movement::Index { shape, indices }), &[x]);
    }
    let table = cx.g.reshape(x, &[count, 1])?;
    let rows = cx.g.rows(table, flat)?;
    cx.g.reshape(rows, shape)
}

/// `x` with the elements at flat positions replaced by, or combined with, `updates`.
fn write_flat(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    flat: NodeId,
    updates: NodeId,
) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(x).to_vec();
    let count: usize = shape.iter().product();
    let reduction = cx.text("reduction", "none");
    if let Some(at) = positions(cx, flat, count)? {
        return write_static(cx, x, &at, updates, reduction);
    }
    // `hot[u, p]`: update u goes to position p.
    let number: usize = cx.g.shape(updates).iter().product();
    let (flat, updates) = (cx.g.reshape(flat, &[number])?, cx.g.reshape(updates, &[number, 1])?);
    let (old, hot) = (cx.g.reshape(x, &[count])?, cx.g.one_hot(flat, count)?);
    let new = match reduction {
        "none" | "add" => {
            let hot = cx.g.swap_matrix(hot)?;
            let sum = cx.g.mat_mul(hot, updates)?;
            let sum = cx.g.reshape(sum, &[count])?;
            if reduction == "add" {
                cx.g.add(old, sum)?
            } else {
                let touched = cx.g.reduce(Reducer::Max, hot, &[1])?;
                cx.g.choose(touched, sum, old)?
            }
        }
        _ => {
            let (f, reducer, neutral) = combine(reduction)?;
            // What is not updated is combined with itself where that changes nothing.
            let neutral = match neutral {
                Some(neutral) => cx.g.scalar(neutral)?,
                None => old,
            };
            let spread = cx.g.choose(hot, updates, neutral)?;
            let combined = cx.g.reduce(reducer, spread, &[0])?;
            cx.g.binary(f, old, combined)?
        }
    };
    cx.g.reshape(new, &shape)
}

/// Writes at positions that are known: a movement where nothing is combined, else step by step.
fn write_static(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    at: &[u32],
    updates: NodeId,
    reduction: &str,
) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(x).to_vec();
    let count: usize = shape.iter().product();
    let first = u32::try_from(count).map_err(|_| Reason::Unsupported("below 2^32 elements"))?;
    if reduction == "none" {
        let mut indices: Vec<u32> = (0..first).collect();
        for (&to, update) in at.iter().zip(first..) {
            indices[to as usize] = update;
        }
        return cx.g.push(Op::Move(Movement::Index { shape, indices }), &[x, updates]);
    }
    let (f, _, neutral) = combine(reduction)?;
    // Updates of one position are combined one round after the other.
    let number = u32::try_from(at.len()).map_err(|_| Reason::Unsupported("below 2^32 elements"))?;
    if number.checked_add(first).is_none() {
        return Err(Reason::Unsupported("below 2^32 elements"));
    }
    let neutral = match neutral {
        Some(neutral) => Some(cx.g.vector(vec![neutral])?),
        None => None,
    };
    let mut rest: Vec<(u32, u32)> = at.iter().copied().zip(0..number).collect();
    let mut value = x;
    while !rest.is_empty() {
        // Behind the updates: the neutral element, or what there is by now.
        let mut indices: Vec<u32> = match neutral {
            Some(_) => vec![number; count],
            None => (0..first).map(|at| number + at).collect(),
        };
        rest.retain(|&(to, update)| {
            let free = indices[to as usize] >= number;
            if free {
                indices[to as usize] = update;
            }
            !free
        });
        let spread = Op::Move(Movement::Index { shape: shape.clone(), indices });
        let round = cx.g.push(spread, &[updates, neutral.unwrap_or(value)])?;
        value = cx.g.binary(f, value, round)?;
    }
    Ok(value)
}

/// How a reduction of `Scatter` combines, and its neutral element; `None` where every element is
/// neutral to itself.
fn combine(reduction: &str) -> Result<(BinaryFn, Reducer, Option<f64>), Reason> {
    match reduction {
        "add" => Ok((BinaryFn::Add, Reducer::Sum, Some(0.0))),
        "mul" => Ok((BinaryFn::Mul, Reducer::Prod, Some(1.0))),
        "max" => Ok((BinaryFn::Max, Reducer::Max, None)),
        "min" => Ok((BinaryFn::Min, Reducer::Min, None)),
        _ => Err(bad("reduction", "is not one of ONNX's values")),
    }
}
