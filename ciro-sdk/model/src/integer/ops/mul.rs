//! Elementwise product.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = a * b`, elementwise and exact.
///
/// # Shapes
/// Both operands and the result have one shape.
///
/// # Source
/// ONNX `Mul`, `Pow` with exponent 2, `Where` and logic on 0/1 tensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mul;

impl Operator for Mul {
    fn name(&self) -> &'static str {
        "Mul"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [a, b] = take(operands)?;
        same("operand", a, b)?;
        Ok(a.to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(a, _), (b, _)] = take(operands)?;
        Ok(a * b)
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let (a, b) = (operands[0], operands[1]);
        let products = a.data().iter().zip(b.data()).map(|(&a, &b)| i64::from(a) * i64::from(b));
        Tensor::new(a.shape().to_vec(), products.map(narrow).collect())
            .expect("one product for each element")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;
    use crate::integer::{Encoding, ModelBuilder};

    #[test]
    fn multiplies_elementwise() {
        let operands = [tight(&[3], &[2, -3, 0]), tight(&[3], &[5, 7, 9])];
        check(&operands, |_| Mul.into(), &[3], &[10, -21, 0]);
        refuse(&[tight(&[1], &[1 << 15]), tight(&[1], &[1 << 15])], |_| Mul.into(), "may reach");
    }

    #[test]
    fn a_square_is_never_negative() {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![2]);
        let x = builder.view(input, Encoding::Integer { lo: -3, hi: 5 }).unwrap();
        let square = builder.push("square", Mul, &[x, x], 1.0).unwrap();
        assert_eq!(builder.node(square).interval, Interval::new(0, 25));
    }
}
