//! Resizing: for each axis a selection (nearest neighbours) or a product with a constant matrix.

use super::shape::extents;
use crate::float::NodeId;
use crate::import::Reason;
use crate::import::context::{Cx, Family, axis_of, bad, count};
use crate::import::value::{Outputs, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[("Resize", 10, resize), ("Upsample", 1, upsample)];

/// `Upsample`: like `Resize` with scales, measured from the corner.
fn upsample(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    let scales = if cx.opset < 9 { cx.floats("scales") } else { cx.constant(1)?.data().to_vec() };
    let mode = cx.text("mode", "nearest");
    let plan = Plan {
        kernel: Kernel::read(mode, cx)?,
        coordinates: "asymmetric",
        nearest: "floor",
        exclude_outside: false,
        antialias: false,
    };
    let shape = cx.g.shape(x.id).to_vec();
    if scales.len() != shape.len() {
        return Err(cx.g.misfit("there is one scale for each axis", &[x.id]).into());
    }
    let mut id = x.id;
    for (axis, (&scale, &extent)) in scales.iter().zip(&shape).enumerate() {
        let out = count((extent as f64 * scale).floor())?;
        id = resize_axis(cx, id, axis, &plan, &Axis { scale, out, roi: None })?;
    }
    one(x.with(id))
}

/// `Resize`: nearest, linear or cubic, with ONNX's ways to place the grid.
fn resize(cx: &mut Cx<'_, '_>) -> Outputs {
    let x = cx.tensor(0)?;
    if cx.opset < 11 {
        return upsample(cx);
    }
    let shape = cx.g.shape(x.id).to_vec();
    let rank = shape.len();
    let axes: Vec<usize> = match cx.ints("axes").filter(|axes| !axes.is_empty()) {
        Some(axes) => axes.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let plan = Plan {
        kernel: Kernel::read(cx.text("mode", "nearest"), cx)?,
        coordinates: cx.text("coordinate_transformation_mode", "half_pixel"),
        nearest: cx.text("nearest_mode", "round_prefer_floor"),
        exclude_outside: cx.flag("exclude_outside", false),
        antialias: cx.flag("antialias", false),
    };
    let places = places(cx, &shape, &axes)?;
    let mut id = x.id;
    for (&axis, place) in axes.iter().zip(&places) {
        id = resize_axis(cx, id, axis, &plan, place)?;
    }
    one(x.with(id))
}

/// How one axis changes.
struct Axis {
    scale: f64,
    out: usize,
    roi: Option<(f64, f64)>,
}

/// What all axes share.
struct Plan<'a> {
    kernel: Kernel,
    coordinates: &'a str,
    nearest: &'a str,
    exclude_outside: bool,
    antialias: bool,
}

/// The weight of a neighbour by its distance.
#[derive(Clone, Copy)]
enum Kernel {
    Nearest,
    Linear,
    Cubic(f64),
}

impl Kernel {
    fn read(mode: &str, cx: &Cx<'_, '_>) -> Result<Self, Reason> {
        match mode {
            "nearest" => Ok(Self::Nearest),
            "linear" | "bilinear" => Ok(Self::Linear),
            "cubic" => Ok(Self::Cubic(cx.float("cubic_coeff_a", -0.75))),
            _ => Err(bad("mode", "is not one of ONNX's values")),
        }
    }

    /// How far the kernel reaches.
    fn radius(self) -> f64 {
        match self {
            Self::Nearest | Self::Linear => 1.0,
            Self::Cubic(_) => 2.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        let d = distance.abs();
        match self {
            Self::Nearest | Self::Linear => (1.0 - d).max(0.0),
            Self::Cubic(a) if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            Self::Cubic(a) if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            Self::Cubic(_) => 0.0,
        }
    }
}

/// Scale, extent and region of every axis that changes.
fn places(cx: &Cx<'_, '_>, shape: &[usize], axes: &[usize]) -> Result<Vec<Axis>, Reason> {
    let listed = |index: usize| -> Result<Vec<f64>, Reason> {
        Ok(if cx.has(index) { cx.constant(index)?.data().to_vec() } else { Vec::new() })
    };
    let (roi, scales) = (listed(1)?, listed(2)?);
    let sizes = if cx.has(3) { extents(&cx.const_ints(3)?)? } else { Vec::new() };
    let extent = |at: usize| shape[axes[at]] as f64;
    let mut places: Vec<(f64, usize)> = Vec::with_capacity(axes.len());
    if sizes.len() == axes.len() && !sizes.is_empty() {
        let ratios: Vec<f64> = (0..axes.len()).map(|at| sizes[at] as f64 / extent(at)).collect();
        let common = match cx.text("keep_aspect_ratio_policy", "stretch") {
            "not_larger" => Some(ratios.iter().copied().fold(f64::INFINITY, f64::min)),
            "not_smaller" => Some(ratios.iter().copied().fold(0.0, f64::max)),
            _ => None,
        };
        for at in 0..axes.len() {
            places.push(match common {
                None => (ratios[at], sizes[at]),
                Some(scale) => (scale, count((scale * extent(at) + 0.5).floor())?),
            });
        }
    } else if scales.len() == axes.len() {
        for (at, &scale) in scales.iter().enumerate() {
            places.push((scale, count((scale * extent(at)).floor())?));
        }
    } else {
        return Err(Reason::Unsupported("one of scales and sizes must be given for each axis"));
    }
    let roi = |at: usize| match roi.len() == 2 * axes.len() {
        true => Some((roi[at], roi[at + axes.len()])),
        false => None,
    };
    Ok(places
        .into_iter()
        .enumerate()
        .map(|(at, (scale, out))| Axis { scale, out, roi: roi(at) })
        .collect())
}

fn resize_axis(
    cx: &mut Cx<'_, '_>,
    x: NodeId,
    axis: usize,
    plan: &Plan<'_>,
    place: &Axis,
) -> Result<NodeId, Reason> {
    let extent = cx.g.shape(x)[axis];
    let cropped = plan.coordinates == "tf_crop_and_resize";
    #[expect(clippy::float_cmp, reason = "a scale of exactly 1 changes nothing")]
    if place.scale == 1.0 && place.out == extent && !cropped {
        return Ok(x);
    }
    let limit = cx.g.limit();
    if place.out.saturating_mul(extent) > limit || extent == 0 {
        return Err(Reason::TooManyElements { limit });
    }
    let points: Vec<f64> = (0..place.out)
        .map(|at| coordinate(plan.coordinates, at as f64, extent as f64, place))
        .collect::<Result<_, _>>()?;
    let top = extent as f64 - 1.0;
    let resized = if let Kernel::Nearest = plan.kernel {
        let near = |point: &f64| nearest(plan.nearest, *point).clamp(0.0, top);
        let positions: Result<Vec<usize>, _> = points.iter().map(|p| count(near(p))).collect();
        let positions: Result<Vec<u32>, _> = positions?.into_iter().map(u32::try_from).collect();
        let positions = positions.map_err(|_| Reason::TooManyElements { limit })?;
        cx.g.select(x, axis, positions)?
    } else {
        let matrix = cx.g.constant(matrix(plan, place, extent, &points)?)?;
        let last = cx.g.move_last(x, axis)?;
        let product = cx.g.mat_mul(last, matrix)?;
        cx.g.restore_last(product, axis)?
    };
    let inside: Vec<f64> =
        points.iter().map(|p| f64::from(u8::from((0.0..=top).contains(p)))).collect();
    if !cropped || inside.iter().all(|&inside| inside != 0.0) {
        return Ok(resized);
    }
    let mut shape = vec![1; cx.g.rank(x) - axis];
    shape[0] = place.out;
    let inside = cx.g.vector(inside)?;
    let inside = cx.g.reshape(inside, &shape)?;
    let outside = cx.g.scalar(cx.float("extrapolation_value", 0.0))?;
    cx.g.choose(inside, resized, outside)
}

/// Where position `at` of the result is in the operand.
#[expect(clippy::float_cmp, reason = "an extent of exactly 1 is a case of its own")]
fn coordinate(mode: &str, at: f64, extent: f64, place: &Axis) -> Result<f64, Reason> {
    let width = place.scale * extent;
    let half_pixel = (at + 0.5) / place.scale - 0.5;
    Ok(match mode {
        "half_pixel" => half_pixel,
        "pytorch_half_pixel" if width == 1.0 => 0.0,
        "pytorch_half_pixel" => half_pixel,
        "half_pixel_symmetric" => extent / 2.0 * (1.0 - place.out as f64 / width) + half_pixel,
        "align_corners" if width == 1.0 => 0.0,
        "align_corners" => at * (extent - 1.0) / (width - 1.0),
        "asymmetric" => at / place.scale,
        "tf_half_pixel_for_nn" => (at + 0.5) / place.scale,
        "tf_crop_and_resize" => {
            let (start, end) = place.roi.ok_or(Reason::MissingInput(1))?;
            let (first, span) = (start * (extent - 1.0), (end - start) * (extent - 1.0));
            if place.out == 1 { first + span / 2.0 } else { first + at * span / (width - 1.0) }
        }
        _ => return Err(bad("coordinate_transformation_mode", "is not one of ONNX's values")),
    })
}

fn nearest(mode: &str, point: f64) -> f64 {
    match mode {
        "floor" => point.floor(),
        "ceil" => point.ceil(),
        "round_prefer_ceil" => (point + 0.5).floor(),
        _ => (point - 0.5).ceil(),
    }
}

/// `[extent, out]`: the weight of every position of the operand in every position of the result.
fn matrix(
    plan: &Plan<'_>,
    place: &Axis,
    extent: usize,
    points: &[f64],
) -> Result<Tensor<f64>, Reason> {
    let stretch = if plan.antialias { place.scale.min(1.0) } else { 1.0 };
    let reach = plan.kernel.radius() / stretch;
    let top = extent as f64 - 1.0;
    let mut data = vec![0.0; extent * points.len()];
    for (column, &point) in points.iter().enumerate() {
        let (first, last) = ((point - reach).ceil(), (point + reach).floor());
        if (last - first).is_nan() || last - first > 1e6 {
            return Err(Reason::Unsupported("the scale is too small"));
        }
        let mut neighbours = Vec::new();
        let mut at = first;
        while at <= last {
            let outside = plan.exclude_outside && !(0.0..=top).contains(&at);
            let weight = plan.kernel.weight((at - point) * stretch);
            neighbours.push((at.clamp(0.0, top), if outside { 0.0 } else { weight }));
            at += 1.0;
        }
        let sum: f64 = neighbours.iter().map(|(_, weight)| weight).sum();
        for (at, weight) in neighbours {
            data[count(at)? * points.len() + column] += weight / sum;
        }
    }
    Ok(Tensor::new(vec![extent, points.len()], data).expect("one weight a pair"))
}
