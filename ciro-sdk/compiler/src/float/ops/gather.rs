//! Rows of a table at computed positions: `out[.., d] = table[indices[..], d]`.

use super::{Misfit, take, tensor};
use crate::float::EvalError;
use ciro_model::tensor::Tensor;

pub(super) fn shape(operands: &[&[usize]]) -> Result<Vec<usize>, Misfit> {
    let [table, indices] = take::<2, _>(operands)?;
    let [_, width] = table else {
        return Err(Misfit::Rule("a table has two axes"));
    };
    Ok([indices, &[*width]].concat())
}

pub(super) fn eval(table: &Tensor<f64>, indices: &Tensor<f64>) -> Result<Tensor<f64>, EvalError> {
    let (rows, width) = (table.shape()[0], table.shape()[1]);
    let mut data = Vec::with_capacity(indices.len() * width);
    for &index in indices.data() {
        let row = row(index, rows).ok_or(EvalError::Index { index, rows })?;
        data.extend_from_slice(&table.data()[row * width..][..width]);
    }
    Ok(tensor([indices.shape(), &[width]].concat(), data))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the index is an integer inside the table"
)]
fn row(index: f64, rows: usize) -> Option<usize> {
    // Negative positions count from the end.
    let index = if index < 0.0 { index + rows as f64 } else { index };
    let inside = index >= 0.0 && index < rows as f64 && index.fract() == 0.0;
    inside.then_some(index as usize)
}
