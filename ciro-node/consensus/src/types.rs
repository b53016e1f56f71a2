//! Identifiers and 32-byte words shared by every module.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Defines a `u64` newtype for a position or identity that must not be mixed with another.
macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The value before all others.
            pub const ZERO: Self = Self(0);

            /// Returns the value after this one, saturating at `u64::MAX`.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }

            /// Returns this value advanced by `by`, saturating at `u64::MAX`.
            #[must_use]
            pub const fn plus(self, by: u64) -> Self {
                Self(self.0.saturating_add(by))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// A view of one epoch: the period in which one schedule of primaries holds (PBFT §4).
    View
}
counter! {
    /// A sequence number: the height of a block. The first block has 1; 0 is genesis.
    Seq
}
counter! {
    /// An epoch: the stretch of blocks with one fixed validator set.
    Epoch
}
counter! {
    /// The identity of an operation's author, as the ledger above registered it.
    ClientId
}
counter! {
    /// A client's own operation counter (PBFT §4.1, the request's timestamp). The first operation
    /// has 1.
    Nonce
}

/// The identity of a replica, stable across epochs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ReplicaId(pub u32);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

/// The big-endian bytes of the STARK field's prime, `2^251 + 17 * 2^192 + 1`.
const PRIME: [u8; 32] = {
    let mut bytes = [0; 32];
    bytes[0] = 0x08;
    bytes[7] = 0x11;
    bytes[31] = 0x01;
    bytes
};

/// A 32-byte word below the STARK field's prime: a digest, or a number on its way into a hash.
///
/// The bound makes every digest one `felt252`, so that a Cairo contract can hold and check it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The word zero, which no hash of this crate produces on purpose; it marks absence.
    pub const ZERO: Self = Self([0; 32]);

    /// Reads big-endian bytes, or returns `None` when they are not below the field's prime.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        (bytes < PRIME).then_some(Self(bytes))
    }

    /// Reads big-endian bytes with the top five bits cleared, which always fits.
    #[must_use]
    pub const fn from_bytes_truncated(mut bytes: [u8; 32]) -> Self {
        bytes[0] &= 0x07;
        Self(bytes)
    }

    /// Returns the word that holds `value`.
    #[must_use]
    pub fn from_u128(value: u128) -> Self {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }

    /// Returns the word that holds `value`.
    #[must_use]
    pub fn from_u64(value: u64) -> Self {
        Self::from_u128(value.into())
    }

    /// Returns the Cairo short string `text` as a word.
    ///
    /// # Panics
    ///
    /// At compile time, when `text` is longer than 31 bytes.
    #[must_use]
    pub const fn short_string(text: &str) -> Self {
        let text = text.as_bytes();
        assert!(text.len() <= 31, "a short string has at most 31 bytes");
        let mut bytes = [0; 32];
        let mut i = 0;
        while i < text.len() {
            bytes[32 - text.len() + i] = text[i];
            i += 1;
        }
        Self(bytes)
    }

    /// Returns the big-endian bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the low 128 bits.
    #[must_use]
    pub fn low_u128(&self) -> u128 {
        self.0[16..].iter().fold(0, |value, byte| value << 8 | u128::from(*byte))
    }

    /// Returns `0x` and the hexadecimal digits without leading zeros, as Cairo tools print felts.
    #[must_use]
    pub fn to_hex(&self) -> String {
        to_felt_hex(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.to_hex())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

/// The name of one network, part of everything signed, so that no signature counts on another
/// chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(Digest);

impl ChainId {
    /// Returns the chain named by the Cairo short string `name` of at most 31 bytes.
    ///
    /// # Panics
    ///
    /// When `name` is longer than 31 bytes.
    #[must_use]
    pub const fn new(name: &str) -> Self {
        Self(Digest::short_string(name))
    }

    /// Wraps the word that names the chain.
    #[must_use]
    pub const fn from_word(word: Digest) -> Self {
        Self(word)
    }

    /// Returns the word that enters every signed hash.
    #[must_use]
    pub const fn word(self) -> Digest {
        self.0
    }
}

/// Writes big-endian bytes as `0x…` without leading zeros.
pub(crate) fn to_felt_hex(bytes: &[u8; 32]) -> String {
    let digits = hex::encode(bytes);
    let digits = digits.trim_start_matches('0');
    format!("0x{}", if digits.is_empty() { "0" } else { digits })
}

/// Reads `0x…` with at most 64 digits into big-endian bytes.
pub(crate) fn from_felt_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() <= 64)?;
    hex::decode(format!("{digits:0>64}")).ok()?.try_into().ok()
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_hex())
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        from_felt_hex(&text).and_then(Self::from_bytes).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a felt252 in hexadecimal"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_below_the_prime_are_digests_and_others_are_not() {
        let mut below = PRIME;
        below[31] = 0;
        assert!(Digest::from_bytes(below).is_some());
        assert!(Digest::from_bytes(PRIME).is_none());
        assert!(Digest::from_bytes([0xff; 32]).is_none());
        let truncated = Digest::from_bytes_truncated([0xff; 32]);
        assert_eq!(Digest::from_bytes(*truncated.as_bytes()), Some(truncated));
    }

    #[test]
    fn felt_hex_round_trips() {
        for value in [0_u128, 1, 0x10, u128::MAX] {
            let digest = Digest::from_u128(value);
            assert_eq!(digest.to_hex(), format!("0x{value:x}"));
            assert_eq!(from_felt_hex(&digest.to_hex()), Some(*digest.as_bytes()));
            assert_eq!(digest.low_u128(), value);
        }
        assert_eq!(from_felt_hex("12"), None);
        assert_eq!(from_felt_hex(&format!("0x{}", "1".repeat(65))), None);
    }

    #[test]
    fn short_strings_are_right_aligned_ascii() {
        assert_eq!(Digest::short_string("CIRO").to_hex(), "0x4349524f");
    }
}
