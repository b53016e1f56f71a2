//! Rounding shift and clamp.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = clamp((x + 2^(shift - 1)) >> shift, lo, hi)`, arithmetic shift; with shift 0, `clamp(x, lo, hi)`.
///
/// # Shapes
/// The result has the operand's shape.
///
/// # Source
/// ONNX `Relu` and `Clip` are clamps; every change of scale is a shift.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requantize {
    /// How many low bits are rounded away, at most 30.
    pub shift: u32,
    /// The least result.
    pub lo: i32,
    /// The greatest result.
    pub hi: i32,
}

impl Requantize {
    /// What is added before the shift, so that it rounds to nearest (halves up).
    pub fn rounding(&self) -> i64 {
        if self.shift == 0 { 0 } else { 1 << (self.shift - 1) }
    }

    /// The shifted value before the clamp, for an operand interval.
    pub fn quotient(&self, x: Interval) -> Interval {
        x.add(Interval::point(self.rounding())).shift_right(self.shift)
    }
}

impl Operator for Requantize {
    fn name(&self) -> &'static str {
        "Requantize"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        if self.shift > 30 {
            return Err(OperatorError::Attribute("the shift is at most 30"));
        }
        if self.lo > self.hi {
            return Err(OperatorError::Attribute("the clamp's bounds are in order"));
        }
        Ok(x.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        Ok(self.quotient(x).clamp(self.lo.into(), self.hi.into()))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let (rounding, lo, hi) = (self.rounding(), i64::from(self.lo), i64::from(self.hi));
        operands[0].map(|&x| narrow(((i64::from(x) + rounding) >> self.shift).clamp(lo, hi)))
    }
}
