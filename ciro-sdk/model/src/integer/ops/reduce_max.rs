//! Maximum over the last axis.

use serde::{Deserialize, Serialize};

use super::reduce_sum::{fold_last, reduced};
use crate::integer::operator::take;
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[..] = max_k x[.., k]`.
///
/// # Shapes
/// `x: [.., K] -> [..]`, `K >= 1`
///
/// # Source
/// ONNX `ReduceMax`, `MaxPool`, `Max`, `Softmax`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceMax;

impl Operator for ReduceMax {
    fn name(&self) -> &'static str {
        "ReduceMax"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        reduced(x)
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        Ok(x)
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        fold_last(operands[0], |row| *row.iter().max().expect("the last axis is not empty"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    #[test]
    fn takes_the_greatest_of_every_row() {
        check(&[tight(&[2, 2], &[-5, -4, 9, 3])], |_| ReduceMax.into(), &[2], &[-4, 9]);
        refuse(&[tight(&[0], &[])], |_| ReduceMax.into(), "last axis that is not empty");
    }
}
