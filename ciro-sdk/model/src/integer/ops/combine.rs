//! Linear combination of tensors.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same};
use crate::integer::{Constants, Interval, IntervalSum, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y = sum_i coefficients[i] * x_i + constant`, elementwise and exact.
///
/// # Shapes
/// All operands and the result have one shape; broadcasting is made explicit by `Expand`.
///
/// # Source
/// ONNX `Add`, `Sub`, `Neg`, `Sum`, and products with a scalar constant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Combine {
    /// One coefficient for each operand.
    pub coefficients: Vec<i32>,
    /// Added to every element.
    pub constant: i32,
}

impl Operator for Combine {
    fn name(&self) -> &'static str {
        "Combine"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        if operands.len() != self.coefficients.len() || operands.is_empty() {
            let expected = self.coefficients.len().max(1);
            return Err(OperatorError::Operands { expected, got: operands.len() });
        }
        for operand in &operands[1..] {
            same("operand", operands[0], operand)?;
        }
        Ok(operands[0].to_vec())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let mut sum = IntervalSum::point(self.constant.into());
        for (&(x, _), &c) in operands.iter().zip(&self.coefficients) {
            sum.add_scaled(x, c.into());
        }
        Ok(sum.total())
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        let mut sums = vec![i64::from(self.constant); operands[0].len()];
        for (x, &c) in operands.iter().zip(&self.coefficients) {
            for (sum, &x) in sums.iter_mut().zip(x.data()) {
                // Partial sums may leave 64 bits; the whole one is inside the bound.
                *sum = sum.wrapping_add(i64::from(c) * i64::from(x));
            }
        }
        let data = sums.into_iter().map(narrow).collect();
        Tensor::new(operands[0].shape().to_vec(), data).expect("one sum for each element")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    /// The sum is `2^64 + x`: 64 bits would make `x` of it, and the field `x + 4`.
    #[test]
    fn sums_that_leave_64_bits_on_the_way_are_refused() {
        let (c, one) = (|| tight(&[1], &[(1 << 30) - 1]), || tight(&[1], &[1]));
        let mut operands = vec![one()];
        operands.extend((0..18).map(|_| c()));
        operands.extend([one(), tight(&[1], &[3])]);
        let mut coefficients = vec![23];
        coefficients.extend([i32::MAX; 12]);
        coefficients.push(36);
        coefficients.extend([-i32::MAX; 4]);
        coefficients.extend([-12, -7, 1]);
        let op = Combine { coefficients, constant: 0 };
        refuse(&operands, |_| op.into(), "values may reach");
    }

    #[test]
    fn weighs_and_adds() {
        let operands = [tight(&[2], &[3, -1]), tight(&[2], &[10, 20])];
        let op = Combine { coefficients: vec![2, -1], constant: 5 };
        check(&operands, |_| op.into(), &[2], &[1, -17]);
    }

    #[test]
    fn overflow_and_wrong_operands_are_refused() {
        let op =
            |coefficients: &[i32]| Combine { coefficients: coefficients.to_vec(), constant: 0 };
        refuse(&[tight(&[1], &[1 << 20])], |_| op(&[1 << 10]).into(), "values may reach");
        refuse(&[tight(&[1], &[1])], |_| op(&[1, 1]).into(), "expected 2 operand(s), got 1");
        refuse(&[], |_| op(&[]).into(), "expected 1 operand(s), got 0");
        let unequal = [tight(&[1], &[1]), tight(&[2], &[1, 1])];
        refuse(&unequal, |_| op(&[1, 1]).into(), "operand: expected [1], got [2]");
    }
}
