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

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;
    use crate::integer::{Decoding, Encoding, ModelBuilder};

    #[test]
    fn elements_move_and_fills_count_for_the_interval() {
        let pad = Movement::Pad { pads: vec![(1, 0)], fill: -9 };
        check(&[tight(&[2], &[1, 2])], |_| pad.clone().into(), &[3], &[-9, 1, 2]);
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![2]);
        let x = builder.view(input, Encoding::Integer { lo: 0, hi: 5 }).unwrap();
        let y = builder.push("y", pad, &[x], 1.0).unwrap();
        assert_eq!(builder.node(y).interval, Interval::new(-9, 5));
        builder.output("y", y, Decoding::Integer);
        assert!(builder.finish().is_ok());
    }

    #[test]
    fn movements_that_do_not_fit_are_refused() {
        let reshape = Movement::Reshape { shape: vec![3] };
        refuse(&[tight(&[2], &[1, 2])], |_| reshape.into(), "reshape keeps the number of elements");
    }
}
