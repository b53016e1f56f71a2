//! Convolutions.

use super::super::Reason;
use super::super::context::{Context, bad};
use super::super::value::{Outputs, one};
use super::spatial::{Side, Spatial, split};
use crate::float::{Movement, NodeId, Op};

type Cx<'a, 'm> = Context<'a, 'm>;

/// Convolution of `x: [N, C, spatial..]` with `w: [O, C / group, kernel..]`.
pub(super) fn conv(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, w) = (cx.number(0)?, cx.number(1)?);
    let bias = cx.optional(2)?.map(|bias| bias.id);
    one(x.with(convolution(cx, x.id, w.id, bias)?))
}

/// A convolution with the attributes of the node at hand.
pub(super) fn convolution(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    w: NodeId,
    bias: Option<NodeId>,
) -> Result<NodeId, Reason> {
    let (x_shape, w_shape) = (cx.g.shape(x).to_vec(), cx.g.shape(w).to_vec());
    if x_shape.len() < 3 || x_shape.len() != w_shape.len() {
        return Err(cx
            .g
            .misfit("a convolution needs [N, C, spatial..] and [O, C, kernel..]", &[x, w]));
    }
    let mut spatial = Spatial::read(cx, &w_shape[2..])?;
    if spatial.kernel != w_shape[2..] {
        return Err(bad("kernel_shape", "is not the shape of the weights"));
    }
    spatial.settle(&x_shape[2..])?;
    let op = Op::Conv {
        strides: spatial.strides.clone(),
        dilations: spatial.dilations.clone(),
        pads: spatial.counts()?,
        groups: groups(cx)?,
    };
    let operands: Vec<NodeId> = [x, w].into_iter().chain(bias).collect();
    cx.g.push(op, &operands)
}

/// Transposed convolution: zeros between the elements of `x`, then a convolution with flipped weights.
///
/// # Source
/// ONNX `ConvTranspose`: weights are `[C, O / group, kernel..]`.
pub(super) fn conv_transpose(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, w) = (cx.number(0)?, cx.number(1)?);
    let bias = cx.optional(2)?.map(|bias| bias.id);
    let (x_shape, w_shape) = (cx.g.shape(x.id).to_vec(), cx.g.shape(w.id).to_vec());
    let groups = groups(cx)?;
    if x_shape.len() < 3 || x_shape.len() != w_shape.len() || w_shape[0] % groups != 0 {
        let what = "a transposed convolution needs [N, C, spatial..] and [C, O, kernel..]";
        return Err(cx.g.misfit(what, &[x.id, w.id]).into());
    }
    let axes = x_shape.len() - 2;
    let mut spatial = Spatial::read(cx, &w_shape[2..])?;
    let output_padding = cx.counts("output_padding", axes, 0)?;
    settle_transposed(cx, &mut spatial, &x_shape[2..], &output_padding)?;
    let mut stretched = x.id;
    for axis in 0..axes {
        let step = spatial.strides[axis];
        let dilate = Op::Move(Movement::Dilate { axis: axis + 2, step, fill: 0.0 });
        stretched = cx.g.push(dilate, &[stretched])?;
    }
    let mut pads = Vec::with_capacity(axes);
    for axis in 0..axes {
        let margin = i64::try_from(spatial.reach(axis) - 1).unwrap_or(i64::MAX);
        let extra = i64::try_from(output_padding[axis]).unwrap_or(i64::MAX);
        let (begin, end) = spatial.pads[axis];
        let wanted =
            (margin.saturating_sub(begin), margin.saturating_sub(end).saturating_add(extra));
        stretched = crop(cx, stretched, axis + 2, wanted)?;
        pads.push((usize::try_from(wanted.0).unwrap_or(0), usize::try_from(wanted.1).unwrap_or(0)));
    }
    let weights = flip_weights(cx, w.id, groups)?;
    let op = Op::Conv { strides: vec![1; axes], dilations: spatial.dilations, pads, groups };
    let operands: Vec<NodeId> = [stretched, weights].into_iter().chain(bias).collect();
    one(x.with(cx.g.push(op, &operands)?))
}

