//! Getting from others what is not here.

use std::time::Duration;

use ciro_consensus::{Digest, ReplicaId};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message;
use ciro_sdk::error_chain;

use super::behaviour::Protocol;
use super::service::Holding;
use super::wire::{BatchAnswer, BatchRequest, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest};
use super::{AskError, Net};
use crate::blobs::StoreBlobError;
use crate::store::OrderedRow;

/// Why something is not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody who can be reached has it.
    #[error("no validator that can be reached has it")]
    Nobody,
    /// The validator does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The answer is none.
    #[error("validator {from} sent what was not asked for")]
    Answer {
        /// Who.
        from: ReplicaId,
    },
    /// It cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreBlobError),
}

impl Net {
    async fn exchange<Q: Message, A: Message>(
        &self,
        to: ReplicaId,
        protocol: Protocol,
        request: &Q,
    ) -> Result<A, FetchError> {
        let bytes = self.ask(to, protocol, request.to_bytes()).await?;
        A::from_bytes(&bytes).map_err(|error| {
            tracing::warn!(validator = %to, %error, "an answer is refused");
            self.metrics.net_refused("answer_malformed");
            FetchError::Answer { from: to }
        })
    }

    /// Asks something about a batch.
    pub(super) async fn about_batch(
        &self,
        to: ReplicaId,
        request: Vec<u8>,
    ) -> Result<BatchAnswer, FetchError> {
        let bytes = self.ask(to, Protocol::Batch, request).await?;
        BatchAnswer::from_bytes(&bytes).map_err(|_| {
            self.metrics.net_refused("answer_malformed");
            FetchError::Answer { from: to }
        })
    }

    /// Gets the batch behind an operation: the payload binds every byte of it.
    ///
    /// # Errors
    ///
    /// [`FetchError::Nobody`] if none of the sources has it.
    pub(crate) async fn batch(
        &self,
        payload: Digest,
        sources: &[ReplicaId],
    ) -> Result<(SignedBatch, ReplicaId), FetchError> {
        let request = BatchRequest::Get { payload: *payload.as_bytes() }.to_bytes();
        for from in sources {
            match self.about_batch(*from, request.clone()).await {
                Ok(BatchAnswer::Batch(batch)) if batch.body.operation().payload == payload => {
                    return Ok((*batch, *from));
                }
                Ok(BatchAnswer::Batch(_)) => self.metrics.net_refused("batch_other"),
                _ => {}
            }
        }
        Err(FetchError::Nobody)
    }

    /// Gets executed blocks from a height on. What they hold is only believed once the state that
    /// they lead to is the certified one.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if the validator does not answer.
    pub(crate) async fn blocks(
        &self,
        from: u64,
        max: u16,
        source: ReplicaId,
    ) -> Result<Vec<OrderedRow>, FetchError> {
        let request = BlockRequest { from, max };
        let BlockAnswer(rows) = self.exchange(source, Protocol::Block, &request).await?;
        Ok(rows.into_inner())
    }

    /// Gets a blob, chunk by chunk, each checked against the blob's id.
    ///
    /// # Errors
    ///
    /// [`FetchError`] of the last source.
    pub(crate) async fn blob(
        &self,
        holding: &Holding,
        id: BlobId,
        sources: &[ReplicaId],
    ) -> Result<(), FetchError> {
        let mut last = FetchError::Nobody;
        for source in sources {
            if holding.blobs.len(id).is_some() {
                return Ok(());
            }
            match self.blob_from(holding, id, *source).await {
                Ok(()) => return Ok(()),
                Err(error) => last = error,
            }
        }
        if holding.blobs.len(id).is_some() { Ok(()) } else { Err(last) }
    }

    async fn blob_from(
        &self,
        holding: &Holding,
        id: BlobId,
        from: ReplicaId,
    ) -> Result<(), FetchError> {
        let refused = || {
            self.metrics.net_refused("blob_other");
            FetchError::Answer { from }
        };
        let list = self.blob_part(from, BlobRequest::List(id)).await?;
        let list = BlobList::from_bytes(&list).map_err(|_| refused())?;
        if list.id() != id {
            return Err(refused());
        }
        let small = list.bytes <= CHUNK_BYTES;
        if small && list.check().is_ok() && list.bytes > 0 {
            // In one piece: one write instead of three.
            let bytes = self.blob_part(from, BlobRequest::Chunk { id, index: 0 }).await?;
            list.check_chunk(0, &bytes).map_err(|_| refused())?;
            return store(holding, move |holding| {
                holding.blobs.put(id, &bytes, || holding.needed.blobs()).map(|_| ())
            });
        }
        let mut missing = Vec::new();
        store(holding, |holding| {
            missing = holding.blobs.begin(list)?.missing;
            Ok(())
        })?;
        for index in missing {
            let bytes = self.blob_part(from, BlobRequest::Chunk { id, index }).await?;
            let put = store(holding, |holding| {
                let needed = || holding.needed.blobs();
                holding.blobs.put_chunk(id, index, &bytes, needed).map(|_| ())
            });
            put.inspect_err(|_| self.metrics.net_refused("blob_other"))?;
        }
        Ok(())
    }

    async fn blob_part(
        &self,
        from: ReplicaId,
        request: BlobRequest,
    ) -> Result<Vec<u8>, FetchError> {
        match self.exchange(from, Protocol::Blob, &request).await? {
            BlobAnswer::Bytes(bytes) => Ok(bytes.to_vec()),
            BlobAnswer::Unknown => Err(FetchError::Nobody),
        }
    }
}

/// Stores something on disk, away from the other tasks of this thread.
fn store(
    holding: &Holding,
    work: impl FnOnce(&Holding) -> Result<(), StoreBlobError>,
) -> Result<(), FetchError> {
    let stored = tokio::task::block_in_place(|| work(holding));
    stored.map_err(|error| {
        tracing::warn!(error = error_chain(&error), "a blob is not stored");
        error.into()
    })
}

/// The pause after a number of tries: 20 ms, doubled up to a second.
pub(super) fn pause(tries: u32) -> Duration {
    Duration::from_millis(20 << tries.min(6)).min(Duration::from_secs(1))
}
