//! Product of two computed matrices.

use super::Tensor;
use super::linear::row_times_matrix;
use super::slots::{Pack, Slots};

/// The extents of one product.
#[derive(Copy, Drop)]
pub struct MatMul {
    /// Rows of the left operand.
    pub rows: usize,
    /// The contracted extent.
    pub inner: usize,
    /// Columns of the right operand.
    pub columns: usize,
    /// How many columns a full group holds.
    pub width: usize,
}

/// `y[.., m, n] = sum_k a[.., m, k] * b[.., k, n]`, exact: packs the columns of `b`, then multiplies as by a constant
/// matrix. `biases` holds one felt a group of columns; `offset` is the least value of `y`, which they have subtracted.
///
/// Shapes: `a: [.., rows, inner]`, `b: [.., inner, columns]`, `y: [.., rows, columns]`.
pub fn mat_mul<impl S: Slots, impl P: Pack, impl LastS: Slots, impl LastP: Pack>(
    mut a: Tensor, mut b: Tensor, shape: MatMul, biases: Tensor, offset: felt252,
) -> Tensor {
    let mut y = array![];
    while !b.is_empty() {
        let size = shape.inner * shape.columns;
        let weights = pack_matrix::<P, LastP>(b.slice(0, size), shape);
        b = b.slice(size, b.len() - size);
        let mut row = 0;
        while row != shape.rows {
            row_times_matrix::<S, LastS>(a.slice(0, shape.inner), weights, biases, offset, ref y);
            a = a.slice(shape.inner, a.len() - shape.inner);
            row += 1;
        }
    }
    y.span()
}

/// For each group of columns, one felt for each row of `b`.
fn pack_matrix<impl P: Pack, impl LastP: Pack>(b: Tensor, shape: MatMul) -> Tensor {
    let MatMul { inner, columns, width, .. } = shape;
    let mut weights = array![];
    let mut first = 0;
    while first + width < columns {
        let mut at = first;
        while at != first + inner * columns {
            weights.append(P::pack(b.slice(at, width)));
            at += columns;
        }
        first += width;
    }
    let mut at = first;
    while at != first + inner * columns {
        weights.append(LastP::pack(b.slice(at, columns - first)));
        at += columns;
    }
    weights.span()
}
