//! The one encoding of every value.
//!
//! A message is a little-endian `u16` version and its fields in [borsh](https://borsh.io):
//! fixed-width little-endian integers, lists behind a 32-bit length, one tag byte for options and
//! variants. Borsh has no second spelling of a value (postcard's variable-length integers have
//! many), does not share its form with the JSON that people read, and has decoders in other
//! languages. Bounds are part of the types ([`List`], [`Bytes`], [`Text`](crate::text::Text)), so
//! that a length is checked before anything is allocated for it.

use std::fmt;
use std::io;
use std::ops::Deref;

use blake2::{Blake2s256, Digest as _};
use borsh::{BorshDeserialize, BorshSerialize};

/// A value that travels or is kept by itself: it has a version, a bound, and a name that enters its
/// digest.
pub trait Message: BorshSerialize + BorshDeserialize {
    /// The name that begins the digest, so that no bytes mean two things.
    const NAME: &'static str;
    /// The version that begins the encoding.
    const VERSION: u16 = 1;
    /// The most bytes of an encoding.
    const BYTES_MAX: usize;

    /// Returns the encoding.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Self::VERSION.to_le_bytes().to_vec();
        put(self, &mut out);
        out
    }

    /// Reads the encoding.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] unless the bytes are exactly what [`to_bytes`](Self::to_bytes) gives for a
    /// value.
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (name, len, max) = (Self::NAME, bytes.len(), Self::BYTES_MAX);
        if len > max {
            return Err(DecodeError::TooLong { name, len, max });
        }
        let malformed = |rest: &[u8], error: &io::Error| DecodeError::Malformed {
            name,
            at: len - rest.len(),
            reason: error.to_string(),
        };
        let mut rest = bytes;
        let got = u16::deserialize(&mut rest).map_err(|error| malformed(rest, &error))?;
        if got != Self::VERSION {
            return Err(DecodeError::Version { name, expected: Self::VERSION, got });
        }
        let value = Self::deserialize(&mut rest).map_err(|error| malformed(rest, &error))?;
        if rest.is_empty() {
            Ok(value)
        } else {
            Err(DecodeError::Trailing { name, bytes: rest.len() })
        }
    }

    /// Returns `Blake2s-256(name ‖ 0 ‖ encoding)`.
    fn digest(&self) -> [u8; 32] {
        let hasher = Blake2s256::new().chain_update(Self::NAME).chain_update([0]);
        hasher.chain_update(self.to_bytes()).finalize().into()
    }
}

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More bytes than such a message may have.
    #[error("`{name}` has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The message.
        name: &'static str,
        /// The bytes that came.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A version that this build does not know.
    #[error("`{name}` has version {got}, expected {expected}: use a release that knows it")]
    Version {
        /// The message.
        name: &'static str,
        /// The version of this build.
        expected: u16,
        /// The version that came.
        got: u16,
    },
    /// A field ends early, is out of its range or too long.
    #[error("`{name}` is malformed at byte {at}: {reason}")]
    Malformed {
        /// The message.
        name: &'static str,
        /// Where reading stopped.
        at: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Bytes follow the message.
    #[error("{bytes} bytes follow `{name}`")]
    Trailing {
        /// The message.
        name: &'static str,
        /// How many bytes are left over.
        bytes: usize,
    },
}

/// Appends a value's encoding.
pub(crate) fn put<T: BorshSerialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    value.serialize(out).expect("writing to memory does not fail, and lists are below 2^32");
}

/// Returns the encoding of a value that stands in another: without a version.
pub fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    put(value, &mut out);
    out
}

/// Returns the error of a field that is out of its range.
pub(crate) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

/// A list of at most `MAX` values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

/// More values than a list may hold, or more bytes than a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} entries, at most {max} are allowed")]
pub struct TooMany {
    /// How many came.
    pub len: usize,
    /// The limit.
    pub max: usize,
}

impl<T, const MAX: usize> List<T, MAX> {
    /// Takes the values.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if there are more than `MAX`.
    pub fn new(values: Vec<T>) -> Result<Self, TooMany> {
        let len = values.len();
        if len > MAX { Err(TooMany { len, max: MAX }) } else { Ok(Self(values)) }
    }

    /// Appends a value.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if the list is full.
    pub fn push(&mut self, value: T) -> Result<(), TooMany> {
        if self.0.len() >= MAX {
            return Err(TooMany { len: self.0.len() + 1, max: MAX });
        }
        self.0.push(value);
        Ok(())
    }

    /// Returns the values.
    pub fn into_inner(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: BorshSerialize, const MAX: usize> BorshSerialize for List<T, MAX> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl<T: BorshDeserialize, const MAX: usize> BorshDeserialize for List<T, MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let len = read_len(reader, MAX)?;
        // The length is the sender's claim: memory grows with what really follows.
        let mut values = Vec::with_capacity(len.min(64));
        for _ in 0..len {
            values.push(T::deserialize_reader(reader)?);
        }
        Ok(Self(values))
    }
}

impl<'de, T: serde::Deserialize<'de>, const MAX: usize> serde::Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = <Vec<T> as serde::Deserialize>::deserialize(deserializer)?;
        Self::new(values).map_err(serde::de::Error::custom)
    }
}

/// At most `MAX` bytes; hexadecimal in JSON.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// Takes the bytes.
    ///
    /// # Errors
    ///
    /// [`TooMany`] if there are more than `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, TooMany> {
        let len = bytes.len();
        if len > MAX { Err(TooMany { len, max: MAX }) } else { Ok(Self(bytes)) }
    }
}

impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes(0x{})", hex::encode(&self.0))
    }
}

impl<const MAX: usize> BorshSerialize for Bytes<MAX> {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.0.serialize(writer)
    }
}

impl<const MAX: usize> BorshDeserialize for Bytes<MAX> {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        read_bytes(reader, MAX).map(Self)
    }
}

impl<const MAX: usize> serde::Serialize for Bytes<MAX> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de, const MAX: usize> serde::Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let text = json_text(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        let bytes = hex::decode(digits).map_err(Error::custom)?;
        Self::new(bytes).map_err(Error::custom)
    }
}

/// Reads a length and refuses one above `max`.
fn read_len<R: io::Read>(reader: &mut R, max: usize) -> io::Result<usize> {
    let len = u32::deserialize_reader(reader)?;
    let fits = usize::try_from(len).ok().filter(|len| *len <= max);
    fits.ok_or_else(|| invalid(format!("{len} entries, at most {max} are allowed")))
}

/// Reads a length and as many bytes, allocating as they come.
pub(crate) fn read_bytes<R: io::Read>(reader: &mut R, max: usize) -> io::Result<Vec<u8>> {
    let mut left = read_len(reader, max)?;
    let mut bytes = Vec::new();
    while left > 0 {
        let step = left.min(4096);
        let start = bytes.len();
        bytes.resize(start + step, 0);
        reader.read_exact(&mut bytes[start..])?;
        left -= step;
    }
    Ok(bytes)
}

/// Reads a JSON string.
pub(crate) fn json_text<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    <String as serde::Deserialize>::deserialize(from)
}
