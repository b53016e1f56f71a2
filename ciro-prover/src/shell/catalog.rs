//! Models that are proven here: their files, by digest, and what their proofs take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::id::{KeyDigest, ModelId};
use ciro_protocol::model::{KeyEntry, ModelCard};
use ciro_protocol::order::JobOrder;
use ciro_protocol::provider::DirectKeys;
use ciro_sdk::client::{Client, ClientError};
use ciro_sdk::files::FileError;
use ciro_sdk::network::{KEY_CELLS_UNKNOWN, is_program_key};

use crate::config::Models;
use crate::executor::{Failure, Pool, Prepared, Task};
use crate::worker::{Denial, Served, Settings, promising};

use super::Direct;
use super::keep::{NotKept, keep, remove, sweep};
use super::known::{Entry, Known, Room};

/// Keys that are kept at most: some hundred bytes each, and their own.
const KEYS_MAX: usize = 1024;
/// Files of models are kept that have as many bytes as so many of the longest.
const LONGEST_KEPT: u64 = 32;
/// The longest that the preparation of a model may take that the operator did not name: others wait
/// for it, and whoever orders pays little for it.
const STRANGER_MAX: Duration = Duration::from_secs(60);
/// The same for one that the operator names.
const NAMED_MAX: Duration = Duration::from_secs(900);
/// How long a model is not tried again whose child ended without an answer: the machine may have
/// been short of memory or time.
const CHILD_PAUSE: Duration = Duration::from_secs(600);

/// Why a model is not proven here.
#[derive(Debug, thiserror::Error)]
pub(super) enum CatalogError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("cannot keep the model")]
    File(#[from] FileError),
    #[error(
        "the model has {bytes} bytes, this worker fetches up to {max}: `work.model_mb_max` says \
         how many"
    )]
    TooLong { bytes: u64, max: u64 },
    #[error("the model has no key {0}")]
    NoKey(KeyDigest),
    #[error("no order that came is worth its preparation: {0}")]
    Denied(Denial),
    #[error("it is a model, and `work.models` does not name it")]
    NotChosen,
    #[error("it is a program, and `work.programs` does not name it")]
    Program,
    #[error("it cannot be proven under the key: {0}")]
    Key(Failure),
}

impl CatalogError {
    /// For how long it would be the same the next time; [`Duration::MAX`] for ever.
    const fn lasts(&self) -> Duration {
        match self {
            Self::Key(Failure::Child(_)) => CHILD_PAUSE,
            Self::TooLong { .. }
            | Self::NoKey(_)
            | Self::NotChosen
            | Self::Program
            | Self::Key(_) => Duration::MAX,
            Self::Client(_) | Self::File(_) | Self::Denied(_) => Duration::ZERO,
        }
    }
}

/// What the operator decides about models.
#[derive(Clone, Debug)]
pub(super) struct CatalogSettings {
    /// Where their files are.
    pub(super) folder: PathBuf,
    /// Those that are proven; empty for all.
    pub(super) chosen: BTreeSet<ModelId>,
    /// Programs that are run and proven.
    pub(super) programs: Models,
    /// The longest, in bytes.
    pub(super) bytes_max: u64,
    /// Those of direct orders, which stay whatever else comes.
    pub(super) direct: Direct,
    /// What else is asked of an order; its models are not looked at.
    pub(super) worker: Settings,
}

/// The models.
#[derive(Debug)]
pub(super) struct Catalog {
    client: Client,
    pool: Pool,
    settings: CatalogSettings,
    known: Mutex<Known>,
    /// One model is fetched and prepared at a time: whoever orders pays little for it.
    turn: tokio::sync::Mutex<()>,
}

impl Catalog {
    pub(super) fn new(client: Client, pool: Pool, settings: CatalogSettings) -> Self {
        let turn = tokio::sync::Mutex::new(());
        Self { client, pool, settings, known: Mutex::default(), turn }
    }

    /// Whether the operator may want what is registered under an id to be proven: which of both it
    /// is, a model or a program, shows with its card.
    pub(super) fn wants(&self, model: ModelId) -> bool {
        self.wants_model(model) || self.settings.programs.admit(model)
    }

