//! Sum over the last axis.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[..] = sum_k x[.., k]`, exact.
///
/// # Shapes
/// `x: [.., K] -> [..]`
///
/// # Source
/// ONNX `ReduceSum`, `ReduceMean`, `AveragePool`, `GlobalAveragePool`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReduceSum;

impl Operator for ReduceSum {
    fn name(&self) -> &'static str {
        "ReduceSum"
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
        let [(x, shape)] = take(operands)?;
        let terms = shape.last().copied().unwrap_or(1);
        Ok(x.scale(i64::try_from(terms).unwrap_or(i64::MAX)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        fold_last(operands[0], |row| narrow(row.iter().map(|&v| i64::from(v)).sum()))
    }
}

/// The shape without its last axis, which must not be empty.
pub(super) fn reduced(shape: &[usize]) -> Result<Vec<usize>, OperatorError> {
    match shape.split_last() {
        Some((&last, lead)) if last > 0 => Ok(lead.to_vec()),
        _ => Err(OperatorError::Attribute("the operand has a last axis that is not empty")),
    }
}

/// Folds the last axis away.
pub(super) fn fold_last(x: &Tensor<i32>, f: impl Fn(&[i32]) -> i32) -> Tensor<i32> {
    let data = x.data().chunks_exact(x.last_dim()).map(f).collect();
    Tensor::new(x.shape()[..x.rank() - 1].to_vec(), data).expect("one value for each row")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    #[test]
    fn adds_every_row() {
        check(&[tight(&[2, 2], &[-5, -4, 9, 3])], |_| ReduceSum.into(), &[2], &[-9, 12]);
        refuse(&[tight(&[2], &[1 << 29, 0])], |_| ReduceSum.into(), "values may reach");
    }
}
