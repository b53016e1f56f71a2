//! Attributes that convolutions and pooling share.

use crate::import::Reason;
use crate::import::context::{Context, bad};

/// Strides, dilations, padding of every spatial axis.
#[derive(Clone, Debug)]
pub(super) struct Spatial {
    pub(super) kernel: Vec<usize>,
    pub(super) strides: Vec<usize>,
    pub(super) dilations: Vec<usize>,
    /// What comes before and after; negative values crop.
    pub(super) pads: Vec<(i64, i64)>,
    /// Which side of an uneven padding is larger, if the operator computes the padding itself.
    pub(super) same: Option<Side>,
}

/// Where the odd element of an uneven padding goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Begin,
    End,
}

impl Spatial {
    /// Reads the attributes of a node; `kernel` stands in for a missing `kernel_shape`.
    pub(super) fn read(cx: &Context<'_, '_>, kernel: &[usize]) -> Result<Self, Reason> {
        let axes = kernel.len();
        let kernel = match cx.ints("kernel_shape") {
            Some(_) => cx.counts("kernel_shape", axes, 1)?,
            None => kernel.to_vec(),
        };
        let strides = cx.counts("strides", axes, 1)?;
        let dilations = cx.counts("dilations", axes, 1)?;
        let ones = [&kernel, &strides, &dilations];
        if ones.iter().any(|counts| counts.iter().any(|count| !(1..=COUNT_MAX).contains(count))) {
            return Err(bad("kernel_shape", "and strides and dilations are between 1 and 2^31"));
        }
        cx.g.allow(kernel.iter().fold(1, |count: usize, &extent| count.saturating_mul(extent)))?;
        let pads = match cx.ints("pads").filter(|pads| !pads.is_empty()) {
            None => vec![(0, 0); axes],
            Some(pads) if pads.len() == 2 * axes => {
                (0..axes).map(|axis| (pads[axis], pads[axis + axes])).collect()
            }
            Some(_) => return Err(bad("pads", "has the wrong number of elements")),
        };
        if pads.iter().any(|&(begin, end)| begin.abs() > PAD_MAX || end.abs() > PAD_MAX) {
            return Err(bad("pads", "has an element beyond 2^31"));
        }
        let (pads, same) = match cx.text("auto_pad", "NOTSET") {
            "NOTSET" | "" => (pads, None),
            "VALID" => (vec![(0, 0); axes], None),
            "SAME_UPPER" => (vec![(0, 0); axes], Some(Side::End)),
            "SAME_LOWER" => (vec![(0, 0); axes], Some(Side::Begin)),
            _ => return Err(bad("auto_pad", "is not one of ONNX's values")),
        };
        Ok(Self { kernel, strides, dilations, pads, same })
    }

    /// The extent of the dilated kernel along an axis.
    pub(super) fn reach(&self, axis: usize) -> usize {
        self.dilations[axis].saturating_mul(self.kernel[axis] - 1).saturating_add(1)
    }

    /// Fills in the padding of `auto_pad`: as many outputs as `ceil(in / stride)`.
    pub(super) fn settle(&mut self, spatial: &[usize]) -> Result<(), Reason> {
        let Some(side) = self.same else { return Ok(()) };
        for (axis, &extent) in spatial.iter().enumerate() {
            let stride = self.strides[axis];
            let outputs = extent.div_ceil(stride);
            let covered =
                outputs.saturating_sub(1).saturating_mul(stride).saturating_add(self.reach(axis));
            self.pads[axis] = split(covered.saturating_sub(extent), side)?;
        }
        Ok(())
    }

    /// The padding as counts.
    pub(super) fn counts(&self) -> Result<Vec<(usize, usize)>, Reason> {
        let count = |pad| usize::try_from(pad).map_err(|_| bad("pads", "has a negative element"));
        self.pads.iter().map(|&(begin, end)| Ok((count(begin)?, count(end)?))).collect()
    }
}

/// Divides a padding between both sides of an axis.
pub(super) fn split(total: usize, side: Side) -> Result<(i64, i64), Reason> {
    let total = i64::try_from(total).map_err(|_| bad("pads", "has an element beyond 2^31"))?;
    let (small, large) = (total / 2, total - total / 2);
    Ok(match side {
        Side::Begin => (large, small),
        Side::End => (small, large),
    })
}

const PAD_MAX: i64 = 1 << 31;
const COUNT_MAX: usize = 1 << 31;
