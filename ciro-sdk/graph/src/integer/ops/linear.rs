//! Product with a constant matrix.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{narrow, same, take};
use crate::integer::{ConstId, Constants, Interval, Operator, OperatorError};
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
        let mut columns: Vec<Interval> = match bias {
            Some(bias) => bias.data().iter().map(|&b| Interval::point(b.into())).collect(),
            None => vec![Interval::point(0); n],
        };
        for row in weight.data().chunks_exact(n.max(1)) {
            for (column, &w) in columns.iter_mut().zip(row) {
                *column = column.add(x.scale(w.into()));
            }
        }
        Ok(columns.into_iter().reduce(Interval::union).unwrap_or(Interval::point(0)))
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
                    *sum += i64::from(x) * i64::from(w);
                }
            }
            data.extend(sums.into_iter().map(narrow));
        }
        Tensor::new(shape, data).expect("one sum for each element")
    }
}
