//! Movements as operators: see [`crate::movement`].

use crate::integer::operator::take;
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::movement::Movement;
use crate::tensor::Tensor;

impl Operator for Movement<i32> {
    fn name(&self) -> &'static str {
        match self {
            Self::Reshape { .. } => "Reshape",
            Self::Transpose { .. } => "Transpose",
            Self::Expand { .. } => "Expand",
            Self::Concat { .. } => "Concat",
            Self::Select { .. } => "Select",
            Self::Pad { .. } => "Pad",
            Self::Dilate { .. } => "Dilate",
            Self::Windows(_) => "Windows",
            Self::Index { .. } => "Index",
        }
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        Ok(Self::shape(self, operands)?)
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        if !matches!(self, Self::Concat { .. } | Self::Index { .. }) {
            let [_] = take(operands)?;
        }
        let moved = operands.iter().map(|(interval, _)| *interval);
        let fill = self.fill().map(|&fill| Interval::point(fill.into()));
        Ok(moved.chain(fill).reduce(Interval::union).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], _constants: &Constants) -> Tensor<i32> {
        self.apply(operands).expect("the shape rule has checked the movement")
    }
}
