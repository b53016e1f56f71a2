//! Maximum over the last axis.

use super::Tensor;

/// `y[..] = max_k x[.., k]`; the last axis has `extent` elements, `offset` makes every operand non-negative.
pub fn reduce_max(mut x: Tensor, extent: usize, offset: felt252) -> Tensor {
    let mut y = array![];
    while !x.is_empty() {
        let mut row = x.slice(0, extent);
        x = x.slice(extent, x.len() - extent);
        let mut best: u32 = 0;
        while let Some(value) = row.pop_front() {
            best = larger(best, (*value + offset).try_into().unwrap());
        }
        y.append(best.into() - offset);
    }
    y.span()
}

/// [`reduce_max`] over four elements, as two-by-two pooling needs it.
pub fn reduce_max_4(mut x: Tensor, offset: felt252) -> Tensor {
    let mut y = array![];
    while let Some(x4) = x.multi_pop_front::<4>() {
        let [x0, x1, x2, x3] = (*x4).unbox();
        let best = larger((x0 + offset).try_into().unwrap(), (x1 + offset).try_into().unwrap());
        let best = larger(best, (x2 + offset).try_into().unwrap());
        let best = larger(best, (x3 + offset).try_into().unwrap());
        y.append(best.into() - offset);
    }
    y.span()
}

#[inline(always)]
fn larger(a: u32, b: u32) -> u32 {
    if a < b {
        b
    } else {
        a
    }
}