/// `[C, O / group, kernel..]` to `[O, C / group, kernel..]`, every kernel axis reversed.
fn flip_weights(cx: &mut Cx<'_, '_>, w: NodeId, groups: usize) -> Result<NodeId, Reason> {
    let shape = cx.g.shape(w).to_vec();
    let split = [&[groups, shape[0] / groups, shape[1]], &shape[2..]].concat();
    let merged = [&[groups * shape[1], shape[0] / groups], &shape[2..]].concat();
    let mut perm: Vec<usize> = (0..split.len()).collect();
    perm.swap(1, 2);
    let mut w = cx.g.reshape(w, &split)?;
    w = cx.g.transpose(w, &perm)?;
    w = cx.g.reshape(w, &merged)?;
    for axis in 2..merged.len() {
        let reversed: Result<Vec<u32>, _> = (0..merged[axis]).rev().map(u32::try_from).collect();
        let reversed = reversed.map_err(|_| cx.g.misfit("a kernel is below 2^32", &[w]))?;
        w = cx.g.select(w, axis, reversed)?;
    }
    Ok(w)
}

/// Drops what a negative padding takes away.
fn crop(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    axis: usize,
    (begin, end): (i64, i64),
) -> Result<NodeId, Reason> {
    let cut = |pad: i64| usize::try_from(-pad.min(0)).unwrap_or(usize::MAX);
    let (begin, end) = (cut(begin), cut(end));
    if begin == 0 && end == 0 {
        return Ok(x);
    }
    let extent = cx.g.shape(x)[axis];
    match begin.checked_add(end).and_then(|cut| extent.checked_sub(cut)) {
        Some(len) => cx.g.slice(x, axis, begin, len),
        None => Err(cx.g.misfit("the padding takes away more than there is", &[x])),
    }
}

/// The padding that `output_shape` or `auto_pad` asks for.
fn settle_transposed(
    cx: &Cx<'_, '_>,
    spatial: &mut Spatial,
    extents: &[usize],
    output_padding: &[usize],
) -> Result<(), Reason> {
    let axes = extents.len();
    let wanted = match (cx.ints("output_shape").filter(|shape| !shape.is_empty()), spatial.same) {
        (None, None) => return Ok(()),
        (Some(shape), _) => {
            let counts: Result<Vec<usize>, _> =
                shape.iter().map(|&dim| usize::try_from(dim)).collect();
            let counts = counts.map_err(|_| bad("output_shape", "has a negative extent"))?;
            let skip = counts.len().checked_sub(axes);
            let skip = skip.ok_or_else(|| bad("output_shape", "has too few elements"))?;
            counts[skip..].to_vec()
        }
        (None, Some(_)) => {
            extents.iter().zip(&spatial.strides).map(|(a, b)| a.saturating_mul(*b)).collect()
        }
    };
    for axis in 0..axes {
        let full = extents[axis]
            .saturating_sub(1)
            .saturating_mul(spatial.strides[axis])
            .saturating_add(spatial.reach(axis))
            .saturating_add(output_padding[axis]);
        // An output larger than the full one is padded with zeros at the end.
        spatial.pads[axis] = match full.checked_sub(wanted[axis]) {
            Some(total) => split(total, spatial.same.unwrap_or(Side::Begin))?,
            None => {
                let missing = i64::try_from(wanted[axis] - full).ok().filter(|&m| m < 1 << 31);
                let missing = missing.ok_or_else(|| bad("output_shape", "is too large"))?;
                (0, -missing)
            }
        };
    }
    Ok(())
}

pub(super) fn groups(cx: &Cx<'_, '_>) -> Result<usize, Reason> {
    match usize::try_from(cx.int("group", 1)) {
        Ok(groups) if groups > 0 => Ok(groups),
        _ => Err(bad("group", "must be at least 1")),
    }
}
