//! Which blobs may not go.

use std::collections::BTreeMap;
use std::sync::Arc;

use ciro_ledger::state::{JOBS, JobRecord, MODELS, SPEC};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::ModelId;
use ciro_protocol::receipt::Outcome;
use ciro_sdk::error_chain;

use crate::ingress::Pending;
use crate::store::{Listed, Snapshot, StateStore, StoreError};

/// How long the result of a job is kept for sure, in ms of ledger time: a week.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Entries read at once.
const STEP: usize = 1_000;

/// A blob that may not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub blob: BlobId,
    /// The bytes that it has at most: those that whoever named it has paid for.
    pub bytes_max: u64,
}

/// Knows which blobs may not go.
#[derive(Debug)]
pub struct Needed {
    /// The state.
    pub store: Arc<StateStore>,
    /// Transactions that wait.
    pub pending: Arc<Pending>,
}

impl Needed {
    /// Returns the blobs that may not go, those first that may go least: of transactions that wait;
    /// results of jobs that were settled not long ago; inputs and models of jobs that are not
    /// ended, the oldest first; models that take orders. What only a job names that was cancelled
    /// or refunded may go. `None` if the state cannot be read: then nothing is known to be free.
    #[must_use]
    pub fn blobs(&self) -> Option<Vec<Need>> {
        // In this order: a transaction is in the state before it is no longer pending.
        let pending = self.pending.blobs();
        let mut needed: Vec<Need> =
            pending.into_iter().map(|blob| Need { blob, bytes_max: u64::MAX }).collect();
        match self.store.snapshot().and_then(|snapshot| needed_by_ledger(&snapshot)) {
            Ok(by_ledger) => {
                needed.extend(by_ledger);
                Some(needed)
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), "the state cannot be read");
                None
            }
        }
    }
}

fn needed_by_ledger(snapshot: &Snapshot) -> Result<Vec<Need>, StoreError> {
    let mut needed = results(snapshot)?;
    let models = models(snapshot)?;
    let mut open = Vec::new();
    each(snapshot, JOBS, |_, JobRecord { opened_ms, order, .. }| {
        let input = Need { blob: order.input.blob, bytes_max: order.input.bytes };
        open.push((opened_ms, input, order.model));
    })?;
    open.sort_by_key(|(opened_ms, ..)| *opened_ms);
    for (_, input, model) in open {
        needed.push(input);
        needed.extend(models.get(&model).map(|(need, _)| *need));
    }
    needed.extend(models.into_values().filter(|(_, takes_orders)| *takes_orders).map(|it| it.0));
    Ok(needed)
}

/// Finds the file of each model, and whether it takes orders.
fn models(snapshot: &Snapshot) -> Result<BTreeMap<ModelId, (Need, bool)>, StoreError> {
    let mut found = BTreeMap::new();
    each(snapshot, MODELS, |id, record| {
        let need = Need { blob: record.card.blob, bytes_max: record.card.bytes };
        found.insert(id, (need, !record.retired));
    })?;
    Ok(found)
}

/// Finds the proofs of the jobs that were settled not long ago, the newest jobs first.
fn results(snapshot: &Snapshot) -> Result<Vec<Need>, StoreError> {
    let now = snapshot.head()?.words.time_ms;
    let spec = snapshot.entry(SPEC, &())?;
    let longest = spec.as_ref().map_or(0, |spec| spec.jobs.deadline_max_ms);
    let bytes_max = spec.map_or(0, |spec| spec.limits.bundle_bytes);
    let (mut needed, mut before) = (Vec::new(), None);
    loop {
        let found = snapshot.jobs(Listed::All, before, STEP)?;
        for (_, job) in &found {
            let Some(row) = snapshot.job(*job)? else { continue };
            if row.time_ms.saturating_add(longest).saturating_add(KEPT_MS) < now {
                return Ok(needed);
            }
            let recent = |ended_ms: u64| ended_ms.saturating_add(KEPT_MS) >= now;
            if let Some(receipt) = row.receipt.filter(|receipt| recent(receipt.ended_ms))
                && let Outcome::Settled(settled) = receipt.outcome
            {
                needed.push(Need { blob: settled.bundle, bytes_max });
            }
        }
        match found.last() {
            Some((place, _)) if found.len() == STEP => before = Some(*place),
            _ => return Ok(needed),
        }
    }
}

/// Reads a table of the ledger from one end to the other.
fn each<K, V>(
    snapshot: &Snapshot,
    table: ciro_ledger::state::Table<K, V>,
    mut seen: impl FnMut(K, V),
) -> Result<(), StoreError>
where
    K: Clone + borsh::BorshSerialize + borsh::BorshDeserialize,
    V: borsh::BorshSerialize + borsh::BorshDeserialize,
{
    let mut after = None;
    loop {
        let found = snapshot.entries(table, after.as_ref(), STEP)?;
        let whole = found.len() == STEP;
        after = found.last().map(|(name, _)| name.clone());
        found.into_iter().for_each(|(name, entry)| seen(name, entry));
        if !whole {
            return Ok(());
        }
    }
}
