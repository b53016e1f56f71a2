//! Content-addressed bytes: models, inputs, keys and proofs.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

use crate::id::hash_id;
use crate::wire::{List, Message};

/// The bytes of one chunk; the last one may be shorter.
pub const CHUNK_BYTES: u64 = 1 << 20;
/// The most chunks of a blob: 16 GiB.
pub const CHUNKS_MAX: usize = 16_384;

hash_id! {
    /// A blob: SHA-256 over its list of chunks. Processors, browsers and Starknet have SHA-256
    /// built in; gigabytes go through it.
    BlobId
}

/// What a blob is made of: whoever has the list checks each chunk as it comes.
#[derive(
    Clone,
    Debug,
    PartialEq,
    Eq,
    BorshSerialize,
    BorshDeserialize,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(deny_unknown_fields)]
pub struct BlobList {
    /// The length of the whole.
    pub bytes: u64,
    /// SHA-256 of each chunk of [`CHUNK_BYTES`].
    pub chunks: List<BlobChunk, CHUNKS_MAX>,
}

hash_id! {
    /// One chunk of a blob: SHA-256 of its bytes.
    BlobChunk
}

/// Why bytes do not belong to a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlobError {
    /// More than a blob may have.
    #[error("{0} bytes exceed the maximum of a blob, 16 GiB")]
    TooLong(u64),
    /// The list's length and number of chunks contradict each other.
    #[error("a blob of {bytes} bytes has {expected} chunks, the list names {got}")]
    Chunks {
        /// The length.
        bytes: u64,
        /// The chunks that it has.
        expected: u64,
        /// The chunks named.
        got: u64,
    },
    /// A chunk is not part of the blob.
    #[error("the blob has no chunk {0}")]
    NoChunk(u64),
    /// A chunk has another length or hash.
    #[error("chunk {0} is not the one that the list names")]
    Chunk(u64),
}

impl Message for BlobList {
    const NAME: &'static str = "CIRO_BLOB_V1";
    const BYTES_MAX: usize = 64 + 32 * CHUNKS_MAX;
}

impl BlobList {
    /// Lists the chunks of bytes that are at hand.
    ///
    /// # Errors
    ///
    /// [`BlobError::TooLong`] above 16 GiB.
    pub fn of(bytes: &[u8]) -> Result<Self, BlobError> {
        let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let size = usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX);
        let chunks = bytes.chunks(size).map(BlobChunk::of).collect();
        let chunks = List::new(chunks).map_err(|_| BlobError::TooLong(len))?;
        Ok(Self { bytes: len, chunks })
    }

    /// Returns the blob's id.
    #[must_use]
    pub fn id(&self) -> BlobId {
        BlobId(Sha256::digest(self.to_bytes()).into())
    }

    /// Checks that length and number of chunks agree.
    ///
    /// # Errors
    ///
    /// [`BlobError::Chunks`].
    pub fn check(&self) -> Result<(), BlobError> {
        let (bytes, got) = (self.bytes, u64::try_from(self.chunks.len()).unwrap_or(u64::MAX));
        let expected = bytes.div_ceil(CHUNK_BYTES);
        if expected == got { Ok(()) } else { Err(BlobError::Chunks { bytes, expected, got }) }
    }

    /// Checks a chunk that came for position `index`.
    ///
    /// # Errors
    ///
    /// [`BlobError`] if it is not that chunk.
    pub fn check_chunk(&self, index: u64, bytes: &[u8]) -> Result<(), BlobError> {
        let place = usize::try_from(index).ok().and_then(|index| self.chunks.get(index));
        let named = place.ok_or(BlobError::NoChunk(index))?;
        let start = index.saturating_mul(CHUNK_BYTES);
        let expected = self.bytes.saturating_sub(start).min(CHUNK_BYTES);
        let length = u64::try_from(bytes.len()).ok() == Some(expected);
        if length && *named == BlobChunk::of(bytes) { Ok(()) } else { Err(BlobError::Chunk(index)) }
    }
}

impl BlobChunk {
    /// Returns the hash of a chunk's bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl BlobId {
    /// Returns the id of bytes that are at hand.
    ///
    /// # Errors
    ///
    /// [`BlobError::TooLong`] above 16 GiB.
    pub fn of(bytes: &[u8]) -> Result<Self, BlobError> {
        BlobList::of(bytes).map(|list| list.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_checked_one_by_one() {
        let bytes: Vec<u8> = (0..=255).cycle().take((1 << 20) + 5).collect();
        let list = BlobList::of(&bytes).unwrap();
        assert_eq!((list.chunks.len(), list.check()), (2, Ok(())));
        let (first, second) = bytes.split_at(1 << 20);
        assert_eq!(list.check_chunk(0, first), Ok(()));
        assert_eq!(list.check_chunk(1, second), Ok(()));
        assert_eq!(list.check_chunk(1, first), Err(BlobError::Chunk(1)));
        assert_eq!(list.check_chunk(2, second), Err(BlobError::NoChunk(2)));
        let longer = BlobList { bytes: list.bytes + (1 << 20), ..list.clone() };
        assert!(matches!(longer.check(), Err(BlobError::Chunks { expected: 3, got: 2, .. })));
        assert_ne!(longer.id(), list.id());
        assert_eq!(BlobList::of(&[]).unwrap().check(), Ok(()));
    }
}
