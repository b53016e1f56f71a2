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

/// The image of the largest float32.
const IMAGE_MAX: felt252 = 0x7f7fffff;

/// How many images there are: the numbers in `[-IMAGE_MAX, IMAGE_MAX]`.
const IMAGES: u32 = 0xfeffffff;

/// Takes `count` pairs of limbs of ordered float32 images from the front of `input`, and checks that they are the limbs of an
/// image that a finite number has: the low limb lies in `[0, 2^16)`, `high * 2^16 + low` in `[-IMAGE_MAX, IMAGE_MAX]`.
pub fn take_limbs(ref input: Tensor, count: usize) -> Tensor {
    let values = input.slice(0, 2 * count);
    input = input.slice(2 * count, input.len() - 2 * count);
    let mut rest = values;
    while let Some(limbs) = rest.multi_pop_front::<2>() {
        let [high, low] = (*limbs).unbox();
        // A small high limb: the sum below then is one of integers.
        let _: u32 = (high + 0x8000).try_into().unwrap();
        let small: u32 = low.try_into().unwrap();
        assert(small < 0x10000, 'input is out of range');
        let image: u32 = (high * 0x10000 + low + IMAGE_MAX).try_into().unwrap();
        assert(image < IMAGES, 'input is out of range');
    }
    values
}

/// As `take_limbs`, where a pair may also be the image of a missing value, the one NaN `0x7f800001`.
pub fn take_limbs_or_missing(ref input: Tensor, count: usize) -> Tensor {
    let values = input.slice(0, 2 * count);
    let mut left = count;
    while left != 0 {
        if *input[0] == 0x7f80 && *input[1] == 1 {
            input = input.slice(2, input.len() - 2);
        } else {
            take_limbs(ref input, 1);
        }
        left -= 1;
    }
    values
}
