//! Position of the maximum over the last axis.

use serde::{Deserialize, Serialize};

use super::reduce_sum::{fold_last, reduced};
use crate::integer::operator::take;
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[..] = argmax_k x[.., k]`, the lowest position among equals.
///
/// # Shapes
/// `x: [.., K] -> [..]`, `K >= 1`
///
/// # Source
/// ONNX `ArgMax` (`select_last_index = 0`), labels of classifiers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArgMax;

impl Operator for ArgMax {
    fn name(&self) -> &'static str {
        "ArgMax"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        if i32::try_from(x.last().copied().unwrap_or(0)).is_err() {
            return Err(OperatorError::Attribute("positions fit 31 bits"));
        }
        reduced(x)
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(_, shape)] = take(operands)?;
        let count = shape.last().copied().unwrap_or(1);
        Ok(Interval::new(0, i64::try_from(count).unwrap_or(i64::MAX) - 1))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        fold_last(operands[0], |row| {
            let best = (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            i32::try_from(best).expect("the shape rule bounds the axis")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_position() {
        let x = tight(&[3, 3], &[1, 2, 2, 5, 5, 5, -3, -2, -1]);
        check(&[x], |_| ArgMax.into(), &[3], &[1, 0, 2]);
    }

    #[test]
    fn an_empty_axis_is_refused() {
        refuse(&[tight(&[2, 0], &[])], |_| ArgMax.into(), "last axis that is not empty");
        refuse(&[tight(&[], &[1])], |_| ArgMax.into(), "last axis that is not empty");
    }
}
