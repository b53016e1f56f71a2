//! Blobs: their ids are what their bytes say, so that no node can give another one.

use ciro_protocol::api::{self, BlobStatus};
use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message as _;
use reqwest::Method;

use super::{Client, ClientError};

impl Client {
    /// Uploads bytes: whole if they are few, else chunk by chunk, those that the node lacks alone,
    /// so that what broke off goes on where it was.
    ///
    /// # Errors
    /// [`ClientError`] if the node does not take them.
    pub async fn upload(&self, bytes: &[u8]) -> Result<BlobId, ClientError> {
        let list = BlobList::of(bytes).map_err(|_| ClientError::TooLong {
            what: "a blob",
            found: bytes.len() as u64,
            limit: CHUNK_BYTES * ciro_protocol::blob::CHUNKS_MAX as u64,
        })?;
        let id = list.id();
        if bytes.len() <= api::WHOLE_BLOB_BYTES_MAX {
            let status: BlobStatus =
                self.http.send(Method::PUT, &api::blob(id), bytes.to_vec()).await?;
            return if status.complete { Ok(id) } else { Err(incomplete(id)) };
        }
        let mut status: BlobStatus =
            self.http.send(Method::POST, api::BLOBS, list.to_bytes()).await?;
        // A node may lose chunks while others come: it is asked again a few times.
        for _ in 0..4 {
            if status.complete {
                return Ok(id);
            }
            for index in status.missing.clone() {
                let chunk = chunk(bytes, index).ok_or_else(|| incomplete(id))?;
                status = self
                    .http
                    .send(Method::PUT, &api::blob_chunk(id, index), chunk.to_vec())
                    .await?;
            }
        }
        if status.complete { Ok(id) } else { Err(incomplete(id)) }
    }

    /// Downloads a blob of at most `max` bytes, and checks that it is that blob.
    ///
    /// # Errors
    /// [`ClientError`] if the node has none, or gives another one.
    pub async fn download(&self, id: BlobId, max: usize) -> Result<Vec<u8>, ClientError> {
        let bytes = self.http.bytes(&api::blob(id), max).await?;
        match BlobId::of(&bytes) {
            Ok(found) if found == id => Ok(bytes),
            Ok(_) => Err(ClientError::Answer {
                what: "a blob",
                reason: format!("its bytes are not those of {id}"),
            }),
            Err(source) => Err(ClientError::Blob { blob: id, source }),
        }
    }
}

fn chunk(bytes: &[u8], index: u64) -> Option<&[u8]> {
    let start = usize::try_from(index.checked_mul(CHUNK_BYTES)?).ok()?;
    let size = usize::try_from(CHUNK_BYTES).ok()?;
    let rest = bytes.get(start..)?;
    rest.get(..size.min(rest.len())).filter(|chunk| !chunk.is_empty())
}

fn incomplete(id: BlobId) -> ClientError {
    let reason = format!("blob {id} stays incomplete");
    ClientError::Answer { what: "an upload", reason }
}
