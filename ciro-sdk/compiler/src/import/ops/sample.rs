//! Sampling of images at computed points, and sums of patches.

use super::shape::extents;
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, NodeId, ScalarFn};
use crate::import::Reason;
use crate::import::context::{Context, Cx, Family, bad};
use crate::import::data_type::DataType;
use crate::import::value::{Outputs, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family =
    &[("AffineGrid", 20, affine_grid), ("Col2Im", 18, col2im), ("GridSample", 16, grid_sample)];

/// What is beyond the border of an image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    Zeros,
    Border,
    Reflection,
}

/// Values of `x: [N, C, spatial..]` at `grid: [N, out.., axes]`, whose coordinates run from -1 to
/// 1, last axis first.
///
/// Every point weighs every pixel of an axis by the kernel of their distance; neighbours beyond the
/// border weigh the pixel that stands for them.
fn grid_sample(cx: &mut Cx<'_, '_>) -> Outputs {
    let (x, grid) = (cx.number(0)?, cx.number(1)?);
    let (shape, points) = (cx.g.shape(x.id).to_vec(), cx.g.shape(grid.id).to_vec());
    let axes = shape.len().saturating_sub(2);
    if axes == 0 || points.last() != Some(&axes) || points[0] != shape[0] {
        return Err(cx
            .g
            .misfit("grid_sample needs [N, C, spatial..] and [N, .., axes]", &[x.id, grid.id])
            .into());
    }
    let number: usize = points[1..points.len() - 1].iter().product();
    let grid = cx.g.reshape(grid.id, &[shape[0], number, axes])?;
    let mut weights = cx.g.full(&[shape[0], number, 1], 1.0)?;
    for (axis, &extent) in shape[2..].iter().enumerate() {
        let coordinate = cx.g.slice(grid, 2, axes - 1 - axis, 1)?;
        let along = axis_weights(cx, coordinate, extent)?;
        let (old, new) = (cx.g.unsqueeze(weights, 3)?, cx.g.unsqueeze(along, 2)?);
        let both = cx.g.mul(old, new)?;
        let count: usize = cx.g.shape(both)[2..].iter().product();
        weights = cx.g.reshape(both, &[shape[0], number, count])?;
    }
    let pixels = cx.g.reshape(x.id, &[shape[0], shape[1], shape[2..].iter().product()])?;
    let pixels = cx.g.transpose(pixels, &[0, 2, 1])?;
    let values = cx.g.mat_mul(weights, pixels)?;
    let values = cx.g.transpose(values, &[0, 2, 1])?;
    let out = [&shape[..2], &points[1..points.len() - 1]].concat();
    one(x.with(cx.g.reshape(values, &out)?))
}

/// `[N, P, 1]` coordinates to `[N, P, extent]` weights.
fn axis_weights(cx: &mut Cx<'_, '_>, coordinate: NodeId, extent: usize) -> Result<NodeId, Reason> {
    let size = extent as f64;
    cx.g.allow(extent.saturating_mul(extent + 4))?;
    let corners = cx.flag("align_corners", false);
    let (low, high) = if corners { (0.0, size - 1.0) } else { (-0.5, size - 0.5) };
    let padding = match cx.text("padding_mode", "zeros") {
        "zeros" => Padding::Zeros,
        "border" => Padding::Border,
        "reflection" => Padding::Reflection,
        _ => return Err(bad("padding_mode", "is not one of ONNX's values")),
    };
    let mode = cx.text("mode", "linear");
    let spread = if corners {
        (x() + c(1.0)) / c(2.0) * c(size - 1.0)
    } else {
        ((x() + c(1.0)) * c(size) - c(1.0)) / c(2.0)
    };
    let placed = if mode == "nearest" { spread.round() } else { spread };
    let inside = match padding {
        Padding::Zeros => x(),
        Padding::Border => {
            let clamped = x().clip(0.0, size - 1.0);
            let outside = ScalarFn::binary(BinaryFn::Or, x().less(c(low)), c(high).less(x()));
            outside.choose(clamped, x())
        }
        Padding::Reflection if high > low => {
            let period = 2.0 * (high - low);
            let away = (x() - c(low)).abs();
            let rest = away % c(period);
            let back = rest.clone().min(c(period) - rest);
            c(low) + back
        }
        Padding::Reflection => c(0.0),
    };
    let placed = cx.g.map(inside.after(&placed), coordinate)?;
    let kernel = match mode {
        "nearest" => x().equal(c(0.0)),
        "linear" | "bilinear" => (c(1.0) - x().abs()).max(c(0.0)),
        "cubic" | "bicubic" => cubic(),
        _ => return Err(bad("mode", "is not one of ONNX's values")),
    };
    let positions = cx.g.vector((0..extent + 4).map(|at| at as f64 - 2.0).collect())?;
    let distance = cx.g.sub(placed, positions)?;
    let near = cx.g.map(kernel, distance)?;
    let fold = cx.g.constant(fold(padding, extent, (low, high)))?;
    cx.g.mat_mul(near, fold)
}

/// `[extent + 4, extent]`: which pixel stands for each position from -2 on.
fn fold(padding: Padding, extent: usize, (low, high): (f64, f64)) -> Tensor<f64> {
    let mut data = vec![0.0; (extent + 4) * extent];
    let top = extent as f64 - 1.0;
    for at in 0..extent + 4 {
        let position = at as f64 - 2.0;
        let pixel = match padding {
            Padding::Zeros => position,
            Padding::Border => position.clamp(0.0, top),
            Padding::Reflection if high > low => {
                let rest = (position - low).abs() % (2.0 * (high - low));
                low + rest.min(2.0 * (high - low) - rest)
            }
            Padding::Reflection => 0.0,
        };
        if let Some(pixel) = crate::import::literal::usize_from(pixel).filter(|&p| p < extent) {
            data[at * extent + pixel] = 1.0;
        }
    }
    Tensor::new(vec![extent + 4, extent], data).expect("one number a position and pixel")
}

