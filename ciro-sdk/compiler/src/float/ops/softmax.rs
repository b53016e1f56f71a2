//! Softmax over the last axis: `exp(x_i - max x) / sum_j exp(x_j - max x)`.

use super::{Misfit, take, tensor};
use ciro_model::tensor::Tensor;

pub(super) fn shape(operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    let [x] = take::<1, _>(operands)?;
    if x.is_empty() {
        return Err(Misfit::Rule("softmax needs an axis"));
    }
    Ok(x.to_vec())
}

pub(super) fn eval(x: &Tensor<f64>) -> Tensor<f64> {
    let mut data = x.data().to_vec();
    for row in data.chunks_mut(x.last_dim().max(1)) {
        let max = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = libm::exp(*value - max);
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
    tensor(x.shape().to_vec(), data)
}
