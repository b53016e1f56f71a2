//! Several integers in one felt.
//!
//! A field element has 251 bits, an accumulator needs at most 31. So a matrix is stored with several output columns in
//! each felt, every one in a slot of its own: `w = sum_j w_j * 2^p_j`. Multiplying by one input multiplies all columns
//! at once, and sums of such products stay apart as long as every column's total fits its slot. The interval of each
//! layer's values is known, so the slots are exactly as wide as needed, and a bias makes every total non-negative.

/// A way to lay integers side by side in a felt: the first ones in its low 128 bits, the others above.
pub trait Slots {
    /// Takes the integers out of `packed`, adds `offset` to each, and appends them to `y`.
    fn unpack(packed: felt252, offset: felt252, ref y: Array<felt252>);
}

/// A way to lay values that the program computes side by side in a felt.
pub trait Pack {
    /// Packs exactly as many values as there are slots, from the front of `values`.
    fn pack(values: Span<felt252>) -> felt252;
}

/// One array for each slot: the output channels of a convolution are computed side by side but stored one after the
/// other.
pub trait Planes {
    /// One array for each slot.
    type Arrays;
    /// Empty arrays.
    fn empty() -> Self::Arrays;
    /// Appends each integer in `packed`, plus `offset`, to its slot's array.
    fn spread(packed: felt252, offset: felt252, planes: Self::Arrays) -> Self::Arrays;
    /// Appends the first `count` arrays to `y`, one after the other.
    fn join(planes: Self::Arrays, count: usize, ref y: Array<felt252>);
}
