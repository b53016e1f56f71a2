//! Images read at computed points: deformable convolutions and regions of interest.

use super::conv::{groups, products};
use super::spatial::Spatial;
use crate::float::scalar::{c, x};
use crate::float::{BinaryFn, Movement, NodeId, Op, Reducer, ScalarFn};
use crate::import::Reason;
use crate::import::context::{Cx, Family, bad, count};
use crate::import::value::{Outputs, one};
use ciro_model::tensor::Tensor;

pub(super) const OPS: Family = &[("DeformConv", 19, deform_conv), ("RoiAlign", 10, roi_align)];

/// The weights of the pixels of an axis at points between them, and beyond the border none:
/// `[..] -> [.., extent]`.
fn between(cx: &mut Cx<'_, '_>, points: NodeId, extent: usize) -> Result<NodeId, Reason> {
    let points = cx.g.unsqueeze(points, cx.g.rank(points))?;
    let pixels = cx.g.iota(extent)?;
    let distance = cx.g.sub(points, pixels)?;
    cx.g.map((c(1.0) - x().abs()).max(c(0.0)), distance)
}

/// A convolution whose taps read at places that are moved by `offset`, times `mask`: inputs `x: [N,
/// C, H, W]`, `w: [O, C / group, h, w]`, `offset: [N, 2 * offset_group * h * w, ..]`, bias, `mask:
/// [N, offset_group * h * w, ..]`.
fn deform_conv(cx: &mut Cx<'_, '_>) -> Outputs {
    let (image, w, offset) = (cx.number(0)?, cx.number(1)?.id, cx.number(2)?.id);
    let bias = cx.optional(3)?.map(|bias| bias.id);
    let groups = groups(cx)?;
    let misfit = |cx: &Cx<'_, '_>| {
        cx.g.misfit("a deformable convolution needs [N, C, H, W]", &[image.id, w, offset]).into()
    };
    let (&[n, channels, height, width], &[outputs, own, rows, columns]) =
        (cx.g.shape(image.id), cx.g.shape(w))
    else {
        return Err(misfit(cx));
    };
    let &[_, offsets, out_rows, out_columns] = cx.g.shape(offset) else { return Err(misfit(cx)) };
    let sets = usize::try_from(cx.int("offset_group", 1)).unwrap_or(0);
    let (taps, places) = (rows * columns, out_rows * out_columns);
    let fits = sets > 0
        && channels % sets == 0
        && own.checked_mul(groups) == Some(channels)
        && outputs % groups == 0
        && taps.checked_mul(2).and_then(|pairs| pairs.checked_mul(sets)) == Some(offsets);
    if !fits {
        return Err(misfit(cx));
    }
    let offset = cx.g.reshape(offset, &[n, sets, taps, 2, places])?;
    let grid = Grid { taps: [rows, columns], places: [out_rows, out_columns] };
    let mut weights = None;
    for (axis, extent) in [height, width].into_iter().enumerate() {
        let moved = cx.g.slice(offset, 3, axis, 1)?;
        let moved = cx.g.reshape(moved, &[n, sets, taps, places])?;
        let plain = grid.positions(cx, axis)?;
        let points = cx.g.add(moved, plain)?;
        weights = Some((between(cx, points, extent)?, weights.map(|(along, _)| along)));
    }
    let Some((across, Some(along))) = weights else { return Err(misfit(cx)) };
    cx.g.allow(n.saturating_mul(sets * taps * places).saturating_mul(height * width))?;
    let (along, across) = (cx.g.unsqueeze(along, 5)?, cx.g.unsqueeze(across, 4)?);
    let weights = cx.g.mul(along, across)?;
    let weights = cx.g.reshape(weights, &[n, sets, taps * places, height * width])?;
    let pixels = cx.g.reshape(image.id, &[n, sets, channels / sets, height * width])?;
    let pixels = cx.g.transpose(pixels, &[0, 1, 3, 2])?;
    let mut values = cx.g.mat_mul(weights, pixels)?;
    if let Some(mask) = cx.optional(4)? {
        let mask = cx.g.reshape(mask.id, &[n, sets, taps * places, 1])?;
        values = cx.g.mul(values, mask)?;
    }
    let values = cx.g.reshape(values, &[n, sets, taps, places, channels / sets])?;
    let values = cx.g.transpose(values, &[0, 3, 1, 4, 2])?;
    let values = cx.g.reshape(values, &[n, places, groups, own * taps])?;
    let values = cx.g.transpose(values, &[0, 2, 1, 3])?;
    one(image.with(products(cx, [values, w], bias, &[out_rows, out_columns])?))
}

