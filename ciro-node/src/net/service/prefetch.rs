//! Fetching inputs and models of the jobs that a batch is about, so that they are at hand here too.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciro_consensus::ReplicaId;
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::tx::{Body, SignedTx};

use super::Service;

impl Service {
    /// Fetches what jobs need beside validity, none of it longer than its transaction says.
    pub(super) fn prefetch(self: &Arc<Self>, batch: &SignedBatch, from: ReplicaId) {
        let (service, named) = (Arc::clone(self), named(batch));
        if named.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let blobs = Arc::clone(&service.holding.blobs);
            let missing = tokio::task::spawn_blocking(move || {
                let missing = named.into_iter().filter(|(id, _)| blobs.len(*id).is_none());
                missing.collect::<Vec<_>>()
            });
            for wanted in missing.await.unwrap_or_default() {
                // Beyond the bound whoever asks this node for the blob makes it fetch it.
                let Some(permit) = service.guest(from).turns.prefetch() else { return };
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    let _permit = permit;
                    let mut sources = service.asking(from);
                    let fetched = service.net.blob(&service.holding, wanted, &mut sources).await;
                    if let Err(error) = fetched {
                        tracing::debug!(blob = %wanted.0, %error, "a blob is not fetched");
                    }
                });
            }
        });
    }
}

/// Returns the inputs and models that a batch is about, with the bytes that they have.
fn named(batch: &SignedBatch) -> BTreeMap<BlobId, u64> {
    let of_tx = |tx: &SignedTx| match &tx.body.body {
        Body::Order(order) => Some((order.input.blob, order.input.bytes)),
        Body::RegisterModel(model) => Some((model.card.blob, model.card.bytes)),
        _ => None,
    };
    batch.body.txs.iter().filter_map(of_tx).collect()
}
