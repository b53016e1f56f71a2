//! Operators that pad, and that move blocks of elements.

use super::shape::extents;
use crate::float::{Movement, NodeId, Op};
use crate::import::Reason;
use crate::import::context::{Cx, Family, axis_of, bad};
use crate::import::value::{Outputs, one};

pub(super) const OPS: Family = &[
    ("CenterCropPad", 18, center_crop_pad),
    ("DepthToSpace", 1, depth_to_space),
    ("Pad", 1, pad),
    ("ReverseSequence", 10, reverse_sequence),
    ("SpaceToDepth", 1, space_to_depth),
];

/// Padding by a constant, by the edge, by reflection, or around.
fn pad(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let rank = cx.g.rank(x.id);
    let (pads, fill) = if cx.opset < 11 {
        let pads = cx.ints("pads").or_else(|| cx.ints("paddings"));
        (pads.unwrap_or_default().to_vec(), cx.float("value", 0.0))
    } else {
        (cx.const_ints(1)?, cx.const_scalar(2)?.unwrap_or(0.0))
    };
    let axes: Vec<usize> = if cx.has(3) {
        let axes = cx.const_ints(3)?;
        axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?
    } else {
        (0..rank).collect()
    };
    if pads.len() != 2 * axes.len() || pads.iter().any(|pad| pad.abs() > 1 << 31) {
        return Err(bad("pads", "has the wrong number of elements, or one beyond 2^31").into());
    }
    let mut id = x.id;
    for (at, &axis) in axes.iter().enumerate() {
        let (begin, end) = (pads[at], pads[at + axes.len()]);
        id = pad_axis(cx, id, axis, (begin, end), fill)?;
    }
    one(x.with(id))
}

fn pad_axis(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    axis: usize,
    (begin, end): (i64, i64),
    fill: f64,
) -> Result<NodeId, Reason> {
    let extent = i64::try_from(cx.g.shape(x)[axis]).unwrap_or(i64::MAX);
    let limit = cx.g.limit();
    if u64::try_from(begin.max(0) + end.max(0)).unwrap_or(0) > limit as u64 {
        return Err(Reason::TooManyElements { limit });
    }
    if extent.saturating_add(begin.min(0)).saturating_add(end.min(0)) < 0 {
        return Err(cx.g.misfit("the padding takes away more than there is", &[x]));
    }
    let place = |at: i64| match cx.text("mode", "constant") {
        "edge" => Some(at.clamp(0, extent - 1)),
        "wrap" if extent > 0 => Some(at.rem_euclid(extent)),
        "reflect" if extent > 1 => {
            let period = 2 * (extent - 1);
            let at = at.rem_euclid(period);
            Some(at.min(period - at))
        }
        "reflect" => Some(0),
        _ => (0..extent).contains(&at).then_some(at),
    };
    if cx.text("mode", "constant") != "constant" && extent == 0 {
        return Err(cx.g.misfit("an empty axis can be padded by a constant alone", &[x]));
    }
    let wanted: Vec<i64> = (-begin..extent + end).collect();
    let positions: Option<Vec<u32>> =
        wanted.iter().map(|&at| place(at).and_then(|at| u32::try_from(at).ok())).collect();
    match positions {
        Some(positions) => cx.g.select(x, axis, positions),
        None => {
            let inside = begin.min(0).unsigned_abs();
            let kept = extent + begin.min(0) + end.min(0);
            let (inside, kept) = (usize::try_from(inside), usize::try_from(kept));
            let cut = cx.g.slice(x, axis, inside.unwrap_or(0), kept.unwrap_or(0))?;
            let mut pads = vec![(0, 0); cx.g.rank(x)];
            let count = |pad: i64| usize::try_from(pad.max(0)).unwrap_or(0);
            pads[axis] = (count(begin), count(end));
            cx.g.pad(cut, pads, fill)
        }
    }
}

/// Moves channels into blocks of space.
fn depth_to_space(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let block = block_size(cx)?;
    let &[n, c, h, w] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("the operator needs [N, C, H, W]", &[x.id]).into());
    };
    let depth = c / (block * block);
    let (split, perm) = match cx.text("mode", "DCR") {
        "CRD" => ([n, depth, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        _ => ([n, block, block, depth, h, w], [0, 3, 4, 1, 5, 2]),
    };
    let id = cx.g.reshape(x.id, &split)?;
    let id = cx.g.transpose(id, &perm)?;
    one(x.with(cx.g.reshape(id, &[n, depth, h * block, w * block])?))
}

/// Moves blocks of space into channels.
fn space_to_depth(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let block = block_size(cx)?;
    let &[n, c, h, w] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("the operator needs [N, C, H, W]", &[x.id]).into());
    };
    let split = [n, c, h / block, block, w / block, block];
    let perm = match cx.text("mode", "DCR") {
        "CRD" => [0, 1, 3, 5, 2, 4],
        _ => [0, 3, 5, 1, 2, 4],
    };
    let id = cx.g.reshape(x.id, &split)?;
    let id = cx.g.transpose(id, &perm)?;
    let depth = c.saturating_mul(block * block);
    one(x.with(cx.g.reshape(id, &[n, depth, h / block, w / block])?))
}

fn block_size(cx: &Cx<'_, '_>) -> Result<usize, Reason> {
    let block = usize::try_from(cx.int("blocksize", 0)).unwrap_or(0);
    match block {
        1..65536 => Ok(block),
        _ => Err(bad("blocksize", "must be between 1 and 2^16")),
    }
}

/// Reverses the first positions of each sequence of a batch.
fn reverse_sequence(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let rank = cx.g.rank(x.id);
    let (batch, time) =
        (cx.axis_named("batch_axis", 1, rank)?, cx.axis_named("time_axis", 0, rank)?);
    let lengths = extents(&cx.const_ints(1)?)?;
    let shape = cx.g.shape(x.id).to_vec();
    if batch == time || lengths.len() != shape[batch] || lengths.iter().any(|&l| l > shape[time]) {
        return Err(cx.g.misfit("the lengths do not fit the sequences", &[x.id]).into());
    }
    let mut parts = Vec::with_capacity(lengths.len());
    for (at, &length) in lengths.iter().enumerate() {
        let sequence = cx.g.slice(x.id, batch, at, 1)?;
        let order = (0..length).rev().chain(length..shape[time]);
        let order: Result<Vec<u32>, _> = order.map(u32::try_from).collect();
        let order = order.map_err(|_| Reason::Unsupported("an axis is below 2^32"))?;
        parts.push(cx.g.select(sequence, time, order)?);
    }
    one(x.with(cx.g.concat(batch, &parts)?))
}

/// Crops or pads some axes around their centre.
fn center_crop_pad(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let rank = cx.g.rank(x.id);
    let wanted = extents(&cx.const_ints(1)?)?;
    let axes: Vec<usize> = match cx.ints("axes") {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    if axes.len() != wanted.len() {
        return Err(bad("axes", "has the wrong number of elements").into());
    }
    let mut id = x.id;
    for (&axis, &wanted) in axes.iter().zip(&wanted) {
        let extent = cx.g.shape(id)[axis];
        if extent >= wanted {
            id = cx.g.slice(id, axis, (extent - wanted) / 2, wanted)?;
        } else {
            let missing = wanted - extent;
            let mut pads = vec![(0, 0); rank];
            pads[axis] = (missing / 2, missing - missing / 2);
            id = cx.g.push(Op::Move(Movement::Pad { pads, fill: 0.0 }), &[id])?;
        }
    }
    one(x.with(id))
}
