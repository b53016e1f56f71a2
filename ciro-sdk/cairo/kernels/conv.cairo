//! Convolution with a constant kernel.

use super::Tensor;
use super::slots::Planes;

/// How a kernel reads one operand plane: the inner axes of the kernel, at any place of the plane.
pub trait Window {
    /// Sum of products of the elements under the window at `at` with as many weights from the front of `w`.
    fn dot(x: Tensor, at: usize, ref w: Tensor) -> felt252;
}

/// Where the windows of a convolution lie in its (padded) operand.
#[derive(Copy, Drop)]
pub struct Places {
    /// Offsets of the windows that one output element sums over: one for each input channel and outer kernel tap.
    pub windows: Span<usize>,
    /// Offset of the first output element of each output row.
    pub rows: Span<usize>,
    /// Number of output elements in a row.
    pub columns: usize,
    /// Distance of neighbouring output elements of a row.
    pub stride: usize,
}

/// The extents of a convolution.
#[derive(Copy, Drop)]
pub struct Shape {
    /// Number of images.
    pub images: usize,
    /// Number of groups; each reads input channels of its own.
    pub groups: usize,
    /// Elements of the (padded) operand for one image and group.
    pub operand: usize,
    /// Felts of weights for one group.
    pub weights: usize,
    /// Blocks of output channels in one group.
    pub blocks: usize,
    /// Output channels of one group.
    pub channels: usize,
    /// Output channels of one block; the last one may have fewer.
    pub width: usize,
    /// The least value of `y`, which the biases have subtracted.
    pub offset: felt252,
}

/// `y[n, o, p] = sum_{c, d} x[n, c, p + d] * w[o, c, d] + b[o]`, exact.
///
/// `weights` holds, for each group and block of output channels, one felt a kernel element; `biases` holds one felt a
/// block.
///
/// Shapes: `x: [N, C, spatial..]`, padded; `y: [N, O, out..]`.
pub fn conv<impl W: Window, impl P: Planes, +Drop<P::Arrays>>(
    mut x: Tensor, places: Places, shape: Shape, weights: Tensor, biases: Tensor,
) -> Tensor {
    let mut y = array![];
    let mut image = 0;
    while image != shape.images {
        let mut group = 0;
        while group != shape.groups {
            let operand = x.slice(0, shape.operand);
            x = x.slice(shape.operand, x.len() - shape.operand);
            let group_weights = weights.slice(group * shape.weights, shape.weights);
            let group_biases = biases.slice(group * shape.blocks, shape.blocks);
            conv_group::<W, P>(operand, places, shape, group_weights, group_biases, ref y);
            group += 1;
        }
        image += 1;
    }
    y.span()
}

/// The output channels of one image and group.
fn conv_group<impl W: Window, impl P: Planes, +Drop<P::Arrays>>(
    x: Tensor,
    places: Places,
    shape: Shape,
    mut weights: Tensor,
    mut biases: Tensor,
    ref y: Array<felt252>,
) {
    let mut channels = shape.channels;
    while let Some(bias) = biases.pop_front() {
        let mut planes = P::empty();
        let mut rows = places.rows;
        let mut rest = weights;
        while let Some(row) = rows.pop_front() {
            let mut at = *row;
            let end = at + places.columns * places.stride;
            while at != end {
                rest = weights;
                let packed = windows::<W>(*bias, x, at, places.windows, ref rest);
                planes = P::spread(packed, shape.offset, planes);
                at += places.stride;
            }
        }
        weights = rest;
        let count = if channels < shape.width {
            channels
        } else {
            shape.width
        };
        P::join(planes, count, ref y);
        channels -= count;
    }
}

/// One packed output element: the sum over all its windows.
fn windows<impl W: Window>(
    start: felt252, x: Tensor, at: usize, mut windows: Span<usize>, ref w: Tensor,
) -> felt252 {
    let mut sum = start;
    while let Some(window) = windows.pop_front() {
        sum += W::dot(x, at + *window, ref w);
    }
    sum
}
