//! Getting from others what is not here.

use std::time::Duration;

use ciro_consensus::{Digest, ReplicaId};
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::blob::{BlobId, BlobList, CHUNK_BYTES};
use ciro_protocol::wire::Message;
use ciro_sdk::error_chain;

use super::behaviour::Protocol;
use super::service::Holding;
use super::sources::Sources;
use super::wire::{BatchAnswer, BatchRequest, BlobAnswer, BlobRequest, BlockAnswer, BlockRequest};
use super::{AskError, Net};
use crate::blobs::{Origin, StoreBlobError};
use crate::store::{LinkRow, OrderedRow};

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
    /// It is longer than it may be.
    #[error("the blob has {} bytes, at most {max} are fetched", list.bytes)]
    TooLong {
        /// Its list, which says so.
        list: Box<BlobList>,
        /// The limit.
        max: u64,
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

    /// Gets the batch behind an operation from one validator; `None` if it does not give it. The
    /// payload binds every byte of the batch, but none of its signature.
    pub(super) async fn batch_from(&self, from: ReplicaId, payload: Digest) -> Option<SignedBatch> {
        let request = BatchRequest::Get { payload: *payload.as_bytes() }.to_bytes();
        match self.about_batch(from, request).await {
            Ok(BatchAnswer::Batch(batch)) if batch.body.operation().payload == payload => {
                Some(*batch)
            }
            Ok(BatchAnswer::Batch(_)) => {
                self.metrics.net_refused("batch_other");
                None
            }
            _ => None,
        }
    }

    /// Gets links of the chain of headers from a height on, which prove nothing by themselves.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if the validator does not answer.
    pub(crate) async fn links(
        &self,
        from: u64,
        max: u16,
        source: ReplicaId,
    ) -> Result<Vec<LinkRow>, FetchError> {
        let request = BlockRequest::Links { from, max };
        match self.exchange(source, Protocol::Block, &request).await? {
            BlockAnswer::Links(links) => Ok(links.into_inner()),
            BlockAnswer::Rows(_) => Err(FetchError::Answer { from: source }),
        }
    }

    /// Gets what was executed in blocks from a height on, which proves nothing by itself.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if the validator does not answer.
    pub(crate) async fn rows(
        &self,
        from: u64,
        max: u16,
        source: ReplicaId,
    ) -> Result<Vec<OrderedRow>, FetchError> {
        let request = BlockRequest::Rows { from, max };
        match self.exchange(source, Protocol::Block, &request).await? {
            BlockAnswer::Rows(rows) => Ok(rows.into_inner()),
            BlockAnswer::Links(_) => Err(FetchError::Answer { from: source }),
        }
    }

    /// Gets a blob that a batch's validity depends on. One that is longer than validity looks at is
    /// announced and not fetched: its list says all that a verdict needs.
    ///
    /// # Errors
    ///
    /// As for [`Net::blob`].
    pub(super) async fn attachment(
        &self,
        holding: &Holding,
        id: BlobId,
        sources: &mut Sources,
    ) -> Result<(), FetchError> {
        if holding.blobs.long(id).is_some() {
            return Ok(());
        }
        let max = holding.blobs.judged_bytes();
        match self.blob(holding, (id, max), sources).await {
            Err(FetchError::TooLong { list, .. }) => {
                store(holding, |holding| holding.blobs.begin(*list, Origin::Validator).map(|_| ()))
            }
            fetched => fetched,
        }
    }

    /// Gets a blob of so many bytes at most, chunk by chunk, each checked against the blob's id. No
    /// source can hold up more than a moment of it.
    ///
    /// # Errors
    ///
    /// [`FetchError::Nobody`] if none of the sources has it, [`FetchError::TooLong`] if it is
    /// longer, or it cannot be stored.
    pub(crate) async fn blob(
        &self,
        holding: &Holding,
        (id, max): (BlobId, u64),
        sources: &mut Sources,
    ) -> Result<(), FetchError> {
        if is_here(holding, id) {
            return Ok(());
        }
        let list = sources.first(|from| self.list(from, id)).await;
        let (list, _) = list.ok_or(FetchError::Nobody)?;
        if list.bytes > max {
            return Err(FetchError::TooLong { list: Box::new(list), max });
        }
        let list = &list;
        if list.bytes > 0 && list.bytes <= CHUNK_BYTES && list.check().is_ok() {
            // In one piece: one write instead of three.
            let bytes = sources.first(|from| self.chunk(from, list, 0)).await;
            let (bytes, _) = bytes.ok_or(FetchError::Nobody)?;
            return store(holding, move |holding| {
                holding.blobs.put(id, &bytes, || holding.needed.blobs()).map(|_| ())
            });
        }
        let mut missing = Vec::new();
        store(holding, |holding| {
            missing = holding.blobs.begin(list.clone(), Origin::Validator)?.missing;
            Ok(())
        })?;
        for index in missing {
            // Somebody else may have brought it.
            if is_here(holding, id) {
                return Ok(());
            }
            let bytes = sources.first(|from| self.chunk(from, list, index)).await;
            let (bytes, _) = bytes.ok_or(FetchError::Nobody)?;
            store(holding, |holding| {
                let needed = || holding.needed.blobs();
                holding.blobs.put_chunk(id, index, &bytes, needed).map(|_| ())
            })?;
        }
        Ok(())
    }

    /// Gets the list of a blob's chunks; `None` if the validator does not give it.
    async fn list(&self, from: ReplicaId, id: BlobId) -> Option<BlobList> {
        let bytes = self.blob_part(from, BlobRequest::List(id)).await?;
        let list = BlobList::from_bytes(&bytes).ok().filter(|list| list.id() == id);
        if list.is_none() {
            self.metrics.net_refused("blob_other");
        }
        list
    }

    /// Gets a chunk of a blob; `None` if the validator does not give it.
    async fn chunk(&self, from: ReplicaId, list: &BlobList, index: u64) -> Option<Vec<u8>> {
        let bytes = self.blob_part(from, BlobRequest::Chunk { id: list.id(), index }).await?;
        if list.check_chunk(index, &bytes).is_err() {
            self.metrics.net_refused("blob_other");
            return None;
        }
        Some(bytes)
    }

    async fn blob_part(&self, from: ReplicaId, request: BlobRequest) -> Option<Vec<u8>> {
        match self.exchange(from, Protocol::Blob, &request).await {
            Ok(BlobAnswer::Bytes(bytes)) => Some(bytes.to_vec()),
            Ok(BlobAnswer::Unknown) => None,
            Err(error) => {
                tracing::debug!(validator = %from, %error, "a part of a blob does not come");
                None
            }
        }
    }
}

/// Whether a blob is here, which the disk says.
fn is_here(holding: &Holding, id: BlobId) -> bool {
    tokio::task::block_in_place(|| holding.blobs.len(id).is_some())
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
