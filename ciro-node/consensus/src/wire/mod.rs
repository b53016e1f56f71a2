//! The binary encoding of messages, evidence and log records.
//!
//! Integers are big-endian, lists carry a 32-bit length that is checked against a limit before
//! anything is allocated, and a decoder accepts exactly the bytes an encoder writes: no trailing
//! bytes, no second spelling of a value.

mod values;

/// The version that begins every encoded message and evidence.
pub const WIRE_VERSION: u8 = 1;

/// Why bytes are not an encoding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The bytes end inside a value.
    #[error("input ends inside `{what}`")]
    Truncated {
        /// The value that was being read.
        what: &'static str,
    },
    /// Bytes follow the value.
    #[error("{bytes} bytes follow the value")]
    Trailing {
        /// How many bytes are left over.
        bytes: usize,
    },
    /// The encoding has another version.
    #[error("expected version {expected}, got {got}")]
    Version {
        /// The version this crate writes.
        expected: u8,
        /// The version found.
        got: u8,
    },
    /// A tag names no variant.
    #[error("`{what}` has no variant {tag}")]
    Tag {
        /// The enumeration.
        what: &'static str,
        /// The tag found.
        tag: u8,
    },
    /// A list is longer than its limit.
    #[error("`{what}` has {len} entries, at most {max} are allowed")]
    TooMany {
        /// The list.
        what: &'static str,
        /// The length found.
        len: u64,
        /// The limit.
        max: usize,
    },
    /// The whole input is longer than its limit.
    #[error("input has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// The length found.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A value is outside its type's range or spelled in a second way.
    #[error("`{what}` is not canonical")]
    NotCanonical {
        /// The value.
        what: &'static str,
    },
}

/// A type with one canonical encoding, which consensus and what stands on it share.
pub trait Wire: Sized {
    /// Appends the encoding.
    fn put(&self, out: &mut Vec<u8>);

    /// Reads one value.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the input does not begin with an encoded value.
    fn get(input: &mut Reader<'_>) -> Result<Self, WireError>;
}

/// A cursor over encoded bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Takes the next `N` bytes.
    ///
    /// # Errors
    ///
    /// [`WireError::Truncated`] when fewer are left.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], WireError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(WireError::Truncated { what })?;
        self.rest = rest;
        Ok(*head)
    }

    /// Reads a list length and refuses one above `max`.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the list is longer, or the input shorter than a length.
    pub fn len(&mut self, what: &'static str, max: usize) -> Result<usize, WireError> {
        let len = u32::from_be_bytes(self.array(what)?);
        usize::try_from(len).ok().filter(|len| *len <= max).ok_or(WireError::TooMany {
            what,
            len: len.into(),
            max,
        })
    }

    /// Reads a list of at most `max` values.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the list is longer, or a value is none.
    pub fn list<T: Wire>(&mut self, what: &'static str, max: usize) -> Result<Vec<T>, WireError> {
        let len = self.len(what, max)?;
        // The length is the peer's claim: memory grows with the bytes that really follow.
        let mut list = Vec::with_capacity(len.min(self.rest.len() / 8 + 1));
        for _ in 0..len {
            list.push(T::get(self)?);
        }
        Ok(list)
    }

    /// Whether everything was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// [`WireError::Trailing`] when bytes are left.
    pub const fn finish(self) -> Result<(), WireError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(WireError::Trailing { bytes: self.rest.len() })
        }
    }
}

/// Writes a list with its length.
///
/// # Panics
///
/// When the list has 2^32 entries.
pub fn put_list<T: Wire>(list: &[T], out: &mut Vec<u8>) {
    let len = u32::try_from(list.len()).expect("lists are bounded far below 2^32 entries");
    out.extend_from_slice(&len.to_be_bytes());
    for value in list {
        value.put(out);
    }
}

/// Encodes a value after the version byte.
pub(crate) fn encode_versioned<T: Wire>(value: &T) -> Vec<u8> {
    let mut out = vec![WIRE_VERSION];
    value.put(&mut out);
    out
}

/// Decodes a whole versioned input of at most `max` bytes.
pub(crate) fn decode_versioned<T: Wire>(bytes: &[u8], max: usize) -> Result<T, WireError> {
    if bytes.len() > max {
        return Err(WireError::TooLong { len: bytes.len(), max });
    }
    let mut input = Reader::new(bytes);
    let [got] = input.array("version")?;
    if got != WIRE_VERSION {
        return Err(WireError::Version { expected: WIRE_VERSION, got });
    }
    let value = T::get(&mut input)?;
    input.finish()?;
    Ok(value)
}
