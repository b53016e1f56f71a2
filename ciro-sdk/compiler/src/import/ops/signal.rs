//! Windows and Fourier transforms: constants, and products with constant matrices.

use std::f64::consts::TAU;

use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, axis_of, bad, count};
use crate::import::data_type::{DataType, data_type};
use crate::import::value::{Outputs, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[
    ("BlackmanWindow", 17, |cx| window(cx, [0.42, 0.5, 0.08])),
    ("DFT", 17, dft),
    ("HammingWindow", 17, |cx| window(cx, [25.0 / 46.0, 21.0 / 46.0, 0.0])),
    ("HannWindow", 17, |cx| window(cx, [0.5, 0.5, 0.0])),
    ("MelWeightMatrix", 17, mel_weight_matrix),
    ("STFT", 17, stft),
];

/// `a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N)`, a constant of `n = 0 ..`.
fn window(cx: &mut Cx<'_, '_>, [a0, a1, a2]: [f64; 3]) -> Outputs {
    let size = bounded(cx, cx.const_int(0)? as f64)?;
    let turns = if cx.flag("periodic", true) { size as f64 } else { size as f64 - 1.0 };
    let value = |n: usize| {
        let angle = TAU * n as f64 / turns;
        a0 - a1 * angle.cos() + a2 * (2.0 * angle).cos()
    };
    let kind = output_type(cx)?;
    Context::give(cx.g.vector((0..size).map(value).collect())?, kind)
}

/// Triangular filters on the mel scale, a constant `[bins of the spectrum, bins of the scale]`.
fn mel_weight_matrix(cx: &mut Cx<'_, '_>) -> Outputs {
    let bins = bounded(cx, cx.const_int(0)? as f64)?;
    let length = bounded(cx, cx.const_int(1)? as f64)?;
    let rate = cx.const_int(2)? as f64;
    let scalar =
        |index| Ok::<f64, Reason>(cx.constant(index)?.data().first().copied().unwrap_or(0.0));
    let (low, high) = (scalar(3)?, scalar(4)?);
    let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
    let step = (mel(high) - mel(low)) / (bins as f64 + 2.0);
    let mut edges = Vec::with_capacity(bins + 2);
    for at in 0..bins + 2 {
        let hertz = 700.0 * (10f64.powf((at as f64 * step + mel(low)) / 2595.0) - 1.0);
        edges.push(bounded(cx, ((length as f64 + 1.0) * hertz / rate).floor())?);
    }
    let rows = length / 2 + 1;
    cx.g.allow(rows.saturating_mul(bins))?;
    let mut data = vec![0.0; rows * bins];
    for bin in 0..bins {
        let [left, centre, right] = [edges[bin], edges[bin + 1], edges[bin + 2]];
        if centre >= rows || right > rows {
            return Err(Reason::Unsupported("the upper edge is beyond the spectrum").into());
        }
        for at in left..centre {
            data[at * bins + bin] = (at as f64 - left as f64) / (centre as f64 - left as f64);
        }
        data[centre * bins + bin] = 1.0;
        for at in centre..right {
            data[at * bins + bin] = (right as f64 - at as f64) / (right as f64 - centre as f64);
        }
    }
    let kind = output_type(cx)?;
    let matrix = Tensor::new(vec![rows, bins], data).expect("one number a row and bin");
    Context::give(cx.g.constant(matrix)?, kind)
}

/// The discrete Fourier transform along an axis; the last axis holds real and imaginary parts.
///
/// # Source
/// ONNX `DFT`: the axis is an attribute in opset 17 and an input since 20.
fn dft(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let rank = cx.g.rank(x.id);
    if rank < 2 {
        return Err(cx.g.misfit("a spectrum needs [.., length, 1 or 2]", &[x.id]).into());
    }
    let axis = match (cx.opset < 20, cx.has(2)) {
        (true, _) => cx.axis(1, rank)?,
        (false, true) => axis_of(cx.const_int(2)?, rank)?,
        (false, false) => rank - 2,
    };
    let transform =
        Transform { inverse: cx.flag("inverse", false), onesided: cx.flag("onesided", false) };
    let extent = cx.g.shape(x.id)[axis];
    let length = if cx.has(1) {
        bounded(cx, cx.const_int(1)? as f64)?
    } else if transform.inverse && transform.onesided {
        2 * extent.saturating_sub(1)
    } else {
        extent
    };
    one(x.with(transform.apply(cx, x.id, axis, length)?))
}

/// Fourier transforms of windowed frames: `[N, frames, frequencies, 2]`.
fn stft(cx: &mut Cx<'_, '_>) -> Outputs {
    let mut x = cx.number(0)?;
    if cx.g.rank(x.id) == 2 {
        // A real signal may leave its last axis out.
        x.id = cx.g.unsqueeze(x.id, 2)?;
    }
    let &[n, length, parts] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("a signal is [N, length, 1 or 2]", &[x.id]).into());
    };
    let step = bounded(cx, cx.const_int(1)? as f64)?;
    let window = cx.optional(2)?;
    let frame = match (&window, cx.has(3)) {
        (_, true) => bounded(cx, cx.const_int(3)? as f64)?,
        (Some(window), false) => cx.g.shape(window.id).iter().product(),
        (None, false) => length,
    };
    if step == 0 || frame == 0 || frame > length {
        return Err(cx.g.misfit("the frames do not fit the signal", &[x.id]).into());
    }
    let frames = 1 + (length - frame) / step;
    let positions = (0..frames).flat_map(|at| (0..frame).map(move |i| at * step + i));
    let positions: Result<Vec<u32>, _> = positions.map(u32::try_from).collect();
    let positions = positions.map_err(|_| bad("frame_length", "is too large"))?;
    let mut id = cx.g.select(x.id, 1, positions)?;
    id = cx.g.reshape(id, &[n, frames, frame, parts])?;
    if let Some(window) = window {
        let window = cx.g.unsqueeze(window.id, 1)?;
        id = cx.g.mul(id, window)?;
    }
    let transform = Transform { inverse: false, onesided: cx.flag("onesided", true) };
    one(x.with(transform.apply(cx, id, 2, frame)?))
}

