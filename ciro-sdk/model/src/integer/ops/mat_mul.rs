//! Product of two computed matrices.

use serde::{Deserialize, Serialize};

use crate::integer::operator::{count, narrow, same, take};
use crate::integer::{Constants, Interval, Operator, OperatorError};
use crate::tensor::Tensor;

/// `y[.., m, n] = sum_k a[.., m, k] * b[.., k, n]`, exact.
///
/// # Shapes
/// `a: [batch.., M, K]`, `b: [batch.., K, N]` `-> [batch.., M, N]`, equal batch axes.
///
/// # Source
/// ONNX `MatMul` with two computed operands (attention).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatMul;

impl Operator for MatMul {
    fn name(&self) -> &'static str {
        "MatMul"
    }

    fn shape(
        &self,
        operands: &[&[usize]],
        _constants: &Constants,
    ) -> Result<Vec<usize>, OperatorError> {
        let [a, b] = take(operands)?;
        let ([a_batch @ .., m, ka], [b_batch @ .., kb, n]) = (a, b) else {
            return Err(OperatorError::Attribute("both operands are matrices"));
        };
        same("batch axes", a_batch, b_batch)?;
        same("contracted axis", &[*ka], &[*kb])?;
        Ok(a_batch.iter().copied().chain([*m, *n]).collect())
    }

    fn interval(
        &self,
        operands: &[(Interval, &[usize])],
        _constants: &Constants,
    ) -> Result<Interval, OperatorError> {
        let [(a, shape), (b, _)] = take(operands)?;
        let terms = shape.last().copied().unwrap_or(1);
        Ok((a * b).scale(i64::try_from(terms).unwrap_or(i64::MAX)))
    }

    fn eval(&self, operands: &[&Tensor<i32>], constants: &Constants) -> Tensor<i32> {
        let (a, b) = (operands[0], operands[1]);
        let shape = self
            .shape(&[a.shape(), b.shape()], constants)
            .expect("the shape rule has been applied");
        let (m, n) = (shape[shape.len() - 2], shape[shape.len() - 1]);
        let k = a.last_dim();
        let batch: usize = shape[..shape.len() - 2].iter().product();
        let mut data = Vec::with_capacity(shape.iter().product());
        let mut sums = vec![0i64; n];
        for block in 0..batch {
            let b = &b.data()[block * k * n..(block + 1) * k * n];
            for row in 0..m {
                let a = &a.data()[(block * m + row) * k..][..k];
                sums.fill(0);
                for (j, &a) in a.iter().enumerate() {
                    for (sum, &b) in sums.iter_mut().zip(&b[j * n..(j + 1) * n]) {
                        *sum += i64::from(a) * i64::from(b);
                    }
                }
                data.extend(sums.iter().map(|&sum| narrow(sum)));
            }
        }
        Tensor::new(shape, data).expect("one sum for each element")
    }

    fn macs(&self, operands: &[&[usize]], _constants: &Constants) -> u64 {
        let [a, b] = operands else { return 0 };
        count(a.iter().copied().chain(b.last().copied()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check, refuse, tight};
    use super::*;

    #[test]
    fn every_block_is_multiplied_with_its_own() {
        let a = tight(&[2, 1, 2], &[1, 2, 3, 4]);
        let b = tight(&[2, 2, 2], &[1, 0, 0, 1, 5, 6, 7, 8]);
        check(&[a, b], |_| MatMul.into(), &[2, 1, 2], &[1, 2, 43, 50]);
    }

    #[test]
    fn shapes_and_overflow_are_refused() {
        let one = || tight(&[1, 1], &[1 << 15]);
        refuse(&[one(), one()], |_| MatMul.into(), "values may reach");
        refuse(&[one(), tight(&[1], &[1])], |_| MatMul.into(), "both operands are matrices");
        refuse(&[one(), tight(&[2, 1], &[1, 1])], |_| MatMul.into(), "contracted axis");
        refuse(&[one(), tight(&[1, 1, 1], &[1])], |_| MatMul.into(), "batch axes");
    }
}
