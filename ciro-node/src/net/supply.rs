//! What consensus and execution need of others, for threads that are no tasks.

use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::{Operation, ReplicaId, Seq};
use ciro_protocol::batch::Batch;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::FetchError;
use super::fetch::pause;
use super::service::{NotHeld, Service, Why};
use crate::driver::History;
use crate::store::{LinkRow, OrderedRow};

/// How long a validator has for one part of history. The longest parts have 21 MiB: whoever cannot
/// send 9 Mbit/s may be passed over then, and for nearly all parts a fifth of that will do.
const PART_PATIENCE: Duration = Duration::from_secs(20);

/// Gets batches and blocks from other validators.
#[derive(Clone, Debug)]
pub struct Supply {
    service: Arc<Service>,
    runtime: Handle,
}

impl Supply {
    /// Makes a supply whose requests run there.
    #[must_use]
    pub const fn new(service: Arc<Service>, runtime: Handle) -> Self {
        Self { service, runtime }
    }

    /// Gets the batches behind a proposal, judges them and makes them durable; then says whether
    /// all are valid. As long as one cannot be got nothing is said: unavailable is not invalid. It
    /// is given up once the block is executed without it.
    pub(crate) fn judge(
        &self,
        seq: Seq,
        operations: Vec<Operation>,
        answer: impl FnOnce(bool) + Send + 'static,
    ) {
        let service = Arc::clone(&self.service);
        self.runtime.spawn(async move {
            if let Some(valid) = judged(&service, seq, operations).await {
                // The answer waits for room in a queue.
                tokio::task::spawn_blocking(move || answer(valid));
            }
        });
    }

    /// Gets a batch that a block orders, and waits for it; `None` once the node stops.
    pub(crate) fn ordered(&self, height: Seq, operation: &Operation) -> Option<Batch> {
        let mut tries = 0;
        while !self.service.holding.shared.is_stopping() {
            let got = self.runtime.block_on(self.ordered_once(height, operation));
            if got.is_some() {
                return got;
            }
            tracing::debug!(%height, "nobody hands over a batch");
            std::thread::sleep(pause(tries));
            tries += 1;
        }
        None
    }

    async fn ordered_once(&self, height: Seq, operation: &Operation) -> Option<Batch> {
        let first = submitter(operation);
        let sources = self.service.sources(first);
        if let Ok((batch, _)) = self.service.net().batch(operation.payload, &sources).await {
            return Some(batch.body);
        }
        // Whoever has executed the block keeps what it holds.
        for source in sources {
            let Ok(rows) = self.service.net().rows(height.0, 1, source).await else { continue };
            let batches = rows.into_iter().flat_map(|row| row.batches.into_inner());
            let found = batches.into_iter().find(|batch| batch.operation() == *operation);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Waits for a part of history, but not for long; nothing if it does not come.
    fn part<T>(
        &self,
        source: ReplicaId,
        part: impl Future<Output = Result<Vec<T>, FetchError>>,
    ) -> Vec<T> {
        let waited = self.runtime.block_on(async { timeout(PART_PATIENCE, part).await });
        match waited {
            Ok(Ok(part)) => part,
            Ok(Err(error)) => {
                tracing::debug!(%source, %error, "no part of history");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(%source, "a part of history does not come in time");
                Vec::new()
            }
        }
    }
}

impl History for Supply {
    fn links(&self, from: u64, max: usize, source: ReplicaId) -> Vec<LinkRow> {
        self.part(source, self.service.net().links(from, saturated(max), source))
    }

    fn rows(&self, from: u64, max: usize, source: ReplicaId) -> Vec<OrderedRow> {
        self.part(source, self.service.net().rows(from, saturated(max), source))
    }

    fn sources(&self, first: &[ReplicaId]) -> Vec<ReplicaId> {
        let mut others = self.service.net().peers().others();
        let rank = |id: &ReplicaId| first.iter().position(|it| it == id).unwrap_or(usize::MAX);
        others.sort_by_key(rank);
        others
    }
}

fn saturated(max: usize) -> u16 {
    u16::try_from(max).unwrap_or(u16::MAX)
}

/// Submitters are validators, under the same number.
fn submitter(operation: &Operation) -> ReplicaId {
    ReplicaId(u32::try_from(operation.client.0).unwrap_or(u32::MAX))
}

/// Whether all operations are valid; `None` if nobody needs to know any more.
async fn judged(service: &Arc<Service>, seq: Seq, operations: Vec<Operation>) -> Option<bool> {
    for operation in operations {
        let mut tries = 0;
        loop {
            let shared = &service.holding.shared;
            if shared.is_stopping() || shared.head().borrow().height >= seq.0 {
                return None;
            }
            match judged_once(service, &operation).await {
                Ok(true) => break,
                Ok(false) => return Some(false),
                Err(NotHeld::Fatal) => return None,
                Err(_) => {}
            }
            tokio::time::sleep(pause(tries)).await;
            tries += 1;
        }
    }
    Some(true)
}

async fn judged_once(service: &Arc<Service>, operation: &Operation) -> Result<bool, NotHeld> {
    if let Some(batch) = service.held(&operation.payload)? {
        return Ok(batch.body.operation() == *operation);
    }
    let sources = service.sources(submitter(operation));
    let got = service.net().batch(operation.payload, &sources).await;
    let (batch, from) = got.map_err(|_| NotHeld::Later)?;
    if batch.body.operation() != *operation {
        return Ok(false);
    }
    match service.hold(Arc::new(batch), from, Why::Proposed).await {
        Ok(()) => Ok(true),
        Err(NotHeld::Invalid { reason, .. }) => {
            tracing::warn!(reason, "a proposal holds a batch that is not valid");
            Ok(false)
        }
        Err(not) => Err(not),
    }
}
