//! Ranks of features among sorted boundaries.

use super::Tensor;

/// `#{ k : boundaries[k] < value }`, by halving.
pub fn rank(value: u64, mut boundaries: Span<u64>) -> felt252 {
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

/// Takes one value from the front of `x` and lifts it above zero, as the boundaries are.
pub fn single(ref x: Tensor) -> u64 {
    (*x.pop_front().unwrap() + 0x80010000).try_into().unwrap()
}

/// Takes two limbs from the front of `x`, `high * 2^16 + low`, and lifts their value above zero: the ordered image of a
/// float32.
pub fn limbs(ref x: Tensor) -> u64 {
    let [high, low] = (*x.multi_pop_front::<2>().unwrap()).unbox();
    (high * 0x10000 + low + 0x80010000).try_into().unwrap()
}
