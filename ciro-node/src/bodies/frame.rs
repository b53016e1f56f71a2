//! Frames of a segment: a length, a checksum, why it was written, and an encoded batch.
//!
//! ```text
//! segment   "CIROBODY"  version u16  chain 32 bytes  salt 8 bytes   then frames
//! frame     len u32     crc32 u32 over salt, len, kind and bytes     kind u8     bytes
//! ```
//!
//! All integers are little endian. Nobody outside knows the salt: what a batch holds does not look
//! like a frame of its segment.

use ciro_protocol::batch::SignedBatch;
use ciro_protocol::id::Chain;
use ciro_protocol::wire::{Message as _, encode};

const MAGIC: &[u8; 8] = b"CIROBODY";
const VERSION: u16 = 2;
/// The bytes before the first frame.
pub(super) const HEADER_BYTES: usize = 8 + 2 + 32 + SALT_BYTES;
const SALT_BYTES: usize = 8;
/// The bytes of a frame before its batch.
pub(super) const PREFIX_BYTES: usize = 9;

/// Why a body was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A proposal brought it: it is needed for a block alone.
    Block,
    /// Its submitter has shown it, or it was made here: it is needed until its place is executed.
    Place,
}

impl Kind {
    const fn byte(self) -> u8 {
        match self {
            Self::Block => 0,
            Self::Place => 1,
        }
    }

    fn of(byte: u8) -> Option<Self> {
        [Self::Block, Self::Place].into_iter().find(|kind| kind.byte() == byte)
    }
}

/// What tells a segment's frames from all other bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) [u8; SALT_BYTES]);

/// What a segment begins with, up to its salt.
pub(super) fn header(chain: Chain) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(encode(&chain));
    bytes
}

/// Splits a segment into its salt and its frames.
pub(super) fn split(segment: &[u8], chain: Chain) -> Option<(Salt, &[u8])> {
    let rest = segment.strip_prefix(&header(chain)[..])?;
    let (salt, frames) = rest.split_first_chunk()?;
    Some((Salt(*salt), frames))
}

/// Encodes a frame.
pub(super) fn frame(salt: Salt, kind: Kind, batch: &SignedBatch) -> Vec<u8> {
    let bytes = batch.to_bytes();
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut frame = len.to_vec();
    frame.extend(checksum(salt, &len, kind, &bytes).to_le_bytes());
    frame.push(kind.byte());
    frame.extend(bytes);
    frame
}

/// What reading a frame found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A whole frame: why it was written, and the bytes of a batch.
    Whole(Kind, &'a [u8]),
    /// The segment ends here.
    End,
    /// Bytes that are no frame: what a crash left of one, or damage.
    Torn,
}

/// Reads the frame at the beginning of `rest`.
pub(super) fn read(salt: Salt, rest: &[u8]) -> Found<'_> {
    if rest.is_empty() {
        return Found::End;
    }
    let Some((len, after)) = rest.split_first_chunk::<4>() else { return Found::Torn };
    let Some((crc, after)) = after.split_first_chunk::<4>() else { return Found::Torn };
    let Some((kind, after)) = after.split_first() else { return Found::Torn };
    let Some(kind) = Kind::of(*kind) else { return Found::Torn };
    let bytes = usize::try_from(u32::from_le_bytes(*len))
        .ok()
        .filter(|len| *len <= SignedBatch::BYTES_MAX)
        .and_then(|len| after.get(..len));
    match bytes {
        Some(bytes) if checksum(salt, len, kind, bytes) == u32::from_le_bytes(*crc) => {
            Found::Whole(kind, bytes)
        }
        _ => Found::Torn,
    }
}

fn checksum(salt: Salt, len: &[u8; 4], kind: Kind, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.0);
    hasher.update(len);
    hasher.update(&[kind.byte()]);
    hasher.update(bytes);
    hasher.finalize()
}
