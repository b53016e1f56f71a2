//! Product with a constant matrix.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{count, narrow, same, take};
use crate::integer::{ConstId, Constants, Interval, IntervalSum, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[.., n] = sum_k x[.., k] * w[k, n] + b[n]`, exact.
///
/// # Shapes
/// `x: [.., K]`, `w: [K, N]`, `b: [N]` `-> [.., N]`
///
/// # Source
/// ONNX `Gemm` and `MatMul` with a constant right operand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linear {
    /// The matrix `w`.
    pub weight: ConstId,
    /// The bias `b`, zero if absent.
    pub bias: Option<ConstId>,
}

impl Linear {
    /// `(K, N)` and the bias, checked against each other.
    fn parts<'c>(
        &self,
        constants: &'c Constants,
    ) -> Result<(&'c Tensor<i32>, Option<&'c Tensor<i32>>), OperatorError> {
        let weight = constants.get(self.weight)?;
        let &[_, n] = weight.shape() else {
            return Err(OperatorError::Attribute("the weight is a matrix"));
        };
        let bias = self.bias.map(|id| constants.get(id)).transpose()?;
        if let Some(bias) = bias {
            same("bias", &[n], bias.shape())?;
        }
        Ok((weight, bias))
    }
}

impl Operator for Linear {
    fn name(&self) -> &'static str {
        "Linear"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [x] = take(operands)?;
        let (weight, _) = self.parts(constants)?;
        let (&last, lead) =
            x.split_last().ok_or(OperatorError::Attribute("the operand has at least one axis"))?;
        same("contracted axis", &weight.shape()[..1], &[last])?;
        Ok(lead.iter().copied().chain([weight.shape()[1]]).collect())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(x, _)] = take(operands)?;
        let (weight, bias) = self.parts(constants)?;
        let n = weight.shape()[1];
        let mut columns: Vec<IntervalSum> = match bias {
            Some(bias) => bias.data().iter().map(|&b| IntervalSum::point(b.into())).collect(),
            None => vec![IntervalSum::point(0); n],
        };
        for row in weight.data().chunks_exact(n.max(1)) {
            for (column, &w) in columns.iter_mut().zip(row) {
                column.add_scaled(x, w.into());
            }
        }
        let columns = columns.into_iter().map(IntervalSum::total);
        Ok(columns.reduce(Interval::union).unwrap_or(Interval::point(0)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        let x = operands[0];
        let (weight, bias) = self.parts(constants).expect("the shape rule has checked the weight");
        let (k, n) = (weight.shape()[0], weight.shape()[1]);
        let mut shape = x.shape().to_vec();
        *shape.last_mut().expect("rank at least 1") = n;
        let rows = shape[..shape.len() - 1].iter().product::<usize>();
        let mut data = Vec::with_capacity(rows * n);
        for row in 0..rows {
            let mut sums = match bias {
                Some(bias) => bias.data().iter().map(|&b| i64::from(b)).collect(),
                None => vec![0i64; n],
            };
            for (j, &x) in x.data()[row * k..(row + 1) * k].iter().enumerate() {
                let weights = &weight.data()[j * n..(j + 1) * n];
                for (sum, &w) in sums.iter_mut().zip(weights) {
                    // Partial sums may leave 64 bits; the whole one is inside the bound.
                    *sum = sum.wrapping_add(i64::from(x) * i64::from(w));
                }
            }
            data.extend(sums.into_iter().map(narrow));
        }
        Tensor::new(shape, data).expect("one sum for each element")
    }

    fn macs(&self, operands: &[&[usize]], constants: &Constants) -> u64 {
        let outputs = constants[self.weight].last_dim();
        operands.iter().map(|x| count(x.iter().copied().chain([outputs]))).sum()
    }

    fn weights(&self) -> Vec<ConstId> {
        [self.weight].into_iter().chain(self.bias).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Operand, check, refuse, run, tight};
    use super::*;
    use crate::integer::{ModelBuilder, Op};

    fn linear(k: usize, n: usize, weight: Vec<i32>) -> impl FnOnce(&mut ModelBuilder) -> Op {
        move |builder| {
            let weight = builder.constant(Tensor::new(vec![k, n], weight).unwrap());
            Linear { weight, bias: None }.into()
        }
    }

    #[test]
    fn rows_meet_columns_and_the_bias_is_added() {
        let op = |builder: &mut ModelBuilder| {
            let bias = Some(builder.constant(Tensor::vector(vec![100, 200])));
            let weight = builder.constant(Tensor::new(vec![2, 2], vec![1, 2, 3, 4]).unwrap());
            Linear { weight, bias }.into()
        };
        check(&[tight(&[2, 2], &[1, 0, 1, 1])], op, &[2, 2], &[101, 202, 104, 206]);
    }

    #[test]
    fn shapes_and_overflow_are_refused() {
        refuse(&[tight(&[3], &[1, 1, 1])], linear(2, 1, vec![1, 1]), "contracted axis");
        refuse(&[tight(&[], &[1])], linear(1, 1, vec![1]), "at least one axis");
        refuse(&[tight(&[1], &[1 << 16])], linear(1, 1, vec![1 << 15]), "values may reach");
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_extreme_inputs(
            weight in prop::collection::vec(-500i32..500, 6), lo in -300i32..0, hi in 0i32..300,
        ) {
            // The interpreter asserts that the result stays in the interval that was computed
            // before.
            let extreme = |sign: i32| weight.iter().step_by(2).map(move |w| if w * sign > 0 { hi } else { lo });
            for sign in [1, -1] {
                let tensor = Tensor::vector(extreme(sign).collect());
                let expected: i32 = extreme(sign).zip(weight.iter().step_by(2)).map(|(x, w)| x * w).sum();
                let y = run(&[Operand { tensor, lo, hi }], linear(3, 2, weight.clone())).unwrap();
                prop_assert_eq!(y.data()[0], expected);
            }
        }
    }
}
