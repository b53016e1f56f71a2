//! Product with a constant matrix.

use super::Tensor;
use super::dot::dot;
use super::slots::Slots;

/// `y[.., n] = sum_k x[.., k] * w[k, n] + b[n]`, exact.
///
/// `weights` holds, for each group of columns, one felt a row `k`; `biases` holds one felt a group. The last group may be
/// narrower. `offset` is the least value of `y`, which the biases have subtracted.
///
/// Shapes: `x: [.., inner]`, `y: [.., N]`.
pub fn linear<impl S: Slots, impl Last: Slots>(
    mut x: Tensor, inner: usize, weights: Tensor, biases: Tensor, offset: felt252,
) -> Tensor {
    let mut y = array![];
    while !x.is_empty() {
        let row = x.slice(0, inner);
        x = x.slice(inner, x.len() - inner);
        row_times_matrix::<S, Last>(row, weights, biases, offset, ref y);
    }
    y.span()
}

/// One row of [`linear`].
pub fn row_times_matrix<impl S: Slots, impl Last: Slots>(
    row: Tensor, mut weights: Tensor, mut biases: Tensor, offset: felt252, ref y: Array<felt252>,
) {
    while let Some(bias) = biases.pop_front() {
        let packed = dot(*bias, row, ref weights);
        if biases.is_empty() {
            Last::unpack(packed, offset, ref y);
        } else {
            S::unpack(packed, offset, ref y);
        }
    }
}
