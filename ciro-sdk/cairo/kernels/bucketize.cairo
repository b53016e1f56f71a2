//! Ranks of features among sorted boundaries.

use super::Tensor;

/// Added to every value, as it is to the boundaries: nothing is negative then.
const LIFT: felt252 = 0x80010000;

/// `#{ k : boundaries[k] < value + LIFT }`, by halving.
pub fn rank(value: felt252, mut boundaries: Span<u64>) -> felt252 {
    let value: u64 = (value + LIFT).try_into().unwrap();
    let mut below: felt252 = 0;
    while !boundaries.is_empty() {
        let half = boundaries.len() / 2;
        if *boundaries.at(half) < value {
            let taken = half + 1;
            below += taken.into();
            boundaries = boundaries.slice(taken, boundaries.len() - taken);
        } else {
            boundaries = boundaries.slice(0, half);
        }
    }
    below
}

/// Takes one value from the front of `x`.
pub fn single(ref x: Tensor) -> felt252 {
    *x.pop_front().unwrap()
}

/// Takes two limbs from the front of `x`: `high * 2^16 + low`, the ordered image of a float32.
pub fn limbs(ref x: Tensor) -> felt252 {
    let [high, low] = (*x.multi_pop_front::<2>().unwrap()).unbox();
    high * 0x10000 + low
}