/// The extents of a kernel and of what it gives.
struct Grid {
    taps: [usize; 2],
    places: [usize; 2],
}

impl Grid {
    /// `[taps, places]`: where the taps read along an axis if nothing moves them.
    fn positions(&self, cx: &mut Cx<'_, '_>, axis: usize) -> Result<NodeId, Reason> {
        let spatial = Spatial::read(cx, &self.taps)?;
        let (step, spread) = (spatial.strides[axis], spatial.dilations[axis]);
        let begin = spatial.pads[axis].0 as f64;
        let along = |at: usize, [_, columns]: [usize; 2]| match axis {
            0 => at / columns.max(1),
            _ => at % columns.max(1),
        };
        let [taps, places] = [self.taps, self.places].map(|extents| extents.iter().product());
        cx.g.allow(usize::saturating_mul(taps, places))?;
        let mut data = Vec::with_capacity(taps * places);
        for tap in 0..taps {
            for place in 0..places {
                let (tap, place) = (along(tap, self.taps), along(place, self.places));
                data.push((place * step + tap * spread) as f64 - begin);
            }
        }
        let positions = Tensor::new(vec![taps, places], data).expect("one for each tap and place");
        cx.g.constant(positions)
    }
}

/// What of an image lies in regions, at a fixed number of points each: `x: [N, C, H, W], rois: [R,
/// 4], batch_indices: [R] -> [R, C, output_height, output_width]`.
///
/// # Source
/// ONNX `RoiAlign`; a sampling ratio of 0 is refused, as the number of points would depend on data.
fn roi_align(cx: &mut Cx<'_, '_>) -> Outputs {
    let (image, rois, batch) = (cx.number(0)?, cx.number(1)?.id, cx.number(2)?.id);
    let (&[_, channels, height, width], &[regions, 4]) = (cx.g.shape(image.id), cx.g.shape(rois))
    else {
        return Err(cx.g.misfit("regions need [N, C, H, W] and [R, 4]", &[image.id, rois]).into());
    };
    let number = |name, default| count(cx.int(name, default) as f64);
    let (rows, columns) = (number("output_height", 1)?, number("output_width", 1)?);
    if rows == 0 || columns == 0 {
        return Err(bad("output_height", "and `output_width` must be positive").into());
    }
    let samples = number("sampling_ratio", 0)?;
    if samples == 0 {
        return Err(Reason::DataDependent { what: "`sampling_ratio`".to_owned() }.into());
    }
    let (tall, wide) = (rows.saturating_mul(samples), columns.saturating_mul(samples));
    cx.g.allow(tall.max(wide))?;
    cx.g.allow(tall.saturating_mul(wide))?;
    if cx.g.shape(batch) != [regions] {
        return Err(cx.g.misfit("each region has one batch index", &[rois, batch]).into());
    }
    if cx.g.value(batch).is_some_and(|value| value.data().iter().any(|&index| index < 0.0)) {
        return Err(Reason::Unsupported("a batch index is negative").into());
    }
    let greatest_of_each = match cx.text("mode", "avg") {
        "avg" => false,
        "max" => true,
        _ => return Err(bad("mode", "is not one of ONNX's values").into()),
    };
    let own = super::gather::gather_axis(cx, image.id, batch, 0)?;
    let along = region_points(cx, rois, 1, tall)?;
    let across = region_points(cx, rois, 0, wide)?;
    if greatest_of_each {
        let shape = [regions, channels, height, width];
        return one(image.with(greatest(cx, own, (along, across), shape, [rows, columns])?));
    }
    let mut weights = vec![];
    for (points, extent, cells) in [(along, height, rows), (across, width, columns)] {
        let inside = cx.g.map(is_inside(extent), points)?;
        let kept = cx.g.map(x().clip(0.0, extent as f64 - 1.0), points)?;
        let near = between(cx, kept, extent)?;
        let inside = cx.g.unsqueeze(inside, 2)?;
        let near = cx.g.mul(near, inside)?;
        let near = cx.g.reshape(near, &[regions, cells, samples, extent])?;
        let mean = cx.g.reduce(Reducer::Mean, near, &[2])?;
        weights.push(cx.g.unsqueeze(mean, 1)?);
    }
    let across = cx.g.swap_matrix(weights[1])?;
    let read = cx.g.mat_mul(weights[0], own)?;
    one(image.with(cx.g.mat_mul(read, across)?))
}

