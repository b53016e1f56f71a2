//! Sum over the last axis.

use super::Tensor;

/// `y[..] = sum_k x[.., k]`; the last axis has `extent` elements.
pub fn reduce_sum(mut x: Tensor, extent: usize) -> Tensor {
    let mut y = array![];
    while !x.is_empty() {
        let mut row = x.slice(0, extent);
        x = x.slice(extent, x.len() - extent);
        let mut sum = 0;
        while let Some(value) = row.pop_front() {
            sum += *value;
        }
        y.append(sum);
    }
    y.span()
}
