//! Operators that treat every element alone.

use super::{Misfit, tensor};
use crate::float::BinaryFn;
use ciro_model::tensor::Tensor;

pub(super) fn shape(operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    if operands.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Misfit::Rule("the operands of an elementwise operator have one shape"));
    }
    Ok(operands[0].to_vec())
}

pub(super) fn binary(f: BinaryFn, a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
    let data = a.data().iter().zip(b.data()).map(|(&a, &b)| f.eval(a, b)).collect();
    tensor(a.shape().to_vec(), data)
}

pub(super) fn select(condition: &Tensor<f64>, a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
    let values = a.data().iter().zip(b.data());
    let data = condition.data().iter().zip(values);
    let data = data.map(|(&c, (&a, &b))| if c == 0.0 { b } else { a }).collect();
    tensor(a.shape().to_vec(), data)
}
