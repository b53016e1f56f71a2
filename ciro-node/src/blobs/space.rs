//! What files take of a disk, which is more than their bytes.

use ciro_protocol::blob::CHUNK_BYTES;

/// The bytes of a block: a file takes whole ones, and one at least, since its name and its inode
/// take room too.
pub(super) const BLOCK_BYTES: u64 = 4096;
/// The bytes of a list without the hashes of chunks: version, length and count.
const LIST_HEAD_BYTES: u64 = 14;
/// The bytes of the hash of a chunk.
const HASH_BYTES: u64 = 32;

/// What files take of a disk: bytes in whole blocks of 4 KiB, and inodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes of their blocks.
    pub bytes: u64,
    /// How many they are.
    pub files: u64,
}

impl Space {
    /// What a file of so many bytes takes.
    pub(super) fn file(bytes: u64) -> Self {
        Self { bytes: blocks(bytes.max(1)), files: 1 }
    }

    /// What a chunk adds to a file. All but the last one are whole blocks.
    pub(super) fn chunk(bytes: u64) -> Self {
        Self { bytes: blocks(bytes), files: 0 }
    }

    /// What the files of a whole blob of so many bytes take: data and list.
    pub(super) fn blob(bytes: u64) -> Self {
        Self::list(bytes).plus(Self::file(bytes))
    }

    /// What the files of an upload take before a chunk is there.
    pub(super) fn begun(bytes: u64) -> Self {
        Self::list(bytes).plus(Self { bytes: 0, files: 1 })
    }

    fn list(bytes: u64) -> Self {
        let hashes = bytes.div_ceil(CHUNK_BYTES).saturating_mul(HASH_BYTES);
        Self::file(hashes.saturating_add(LIST_HEAD_BYTES))
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_add(other.bytes);
        Self { bytes, files: self.files.saturating_add(other.files) }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        let bytes = self.bytes.saturating_sub(other.bytes);
        Self { bytes, files: self.files.saturating_sub(other.files) }
    }

    /// One part of so many.
    pub(super) fn part(self, of: u64) -> Self {
        Self { bytes: self.bytes / of, files: self.files / of }
    }

    /// So many of it.
    pub(super) fn times(self, count: u64) -> Self {
        let bytes = self.bytes.saturating_mul(count);
        Self { bytes, files: self.files.saturating_mul(count) }
    }

    pub(super) fn min(self, other: Self) -> Self {
        Self { bytes: self.bytes.min(other.bytes), files: self.files.min(other.files) }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), files: self.files.max(other.files) }
    }

    pub(super) const fn fits(self, room: Self) -> bool {
        self.bytes <= room.bytes && self.files <= room.files
    }
}

/// Rounds up to whole blocks.
fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES).saturating_mul(BLOCK_BYTES)
}

#[cfg(test)]
mod tests {
    use ciro_protocol::blob::BlobList;
    use ciro_protocol::wire::Message as _;

    use super::*;

    #[test]
    fn lists_take_what_their_encoding_has() {
        for bytes in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 130 * CHUNK_BYTES] {
            let content = vec![7; usize::try_from(bytes).unwrap()];
            let list = BlobList::of(&content).unwrap().to_bytes();
            assert_eq!(Space::list(bytes), Space::file(list.len() as u64), "{bytes}");
        }
    }

    #[test]
    fn a_blob_takes_what_its_upload_has_brought() {
        for bytes in [1, 4096, 4097, CHUNK_BYTES, 2 * CHUNK_BYTES + 5] {
            let whole = (0..bytes / CHUNK_BYTES).map(|_| CHUNK_BYTES);
            let lens = whole.chain(Some(bytes % CHUNK_BYTES)).filter(|len| *len > 0);
            let brought = lens.fold(Space::begun(bytes), |sum, len| sum.plus(Space::chunk(len)));
            assert_eq!(brought, Space::blob(bytes), "{bytes}");
        }
        assert_eq!(Space::blob(1), Space { bytes: 2 * BLOCK_BYTES, files: 2 });
        assert_eq!(Space::blob(0), Space::blob(1), "an empty file has a name and an inode");
    }
}
