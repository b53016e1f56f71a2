//! Convolutions.

use super::spatial::{Side, Spatial, split};
use crate::float::{Movement, NodeId, Op};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad};
use crate::import::value::{Outputs, one};
use ciro_model::movement::Windows;

pub(super) const OPS: Family = &[("Conv", 1, conv), ("ConvTranspose", 1, conv_transpose)];

/// Convolution of `x: [N, C, spatial..]` with `w: [O, C / group, kernel..]`.
fn conv(cx: &mut Cx<'_, '_>) -> Outputs {
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
    let windows = Windows {
        kernel: w_shape[2..].to_vec(),
        strides: spatial.strides.clone(),
        dilations: spatial.dilations.clone(),
        pads: spatial.counts()?,
        ceil_mode: false,
        fill: 0.0,
    };
    convolve(cx, [x, w], bias, windows, groups(cx)?)
}

/// One operator where the kernel is a constant; else every window is a row of a matrix, and the
/// kernel the other matrix.
fn convolve(
    cx: &mut Cx<'_, '_>,
    [x, w]: [NodeId; 2],
    bias: Option<NodeId>,
    windows: Windows<f64>,
    groups: usize,
) -> Result<NodeId, Reason> {
    let computed_bias = bias.is_some_and(|bias| !cx.g.is_fixed(bias));
    if cx.g.is_fixed(w) && !computed_bias {
        let Windows { strides, dilations, pads, .. } = windows;
        let op = Op::Conv { strides, dilations, pads, groups };
        let operands: Vec<NodeId> = [x, w].into_iter().chain(bias).collect();
        return cx.g.push(op, &operands);
    }
    let (x_shape, w_shape) = (cx.g.shape(x).to_vec(), cx.g.shape(w).to_vec());
    let fits = groups > 0
        && x_shape[1] == w_shape[1].saturating_mul(groups)
        && w_shape[0].is_multiple_of(groups);
    if !fits {
        return Err(cx.g.misfit("the channels do not fit the kernel", &[x, w]));
    }
    let (channels, taps) = (w_shape[1], windows.window_len());
    let split = cx.g.push(Op::Move(Movement::Windows(windows)), &[x])?;
    let split_shape = cx.g.shape(split).to_vec();
    let spatial = &split_shape[2..split_shape.len() - 1];
    let places: usize = spatial.iter().product();
    let rows = cx.g.reshape(split, &[x_shape[0], groups, channels, places, taps])?;
    let rows = cx.g.transpose(rows, &[0, 1, 3, 2, 4])?;
    let rows = cx.g.reshape(rows, &[x_shape[0], groups, places, channels * taps])?;
    products(cx, [rows, w], bias, spatial)
}

/// `rows: [N, groups, places, C / groups * taps]` times the kernel `w: [O, C / groups, taps..]`:
/// `[N, O, spatial..]`.
pub(super) fn products(
    cx: &mut Cx<'_, '_>,
    [rows, w]: [NodeId; 2],
    bias: Option<NodeId>,
    spatial: &[usize],
) -> Result<NodeId, Reason> {
    let &[n, groups, _, width] = cx.g.shape(rows) else {
        return Err(cx.g.misfit("rows are [N, groups, places, width]", &[rows]));
    };
    let outputs = cx.g.shape(w)[0];
    let kernel = cx.g.reshape(w, &[1, groups, outputs / groups, width])?;
    let kernel = cx.g.transpose(kernel, &[0, 1, 3, 2])?;
    let sums = cx.g.mat_mul(rows, kernel)?;
    let sums = cx.g.transpose(sums, &[0, 1, 3, 2])?;
    let sums = cx.g.reshape(sums, &[&[n, outputs], spatial].concat())?;
    let Some(bias) = bias else { return Ok(sums) };
    let mut shape = vec![1; spatial.len() + 2];
    shape[1] = outputs;
    let bias = cx.g.reshape(bias, &shape)?;
    cx.g.add(sums, bias)
}

/// Transposed convolution: zeros between the elements of `x`, then a convolution with flipped
/// weights.
///
/// # Source
/// ONNX `ConvTranspose`: weights are `[C, O / group, kernel..]`.
fn conv_transpose(cx: &mut Cx<'_, '_>) -> Outputs {
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
    for (axis, &extra) in output_padding.iter().enumerate() {
        let margin = i64::try_from(spatial.reach(axis) - 1).unwrap_or(i64::MAX);
        let extra = i64::try_from(extra).unwrap_or(i64::MAX);
        let (begin, end) = spatial.pads[axis];
        let wanted =
            (margin.saturating_sub(begin), margin.saturating_sub(end).saturating_add(extra));
        stretched = crop(cx, stretched, axis + 2, wanted)?;
        pads.push((usize::try_from(wanted.0).unwrap_or(0), usize::try_from(wanted.1).unwrap_or(0)));
    }
    let weights = flip_weights(cx, w.id, groups)?;
    let windows = Windows {
        kernel: w_shape[2..].to_vec(),
        strides: vec![1; axes],
        dilations: spatial.dilations,
        pads,
        ceil_mode: false,
        fill: 0.0,
    };
    one(x.with(convolve(cx, [stretched, weights], bias, windows, groups)?))
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
    for (axis, &extent) in merged.iter().enumerate().skip(2) {
        let reversed: Result<Vec<u32>, _> = (0..extent).rev().map(u32::try_from).collect();
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
