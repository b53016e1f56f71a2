//! Elementwise product.

use super::Tensor;

/// `y = a * b`, elementwise.
pub fn mul(mut a: Tensor, mut b: Tensor) -> Tensor {
    let mut y = array![];
    while let Some(a0) = a.pop_front() {
        y.append(*a0 * *b.pop_front().unwrap());
    }
    y.span()
}
