//! A tensor that comes from outside.

use serde::{Deserialize, Serialize};

use crate::integer::operator::take;
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// An input: nothing computes it, its shape and interval are given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputTensor {
    /// Shape of the integer tensor.
    pub shape: Vec<usize>,
    /// What every element is checked to stay inside.
    pub interval: Interval,
}

impl Operator for InputTensor {
    fn name(&self) -> &'static str {
        "Input"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [] = take(operands)?;
        Ok(self.shape.clone())
    }

    fn interval(
        &self,
        _operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        Ok(self.interval)
    }

    fn eval(&self, _operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        unreachable!("the interpreter takes the values of input nodes from its caller")
    }
}
