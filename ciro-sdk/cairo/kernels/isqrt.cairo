//! Elementwise integer square root.

use core::num::traits::Sqrt;
use super::Tensor;

/// `y = floor(sqrt(x))`, elementwise, for `x >= 0`.
pub fn isqrt(mut x: Tensor) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let radicand: u32 = (*x0).try_into().unwrap();
        y.append(radicand.sqrt().into());
    }
    y.span()
}
