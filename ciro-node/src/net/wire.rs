//! What validators ask each other, and the answers.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::batch::{BATCH_BYTES_MAX, SignedBatch};
use ciro_protocol::blob::BlobId;
use ciro_protocol::text::Text;
use ciro_protocol::wire::{Bytes, List, Message};

use crate::store::OrderedRow;

/// Bytes of blobs that travel with their batch: more are fetched one by one.
pub(super) const ATTACHED_BYTES_MAX: usize = 4 << 20;
/// The most blobs that travel with their batch.
const ATTACHED_MAX: usize = 128;
/// The most blocks of one answer.
pub(super) const BLOCKS_MAX: usize = 256;
/// Bytes of blocks from which on an answer takes no further one.
pub(super) const BLOCKS_BYTES_FULL: usize = 4 << 20;
/// Bytes of one block at most: 64 batches.
const BLOCK_BYTES_MAX: usize = 17 << 20;
/// Bytes of a chunk at most, and of a blob's list.
const PART_BYTES_MAX: usize = 1 << 20;
/// Bytes that enclose a content.
const OVERHEAD_BYTES: usize = 4096;

/// `/ciro/batch/1`, the request.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum BatchRequest {
    /// Hold this batch and say whether it is valid. The blobs that it names may come along.
    Push {
        /// The batch.
        batch: Box<SignedBatch>,
        /// Blobs.
        blobs: List<Bytes<ATTACHED_BYTES_MAX>, ATTACHED_MAX>,
    },
    /// More than two thirds of the stake hold it: it may be ordered.
    Order {
        /// The payload of its operation.
        payload: [u8; 32],
    },
    /// Hand over the batch behind an operation.
    Get {
        /// The payload of the operation.
        payload: [u8; 32],
    },
}

/// `/ciro/batch/1`, the answer.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum BatchAnswer {
    /// It is valid, on disk, and will stay until its block is.
    Accepted,
    /// Consensus has it.
    Ordered,
    /// It is not here.
    Unknown,
    /// Not now: a blob is missing or too much is going on. Try again.
    Busy,
    /// It will never be accepted.
    Refused(Text<256>),
    /// The batch.
    Batch(Box<SignedBatch>),
}

impl Message for BatchRequest {
    const NAME: &'static str = "CIRO_BATCH_REQUEST_V1";
    const BYTES_MAX: usize = BATCH_BYTES_MAX + ATTACHED_BYTES_MAX + OVERHEAD_BYTES;
}

impl Message for BatchAnswer {
    const NAME: &'static str = "CIRO_BATCH_ANSWER_V1";
    const BYTES_MAX: usize = BATCH_BYTES_MAX + OVERHEAD_BYTES;
}

/// `/ciro/blob/1`, the request.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub enum BlobRequest {
    /// The list of a blob's chunks.
    List(BlobId),
    /// One chunk.
    Chunk {
        /// The blob.
        id: BlobId,
        /// Which.
        index: u64,
    },
}

/// `/ciro/blob/1`, the answer.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum BlobAnswer {
    /// It is not here.
    Unknown,
    /// The encoded list, or the chunk.
    Bytes(Bytes<PART_BYTES_MAX>),
}

impl Message for BlobRequest {
    const NAME: &'static str = "CIRO_BLOB_REQUEST_V1";
    const BYTES_MAX: usize = 64;
}

impl Message for BlobAnswer {
    const NAME: &'static str = "CIRO_BLOB_ANSWER_V1";
    const BYTES_MAX: usize = PART_BYTES_MAX + 64;
}

/// `/ciro/block/1`, the request: executed blocks from a height on.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub struct BlockRequest {
    /// The first.
    pub from: u64,
    /// The most blocks.
    pub max: u16,
}

/// `/ciro/block/1`, the answer: blocks without a gap, none if the first is not here.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct BlockAnswer(pub List<OrderedRow, BLOCKS_MAX>);

impl Message for BlockRequest {
    const NAME: &'static str = "CIRO_BLOCK_REQUEST_V1";
    const BYTES_MAX: usize = 64;
}

impl Message for BlockAnswer {
    const NAME: &'static str = "CIRO_BLOCK_ANSWER_V1";
    const BYTES_MAX: usize = BLOCKS_BYTES_FULL + BLOCK_BYTES_MAX + OVERHEAD_BYTES;
}

#[cfg(test)]
mod tests {
    use ciro_protocol::blob::{BlobList, CHUNK_BYTES};

    use super::*;

    #[test]
    fn answers_have_room_for_what_they_carry() {
        assert_eq!(u64::try_from(PART_BYTES_MAX), Ok(CHUNK_BYTES));
        const { assert!(BlobList::BYTES_MAX <= PART_BYTES_MAX) };
        let longest = BlobAnswer::Bytes(Bytes::new(vec![7; PART_BYTES_MAX]).unwrap()).to_bytes();
        assert!(matches!(BlobAnswer::from_bytes(&longest), Ok(BlobAnswer::Bytes(_))));
        const { assert!(SignedBatch::BYTES_MAX + 64 <= BatchAnswer::BYTES_MAX) };
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in [&[][..], &[1, 0], &[2, 0, 1], &[1, 0, 9, 9], &[0xFF; 100]] {
            assert!(BatchRequest::from_bytes(bytes).is_err());
            assert!(BlobRequest::from_bytes(bytes).is_err());
            assert!(BlockRequest::from_bytes(bytes).is_err());
        }
        let mut trailing = BlockRequest { from: 1, max: 2 }.to_bytes();
        trailing.push(0);
        assert!(BlockRequest::from_bytes(&trailing).is_err());
        assert!(BlockRequest::from_bytes(&[0; BlockRequest::BYTES_MAX + 1]).is_err());
    }
}
