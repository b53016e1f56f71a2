//! Handing out what is here: blobs by parts, and what is known of executed blocks.

use std::io::{Read as _, Seek as _, SeekFrom};

use ciro_protocol::blob::{BlobId, CHUNK_BYTES};
use ciro_protocol::wire::{Bytes, List, Message as _};
use ciro_sdk::error_chain;

use super::service::Holding;
use super::wire::{
    BLOCKS_BYTES_FULL, BLOCKS_MAX, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest, LINKS_MAX,
};
use crate::blobs::Blobs;
use crate::store::StoreError;

impl Holding {
    /// Returns the list of a blob's chunks, or one of them.
    pub(super) fn blob(&self, request: BlobRequest) -> BlobAnswer {
        let read = match request {
            BlobRequest::List(id) => {
                let list = self.blobs.list(id);
                // One that is too long for validity need not be here for others to hear so.
                let list = list.map(|it| it.or_else(|| Some(self.blobs.long(id)?.to_bytes())));
                list.map_err(|error| std::io::Error::other(error_chain(&error)))
            }
            BlobRequest::Chunk { id, index } => chunk(&self.blobs, id, index),
        };
        let read = read.inspect_err(|error| tracing::error!(%error, "a blob cannot be read"));
        let bytes = read.ok().flatten().and_then(|bytes| Bytes::new(bytes).ok());
        bytes.map_or(BlobAnswer::Unknown, BlobAnswer::Bytes)
    }

    /// Returns what is known of blocks from a height on, as far as it fits.
    pub(super) fn blocks(&self, request: BlockRequest) -> Result<BlockAnswer, StoreError> {
        let snapshot = self.store.snapshot()?;
        let (from, max) = match request {
            BlockRequest::Links { from, max } => {
                let links = snapshot.links(from, usize::from(max).min(LINKS_MAX))?;
                return Ok(BlockAnswer::Links(List::new(links).unwrap_or_default()));
            }
            BlockRequest::Rows { from, max } => (from, max),
        };
        let (mut found, mut bytes) = (List::<_, BLOCKS_MAX>::default(), 0);
        let max = u64::from(max).min(u64::try_from(BLOCKS_MAX).unwrap_or(u64::MAX));
        for height in (0..max).map_while(|more| from.checked_add(more)) {
            let Some((row, size)) = snapshot.ordered(height)? else { break };
            bytes += size;
            if found.push(row).is_err() || bytes >= BLOCKS_BYTES_FULL {
                break;
            }
        }
        Ok(BlockAnswer::Rows(found))
    }
}

fn chunk(blobs: &Blobs, id: BlobId, index: u64) -> std::io::Result<Option<Vec<u8>>> {
    let opened = blobs.open_data(id).map_err(|error| std::io::Error::other(error_chain(&error)))?;
    let Some((mut file, bytes)) = opened else { return Ok(None) };
    let from = index.saturating_mul(CHUNK_BYTES);
    if from >= bytes {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(from))?;
    let mut chunk = Vec::new();
    file.take(CHUNK_BYTES).read_to_end(&mut chunk)?;
    Ok(Some(chunk))
}
