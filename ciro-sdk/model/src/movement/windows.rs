//! Sliding windows, the movement under every pooling operator.

use serde::{Deserialize, Serialize};

use super::{MovementError, Source};
use crate::tensor::{element_count, strides};

/// Sliding windows over the spatial axes: `x: [N, C, spatial..] -> [N, C, out.., window]`.
///
/// # Source
/// ONNX `MaxPool`, `AveragePool`: `out = 1 + floor((in + pads - reach) / stride)` with
/// `reach = 1 + dilation * (kernel - 1)`, or `ceil` of the quotient if `ceil_mode`, in which case
/// no window may start in the end padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows<V> {
    /// Extent of the window along each spatial axis.
    pub kernel: Vec<usize>,
    /// Distance of neighbouring windows.
    pub strides: Vec<usize>,
    /// Distance of neighbouring elements inside a window.
    pub dilations: Vec<usize>,
    /// Fill values before and after each spatial axis.
    pub pads: Vec<(usize, usize)>,
    /// Whether a last partial window counts.
    pub ceil_mode: bool,
    /// The value of elements outside the operand.
    pub fill: V,
}

impl<V> Windows<V> {
    /// Number of elements of one window.
    pub fn window_len(&self) -> usize {
        self.kernel.iter().product()
    }

    pub(super) fn map_fill<U>(&self, f: impl FnOnce(&V) -> U) -> Windows<U> {
        Windows {
            kernel: self.kernel.clone(),
            strides: self.strides.clone(),
            dilations: self.dilations.clone(),
            pads: self.pads.clone(),
            ceil_mode: self.ceil_mode,
            fill: f(&self.fill),
        }
    }

    pub(super) fn output_shape(&self, shape: &[usize]) -> Result<Vec<usize>, MovementError> {
        let spatial = self.kernel.len();
        let refuse =
            |what| MovementError::Shape { what, from: shape.to_vec(), to: self.kernel.clone() };
        if shape.len() != spatial + 2
            || [self.strides.len(), self.dilations.len(), self.pads.len()] != [spatial; 3]
        {
            return Err(refuse("windows need [N, C, spatial..] and one attribute an axis"));
        }
        let mut out = shape[..2].to_vec();
        for axis in 0..spatial {
            let (before, after) = self.pads[axis];
            let (kernel, stride, dilation) =
                (self.kernel[axis], self.strides[axis], self.dilations[axis]);
            if kernel == 0 || stride == 0 || dilation == 0 {
                return Err(refuse("kernel, stride and dilation are at least 1"));
            }
            let reach = dilation
                .checked_mul(kernel - 1)
                .and_then(|r| r.checked_add(1))
                .ok_or_else(|| refuse("kernel reach overflows"))?;
            let padded = before
                .checked_add(after)
                .and_then(|p| p.checked_add(shape[axis + 2]))
                .ok_or_else(|| refuse("padding overflows"))?;
            let room = padded
                .checked_sub(reach)
                .ok_or_else(|| refuse("the window is larger than the padded operand"))?;
            let mut count = room / stride + 1;
            if self.ceil_mode && room % stride != 0 && count * stride < shape[axis + 2] + before {
                count += 1;
            }
            out.push(count);
        }
        out.push(element_count(&self.kernel).ok_or_else(|| refuse("the window overflows"))?);
        Ok(out)
    }

    /// Sources in row-major order of the result; `shape` is the operand's and has been checked.
    pub(super) fn sources(&self, shape: &[usize], out: &[usize]) -> Vec<Source> {
        let spatial = self.kernel.len();
        let in_strides = strides(shape);
        let out_spatial = &out[2..2 + spatial];
        let positions: usize = out_spatial.iter().product();
        let window = self.window_len();
        let mut sources = Vec::with_capacity(shape[0] * shape[1] * positions * window);
        for plane in 0..shape[0] * shape[1] {
            let base = plane * shape[2..].iter().product::<usize>();
            for position in 0..positions {
                for tap in 0..window {
                    let (mut p, mut t) = (position, tap);
                    let mut offset = Some(base);
                    for axis in (0..spatial).rev() {
                        let at = (p % out_spatial[axis]) * self.strides[axis]
                            + (t % self.kernel[axis]) * self.dilations[axis];
                        p /= out_spatial[axis];
                        t /= self.kernel[axis];
                        offset = offset.and_then(|o| {
                            let i = at.checked_sub(self.pads[axis].0)?;
                            (i < shape[axis + 2]).then(|| o + i * in_strides[axis + 2])
                        });
                    }
                    sources.push(super::index::element_or_fill(0, offset));
                }
            }
        }
        sources
    }
}