/// The cubic convolution kernel with `a = -0.75`.
fn cubic() -> ScalarFn {
    const A: f64 = -0.75;
    let d = x().abs();
    let square = d.clone() * d.clone();
    let near = (c(A + 2.0) * d.clone() - c(A + 3.0)) * square + c(1.0);
    let inner = (c(A) * d.clone() - c(5.0 * A)) * d.clone() + c(8.0 * A);
    let far = inner * d.clone() - c(4.0 * A);
    let beyond = d.clone().less(c(2.0)).choose(far, c(0.0));
    ScalarFn::binary(BinaryFn::LessOrEqual, d, c(1.0)).choose(near, beyond)
}

/// The grid that an affine map makes of a regular one: `theta: [N, axes, axes + 1] -> [N,
/// spatial.., axes]`.
fn affine_grid(cx: &mut Cx<'_, '_>) -> Outputs {
    let theta = cx.number(0)?;
    let size = extents(&cx.const_ints(1)?)?;
    let corners = cx.flag("align_corners", false);
    let spatial = size.get(2..).unwrap_or_default();
    let axes = spatial.len();
    let count = ciro_model::tensor::element_count(spatial).filter(|&count| count <= cx.g.limit());
    let (Some(count), true) = (count, cx.g.shape(theta.id).get(1..) == Some(&[axes, axes + 1]))
    else {
        return Err(cx.g.misfit("theta is [N, axes, axes + 1]", &[theta.id]).into());
    };
    let steps = ciro_model::tensor::strides(spatial);
    let mut data = Vec::with_capacity(count * (axes + 1));
    for at in 0..count {
        for axis in (0..axes).rev() {
            let (place, extent) = ((at / steps[axis] % spatial[axis]) as f64, spatial[axis] as f64);
            data.push(if corners {
                2.0 * place / (extent - 1.0) - 1.0
            } else {
                (2.0 * place + 1.0) / extent - 1.0
            });
        }
        data.push(1.0);
    }
    let regular = Tensor::new(vec![count, axes + 1], data).expect("one point for each place");
    let regular = cx.g.constant(regular)?;
    let map = cx.g.transpose(theta.id, &[0, 2, 1])?;
    let grid = cx.g.mat_mul(regular, map)?;
    let shape = [&cx.g.shape(theta.id)[..1], spatial, &[axes]].concat();
    one(theta.with(cx.g.reshape(grid, &shape)?))
}

/// Puts patches back where they were cut out and adds what overlaps.
fn col2im(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.number(0)?;
    let (image, block) = (extents(&cx.const_ints(1)?)?, extents(&cx.const_ints(2)?)?);
    let axes = image.len();
    let (strides, dilations) = (cx.counts("strides", axes, 1)?, cx.counts("dilations", axes, 1)?);
    let pads = cx.counts("pads", 2 * axes, 0)?;
    let product = |list: &[usize]| list.iter().fold(1usize, |count, &n| count.saturating_mul(n));
    let (taps, pixels) = (product(&block), product(&image));
    if block.len() != axes {
        return Err(cx.g.misfit("the block has the axes of the image", &[x.id]).into());
    }
    let &[n, columns, patches] = cx.g.shape(x.id) else {
        return Err(cx.g.misfit("patches are [N, C * block, number]", &[x.id]).into());
    };
    let mut places = Vec::with_capacity(axes);
    for axis in 0..axes {
        let reach = dilations[axis].saturating_mul(block[axis].saturating_sub(1)).saturating_add(1);
        let padded = image[axis].saturating_add(pads[axis]).saturating_add(pads[axis + axes]);
        let room = padded.checked_sub(reach).ok_or_else(|| bad("dilations", "are too large"))?;
        places.push(room / strides[axis].max(1) + 1);
    }
    if product(&places) != patches || taps == 0 || columns % taps != 0 {
        return Err(cx.g.misfit("the patches do not fit the image", &[x.id]).into());
    }
    cx.g.allow(taps.saturating_mul(patches).saturating_mul(pixels))?;
    let mut data = vec![0.0; taps * patches * pixels];
    for tap in 0..taps {
        for patch in 0..patches {
            let (mut t, mut p, mut step) = (tap, patch, 1);
            let mut pixel = Some(0);
            for axis in (0..axes).rev() {
                let at = (t % block[axis]) * dilations[axis] + (p % places[axis]) * strides[axis];
                let at = at.checked_sub(pads[axis]).filter(|&at| at < image[axis]);
                pixel = pixel.zip(at).map(|(sum, at)| sum + at * step);
                (t, p, step) = (t / block[axis], p / places[axis], step * image[axis]);
            }
            if let Some(pixel) = pixel {
                data[(tap * patches + patch) * pixels + pixel] = 1.0;
            }
        }
    }
    let matrix = Tensor::new(vec![taps * patches, pixels], data).expect("one number a cell");
    let matrix = cx.g.constant(matrix)?;
    let flat = cx.g.reshape(x.id, &[n, columns / taps, taps * patches])?;
    let sums = cx.g.mat_mul(flat, matrix)?;
    let shape = [&[n, columns / taps], image.as_slice()].concat();
    Context::give(cx.g.reshape(sums, &shape)?, DataType::Float)
}
