//! `Conv`: see `kernels/conv.cairo`.

use ciro_model::integer::ops::Conv;
use ciro_model::tensor::strides;

use super::super::slots::hex;
use super::super::weights::Use;
use super::super::window::Window;
use super::movement::pad;
use super::{EmitError, Layer};

pub(super) fn emit(op: &Conv, layer: &mut Layer<'_>) -> Result<(), EmitError> {
    let kernel = layer.constants[op.weight].shape().to_vec();
    let (channels, inputs) = (kernel[0], kernel[1]);
    let images = layer.shape(0)[0];
    let geometry = Geometry::new(op, layer, &kernel[2..])?;

    let pads = [(0, 0), (0, 0)].into_iter().chain(op.pads.iter().copied()).collect::<Vec<_>>();
    let x = pad(layer, "x", &pads, 0);
    let conv = layer.item("conv", "conv");
    let (shape, places) = (layer.item("conv", "Shape"), layer.item("conv", "Places"));
    let (block, weights) = layer.block(Use::Kernel(op.weight, op.groups));
    let slots = block.slots;
    let width = channels / op.groups;
    let biases = biases(op, layer, width, slots)?;
    let biases = layer.array("bias", "felt252", biases)?;
    let window = layer.layouts.window(&geometry.window)?;
    let planes = layer.layouts.planes(slots)?;
    let windows = layer.array("windows", "usize", geometry.windows(inputs))?;
    let rows = layer.array("rows", "usize", &geometry.rows)?;

    let plane: usize = geometry.padded.iter().product();
    let blocks = width.div_ceil(slots.count);
    let taps: usize = kernel[1..].iter().product();
    layer.line(format_args!("let places = {places} {{"));
    layer.line(format_args!(
        "    windows: {windows}, rows: {rows}, columns: {}, stride: {},",
        geometry.columns, geometry.stride
    ));
    layer.line("};");
    layer.line(format_args!("let shape = {shape} {{"));
    layer.line(format_args!(
        "    images: {images}, groups: {}, operand: {}, weights: {}, blocks: {blocks},",
        op.groups,
        inputs * plane,
        blocks * taps,
    ));
    layer.line(format_args!(
        "    channels: {width}, width: {}, offset: {},",
        slots.count, layer.node.interval.lo
    ));
    layer.line("};");
    layer.line(format_args!(
        "{conv}::<{window}, {planes}>({x}, places, shape, {weights}, {biases})"
    ));
    Ok(())
}

/// One felt for each group and block of channels: the biases above the least value.
fn biases(
    op: &Conv,
    layer: &Layer<'_>,
    width: usize,
    slots: super::super::slots::Slots,
) -> Result<Vec<String>, EmitError> {
    let bias = op.bias.map(|id| layer.constants[id].data());
    let lo = layer.node.interval.lo;
    let felts = (0..op.groups).flat_map(|group| {
        (0..width).step_by(slots.count).map(move |first| {
            let channels = first..(first + slots.count).min(width);
            let values =
                channels.map(|c| bias.map_or(0, |bias| bias[group * width + c].into()) - lo);
            hex(slots.pack(values))
        })
    });
    Ok(felts.collect())
}

/// Where the kernel meets the padded operand.
struct Geometry {
    /// The padded spatial extents.
    padded: Vec<usize>,
    /// The inner axes of the kernel.
    window: Window,
    /// Offsets of the outer kernel taps within a plane.
    outer_taps: Vec<usize>,
    /// Offset of the first output element of each row.
    rows: Vec<usize>,
    /// Output elements in a row.
    columns: usize,
    /// Distance of neighbouring output elements.
    stride: usize,
}

impl Geometry {
    fn new(op: &Conv, layer: &Layer<'_>, kernel: &[usize]) -> Result<Self, EmitError> {
        let spatial = kernel.len();
        let padded: Vec<usize> = layer.shape(0)[2..]
            .iter()
            .zip(&op.pads)
            .map(|(&extent, &(before, after))| extent + before + after)
            .collect();
        let steps = strides(&padded);
        // As many inner axes as one stretch of the operand can hold.
        let window = (0..spatial).find_map(|outer| {
            let window = Window::new(&kernel[outer..], &op.dilations[outer..], &steps[outer..])?;
            Some((outer, window))
        });
        let (outer, window) = window
            .ok_or_else(|| layer.refuse("a kernel row spans too much of the operand".to_owned()))?;
        let outer_steps: Vec<usize> =
            (0..outer).map(|axis| op.dilations[axis] * steps[axis]).collect();
        let out = &layer.node.shape[2..];
        let row_steps: Vec<usize> =
            (0..spatial - 1).map(|axis| op.strides[axis] * steps[axis]).collect();
        Ok(Self {
            window,
            outer_taps: grid(&kernel[..outer], &outer_steps),
            rows: grid(&out[..spatial - 1], &row_steps),
            columns: out[spatial - 1],
            stride: op.strides[spatial - 1],
            padded,
        })
    }

    /// Offsets of the windows of one output element, for `inputs` channels.
    fn windows(&self, inputs: usize) -> Vec<usize> {
        let plane: usize = self.padded.iter().product();
        (0..inputs).flat_map(|c| self.outer_taps.iter().map(move |tap| c * plane + tap)).collect()
    }
}

/// Sums of one step from each axis, in row-major order.
fn grid(extents: &[usize], steps: &[usize]) -> Vec<usize> {
    extents.iter().zip(steps).fold(vec![0], |offsets, (&extent, &step)| {
        offsets.iter().flat_map(|at| (0..extent).map(move |i| at + i * step)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::grid;

    #[test]
    fn grids_are_row_major() {
        assert_eq!(grid(&[2, 3], &[10, 2]), [0, 2, 4, 10, 12, 14]);
        assert_eq!(grid(&[], &[]), [0]);
    }
}
