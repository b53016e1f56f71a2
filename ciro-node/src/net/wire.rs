//! What validators ask each other, and the answers.

use borsh::{BorshDeserialize, BorshSerialize};
use ciro_protocol::batch::{BATCH_BYTES_MAX, SignedBatch};
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::OPERATIONS_PER_BLOCK_MAX;
use ciro_protocol::text::Text;
use ciro_protocol::wire::{Bytes, List, Message};

use crate::store::{LinkRow, OrderedRow};

/// Bytes of blobs that travel with their batch: more are fetched one by one.
pub(super) const ATTACHED_BYTES_MAX: usize = 4 << 20;
/// The most blobs that travel with their batch.
const ATTACHED_MAX: usize = 128;
/// The most links of one answer.
pub(crate) const LINKS_MAX: usize = 4096;
/// The most blocks of one answer.
pub(crate) const BLOCKS_MAX: usize = 256;
/// Bytes of blocks from which on an answer takes no further one.
pub(crate) const BLOCKS_BYTES_FULL: usize = 4 << 20;
/// Bytes of what was executed in one block, at most: all of its batches, each of the longest.
const BLOCK_BYTES_MAX: usize = OPERATIONS_PER_BLOCK_MAX * BATCH_BYTES_MAX + OVERHEAD_BYTES;
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

/// `/ciro/block/1`, the request: what is known of executed blocks from a height on.
#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
pub enum BlockRequest {
    /// The chain of their headers.
    Links {
        /// The first.
        from: u64,
        /// The most links.
        max: u16,
    },
    /// What was executed in them.
    Rows {
        /// The first.
        from: u64,
        /// The most blocks.
        max: u16,
    },
}

/// `/ciro/block/1`, the answer: without a gap, nothing if the first is not here.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum BlockAnswer {
    /// Links of the chain of headers.
    Links(List<LinkRow, LINKS_MAX>),
    /// What was executed.
    Rows(List<OrderedRow, BLOCKS_MAX>),
}

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
    use ciro_consensus::EVIDENCE_PER_BLOCK_MAX;
    use ciro_consensus::message::MESSAGE_BYTES_MAX;
    use ciro_protocol::batch::Batch;
    use ciro_protocol::blob::{BlobList, CHUNK_BYTES};
    use ciro_protocol::chain::SpecError;
    use ciro_protocol::economy::Offence;
    use ciro_protocol::id::{Chain, SubmitterId, ValidatorId};
    use ciro_protocol::sign::SecretKey;

    use super::*;

    #[test]
    fn answers_have_room_for_what_they_carry() {
        assert_eq!(u64::try_from(PART_BYTES_MAX), Ok(CHUNK_BYTES));
        const { assert!(BlobList::BYTES_MAX <= PART_BYTES_MAX) };
        let longest = BlobAnswer::Bytes(Bytes::new(vec![7; PART_BYTES_MAX]).unwrap()).to_bytes();
        assert!(matches!(BlobAnswer::from_bytes(&longest), Ok(BlobAnswer::Bytes(_))));
        const { assert!(SignedBatch::BYTES_MAX + 64 <= BatchAnswer::BYTES_MAX) };
        let word = [7; 32];
        let link = LinkRow { proposal: word, executed: word, state_root: word };
        let longest = BlockAnswer::Links(List::new(vec![link; LINKS_MAX]).unwrap()).to_bytes();
        assert!(matches!(BlockAnswer::from_bytes(&longest), Ok(BlockAnswer::Links(_))));
    }

    /// Returns the row of the most that a block may hold, but with short batches; a longer one is
    /// longer by as much as they are.
    fn longest_row(batch: &Batch) -> OrderedRow {
        let offence = Offence { validator: ValidatorId(u32::MAX), epoch: u64::MAX, rule: 8 };
        OrderedRow {
            height: u64::MAX,
            batches: List::new(vec![batch.clone(); OPERATIONS_PER_BLOCK_MAX]).unwrap(),
            punish: List::new(vec![offence; EVIDENCE_PER_BLOCK_MAX]).unwrap(),
        }
    }

    #[test]
    fn an_answer_has_room_for_the_longest_block_that_a_specification_allows() {
        let keys = [SecretKey::from_seed(b"validator").address()];
        let mut spec = crate::devnet::spec(&keys, 1_700_000_000_000);
        spec.consensus.operations_per_block = OPERATIONS_PER_BLOCK_MAX.try_into().unwrap();
        assert_eq!(spec.check(), Ok(()));
        assert!(spec.params().evidence_per_block <= EVIDENCE_PER_BLOCK_MAX);
        let batch = Batch {
            chain: Chain(ciro_consensus::ChainId::new("a test")),
            submitter: SubmitterId(u64::MAX),
            signer: keys[0],
            nonce: u64::MAX,
            time_ms: u64::MAX,
            txs: List::default(),
            attachments: List::default(),
        };
        let row = longest_row(&batch);
        let short = batch.to_bytes().len();
        let missing = OPERATIONS_PER_BLOCK_MAX * (BATCH_BYTES_MAX - short);
        let longest = ciro_protocol::wire::encode(&row).len() + missing;
        assert!(longest <= BLOCK_BYTES_MAX, "{longest} bytes of a row");
        // An answer takes a further block as long as it is not full.
        let answer = BlockAnswer::Rows(List::new(vec![row]).unwrap()).to_bytes().len() + missing;
        let answer = BLOCKS_BYTES_FULL + answer;
        assert!(answer <= BlockAnswer::BYTES_MAX, "{answer} bytes of an answer");
        // No specification allows more.
        spec.consensus.operations_per_block += 1;
        assert!(matches!(spec.check(), Err(SpecError::Range { value: 65, max: 64, .. })));
    }

    #[test]
    fn a_proposal_of_the_longest_block_fits_into_a_frame() {
        let keys = [SecretKey::from_seed(b"validator").address()];
        let spec = crate::devnet::spec(&keys, 1_700_000_000_000);
        let params = ciro_consensus::Params {
            operations_per_block: OPERATIONS_PER_BLOCK_MAX,
            evidence_per_block: EVIDENCE_PER_BLOCK_MAX,
            ..spec.params()
        };
        assert!(params.block_bytes() < MESSAGE_BYTES_MAX / 100, "{} bytes", params.block_bytes());
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for bytes in [&[][..], &[1, 0], &[2, 0, 1], &[1, 0, 9, 9], &[0xFF; 100]] {
            assert!(BatchRequest::from_bytes(bytes).is_err());
            assert!(BlobRequest::from_bytes(bytes).is_err());
            assert!(BlockRequest::from_bytes(bytes).is_err());
        }
        let mut trailing = BlockRequest::Rows { from: 1, max: 2 }.to_bytes();
        trailing.push(0);
        assert!(BlockRequest::from_bytes(&trailing).is_err());
        assert!(BlockRequest::from_bytes(&[0; BlockRequest::BYTES_MAX + 1]).is_err());
    }
}