/// Whether a point is no further than a pixel from an axis.
fn is_inside(extent: usize) -> ScalarFn {
    let beyond = ScalarFn::binary(BinaryFn::Or, x().less(c(-1.0)), x().greater(c(extent as f64)));
    beyond.choose(c(0.0), c(1.0))
}

/// `[R, points]`: points at equal distances along an axis of each region, `x1, y1, x2, y2`.
fn region_points(
    cx: &mut Cx<'_, '_>,
    rois: NodeId,
    axis: usize,
    points: usize,
) -> Result<NodeId, Reason> {
    let default = if cx.opset >= 16 { "half_pixel" } else { "output_half_pixel" };
    let half = match cx.text("coordinate_transformation_mode", default) {
        "half_pixel" => true,
        "output_half_pixel" => false,
        _ => return Err(bad("coordinate_transformation_mode", "is not one of ONNX's values")),
    };
    let scale = cx.float("spatial_scale", 1.0);
    let placed = x() * c(scale) - c(if half { 0.5 } else { 0.0 });
    let rois = cx.g.map(placed, rois)?;
    let (begin, end) = (cx.g.slice(rois, 1, axis, 1)?, cx.g.slice(rois, 1, axis + 2, 1)?);
    let mut size = cx.g.sub(end, begin)?;
    if !half {
        size = cx.g.with(BinaryFn::Max, size, 1.0)?;
    }
    let shares = (0..points).map(|at| (at as f64 + 0.5) / points as f64);
    let shares = cx.g.vector(shares.collect())?;
    let moved = cx.g.mul(size, shares)?;
    cx.g.add(begin, moved)
}

/// The greatest weighted pixel of the four around each point; regions must be constant.
fn greatest(
    cx: &mut Cx<'_, '_>,
    image: NodeId,
    (along, across): (NodeId, NodeId),
    [regions, channels, height, width]: [usize; 4],
    [rows, columns]: [usize; 2],
) -> Result<NodeId, Reason> {
    let points = [along, across].map(|points| cx.g.value(points).cloned());
    let [Some(along), Some(across)] = points else {
        return Err(Reason::DataDependent { what: "regions of mode `max`".to_owned() });
    };
    let samples = along.last_dim() / rows.max(1);
    let (mut indices, mut weights) = (vec![], vec![]);
    cx.g.allow(channels.saturating_mul(along.len()).saturating_mul(4 * across.last_dim()))?;
    for cell in 0..regions * channels * rows * columns {
        let (row, column) = (cell / columns % rows, cell % columns);
        let plane = cell / (rows * columns);
        let region = plane / channels;
        for sample in 0..samples * samples {
            let y = along.data()[(region * rows + row) * samples + sample / samples];
            let x = across.data()[(region * columns + column) * samples + sample % samples];
            for (y, vertical) in neighbours(y, height) {
                for (x, horizontal) in neighbours(x, width) {
                    let index = (plane * height + y) * width + x;
                    indices.push(u32::try_from(index).map_err(|_| bad("rois", "are too many"))?);
                    weights.push(vertical * horizontal);
                }
            }
        }
    }
    let shape = vec![regions, channels, rows, columns, 4 * samples * samples];
    let read = Op::Move(Movement::Index { shape: shape.clone(), indices });
    let read = cx.g.push(read, &[image])?;
    let weights = Tensor::new(shape, weights).expect("one weight for each pixel");
    let weights = cx.g.constant(weights)?;
    let weighted = cx.g.mul(read, weights)?;
    cx.g.reduce(Reducer::Max, weighted, &[4])
}

/// The two pixels of an axis around a point, with their weights.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the point is clamped to the axis"
)]
fn neighbours(point: f64, extent: usize) -> [(usize, f64); 2] {
    let inside = (-1.0..=extent as f64).contains(&point);
    let last = extent.saturating_sub(1);
    let kept = point.clamp(0.0, last as f64);
    let below = kept.floor();
    let share = kept - below;
    let weight = |share: f64| if inside { share } else { 0.0 };
    [(below as usize, weight(1.0 - share)), ((below as usize + 1).min(last), weight(share))]
}
