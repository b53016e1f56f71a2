//! Which blobs may not go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ciro_ledger::state::{JOBS, JobRecord, MODELS, SPEC};
use ciro_protocol::blob::BlobId;
use ciro_protocol::event::Event;
use ciro_protocol::id::ModelId;
use ciro_protocol::receipt::Outcome;
use ciro_sdk::error_chain;

use crate::ingress::Pending;
use crate::store::{Snapshot, StateStore, StoreError};

/// How long the result of a job is kept for sure, in ms of ledger time: a week.
const KEPT_MS: u64 = 7 * 86_400_000;
/// Entries read at once.
const STEP: usize = 1_000;

/// Why a blob may not go. In this order kinds take what others leave of their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A transaction that waits names it.
    Pending,
    /// It is the input of a job that is not ended.
    Open,
    /// It is the result of a job that was settled not long ago.
    Result,
    /// It is a model that takes orders, or of a job that is not ended.
    Model,
}

impl Kind {
    /// Returns how many eighths of the whole room are its own: seven together, since the last one
    /// is for what comes.
    pub(super) const fn eighths(self) -> u64 {
        match self {
            Self::Pending | Self::Model => 1,
            Self::Open => 2,
            Self::Result => 3,
        }
    }
}

/// A blob that may not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub blob: BlobId,
    /// The bytes that it has at most: those that whoever named it has paid for.
    pub bytes_max: u64,
    /// Why.
    pub kind: Kind,
}

/// Knows which blobs may not go.
#[derive(Debug)]
pub struct Needed {
    store: Arc<StateStore>,
    pending: Arc<Pending>,
    looked: Mutex<Looked>,
}

/// What was seen of the ledger.
#[derive(Debug, Default)]
struct Looked {
    /// When it was looked at last, and what was found then.
    last: Option<(Instant, Vec<Need>)>,
    results: Results,
}

impl Needed {
    /// Knows it by a state, and by the transactions that wait.
    #[must_use]
    pub fn new(store: Arc<StateStore>, pending: Arc<Pending>) -> Self {
        Self { store, pending, looked: Mutex::default() }
    }

    /// Looks for the first time, in a thread of its own: that reads a week of events, for which
    /// nobody who needs room is to wait.
    pub fn look_ahead(self: &Arc<Self>) {
        let needed = Arc::clone(self);
        let thread = std::thread::Builder::new().name("needed".to_owned());
        if let Err(error) = thread.spawn(move || needed.blobs()) {
            tracing::warn!(%error, "no thread looks for what is needed: whoever needs room does");
        }
    }

    /// Returns the blobs that may not go, those first that may go least: of transactions that wait;
    /// inputs of jobs that are not ended, the oldest first; results of jobs that were settled not
    /// long ago, the newest first; models of jobs that are not ended, then others that take orders.
    /// What only a job names that was cancelled or refunded may go. `None` if the state cannot be
    /// read: then nothing is known to be free.
    ///
    /// It reads much of the state, so whoever asks holds no lock that others wait for. One looks at
    /// a time, and whoever waited for that takes what was found since they asked.
    #[must_use]
    pub fn blobs(&self) -> Option<Vec<Need>> {
        let asked = Instant::now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = looked.last.as_ref().filter(|(begun, _)| *begun > asked) {
            return Some(found.clone());
        }
        let begun = Instant::now();
        // In this order: a transaction is in the state before it is no longer pending.
        let pending = self.pending.blobs().into_iter();
        let mut needed: Vec<Need> =
            pending.map(|blob| Need { blob, bytes_max: u64::MAX, kind: Kind::Pending }).collect();
        let snapshot = self.store.snapshot();
        match snapshot.and_then(|snapshot| needed_by_ledger(&snapshot, &mut looked.results)) {
            Ok(by_ledger) => {
                needed.extend(by_ledger);
                looked.last = Some((begun, needed.clone()));
                Some(needed)
            }
            Err(error) => {
                tracing::error!(error = error_chain(&error), "the state cannot be read");
                None
            }
        }
    }
}

