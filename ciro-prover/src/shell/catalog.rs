//! Models that are proven here: their files, by digest, and what their proofs take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ciro_protocol::id::{KeyDigest, ModelId};
use ciro_protocol::model::ModelCard;
use ciro_protocol::provider::DirectKeys;
use ciro_sdk::client::{Client, ClientError};
use ciro_sdk::files::FileError;
use ciro_sdk::network::KEY_CELLS_UNKNOWN;

use crate::executor::{Failure, Pool, Prepared, Task};
use crate::worker::Served;

use super::keep::{NotKept, keep};

/// Models that are kept in memory at most: some hundred bytes each, and their keys.
const MODELS_MAX: usize = 1024;

/// Why a model is not proven here.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot keep the model")]
    File(#[from] FileError),
    #[error("the model does not fit into this machine's address space")]
    TooLong,
    #[error("as many models are known as may be: {MODELS_MAX}")]
    Full,
    #[error("none of its keys can be proven: {0}")]
    Keys(Failure),
}

/// The models.
#[derive(Debug)]
pub(super) struct Catalog {
    client: Client,
    pool: Pool,
    folder: PathBuf,
    /// Those that the operator chose; empty for all.
    chosen: BTreeSet<ModelId>,
    cells_per_s: u64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    models: BTreeSet<ModelId>,
    entries: BTreeMap<KeyDigest, Entry>,
}

/// A key that is proven here.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    served: Served,
    /// The key's bytes.
    pub(super) key: Vec<u8>,
    /// The file of the model.
    pub(super) model: PathBuf,
}

impl Catalog {
    pub(super) fn new(
        client: Client,
        pool: Pool,
        folder: PathBuf,
        (chosen, cells_per_s): (BTreeSet<ModelId>, u64),
    ) -> Self {
        Self { client, pool, folder, chosen, cells_per_s, known: Mutex::default() }
    }

    /// Whether a model is among those that are proven.
    pub(super) fn knows(&self, model: ModelId) -> bool {
        self.known().models.contains(&model)
    }

    /// Whether the operator wants a model to be proven.
    pub(super) fn wants(&self, model: ModelId) -> bool {
        self.chosen.is_empty() || self.chosen.contains(&model)
    }

    /// All keys that are proven.
    pub(super) fn served(&self) -> BTreeMap<KeyDigest, Served> {
        self.known().entries.iter().map(|(key, entry)| (*key, entry.served)).collect()
    }

    /// Those of some keys that are not proven.
    pub(super) fn missing(&self, keys: &DirectKeys) -> Vec<KeyDigest> {
        let DirectKeys::Listed(keys) = keys else { return Vec::new() };
        let known = self.known();
        keys.iter().filter(|key| !known.entries.contains_key(key)).copied().collect()
    }

    /// A key that is proven.
    pub(super) fn entry(&self, key: KeyDigest) -> Option<Entry> {
        self.known().entries.get(&key).cloned()
    }

    /// Fetches a model, prepares it in a child under each of its keys, and adds those that it can
    /// be proven under: a card that promises another model than it brings would cost collateral.
    /// A key that is known stays as it is, whoever registers it once more.
    pub(super) async fn learn(&self, model: ModelId) -> Result<(), CatalogError> {
        if self.knows(model) {
            return Ok(());
        }
        if self.known().models.len() >= MODELS_MAX {
            return Err(CatalogError::Full);
        }
        let card = self.client.model(model).await?.card;
        let path = self.fetch(&card).await?;
        let mut failure = None;
        let mut entries = Vec::new();
        for key in card.keys.iter() {
            if self.entry(key.facts.digest).is_some() {
                continue;
            }
            let task = Task {
                model: path.to_string_lossy().into_owned(),
                key: key.bytes.to_vec(),
                proof: None,
            };
            let limit = self.client.spec().limits.bundle_bytes;
            let prepared =
                self.pool.prepare(&task).await.and_then(|prepared| fits(prepared, limit));
            match prepared {
                Ok(prepared) => {
                    let cells = self.cells(key.facts.cells, prepared.prove_ms);
                    let served = Served { cells, memory_mb: prepared.memory_mb };
                    let entry = Entry { served, key: key.bytes.to_vec(), model: path.clone() };
                    entries.push((key.facts.digest, entry));
                }
                Err(error) => {
                    tracing::warn!(%model, key = %key.facts.digest, %error, "a key is not proven here");
                    failure = Some(error);
                }
            }
        }
        if let (true, Some(failure)) = (entries.is_empty(), failure) {
            return Err(CatalogError::Keys(failure));
        }
        tracing::info!(%model, name = &*card.name, keys = entries.len(), "a model can be proven");
        let mut known = self.known();
        known.models.insert(model);
        for (key, entry) in entries {
            known.entries.entry(key).or_insert(entry);
        }
        Ok(())
    }

    /// The work of a proof. Keys of the Cairo route do not say: what this machine would do in the
    /// estimated time stands for it.
    fn cells(&self, of_key: u64, prove_ms: u64) -> u64 {
        match of_key {
            KEY_CELLS_UNKNOWN => self.cells_per_s.saturating_mul(prove_ms) / 1000,
            cells => cells,
        }
    }

    /// The file of a model, fetched if it is not here.
    async fn fetch(&self, card: &ModelCard) -> Result<PathBuf, CatalogError> {
        let path = self.folder.join(card.blob.to_string());
        let length = usize::try_from(card.bytes).map_err(|_| CatalogError::TooLong)?;
        match keep(&self.client, &path, card.blob, length).await {
            Ok(()) => Ok(path),
            Err(NotKept::Client(error)) => Err(error.into()),
            Err(NotKept::File(error)) => Err(error.into()),
        }
    }

    /// No code panics while it holds the lock, so that a poisoned one is as good.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Proofs that the network does not take would be made in vain, and cost collateral.
fn fits(prepared: Prepared, limit: u64) -> Result<Prepared, Failure> {
    let bytes = prepared.proof_bytes;
    if bytes <= limit {
        return Ok(prepared);
    }
    Err(Failure::Machine(format!("its proofs have about {bytes} bytes, the network takes {limit}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_whose_proofs_are_too_long_for_the_network_is_not_served() {
        let prepared = |proof_bytes| Prepared { memory_mb: 1, prove_ms: 1, proof_bytes };
        assert_eq!(fits(prepared(4 << 20), 4 << 20), Ok(prepared(4 << 20)));
        assert!(matches!(fits(prepared((4 << 20) + 1), 4 << 20), Err(Failure::Machine(_))));
    }
}
