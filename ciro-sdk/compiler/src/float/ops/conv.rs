//! Convolution over any number of spatial axes.
//!
//! `out[n, o, p] = b[o] + sum_{c, t} w[o, c, t] * x[n, group(o) * C / groups + c, p * stride + t *
//! dilation - pad]`, zero outside `x`.

use super::mat_mul::multiply_row;
use super::{Misfit, tensor};
use ciro_model::tensor::{Tensor, strides};

/// The attributes of a convolution.
#[derive(Clone, Copy)]
pub(super) struct Conv<'a> {
    pub(super) strides: &'a [usize],
    pub(super) dilations: &'a [usize],
    pub(super) pads: &'a [(usize, usize)],
    pub(super) groups: usize,
}

impl Conv<'_> {
    pub(super) fn shape(&self, operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
        let ([x, w] | [x, w, _]) = operands else {
            return Err(Misfit::Rule("a convolution takes x, w and an optional bias"));
        };
        let ([n, channels, spatial @ ..], [out_channels, group_channels, kernel @ ..]) = (x, w)
        else {
            return Err(Misfit::Rule("a convolution needs [N, C, spatial..] and [O, C, kernel..]"));
        };
        let axes = spatial.len();
        if [kernel.len(), self.strides.len(), self.dilations.len(), self.pads.len()] != [axes; 4] {
            return Err(Misfit::Rule("a convolution has one attribute for each spatial axis"));
        }
        if self.groups == 0
            || group_channels.checked_mul(self.groups) != Some(*channels)
            || out_channels % self.groups != 0
        {
            return Err(Misfit::Rule("groups divide the channels"));
        }
        if operands.get(2).is_some_and(|b| *b != [*out_channels]) {
            return Err(Misfit::Rule("the bias has one element for each output channel"));
        }
        let mut shape = vec![*n, *out_channels];
        for axis in 0..axes {
            shape.push(self.extent(axis, spatial[axis], kernel[axis])?);
        }
        Ok(shape)
    }

    fn extent(&self, axis: usize, dim: usize, kernel: usize) -> Result<usize, Misfit> {
        let (stride, dilation) = (self.strides[axis], self.dilations[axis]);
        if stride == 0 || dilation == 0 || kernel == 0 {
            return Err(Misfit::Rule("kernel, stride and dilation are at least 1"));
        }
        let (before, after) = self.pads[axis];
        let padded = dim.checked_add(before).and_then(|d| d.checked_add(after));
        let reach = dilation.checked_mul(kernel - 1).and_then(|r| r.checked_add(1));
        match (padded, reach) {
            (Some(padded), Some(reach)) if reach <= padded => Ok((padded - reach) / stride + 1),
            _ => Err(Misfit::Rule("the kernel is not larger than the padded operand")),
        }
    }

    pub(super) fn eval(
        &self,
        x: &Tensor<f64>,
        w: &Tensor<f64>,
        bias: Option<&Tensor<f64>>,
    ) -> Tensor<f64> {
        let shape = self.shape(&[x.shape(), w.shape()]).expect("the shape rule was checked");
        let (out_channels, kernel) = (w.shape()[0], &w.shape()[2..]);
        let taps: usize = kernel.iter().product();
        let positions: usize = shape[2..].iter().product();
        let plane: usize = x.shape()[2..].iter().product();
        let group_in = w.shape()[1];
        let group_out = out_channels / self.groups;
        let sources = self.sources(&x.shape()[2..], kernel, &shape[2..]);
        let mut out = vec![0.0; shape.iter().product()];
        let mut columns = vec![0.0; group_in * taps * positions];
        if out.is_empty() {
            return tensor(shape, out);
        }
        for (block, out) in out.chunks_exact_mut(group_out * positions).enumerate() {
            let (sample, group) = (block / self.groups, block % self.groups);
            for channel in 0..group_in {
                let at = (sample * x.shape()[1] + group * group_in + channel) * plane;
                let values = &x.data()[at..at + plane];
                let rows = &mut columns[channel * taps * positions..][..taps * positions];
                for (column, source) in rows.iter_mut().zip(&sources) {
                    *column = source.map_or(0.0, |index| values[index]);
                }
            }
            let weights = &w.data()[group * group_out * group_in * taps..];
            let rows = out.chunks_exact_mut(positions);
            for (o, (out, w)) in rows.zip(weights.chunks(group_in * taps)).enumerate() {
                out.fill(bias.map_or(0.0, |b| b.data()[group * group_out + o]));
                multiply_row(out, w, &columns);
            }
        }
        tensor(shape, out)
    }

    /// For each tap and output position, the position inside one channel, or `None` in the padding.
    fn sources(&self, spatial: &[usize], kernel: &[usize], out: &[usize]) -> Vec<Option<usize>> {
        let steps = strides(spatial);
        let taps: usize = kernel.iter().product();
        let positions: usize = out.iter().product();
        let mut sources = Vec::with_capacity(taps * positions);
        for tap in 0..taps {
            for position in 0..positions {
                let (mut t, mut p) = (tap, position);
                let mut index = Some(0);
                for axis in (0..spatial.len()).rev() {
                    let at = (p % out[axis]) * self.strides[axis]
                        + (t % kernel[axis]) * self.dilations[axis];
                    p /= out[axis];
                    t /= kernel[axis];
                    index = index.and_then(|sum| {
                        let i = at.checked_sub(self.pads[axis].0)?;
                        (i < spatial[axis]).then(|| sum + i * steps[axis])
                    });
                }
                sources.push(index);
            }
        }
        sources
    }
}
