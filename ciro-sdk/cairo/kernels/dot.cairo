//! Sums of products.

use super::Tensor;

/// `start + sum_k x[k] * w[k]` over all of `x`; takes as many elements from the front of `w`.
///
/// Products and sums are field arithmetic: one step each, and two to read the operands. What counts is to read without
/// checks, so the loop takes thirty-two elements at a time.
pub fn dot(start: felt252, mut x: Tensor, ref w: Tensor) -> felt252 {
    let mut sum = start;
    while let Some(x32) = x.multi_pop_front::<32>() {
        let [
            x0, x1, x2, x3, x4, x5, x6, x7, x8, x9, x10, x11, x12, x13, x14, x15,
            x16, x17, x18, x19, x20, x21, x22, x23, x24, x25, x26, x27, x28, x29, x30, x31,
        ] = (*x32).unbox();
        let [
            w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15,
            w16, w17, w18, w19, w20, w21, w22, w23, w24, w25, w26, w27, w28, w29, w30, w31,
        ] = (*w.multi_pop_front::<32>().unwrap()).unbox();
        sum += x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3 + x4 * w4 + x5 * w5 + x6 * w6 + x7 * w7
            + x8 * w8 + x9 * w9 + x10 * w10 + x11 * w11 + x12 * w12 + x13 * w13 + x14 * w14
            + x15 * w15 + x16 * w16 + x17 * w17 + x18 * w18 + x19 * w19 + x20 * w20 + x21 * w21
            + x22 * w22 + x23 * w23 + x24 * w24 + x25 * w25 + x26 * w26 + x27 * w27 + x28 * w28
            + x29 * w29 + x30 * w30 + x31 * w31;
    }
    while let Some(x4) = x.multi_pop_front::<4>() {
        let [x0, x1, x2, x3] = (*x4).unbox();
        let [w0, w1, w2, w3] = (*w.multi_pop_front::<4>().unwrap()).unbox();
        sum += x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3;
    }
    while let Some(x0) = x.pop_front() {
        sum += *x0 * *w.pop_front().unwrap();
    }
    sum
}
