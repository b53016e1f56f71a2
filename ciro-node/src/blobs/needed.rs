//! Which blobs may not go.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_ledger::state::{MODELS, ModelRecord};
use ciro_protocol::blob::BlobId;
use ciro_protocol::receipt::Outcome;
use ciro_protocol::tx::Body as TxBody;
use ciro_sdk::error_chain;

use crate::ingress::Pending;
use crate::store::{Listed, Snapshot, StateStore, StoreError};

/// How long the blobs of an ended job are kept for sure, in ms of ledger time: a week.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Entries read at once.
const STEP: usize = 1_000;

/// Knows which blobs may not go.
#[derive(Debug)]
pub struct Needed {
    /// The state.
    pub store: Arc<StateStore>,
    /// Transactions that wait.
    pub pending: Arc<Pending>,
}

impl Needed {
    /// Returns the blobs that may not go: of transactions that wait, of models that take orders,
    /// and of jobs that are not ended or ended not long ago. `None` if the state cannot be read:
    /// then nothing is known to be free.
    #[must_use]
    pub fn blobs(&self) -> Option<BTreeSet<BlobId>> {
        let mut needed = self.pending.blobs();
        let read = self.store.snapshot().and_then(|snapshot| {
            needed_by_models(&snapshot, &mut needed)?;
            needed_by_jobs(&snapshot, &mut needed)
        });
        match read {
            Ok(()) => Some(needed),
            Err(error) => {
                tracing::error!(error = error_chain(&error), "the state cannot be read");
                None
            }
        }
    }
}

fn needed_by_models(snapshot: &Snapshot, needed: &mut BTreeSet<BlobId>) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let found = snapshot.entries(MODELS, after.as_ref(), STEP)?;
        let listed = found.iter().filter(|(_, ModelRecord { retired, .. })| !retired);
        needed.extend(listed.map(|(_, record)| record.card.blob));
        match found.last() {
            Some((id, _)) if found.len() == STEP => after = Some(*id),
            _ => return Ok(()),
        }
    }
}

fn needed_by_jobs(snapshot: &Snapshot, needed: &mut BTreeSet<BlobId>) -> Result<(), StoreError> {
    let now = snapshot.head()?.words.time_ms;
    let longest = snapshot.entry(ciro_ledger::state::SPEC, &())?;
    let longest = longest.map_or(0, |spec| spec.jobs.deadline_max_ms);
    let mut before = None;
    loop {
        let found = snapshot.jobs(Listed::All, before, STEP)?;
        for (_, job) in &found {
            let Some(row) = snapshot.job(*job)? else { continue };
            if row.time_ms.saturating_add(longest).saturating_add(KEPT_MS) < now {
                return Ok(());
            }
            let recent = |at: u64| at.saturating_add(KEPT_MS) >= now;
            if row.receipt.as_ref().is_some_and(|receipt| !recent(receipt.ended_ms)) {
                continue;
            }
            if let TxBody::Order(order) = &row.order.body.body {
                needed.insert(order.input.blob);
            }
            if let Some(Outcome::Settled(settled)) = row.receipt.map(|it| it.outcome) {
                needed.insert(settled.bundle);
            }
        }
        match found.last() {
            Some((place, _)) if found.len() == STEP => before = Some(*place),
            _ => return Ok(()),
        }
    }
}
