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
