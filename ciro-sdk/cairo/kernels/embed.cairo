//! Rows of a constant matrix, chosen by computed indices.

use super::Tensor;
use super::movement::copy;

/// `y[.., d] = table[x[..], d]`; a row has `width` elements.
pub fn embed(mut x: Tensor, table: Tensor, width: usize) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let row: u32 = (*x0).try_into().unwrap();
        copy(table.slice(row * width, width), ref y);
    }
    y.span()
}
