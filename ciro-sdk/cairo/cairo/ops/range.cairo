//! Checks that inputs lie in their interval: everything after relies on it.

use super::Tensor;

/// Takes `count` values from the front of `input` and checks that each lies in `[lo, lo + width)`.
pub fn take_checked(ref input: Tensor, count: usize, lo: felt252, width: u32) -> Tensor {
    let values = input.slice(0, count);
    input = input.slice(count, input.len() - count);
    let mut rest = values;
    while let Some(value) = rest.pop_front() {
        let distance: u32 = (*value - lo).try_into().unwrap();
        assert(distance < width, 'input is out of range');
    }
    values
}

/// Takes `count` pairs of limbs of ordered float32 images from the front of `input` and checks that the high limb lies in
/// `[-2^15, 2^15)`, the low one in `[0, 2^16)`.
pub fn take_limbs(ref input: Tensor, count: usize) -> Tensor {
    let values = input.slice(0, 2 * count);
    input = input.slice(2 * count, input.len() - 2 * count);
    let mut rest = values;
    while let Some(limbs) = rest.multi_pop_front::<2>() {
        let [high, low] = (*limbs).unbox();
        let high: u32 = (high + 0x8000).try_into().unwrap();
        let low: u32 = low.try_into().unwrap();
        assert(high < 0x10000, 'input is out of range');
        assert(low < 0x10000, 'input is out of range');
    }
    values
}
