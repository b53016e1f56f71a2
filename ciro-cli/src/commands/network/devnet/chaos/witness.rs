//! Follows the events of every node, compares what they tell, and keeps the books.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ciro_protocol::api::{EVENTS, EventRecord, SSE_EVENT};
use ciro_protocol::chain::ChainSpec;
use ciro_sdk::client::{Client, ClientError};

use super::books::Books;
use super::invariant::{Invariant, Violations};

/// The longest line of a stream of events.
const LINE_BYTES_MAX: usize = 1 << 20;
/// How long nobody is asked again after a stream broke off.
const PAUSE: Duration = Duration::from_millis(100);

/// What all nodes have told.
#[derive(Clone, Debug)]
pub(super) struct Witness(Arc<Mutex<Told>>);

#[derive(Debug)]
struct Told {
    books: Books,
    /// The last event that each node has told.
    last: Vec<u64>,
    /// Events that some node has not told yet: a hash of what the first one told.
    told: BTreeMap<u64, u64>,
}

impl Witness {
    pub(super) fn new(spec: &ChainSpec, nodes: usize) -> Self {
        let (books, last) = (Books::new(spec), vec![0; nodes]);
        Self(Arc::new(Mutex::new(Told { books, last, told: BTreeMap::new() })))
    }

    /// Looks at the books.
    pub(super) fn books<T>(&self, look: impl FnOnce(&mut Books) -> T) -> T {
        look(&mut self.told().books)
    }

    /// Whether all nodes have told as much, and at least so much.
    pub(super) fn is_level(&self, seq: u64) -> bool {
        let told = self.told();
        told.books.seq() >= seq && told.last.iter().all(|last| *last == told.books.seq())
    }

    /// The last event that each node has told.
    pub(super) fn last(&self) -> Vec<u64> {
        self.told().last.clone()
    }

    /// Takes out what did not hold.
    pub(super) fn take_violations(&self) -> Violations {
        std::mem::take(&mut self.told().books.violations)
    }

    /// Follows one node for ever.
    pub(super) async fn follow(self, node: usize, client: Client) {
        loop {
            if let Err(error) = self.read(node, &client).await
                && !error.is_transient()
            {
                let what = format!("the events of node{node}: {}", ciro_sdk::error_chain(&error));
                self.told().books.violations.add(Invariant::I5, what);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Reads a node's events until its stream ends.
    async fn read(&self, node: usize, client: &Client) -> Result<(), ClientError> {
        let after = self.told().last.get(node).copied().unwrap_or_default();
        let mut stream = client.stream(&format!("{EVENTS}?after={after}")).await?;
        let mut is_event = false;
        while let Some(line) = stream.line(LINE_BYTES_MAX).await? {
            if let Some(name) = line.strip_prefix(b"event: ") {
                is_event = name == SSE_EVENT.as_bytes();
            } else if let Some(data) = line.strip_prefix(b"data: ")
                && is_event
            {
                match serde_json::from_slice::<EventRecord>(data) {
                    Ok(record) => self.tell(node, &record, data),
                    Err(error) => {
                        let reason = error.to_string();
                        return Err(ClientError::Answer { what: "an event", reason });
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what a node tells.
    fn tell(&self, node: usize, record: &EventRecord, data: &[u8]) {
        let mut guard = self.told();
        let told = &mut *guard;
        let Some(last) = told.last.get_mut(node) else { return };
        if record.seq != *last + 1 {
            let what = format!("node{node} tells event {} after {last}", record.seq);
            told.books.violations.add(Invariant::I5, what);
            return;
        }
        *last = record.seq;
        told.books.enter(record);
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let hash = hasher.finish();
        let first = *told.told.entry(record.seq).or_insert(hash);
        if first != hash {
            let what = format!("node{node} tells another event {} than others", record.seq);
            told.books.violations.add(Invariant::I5, what);
        }
        let all = told.last.iter().copied().min().unwrap_or_default();
        while told.told.first_entry().is_some_and(|entry| *entry.key() <= all) {
            told.told.pop_first();
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // Whoever panicked has been told of; the books are as good as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