/// The kinds of transforms.
struct Transform {
    inverse: bool,
    onesided: bool,
}

impl Transform {
    /// Transforms `axis` of `x: [.., 1 or 2]` at `length` points, cutting or filling up with zeros.
    fn apply(
        &self,
        cx: &mut Cx<'_, '_>,
        x: NodeId,
        axis: usize,
        length: usize,
    ) -> Result<NodeId, Reason> {
        let rank = cx.g.rank(x);
        let (extent, parts) = (cx.g.shape(x)[axis], cx.g.shape(x)[rank - 1]);
        if axis == rank - 1 || !(1..=2).contains(&parts) || length == 0 {
            return Err(cx.g.misfit("a spectrum needs [.., length, 1 or 2]", &[x]));
        }
        let real = self.inverse && self.onesided;
        let (points, out_parts) = match (self.onesided, real) {
            (_, true) => (length, 1),
            (true, false) => (length / 2 + 1, 2),
            (false, false) => (length, 2),
        };
        let limit = cx.g.limit();
        let size = extent.saturating_mul(parts).saturating_mul(points.saturating_mul(out_parts));
        if size > limit {
            return Err(Reason::TooManyElements { limit });
        }
        let matrix = self.matrix((extent, parts), (points, out_parts), length);
        let matrix = cx.g.constant(matrix)?;
        let mut perm: Vec<usize> = (0..rank - 1).filter(|&a| a != axis).collect();
        perm.extend([axis, rank - 1]);
        let moved = cx.g.transpose(x, &perm)?;
        let mut shape = cx.g.shape(moved)[..rank - 2].to_vec();
        shape.push(extent * parts);
        let flat = cx.g.reshape(moved, &shape)?;
        let product = cx.g.mat_mul(flat, matrix)?;
        shape.pop();
        shape.extend([points, out_parts]);
        let product = cx.g.reshape(product, &shape)?;
        cx.g.transpose(product, &crate::import::algebra::invert(&perm))
    }

    /// `[extent * parts, points * out_parts]`.
    fn matrix(
        &self,
        (extent, parts): (usize, usize),
        (points, out_parts): (usize, usize),
        length: usize,
    ) -> Tensor<f64> {
        let columns = points * out_parts;
        let mut data = vec![0.0; extent * parts * columns];
        let used = if out_parts == 1 { length / 2 + 1 } else { length };
        for n in 0..extent.min(used) {
            // A onesided spectrum stands for its mirror image too.
            let mirrored = out_parts == 1 && n > 0 && 2 * n != length;
            let weight = if mirrored { 2.0 } else { 1.0 };
            let weight = if self.inverse { weight / length as f64 } else { weight };
            for k in 0..points {
                let turns = (n * k % length) as f64 / length as f64;
                let (sin, cos) = (TAU * turns).sin_cos();
                let sin = if self.inverse { sin } else { -sin };
                // (re + i im) (cos + i sin)
                for (part, row) in [[cos, sin], [-sin, cos]].iter().enumerate().take(parts) {
                    for (out, value) in row.iter().enumerate().take(out_parts) {
                        let at = (n * parts + part) * columns + k * out_parts + out;
                        data[at] = weight * value;
                    }
                }
            }
        }
        Tensor::new(vec![extent * parts, columns], data).expect("one number a row and column")
    }
}

/// A size that fits the limit of elements.
fn bounded(cx: &Cx<'_, '_>, value: f64) -> Result<usize, Reason> {
    let size = count(value)?;
    let limit = cx.g.limit();
    if size > limit { Err(Reason::TooManyElements { limit }) } else { Ok(size) }
}

fn output_type(cx: &Cx<'_, '_>) -> Result<DataType, Reason> {
    data_type(i32::try_from(cx.int("output_datatype", 1)).unwrap_or(0))
}
