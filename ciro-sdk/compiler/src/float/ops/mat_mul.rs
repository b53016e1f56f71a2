//! Matrix product: `out[.., m, n] = sum_k a[.., m, k] * b[.., k, n]`.

use super::{Misfit, take, tensor};
use ciro_model::tensor::Tensor;

pub(super) fn shape(operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    let [a, b] = take::<2, _>(operands)?;
    let ([batch_a @ .., m, k_a], [batch_b @ .., k_b, n]) = (a, b) else {
        return Err(Misfit::Rule("matrices have at least two axes"));
    };
    if k_a != k_b {
        return Err(Misfit::Rule("the inner axes of a matrix product are equal"));
    }
    if !batch_b.is_empty() && batch_a != batch_b {
        return Err(Misfit::Rule("batch axes are equal, or the right matrix has none"));
    }
    Ok([batch_a, &[*m, *n]].concat())
}

pub(super) fn eval(a: &Tensor<f64>, b: &Tensor<f64>) -> Tensor<f64> {
    let rank = a.rank();
    let (rows, inner, columns) = (a.shape()[rank - 2], a.last_dim(), b.last_dim());
    let shape = [&a.shape()[..rank - 1], &[columns]].concat();
    let mut out = vec![0.0; shape.iter().product()];
    if out.is_empty() || inner == 0 {
        return tensor(shape, out);
    }
    let matrices = out.chunks_exact_mut(rows * columns).zip(a.data().chunks_exact(rows * inner));
    let rights = b.data().chunks_exact(inner * columns).cycle();
    for ((out, a), b) in matrices.zip(rights) {
        for (out, a) in out.chunks_exact_mut(columns).zip(a.chunks_exact(inner)) {
            multiply_row(out, a, b);
        }
    }
    tensor(shape, out)
}

/// Adds `sum_k a[k] * b[k, n]` to `out[n]`.
pub(super) fn multiply_row(out: &mut [f64], a: &[f64], b: &[f64]) {
    for (&factor, row) in a.iter().zip(b.chunks_exact(out.len())) {
        for (sum, &value) in out.iter_mut().zip(row) {
            *sum += factor * value;
        }
    }
}
