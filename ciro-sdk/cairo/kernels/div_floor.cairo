//! Elementwise floor division.

use super::Tensor;

/// `y = floor(a / b)`, elementwise, for `b > 0`; `a + lift * b` is never negative.
pub fn div_floor(mut a: Tensor, mut b: Tensor, lift: felt252) -> Tensor {
    let mut y = array![];
    while let Some(a0) = a.pop_front() {
        let b0 = *b.pop_front().unwrap();
        let dividend: u64 = (*a0 + lift * b0).try_into().unwrap();
        let divisor: u64 = b0.try_into().unwrap();
        let (quotient, _) = DivRem::div_rem(dividend, divisor.try_into().unwrap());
        y.append(quotient.into() - lift);
    }
    y.span()
}