    fn wants_model(&self, model: ModelId) -> bool {
        self.settings.chosen.is_empty() || self.settings.chosen.contains(&model)
    }

    /// Whether it is known that a model's key is proven here, or that it cannot be.
    pub(super) fn has_tried(&self, model: ModelId, key: KeyDigest) -> bool {
        let known = self.known();
        known.has(key) || known.has_failed((model, key), Instant::now())
    }

    /// What is known of the work under a key that is not proven here.
    pub(super) fn cells_of(&self, model: ModelId, key: KeyDigest) -> u64 {
        self.known().cells((model, key)).unwrap_or(KEY_CELLS_UNKNOWN)
    }

    /// Takes no more jobs of a program that passed every look, and then had no proof: whoever wrote
    /// it may have meant it to, and each of them costs a part of the collateral.
    pub(super) fn stop(&self, key: KeyDigest) {
        self.known().stop(key);
    }

    /// All keys that jobs are taken under.
    pub(super) fn served(&self) -> BTreeMap<KeyDigest, Served> {
        self.known().served()
    }

    /// Those of some keys that are not proven.
    pub(super) fn missing(&self, keys: &DirectKeys) -> Vec<KeyDigest> {
        let DirectKeys::Listed(keys) = keys else { return Vec::new() };
        let known = self.known();
        keys.iter().filter(|key| !known.has(**key)).copied().collect()
    }

    /// A key that is proven.
    pub(super) fn entry(&self, key: KeyDigest) -> Option<Entry> {
        self.known().entry(key)
    }

    /// Learns some keys of a model, without asking what an order pays.
    pub(super) async fn learn(
        &self,
        model: ModelId,
        wanted: impl Fn(KeyDigest) -> bool,
    ) -> Result<(), CatalogError> {
        let _turn = self.turn.lock().await;
        let card = self.client.model(model).await?.card;
        let mut done = Ok(());
        for key in card.keys.iter().filter(|key| wanted(key.facts.digest)) {
            done = done.and(self.add(model, &card, key).await);
        }
        done
    }

    /// Learns the key that an order names, and no other, if the order may be worth it.
    pub(super) async fn learn_for(&self, order: &JobOrder) -> Result<(), CatalogError> {
        let _turn = self.turn.lock().await;
        if self.known().has(order.key) {
            return Ok(());
        }
        let card = self.client.model(order.model).await?.card;
        let Some(key) = card.key(order.key) else {
            self.known().fail((order.model, order.key), None);
            return Err(CatalogError::NoKey(order.key));
        };
        if !is_program_key(&key.bytes) && !self.wants_model(order.model) {
            self.known().fail((order.model, order.key), None);
            return Err(CatalogError::NotChosen);
        }
        let cells = key.facts.cells;
        if let Err(denial) = promising(&self.settings.worker, order, cells) {
            self.known().note_cells((order.model, order.key), cells);
            return Err(CatalogError::Denied(denial));
        }
        self.add(order.model, &card, key).await
    }

