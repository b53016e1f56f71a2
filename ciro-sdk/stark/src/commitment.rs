//! Commitments to tensors: Poseidon of their integers behind a salt.
//!
//! A commitment is to a sequence of integers, whatever tensor of whatever model they are: so the
//! output of one model may be the input of the next under one commitment. It binds; what hides the
//! integers from whoever guesses them is the salt, as long as nothing else shows them.
//!
//! ```text
//! state      = 0 x 8, length, "ciro tensor commit v1" as 7 elements of 3 bytes, little-endian
//! state     += 8 elements of the salt; permute
//! state     += each 8 integers, the last ones filled up with 0; permute
//! commitment = the first 8 elements, each as 4 bytes, little-endian
//! ```

use num_traits::Zero;
use stwo::core::fields::m31::{BaseField, P};

use crate::field::embed;
use crate::poseidon::{RATE, State, WIDTH, permute};

/// Says what is hashed, so that no other use of Poseidon gives a commitment.
const DOMAIN: &[u8; 3 * (WIDTH - RATE - 1)] = b"ciro tensor commit v1";

/// Bytes of a [`Salt`].
pub const SALT_BYTES: usize = 31;

/// What makes a commitment say nothing to whoever guesses the integers: secret, and drawn anew for
/// every commitment that is not meant to be the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt([BaseField; RATE]);

impl std::fmt::Debug for Salt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Salt {
    /// A salt of 31 random bytes: eight elements of 31 bits, the lowest first. One of 2^28 salts
    /// has an element that two strings of bits stand for.
    pub fn from_bytes(bytes: [u8; SALT_BYTES]) -> Self {
        let bit = |at: usize| u32::from(bytes[at / 8] >> (at % 8)) & 1;
        Self(std::array::from_fn(|element| {
            let bits = (0..31).map(|at| bit(31 * element + at) << at).sum::<u32>();
            // 2^31 - 1 is 0.
            BaseField::from(bits % P)
        }))
    }

    /// Its elements as integers below the modulus.
    #[cfg(feature = "prove")]
    pub(crate) fn integers(self) -> [i32; RATE] {
        self.0.map(integer)
    }
}

/// The commitment to integers under a salt.
///
/// Integers from `-2^30` to `2^30`, as those of every tensor of a model, have elements of their
/// own, so that a commitment is to them alone.
pub fn commit(integers: &[i32], salt: Salt) -> [u8; 32] {
    let values = integers.iter().map(|&value| embed(value)).collect::<Vec<_>>();
    let digest = digest(&values, salt.0);
    let mut bytes = [0; 32];
    for (bytes, element) in bytes.chunks_mut(4).zip(digest) {
        bytes.copy_from_slice(&element.0.to_le_bytes());
    }
    bytes
}

/// The elements of a commitment; `None` if the bytes are not those of eight elements.
pub(crate) fn elements(commitment: &[u8; 32]) -> Option<[BaseField; RATE]> {
    let (words, _) = commitment.as_chunks::<4>();
    let mut elements = [BaseField::zero(); RATE];
    for (element, &word) in elements.iter_mut().zip(words) {
        let word = u32::from_le_bytes(word);
        *element = (word < P).then(|| word.into())?;
    }
    Some(elements)
}

/// The integer below the modulus that stands for an element where integers are stored.
pub(crate) fn integer(element: BaseField) -> i32 {
    i32::try_from(element.0).expect("below 2^31")
}

/// The state before anything is absorbed.
pub(crate) fn start(length: usize) -> State {
    let mut state = [BaseField::zero(); WIDTH];
    state[RATE] = BaseField::from(length);
    for (element, bytes) in state[RATE + 1..].iter_mut().zip(DOMAIN.chunks(3)) {
        let byte = |at: usize| u32::from(bytes[at]) << (8 * at);
        *element = (byte(0) | byte(1) | byte(2)).into();
    }
    state
}

/// Adds up to eight elements to the state.
pub(crate) fn absorb(state: &mut State, block: &[BaseField]) {
    state.iter_mut().zip(block).for_each(|(element, &value)| *element += value);
}

/// The elements of a commitment to elements under a salt.
pub(crate) fn digest(values: &[BaseField], salt: [BaseField; RATE]) -> [BaseField; RATE] {
    let mut state = start(values.len());
    for block in std::iter::once(&salt[..]).chain(values.chunks(RATE)) {
        absorb(&mut state, block);
        permute(&mut state);
    }
    std::array::from_fn(|at| state[at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn salt(byte: u8) -> Salt {
        Salt::from_bytes([byte; SALT_BYTES])
    }

    #[test]
    fn lengths_padding_order_signs_and_salts_are_told_apart() {
        let values: [&[i32]; 11] = [
            &[],
            &[0],
            &[0; 2],
            &[0; 8],
            &[0; 9],
            &[1],
            &[1, 0],
            &[0, 1],
            &[-1],
            &[1, 2, 3, 4, 5, 6, 7, 8],
            &[1, 2, 3, 4, 5, 6, 7, 8, 0],
        ];
        let of = |salt| values.map(|values| commit(values, salt));
        let all: BTreeSet<[u8; 32]> = of(salt(1)).into_iter().chain(of(salt(2))).collect();
        assert_eq!(all.len(), 22);
    }

    #[test]
    fn a_salt_is_no_block_of_values() {
        let (a, b) = (salt(1), salt(2));
        assert_ne!(commit(&a.integers(), b), commit(&b.integers(), a));
        assert_ne!(digest(&a.0, b.0), digest(&b.0, a.0));
    }

    #[test]
    fn a_salt_has_248_bits() {
        let mut bytes = [0; SALT_BYTES];
        bytes[30] = 0x80;
        assert_eq!(salt(0).integers(), [0; 8]);
        assert_eq!(Salt::from_bytes(bytes).integers(), [0, 0, 0, 0, 0, 0, 0, 1 << 30]);
        // All bits set are the modulus, which is 0.
        assert_eq!(salt(0xff), salt(0));
        assert_eq!(Salt::from_bytes([1; 31]).integers()[0], 0x0101_0101);
    }

    #[test]
    fn a_commitment_has_one_encoding() {
        let bytes = commit(&[3, -4], salt(9));
        let read = elements(&bytes).unwrap();
        assert_eq!(read, digest(&[embed(3), embed(-4)], salt(9).0));
        let mut other = bytes;
        other[..4].copy_from_slice(&(read[0].0 | 1 << 31).to_le_bytes());
        assert_eq!(elements(&other), None);
        other[..4].copy_from_slice(&P.to_le_bytes());
        assert_eq!(elements(&other), None);
    }

    /// What the module says above, once more: whoever writes another implementation compares with
    /// this.
    #[test]
    fn commitments_stay_what_they_are() {
        println!("{}", commit(&[1, -2, 3], salt(7)).map(|byte| format!("{byte:02x}")).concat());
        let mut state = start(3);
        assert_eq!(state[8].0, 3);
        assert_eq!(state[9].0, u32::from_le_bytes(*b"cir\0"));
        assert_eq!(state[15].0, u32::from_le_bytes(*b" v1\0"));
        absorb(&mut state, &salt(7).0);
        permute(&mut state);
        absorb(&mut state, &[embed(1), embed(-2), embed(3)]);
        permute(&mut state);
        assert_eq!(state[..8], elements(&commit(&[1, -2, 3], salt(7))).unwrap());
    }
}
