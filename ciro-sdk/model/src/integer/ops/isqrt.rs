//! Elementwise integer square root.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, take};
use crate::integer::{BOUND, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = floor(sqrt(x))`, elementwise, for `x >= 0`: `y * y <= x < (y + 1) * (y + 1)`.
///
/// # Shapes
/// The result has the operand's shape.
///
/// # Source
/// ONNX `Sqrt`, `LayerNormalization`, `ReduceL2`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isqrt;

impl Operator for Isqrt {
    fn name(&self) -> &'static str {
        "Isqrt"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        Ok(x.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        if x.lo < 0 {
            return Err(OperatorError::Domain {
                what: "radicand",
                interval: x,
                domain: Interval::new(0, BOUND - 1),
            });
        }
        Ok(Interval::new(x.lo.isqrt(), x.hi.isqrt()))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        operands[0].map(|&x| narrow(i64::from(x).isqrt()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Operand, check, refuse, run, tight};
    use super::*;

    #[test]
    fn rounds_down() {
        check(&[tight(&[5], &[0, 3, 4, 8, 9])], |_| Isqrt.into(), &[5], &[0, 1, 2, 2, 3]);
        refuse(&[tight(&[1], &[-1])], |_| Isqrt.into(), "radicand");
    }

    proptest! {
        #[test]
        fn the_square_is_the_greatest_below(x in 0i32..(1 << 30)) {
            let x = Operand { tensor: Tensor::vector(vec![x]), lo: 0, hi: (1 << 30) - 1 };
            let value = i64::from(x.tensor.data()[0]);
            let y = i64::from(run(&[x], |_| Isqrt.into()).unwrap().data()[0]);
            prop_assert!(y * y <= value && value < (y + 1) * (y + 1));
        }
    }
}