    /// Fetches a model and prepares it in a child under one of its keys, which is proven from then
    /// on if the prover finds the same: a card that promises another model than it brings would
    /// cost collateral. A key that is known stays as it is, whoever registers it once more.
    async fn add(
        &self,
        model: ModelId,
        card: &ModelCard,
        key: &KeyEntry,
    ) -> Result<(), CatalogError> {
        let digest = key.facts.digest;
        if self.known().has(digest) {
            return Ok(());
        }
        match self.prepared(model, card, key).await {
            Ok(entry) => {
                tracing::info!(%model, name = &*card.name, key = %digest, "a model can be proven");
                self.known().add(digest, entry);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%model, key = %digest, %error, "a key is not proven here");
                let lasts = error.lasts();
                if !lasts.is_zero() {
                    self.known().fail((model, digest), Instant::now().checked_add(lasts));
                }
                let file = self.file(card);
                if !self.known().uses_file(&file) {
                    remove(&file);
                }
                Err(error)
            }
        }
    }

    async fn prepared(
        &self,
        model: ModelId,
        card: &ModelCard,
        key: &KeyEntry,
    ) -> Result<Entry, CatalogError> {
        if is_program_key(&key.bytes) && !self.settings.programs.admit(model) {
            return Err(CatalogError::Program);
        }
        let path = self.fetch(card).await?;
        let task = Task {
            model: path.to_string_lossy().into_owned(),
            key: key.bytes.to_vec(),
            proof: None,
        };
        let CatalogSettings { chosen, direct, .. } = &self.settings;
        let begun = Instant::now();
        let prepared = if direct.models.contains(&model) {
            self.pool.prepare_alone(&task, NAMED_MAX).await
        } else {
            let named = chosen.contains(&model);
            self.pool.prepare(&task, if named { NAMED_MAX } else { STRANGER_MAX }).await
        };
        let limit = self.client.spec().limits.bundle_bytes;
        let prepared = prepared.and_then(|prepared| fits(prepared, limit));
        let prepared = prepared.map_err(CatalogError::Key)?;
        let fees = self.client.spec().fees.of_provider(prepared.proof_bytes);
        let served = Served {
            cells: self.cells(key.facts.cells, prepared.prove_ms),
            memory_mb: prepared.memory_mb,
            fees: fees.unwrap_or(Amount::SUPPLY),
            prepare_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        let (key, bytes) = (task.key, card.bytes);
        Ok(Entry { served, key, model: path, bytes, stopped: false })
    }

    /// The work of a proof. Keys of the Cairo route and of programs do not say: what this machine
    /// would do in the estimated time stands for it.
    fn cells(&self, of_key: u64, prove_ms: u64) -> u64 {
        match of_key {
            KEY_CELLS_UNKNOWN => self.settings.worker.cells_per_s.saturating_mul(prove_ms) / 1000,
            cells => cells,
        }
    }

    fn file(&self, card: &ModelCard) -> PathBuf {
        self.settings.folder.join(card.blob.to_string())
    }

    /// The file of a model, fetched if it is not here. One that is too long is not asked for.
    async fn fetch(&self, card: &ModelCard) -> Result<PathBuf, CatalogError> {
        let (path, length) = (self.file(card), length(card.bytes, self.settings.bytes_max)?);
        match keep(&self.client, &path, card.blob, length).await {
            Ok(()) => Ok(path),
            Err(NotKept::Client(error)) => Err(error.into()),
            Err(NotKept::File(error)) => Err(error.into()),
        }
    }

    /// Forgets models that were used longest ago, with their files, once there are too many; what
    /// is needed, or named by the terms of direct orders, stays. Returns whether any was forgotten.
    pub(super) fn trim(&self, needed: &BTreeSet<KeyDigest>) -> bool {
        let CatalogSettings { direct, bytes_max, .. } = &self.settings;
        let room = Room { keys: KEYS_MAX, bytes: bytes_max.saturating_mul(LONGEST_KEPT) };
        let listed = |key: &KeyDigest| match &direct.keys {
            DirectKeys::Listed(keys) => keys.contains(key),
            DirectKeys::Any => false,
        };
        let trimmed = self.known().trim(room, |key| needed.contains(key) || listed(key));
        for file in trimmed.iter().flatten() {
            remove(file);
        }
        trimmed.is_some()
    }

    /// Removes the files of models that are not known: what a run before left behind.
    pub(super) fn sweep(&self) {
        sweep(&self.settings.folder, |file| !self.known().uses_file(file));
    }

    /// No code panics while it holds the lock, so that a poisoned one is as good.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The length of a model's file, if it is not too long.
fn length(bytes: u64, max: u64) -> Result<usize, CatalogError> {
    let length = usize::try_from(bytes).ok().filter(|_| bytes <= max);
    length.ok_or(CatalogError::TooLong { bytes, max })
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

    /// The machine may have been short of memory or time, and a start may have failed.
    #[test]
    fn a_child_that_ended_says_nothing_of_the_model_for_ever() {
        let child = CatalogError::Key(Failure::Child(String::new()));
        assert_eq!(child.lasts(), Duration::from_secs(600));
        let model = CatalogError::Key(Failure::Machine(String::new()));
        assert_eq!(model.lasts(), Duration::MAX);
        assert_eq!(Instant::now().checked_add(Duration::MAX), None, "for ever");
    }
}
