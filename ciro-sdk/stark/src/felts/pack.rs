//! Words and hashes in felts.

use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;
use stwo::core::vcs::blake2_hash::Blake2sHash;

use super::Felt;

/// Words of 31 bits in a felt: 248 of its bits.
pub(super) const WORDS: usize = 8;

impl Felt {
    /// The felt of a number.
    pub(super) fn number(value: u128) -> Self {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }

    /// The felt of up to 31 bytes, the least significant first.
    fn little_endian(bytes: &[u8]) -> Self {
        let mut felt = [0; 32];
        felt.iter_mut().rev().zip(bytes).for_each(|(to, from)| *to = *from);
        Self(felt)
    }

    /// The felt of up to eight words of 31 bits, the least significant first.
    fn words(words: &[u32]) -> Self {
        let mut limbs = [0u64; 4];
        for (place, &word) in words.iter().enumerate() {
            let (limb, shift) = (31 * place / 64, 31 * place % 64);
            limbs[limb] |= u64::from(word) << shift;
            if shift > 33 {
                limbs[limb + 1] |= u64::from(word) >> (64 - shift);
            }
        }
        let bytes: Vec<u8> = limbs.into_iter().flat_map(u64::to_le_bytes).collect();
        Self::little_endian(&bytes)
    }
}

/// Eight words a felt; the last one is filled up with zeros.
pub(super) fn base(values: impl IntoIterator<Item = BaseField>) -> Vec<Felt> {
    let words: Vec<u32> = values.into_iter().map(|value| value.0).collect();
    words.chunks(WORDS).map(Felt::words).collect()
}

/// Two elements a felt.
pub(super) fn extension<'a>(values: impl IntoIterator<Item = &'a SecureField>) -> Vec<Felt> {
    base(values.into_iter().flat_map(|value| value.to_m31_array()))
}

/// How many there are, their last bytes, 31 a felt, then of each the 31 bytes before.
pub(super) fn hashes(hashes: &[Blake2sHash]) -> Vec<Felt> {
    let last: Vec<u8> = hashes.iter().map(|hash| hash.0[31]).collect();
    let mut felts = vec![Felt::number(hashes.len() as u128)];
    felts.extend(last.chunks(31).map(Felt::little_endian));
    felts.extend(hashes.iter().map(|hash| Felt::little_endian(&hash.0[..31])));
    felts
}

/// A digest as two numbers of 128 bits, its first 16 bytes first, each little-endian.
pub(super) fn digest(digest: [u8; 32]) -> [Felt; 2] {
    let (halves, _) = digest.as_chunks::<16>();
    [0, 1].map(|half| Felt::number(u128::from_le_bytes(halves[half])))
}

/// Small numbers in one felt, the least significant first, each with its width in bits.
///
/// # Panics
/// If one is wider than it says, or all together have more than 128 bits.
pub(super) fn fields(fields: &[(u128, u32)]) -> Felt {
    let mut shift = 0;
    let mut sum = 0;
    for &(value, bits) in fields {
        assert!(value >> bits == 0 && shift + bits <= 128, "{fields:?}");
        sum |= value << shift;
        shift += bits;
    }
    Felt::number(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_31_bits_apart() {
        let most = (1 << 31) - 1;
        for place in 0..WORDS {
            let mut words = [0; WORDS];
            words[place] = most;
            let felt = Felt::words(&words);
            let bit = |at: usize| (felt.0[31 - at / 8] >> (at % 8)) & 1;
            for at in 0..256 {
                assert_eq!(bit(at) == 1, at / 31 == place && at < 248, "{place}, {at}");
            }
        }
    }

    #[test]
    fn hashes_keep_their_last_bytes_apart() {
        let hash =
            |first: u8| Blake2sHash(std::array::from_fn(|at| first + u8::try_from(at).unwrap()));
        let felts = hashes(&[hash(1), hash(2)]);
        assert_eq!(felts[0], Felt::number(2));
        assert_eq!(felts[1], Felt::number(0x2120));
        assert_eq!((felts[2].0[0], felts[2].0[1], felts[2].0[31]), (0, 31, 1));
    }
}
