//! Convolution with a constant kernel.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{count, narrow, same, take};
use crate::integer::{ConstId, Constants, Interval, IntervalSum, Operator, OperatorError};
use crate::tensor::{Tensor, strides};

/// `y[n, o, p] = sum_{c, d} x[n, c, p * stride + d * dilation - pad] * w[o, c, d] + b[o]`, exact;
/// zero outside `x`.
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

    /// For each output position and tap along one axis, the input coordinate, or `None` in the
    /// padding.
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
            let mut sum = IntervalSum::point(start);
            taps.iter().for_each(|&w| sum.add_scaled(x, w.into()));
            sum.total()
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
                                // Partial sums may leave 64 bits; the whole one is inside the
                                // bound.
                                let product = i64::from(w) * i64::from(plane[*offset]);
                                *sum = sum.wrapping_add(product);
                            }
                        }
                    }
                }
                data.extend(sums.iter().map(|&sum| narrow(sum)));
            }
        }
        Tensor::new(shape, data).expect("one sum for each element")
    }

    fn macs(&self, operands: &[&[usize]], constants: &Constants) -> u64 {
        let taps = constants[self.weight].shape()[1..].iter().copied();
        self.shape(operands, constants).map_or(0, |out| count(out.into_iter().chain(taps)))
    }

    fn weights(&self) -> Vec<ConstId> {
        [self.weight].into_iter().chain(self.bias).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check, refuse, run, tight};
    use super::*;
    use crate::integer::Op;

    fn conv(weight: ConstId, bias: Option<ConstId>, spatial: usize) -> Conv {
        Conv {
            weight,
            bias,
            strides: vec![1; spatial],
            dilations: vec![1; spatial],
            pads: vec![(0, 0); spatial],
            groups: 1,
        }
    }

    fn tensor(shape: &[usize], data: &[i32]) -> Tensor<i32> {
        Tensor::new(shape.to_vec(), data.to_vec()).unwrap()
    }

    #[test]
    fn strides_pads_and_dilations_place_the_taps() {
        let x = || [tight(&[1, 1, 5], &[1, 2, 3, 4, 5])];
        let plain = |b: &mut crate::integer::ModelBuilder| {
            let bias = b.constant(Tensor::vector(vec![100]));
            conv(b.constant(tensor(&[1, 1, 2], &[1, 10])), Some(bias), 1)
        };
        check(&x(), |b| plain(b).into(), &[1, 1, 4], &[121, 132, 143, 154]);
        let strided = |b: &mut _| Conv { strides: vec![2], pads: vec![(1, 0)], ..plain(b) };
        check(&x(), |b| strided(b).into(), &[1, 1, 3], &[110, 132, 154]);
        let dilated = |b: &mut _| Conv { dilations: vec![3], bias: None, ..plain(b) };
        check(&x(), |b| dilated(b).into(), &[1, 1, 2], &[41, 52]);
    }

    #[test]
    fn groups_read_their_own_channels() {
        let x = tight(&[1, 2, 1, 1], &[3, 5]);
        let op = |b: &mut crate::integer::ModelBuilder| {
            let weight = b.constant(tensor(&[4, 1, 1, 1], &[1, 2, 3, 4]));
            Conv { groups: 2, ..conv(weight, None, 2) }.into()
        };
        check(&[x], op, &[1, 4, 1, 1], &[3, 6, 15, 20]);
    }

    #[test]
    fn kernels_that_do_not_fit_are_refused() {
        let x = || [tight(&[1, 1, 2], &[1, 2])];
        let weight = |b: &mut crate::integer::ModelBuilder, shape: &[usize]| {
            let count = shape.iter().product();
            conv(b.constant(tensor(shape, &vec![1; count])), None, 1)
        };
        refuse(&x(), |b| weight(b, &[1, 1, 3]).into(), "larger than the padded operand");
        refuse(&x(), |b| weight(b, &[1, 2, 1]).into(), "input channels");
        refuse(&x(), |b| weight(b, &[1, 1]).into(), "the kernel is");
        refuse(&x(), |b| Conv { groups: 2, ..weight(b, &[1, 1, 1]) }.into(), "groups divide");
        refuse(&x(), |b| Conv { strides: vec![0], ..weight(b, &[1, 1, 1]) }.into(), "at least 1");
        refuse(&x(), |b| Conv { pads: vec![], ..weight(b, &[1, 1, 1]) }.into(), "an axis");
    }

    proptest! {
        #[test]
        fn equals_the_defining_sum(
            data in prop::collection::vec(-9i32..9, 2 * 4 * 5),
            kernel in prop::collection::vec(-9i32..9, 3 * 2 * 2 * 3),
            (stride, dilation, pad) in (1usize..3, 1usize..2, 0usize..3),
        ) {
            let x = tensor(&[1, 2, 4, 5], &data);
            let w = tensor(&[3, 2, 2, 3], &kernel);
            let op = |b: &mut crate::integer::ModelBuilder| Op::from(Conv {
                weight: b.constant(w.clone()),
                bias: None,
                strides: vec![stride, 1],
                dilations: vec![1, dilation],
                pads: vec![(pad, 0), (0, pad)],
                groups: 1,
            });
            let y = run(&[tight(x.shape(), &data)], op).unwrap();
            let at = |c: usize, i: usize, j: usize| {
                let i = i.checked_sub(pad).filter(|&i| i < 4)?;
                (j < 5).then(|| x.data()[(c * 4 + i) * 5 + j])
            };
            let &[_, outputs, height, width] = y.shape() else { panic!("four axes") };
            for (o, i, j) in positions(outputs, height, width) {
                let mut sum = 0;
                for (c, di, dj) in positions(2, 2, 3) {
                    let x = at(c, i * stride + di, j + dj * dilation).unwrap_or(0);
                    sum += x * w.data()[((o * 2 + c) * 2 + di) * 3 + dj];
                }
                prop_assert_eq!(y.data()[(o * height + i) * width + j], sum);
            }
        }
    }

    fn positions(a: usize, b: usize, c: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        (0..a * b * c).map(move |i| (i / (b * c), i / c % b, i % c))
    }
}