fn needed_by_ledger(snapshot: &Snapshot, results: &mut Results) -> Result<Vec<Need>, StoreError> {
    let models = models(snapshot)?;
    let mut open = Vec::new();
    each(snapshot, JOBS, |_, JobRecord { opened_ms, order, .. }| {
        let (blob, bytes_max) = (order.input.blob, order.input.bytes);
        open.push((opened_ms, Need { blob, bytes_max, kind: Kind::Open }, order.model));
    })?;
    open.sort_by_key(|(opened_ms, ..)| *opened_ms);
    results.follow(snapshot)?;
    let bytes_max = snapshot.entry(SPEC, &())?.map_or(0, |spec| spec.limits.bundle_bytes);
    let mut needed: Vec<Need> = open.iter().map(|(_, input, _)| *input).collect();
    needed.extend(results.newest(bytes_max));
    needed.extend(open.iter().filter_map(|(.., model)| models.get(model)).map(|it| it.0));
    needed.extend(models.into_values().filter(|(_, takes_orders)| *takes_orders).map(|it| it.0));
    Ok(needed)
}

/// Finds the file of each model, and whether it takes orders.
fn models(snapshot: &Snapshot) -> Result<BTreeMap<ModelId, (Need, bool)>, StoreError> {
    let mut found = BTreeMap::new();
    each(snapshot, MODELS, |id, record| {
        let (blob, bytes_max) = (record.card.blob, record.card.bytes);
        found.insert(id, (Need { blob, bytes_max, kind: Kind::Model }, !record.retired));
    })?;
    Ok(found)
}

/// The results of jobs that were settled not long ago. Each event is read once: a week has many.
#[derive(Debug, Default)]
struct Results {
    /// When the job ended, in ms of ledger time, and the blob of its proof; the oldest first.
    settled: VecDeque<(u64, BlobId)>,
    /// The last event that was read; none before the first look.
    seen: Option<u64>,
}

impl Results {
    /// Reads what has happened since the last look, and forgets what is older than a week.
    fn follow(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let head = snapshot.head()?;
        let since = head.words.time_ms.saturating_sub(KEPT_MS);
        let mut seen = match self.seen {
            Some(seen) => seen,
            None => last_before(snapshot, head.events, since)?,
        };
        loop {
            let found = snapshot.events(seen, STEP)?;
            let whole = found.len() == STEP;
            for (number, row) in found {
                seen = number;
                if let Event::JobEnded { receipt } = row.event
                    && let Outcome::Settled(settled) = &receipt.outcome
                {
                    self.settled.push_back((receipt.ended_ms, settled.bundle));
                }
            }
            self.seen = Some(seen);
            if !whole {
                break;
            }
        }
        while self.settled.front().is_some_and(|(ended_ms, _)| *ended_ms < since) {
            self.settled.pop_front();
        }
        Ok(())
    }

    /// Returns them, the newest first; none counts that is longer than a bundle may be.
    fn newest(&self, bytes_max: u64) -> impl Iterator<Item = Need> {
        let need = move |blob| Need { blob, bytes_max, kind: Kind::Result };
        self.settled.iter().rev().map(move |(_, blob)| need(*blob))
    }
}

/// Returns the number of the last event before a ledger time, of `last` ones; zero if there is
/// none. Their times never go back.
fn last_before(snapshot: &Snapshot, last: u64, since_ms: u64) -> Result<u64, StoreError> {
    // All up to the first are before it, and none after the second is.
    let (mut before, mut end) = (0, last);
    while before < end {
        let middle = before + (end - before) / 2;
        match snapshot.events(middle, 1)?.pop() {
            Some((number, row)) if row.time_ms < since_ms => before = number,
            _ => end = middle,
        }
    }
    Ok(before)
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

#[cfg(test)]
mod tests {
    use ciro_protocol::sign::SecretKey;

    use super::*;
    use crate::store::tests::empty;

    #[test]
    fn events_of_the_last_week_are_found_by_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let key = SecretKey::from_seed(b"validator").address();
        let spec = crate::devnet::spec(&[key], 1_700_000_000_000);
        let (genesis, first) = ciro_ledger::genesis(spec).unwrap();
        let store = StateStore::open(&folder.path().join("ledger.redb"), &genesis, &first).unwrap();
        assert_eq!(last_before(&store.snapshot().unwrap(), 0, u64::MAX).unwrap(), 0);
        for height in 1..=5 {
            let events = vec![Event::ModelRetired { model: ModelId([1; 32]) }; 3];
            let (writes, receipts) = (BTreeMap::new(), Vec::new());
            let outcome = ciro_ledger::Outcome {
                writes,
                receipts,
                events,
                time_ms: 10 * height,
                changes: vec![],
            };
            let block = empty(height, &outcome);
            store.commit(&store.snapshot().unwrap(), &block).unwrap();
        }
        let snapshot = store.snapshot().unwrap();
        let found = [0, 10, 11, 20, 50, 51].map(|it| last_before(&snapshot, 15, it).unwrap());
        assert_eq!(found, [0, 0, 3, 3, 12, 15]);
    }
}
