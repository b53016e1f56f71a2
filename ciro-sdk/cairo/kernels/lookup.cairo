//! Unary functions by table.

use super::Tensor;

/// `y = table[x + offset]`.
pub fn lookup(mut x: Tensor, offset: felt252, table: Tensor) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let index: u32 = (*x0 + offset).try_into().unwrap();
        y.append(*table.at(index));
    }
    y.span()
}

/// `y = table[(x + offset) / divisor + first]`, rounding down; `offset` makes every operand non-negative.
pub fn lookup_shifted(
    mut x: Tensor, offset: felt252, divisor: NonZero<u32>, first: felt252, table: Tensor,
) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let (quotient, _) = DivRem::div_rem((*x0 + offset).try_into().unwrap(), divisor);
        let index: u32 = (quotient.into() + first).try_into().unwrap();
        y.append(*table.at(index));
    }
    y.span()
}
