//! Rounding shift and clamp.

use super::Tensor;

/// A change of scale by a power of two, on operands made non-negative.
#[derive(Copy, Drop)]
pub struct Shift {
    /// Added to every operand: half the divisor, and what makes it non-negative.
    pub offset: felt252,
    /// `2^shift`.
    pub divisor: NonZero<u32>,
    /// Added to every quotient: undoes what `offset` has added.
    pub base: felt252,
}

/// `y = (x + 2^(s - 1)) >> s`, where the operand's interval makes a clamp unnecessary.
pub fn shift(mut x: Tensor, by: Shift) -> Tensor {
    let mut y = array![];
    while let Some(x4) = x.multi_pop_front::<4>() {
        let [x0, x1, x2, x3] = (*x4).unbox();
        y.append(quotient(x0, by).into() + by.base);
        y.append(quotient(x1, by).into() + by.base);
        y.append(quotient(x2, by).into() + by.base);
        y.append(quotient(x3, by).into() + by.base);
    }
    while let Some(x0) = x.pop_front() {
        y.append(quotient(*x0, by).into() + by.base);
    }
    y.span()
}

/// `y = clamp((x + 2^(s - 1)) >> s, lo, hi)`; `lo` and `hi` bound the quotient before `base` is added.
pub fn requantize(mut x: Tensor, by: Shift, lo: u32, hi: u32) -> Tensor {
    let mut y = array![];
    while let Some(x4) = x.multi_pop_front::<4>() {
        let [x0, x1, x2, x3] = (*x4).unbox();
        y.append(clamped(quotient(x0, by), lo, hi).into() + by.base);
        y.append(clamped(quotient(x1, by), lo, hi).into() + by.base);
        y.append(clamped(quotient(x2, by), lo, hi).into() + by.base);
        y.append(clamped(quotient(x3, by), lo, hi).into() + by.base);
    }
    while let Some(x0) = x.pop_front() {
        y.append(clamped(quotient(*x0, by), lo, hi).into() + by.base);
    }
    y.span()
}

/// `y = clamp(x, lo, hi)`; `offset` makes every operand non-negative, and `lo` and `hi` include it.
pub fn clamp(mut x: Tensor, offset: felt252, lo: u32, hi: u32) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let value: u32 = (*x0 + offset).try_into().unwrap();
        y.append(clamped(value, lo, hi).into() - offset);
    }
    y.span()
}

/// `y = max(x, lo)`, as [`clamp`].
pub fn at_least(mut x: Tensor, offset: felt252, lo: u32) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let value: u32 = (*x0 + offset).try_into().unwrap();
        let value = if value < lo {
            lo
        } else {
            value
        };
        y.append(value.into() - offset);
    }
    y.span()
}

/// `y = min(x, hi)`, as [`clamp`].
pub fn at_most(mut x: Tensor, offset: felt252, hi: u32) -> Tensor {
    let mut y = array![];
    while let Some(x0) = x.pop_front() {
        let value: u32 = (*x0 + offset).try_into().unwrap();
        let value = if value > hi {
            hi
        } else {
            value
        };
        y.append(value.into() - offset);
    }
    y.span()
}

#[inline(always)]
fn quotient(x: felt252, by: Shift) -> u32 {
    let (quotient, _) = DivRem::div_rem((x + by.offset).try_into().unwrap(), by.divisor);
    quotient
}

#[inline(always)]
fn clamped(value: u32, lo: u32, hi: u32) -> u32 {
    if value < lo {
        lo
    } else if value > hi {
        hi
    } else {
        value
    }
}
