//! Convolution with a constant kernel.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same, take};
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
use crate::tensor::{Tensor, strides};

/// `y[n, o, p] = sum_{c, d} x[n, c, p * stride + d * dilation - pad] * w[o, c, d] + b[o]`, exact; zero outside `x`.
///
/// # Shapes
/// `x: [N, C, spatial..]`, `w: [O, C / groups, kernel..]`, `b: [O]` `-> [N, O, out..]`, with
/// `out = floor((in + pads - dilation * (kernel - 1) - 1) / stride) + 1`.
///
/// # Source
/// ONNX `Conv`, any number of spatial axes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conv {
    /// The kernel `w`.
    pub weight: ConstId,
    /// The bias `b`, zero if absent.
    pub bias: Option<ConstId>,
    /// Distance of neighbouring outputs along each spatial axis.
    pub strides: Vec<usize>,
    /// Distance of neighbouring taps along each spatial axis.
    pub dilations: Vec<usize>,
    /// Zeros before and after each spatial axis.
    pub pads: Vec<(usize, usize)>,
    /// Number of groups; each group of output channels reads its own input channels.
    pub groups: usize,
}

impl Conv {
    fn parts<'c>(
        &self,
        constants: &'c Constants,
    ) -> Result<(&'c Tensor<i32>, Option<&'c Tensor<i32>>), OperatorError> {
        let weight = constants.get(self.weight)?;
        if weight.rank() < 3 {
            return Err(OperatorError::Attribute("the kernel is [O, C / groups, kernel..]"));
        }
        let spatial = weight.rank() - 2;
        if [self.strides.len(), self.dilations.len(), self.pads.len()] != [spatial; 3] {
            return Err(OperatorError::Attribute("one stride, dilation and pad an axis"));
        }
        if self.strides.contains(&0) || self.dilations.contains(&0) || weight.is_empty() {
            return Err(OperatorError::Attribute("stride, dilation and kernel are at least 1"));
        }
        if self.groups == 0 || !weight.shape()[0].is_multiple_of(self.groups) {
            return Err(OperatorError::Attribute("groups divide the output channels"));
        }
        let bias = self.bias.map(|id| constants.get(id)).transpose()?;
        if let Some(bias) = bias {
            same("bias", &weight.shape()[..1], bias.shape())?;
        }
        Ok((weight, bias))
    }

    /// For each output position and tap along one axis, the input coordinate, or `None` in the padding.
    fn coordinate(&self, axis: usize, at: usize, tap: usize, extent: usize) -> Option<usize> {
        let padded = at * self.strides[axis] + tap * self.dilations[axis];
        padded.checked_sub(self.pads[axis].0).filter(|&i| i < extent)
    }

    /// Flat offsets of the input plane for every (output position, tap).
    fn taps(&self, input: &[usize], output: &[usize], kernel: &[usize]) -> Vec<Option<usize>> {
        let steps = strides(input);
        let (positions, taps) =
            (output.iter().product::<usize>(), kernel.iter().product::<usize>());
        let mut offsets = Vec::with_capacity(positions * taps);
        for position in 0..positions {
            for tap in 0..taps {
                let (mut p, mut t) = (position, tap);
                let mut offset = Some(0);
                for axis in (0..input.len()).rev() {
                    let (at, d) = (p % output[axis], t % kernel[axis]);
                    p /= output[axis];
                    t /= kernel[axis];
                    let i = self.coordinate(axis, at, d, input[axis]);
                    offset = offset.zip(i).map(|(sum, i)| sum + i * steps[axis]);
                }
                offsets.push(offset);
            }
        }
        offsets
    }
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        "Conv"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        let (weight, _) = self.parts(constants)?;
        let kernel = weight.shape();
        if x.len() != kernel.len() {
            return Err(OperatorError::Attribute("operand and kernel have the same rank"));
        }
        let channels = kernel[1].checked_mul(self.groups);
        same("input channels", &[channels.unwrap_or(usize::MAX)], &x[1..2])?;
        let mut shape = vec![x[0], kernel[0]];
        for axis in 0..x.len() - 2 {
            let (before, after) = self.pads[axis];
            let reach = self.dilations[axis].saturating_mul(kernel[axis + 2] - 1);
            let padded = x[axis + 2].saturating_add(before).saturating_add(after);
            let room = padded
                .checked_sub(reach.saturating_add(1))
                .ok_or(OperatorError::Attribute("the kernel is larger than the padded operand"))?;
            shape.push(room / self.strides[axis] + 1);
        }
        Ok(shape)
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        let (weight, bias) = self.parts(constants)?;
        let x = if self.pads.iter().any(|&pads| pads != (0, 0)) {
            x.union(Interval::point(0))
        } else {
            x
        };
        let taps = weight.len() / weight.shape()[0];
        let channels = weight.data().chunks_exact(taps).enumerate().map(|(o, taps)| {
            let start = bias.map_or(0, |bias| i64::from(bias.data()[o]));
            taps.iter().fold(Interval::point(start), |sum, &w| sum.add(x.scale(w.into())))
        });
        Ok(channels.reduce(Interval::union).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        let x = operands[0];
        let (weight, bias) = self.parts(constants).expect("the shape rule has checked the kernel");
        let shape = self.shape(&[x.shape()], constants).expect("the shape rule has been applied");
        let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
        let in_plane: usize = x.shape()[2..].iter().product();
        let out_plane: usize = shape[2..].iter().product();
        let taps: usize = weight.shape()[2..].iter().product();
        let offsets = self.taps(&x.shape()[2..], &shape[2..], &weight.shape()[2..]);
        let mut data = Vec::with_capacity(shape.iter().product());
        let mut sums = vec![0i64; out_plane];
        for image in 0..shape[0] {
            for o in 0..outputs {
                sums.fill(bias.map_or(0, |bias| bias.data()[o].into()));
                let group = o / (outputs / self.groups);
                for c in 0..inputs {
                    let plane = (image * x.shape()[1] + group * inputs + c) * in_plane;
                    let plane = &x.data()[plane..plane + in_plane];
                    let kernel = &weight.data()[(o * inputs + c) * taps..][..taps];
                    for (sum, offsets) in sums.iter_mut().zip(offsets.chunks_exact(taps)) {
                        for (&w, offset) in kernel.iter().zip(offsets) {
                            if let Some(offset) = offset {
                                *sum += i64::from(w) * i64::from(plane[*offset]);
                            }
                        }
                    }
                }
                data.extend(sums.iter().map(|&sum| narrow(sum)));
            }
        }
        Tensor::new(shape, data).expect("one sum for each element")
    }
}
