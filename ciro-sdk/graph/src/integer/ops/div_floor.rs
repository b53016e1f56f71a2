//! Elementwise floor division.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same, take};
use crate::integer::{Constants, Interval, Operator, OperatorError, BOUND};
use crate::tensor::Tensor;

/// `y = floor(a / b)`, elementwise, for `b > 0`: `a = y * b + r`, `0 <= r < b`.
///
/// # Shapes
/// Both operands and the result have one shape.
///
/// # Source
/// ONNX `Div`, `Softmax`, `LayerNormalization`, `ReduceMean`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DivFloor;

impl Operator for DivFloor {
    fn name(&self) -> &'static str {
        "DivFloor"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [a, b] = take(operands)?;
        same("divisor", a, b)?;
        Ok(a.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(a, _), (b, _)] = take(operands)?;
        if b.lo < 1 {
            return Err(OperatorError::Domain {
                what: "divisor",
                interval: b,
                domain: Interval::new(1, BOUND - 1),
            });
        }
        let corners = [a.lo, a.hi].map(|a| [a.div_euclid(b.lo), a.div_euclid(b.hi)]).concat();
        Ok(Interval::of(corners).expect("four corners"))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let (a, b) = (operands[0], operands[1]);
        let quotients =
            a.data().iter().zip(b.data()).map(|(&a, &b)| i64::from(a).div_euclid(i64::from(b)));
        Tensor::new(a.shape().to_vec(), quotients.map(narrow).collect())
            .expect("one quotient for each element")
    }
}
