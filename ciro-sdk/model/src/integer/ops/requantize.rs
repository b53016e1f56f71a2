//! Rounding shift and clamp.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{bounded, narrow, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = clamp((x + 2^(shift - 1)) >> shift, lo, hi)`, arithmetic shift; with shift 0, `clamp(x, lo,
/// hi)`.
///
/// # Shapes
/// The result has the operand's shape.
///
/// # Source
/// ONNX `Relu` and `Clip` are clamps; every change of scale is a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
        (x + Interval::point(self.rounding())).shift_right(self.shift)
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
        bounded("operand plus rounding", x + Interval::point(self.rounding()))?;
        Ok(self.quotient(x).clamp(self.lo.into(), self.hi.into()))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let (rounding, lo, hi) = (self.rounding(), i64::from(self.lo), i64::from(self.hi));
        operands[0].map(|&x| narrow(((i64::from(x) + rounding) >> self.shift).clamp(lo, hi)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Operand, check, refuse, run, tight};
    use super::*;

    #[test]
    fn halves_round_up_and_the_clamp_holds() {
        let x = || [tight(&[6], &[-6, -5, -3, 2, 5, 100])];
        check(
            &x(),
            |_| Requantize { shift: 2, lo: -9, hi: 9 }.into(),
            &[6],
            &[-1, -1, -1, 1, 1, 9],
        );
        check(&x(), |_| Requantize { shift: 0, lo: 0, hi: 9 }.into(), &[6], &[0, 0, 0, 2, 5, 9]);
    }

    #[test]
    fn contradictory_attributes_are_refused() {
        let x = || [tight(&[1], &[1])];
        refuse(&x(), |_| Requantize { shift: 31, lo: 0, hi: 1 }.into(), "at most 30");
        refuse(&x(), |_| Requantize { shift: 1, lo: 1, hi: 0 }.into(), "bounds are in order");
        let edge = [tight(&[1], &[(1 << 30) - 1])];
        refuse(&edge, |_| Requantize { shift: 1, lo: 0, hi: 1 }.into(), "operand plus rounding");
    }

    proptest! {
        #[test]
        fn the_result_is_within_half_a_unit(x in -(1i32 << 28)..(1 << 28), shift in 0u32..20) {
            let operand = Operand { tensor: Tensor::vector(vec![x]), lo: -(1 << 28), hi: 1 << 28 };
            let op = Requantize { shift, lo: i32::MIN, hi: i32::MAX };
            let y = run(&[operand], |_| op.into()).unwrap().data()[0];
            let error = f64::from(y) - f64::from(x) / f64::from(1u32 << shift);
            prop_assert!((-0.5..=0.5).contains(&error));
        }
    }
}
