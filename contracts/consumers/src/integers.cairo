//! Integers as facts name them.
use core::poseidon::poseidon_hash_span;

/// The prime whose residues hold integers.
const P: felt252 = 0x7fffffff;
/// What a word of 31 bits is worth in the next place of a felt.
const PLACE: felt252 = 0x80000000;

/// The hash of integers that a model takes or gives, eight a felt.
///
/// A model's integers are smaller than 2^30. Beyond, one residue would stand for two of them, and a
/// fact about -1 would pass for one about 2^31 - 2: they are refused.
pub fn hash_of(mut integers: Span<i32>) -> felt252 {
    let mut felts = array![];
    while !integers.is_empty() {
        let (mut felt, mut place) = (0, 1);
        for _ in 0..8_u32 {
            if let Option::Some(integer) = integers.pop_front() {
                felt += place * residue(*integer);
                place *= PLACE;
            }
        };
        felts.append(felt);
    };
    poseidon_hash_span(felts.span())
}
fn residue(integer: i32) -> felt252 {
    assert(-0x40000000 < integer && integer < 0x40000000, 'integer: too large');
    if integer < 0 {
        P + integer.into()
    } else {
        integer.into()
    }
}
