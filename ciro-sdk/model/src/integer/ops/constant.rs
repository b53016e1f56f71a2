//! A tensor that is part of the model.

use serde::{Deserialize, Serialize};

use crate::integer::operator::take;
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// A constant tensor as an operand of elementwise operators and movements.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Constant {
    /// Its elements.
    pub value: ConstId,
}

impl Operator for Constant {
    fn name(&self) -> &'static str {
        "Constant"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [] = take(operands)?;
        Ok(constants.get(self.value)?.shape().to_vec())
    }

    fn interval(
        &self,
        _operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let values = constants.get(self.value)?.data().iter().map(|&v| i64::from(v));
        Ok(Interval::of(values).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, _operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        constants[self.value].clone()
    }

    fn weights(&self) -> Vec<ConstId> {
        vec![self.value]
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    #[test]
    fn a_constant_takes_no_operand() {
        let constant = |builder: &mut crate::integer::ModelBuilder| {
            Constant { value: builder.constant(Tensor::vector(vec![7, -8])) }.into()
        };
        check(&[], constant, &[2], &[7, -8]);
        refuse(&[tight(&[1], &[1])], constant, "expected 0 operand(s), got 1");
    }

    #[test]
    fn a_missing_constant_is_refused() {
        refuse(&[], |_| Constant { value: ConstId(3) }.into(), "constant 3 is not in the model");
    }
}
