//! Linear combination of tensors.

use super::Tensor;

/// `y = c * x + k`, elementwise.
pub fn scale(mut x: Tensor, c: felt252, k: felt252) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        y.append(*x0 * c + k);
    }
    y.span()
}

/// `y = a + c * x`, elementwise.
pub fn add_scaled(mut a: Tensor, mut x: Tensor, c: felt252) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        y.append(*a.pop_front().unwrap() + *x0 * c);
    }
    y.span()
}

/// `y = a + x`, elementwise.
pub fn add(mut a: Tensor, mut x: Tensor) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        y.append(*a.pop_front().unwrap() + *x0);
    }
    y.span()
}

/// `y = a - x`, elementwise.
pub fn subtract(mut a: Tensor, mut x: Tensor) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        y.append(*a.pop_front().unwrap() - *x0);
    }
    y.span()
}
