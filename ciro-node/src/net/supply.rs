//! What consensus and execution need of others, for threads that are no tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ciro_consensus::{Digest, Operation, ReplicaId, Seq};
use ciro_protocol::batch::{Batch, SignedBatch};
use libp2p::futures::{StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::FetchError;
use super::behaviour::PATIENCE;
use super::fetch::pause;
use super::service::{NotHeld, Service, Why};
use crate::driver::History;
use crate::store::{LinkRow, OrderedRow};

/// How long a validator has for one part of history. The longest parts have 21 MiB: whoever cannot
/// send 9 Mbit/s may be passed over then, and for nearly all parts a fifth of that will do.
const PART_PATIENCE: Duration = Duration::from_secs(20);
/// How long a validator has for a whole block before another is asked beside it: it has 16 MiB at
/// most, and several that send it at once share the way here.
const BLOCK_HEAD_START: Duration = Duration::from_secs(5);
/// How long one batch of a block is waited for before the whole block is asked for.
const BATCH_PATIENCE: Duration = Duration::from_secs(2);
/// Batches of one proposal that are got and judged at once: as many as a connection carries. Who
/// was late with one is asked last for the next.
const JUDGED_MAX: usize = 16;

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

    /// Gets the batches behind a proposal, judges them and makes them durable until a block that
    /// may be a later one is; then says whether all are valid. As long as one cannot be got nothing
    /// is said: unavailable is not invalid. It is given up once the block is executed without it.
    pub(crate) fn judge(
        &self,
        (seq, until): (Seq, u64),
        operations: Vec<Operation>,
        answer: impl FnOnce(bool) + Send + 'static,
    ) {
        let service = Arc::clone(&self.service);
        self.runtime.spawn(async move {
            if let Some(valid) = judged(&service, (seq, until), operations).await {
                // The answer waits for room in a queue.
                tokio::task::spawn_blocking(move || answer(valid));
            }
        });
    }

    /// Gets batches that a block orders, and waits for them; `None` once the node stops.
    pub(crate) fn ordered(
        &self,
        height: Seq,
        operations: &[Operation],
    ) -> Option<BTreeMap<Digest, Batch>> {
        let (mut got, mut tries) = (BTreeMap::new(), 0);
        while !self.service.holding.shared.is_stopping() {
            let missing = operations.iter().find(|it| !got.contains_key(&it.payload));
            let Some(missing) = missing else { return Some(got) };
            let found = self.runtime.block_on(self.ordered_once(height, missing));
            if let Some(found) = found {
                let named = found.into_iter().map(|batch| (batch.operation(), batch));
                let wanted = named.filter(|(operation, _)| operations.contains(operation));
                got.extend(wanted.map(|(operation, batch)| (operation.payload, batch)));
                tries = 0;
                continue;
            }
            tracing::debug!(%height, "nobody hands over a batch");
            std::thread::sleep(pause(tries));
            tries += 1;
        }
        None
    }

    /// Gets a batch by itself, or else with all of its block: whoever has executed the block keeps
    /// what it holds.
    async fn ordered_once(&self, height: Seq, operation: &Operation) -> Option<Vec<Batch>> {
        // Anew for the block: whoever was slow with the batch goes last then.
        let asking = || self.service.asking(submitter(operation));
        let mut sources = asking().without_slow();
        let one = sources.first(|from| self.ordered_from(from, operation));
        if let Ok(Some((batch, _))) = timeout(BATCH_PATIENCE, one).await {
            return Some(vec![batch]);
        }
        let block = |from| self.block_from(from, height, operation);
        let got = asking().first_after(BLOCK_HEAD_START, block).await;
        got.map(|(batches, _)| batches)
    }

    /// Gets a batch from one validator.
    async fn ordered_from(&self, from: ReplicaId, operation: &Operation) -> Option<Batch> {
        let batch = self.service.net().batch_from(from, operation.payload).await?;
        (batch.body.operation() == *operation).then_some(batch.body)
    }

    /// Gets all batches of a block from one validator, one of them among these.
    async fn block_from(
        &self,
        from: ReplicaId,
        height: Seq,
        operation: &Operation,
    ) -> Option<Vec<Batch>> {
        let rows = self.service.net().rows(height.0, 1, from).await.ok()?;
        let batches = rows.into_iter().flat_map(|row| row.batches.into_inner());
        let batches: Vec<Batch> = batches.collect();
        batches.iter().any(|batch| batch.operation() == *operation).then_some(batches)
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
async fn judged(
    service: &Arc<Service>,
    (seq, until): (Seq, u64),
    operations: Vec<Operation>,
) -> Option<bool> {
    let judged = operations.into_iter().map(|it| judged_one(service, (seq, until), it));
    let judged: Vec<_> = judged.collect();
    // At once: whoever hands out its batches slowly costs the time of one of them.
    let mut judged = stream::iter(judged).buffer_unordered(JUDGED_MAX);
    while let Some(valid) = judged.next().await {
        if !valid? {
            return Some(false);
        }
    }
    Some(true)
}

/// Whether one operation is valid, once its batch is here.
async fn judged_one(
    service: &Arc<Service>,
    (seq, until): (Seq, u64),
    operation: Operation,
) -> Option<bool> {
    let mut tries = 0;
    loop {
        let shared = &service.holding.shared;
        if shared.is_stopping() || shared.head().borrow().height >= seq.0 {
            return None;
        }
        match judged_once(service, &operation, until).await {
            Ok(valid) => return Some(valid),
            Err(NotHeld::Fatal) => return None,
            Err(_) => {}
        }
        tokio::time::sleep(pause(tries)).await;
        tries += 1;
    }
}

/// Gets the batch behind an operation, and from whom. The payload says nothing of the signature:
/// whoever hands over a bad one counts as not having it, so that the next one is asked.
async fn signed_batch(
    service: &Arc<Service>,
    operation: &Operation,
) -> Option<(Arc<SignedBatch>, ReplicaId)> {
    let mut sources = service.asking(submitter(operation));
    loop {
        let got = sources.first(|from| handed_over(service, from, operation.payload)).await;
        let (batch, from) = got?;
        let batch = Arc::new(batch);
        if service.is_signed(&batch).await {
            return Some((batch, from));
        }
        tracing::warn!(validator = %from, "a batch is handed over under a bad signature");
        sources.leave_out(from);
    }
}

/// Gets a batch from one validator, which is not waited for too long: once all others have said
/// that they do not have it, nobody else is asked.
async fn handed_over(service: &Service, from: ReplicaId, payload: Digest) -> Option<SignedBatch> {
    timeout(PATIENCE, service.net().batch_from(from, payload)).await.ok()?
}

async fn judged_once(
    service: &Arc<Service>,
    operation: &Operation,
    until: u64,
) -> Result<bool, NotHeld> {
    if let Some(its) = service.holding.bodies.keep(operation, until) {
        return Ok(its);
    }
    let (batch, from) = signed_batch(service, operation).await.ok_or(NotHeld::Later)?;
    if batch.body.operation() != *operation {
        return Ok(false);
    }
    match service.hold(batch, from, Why::Proposed { until }).await {
        Ok(()) => Ok(true),
        Err(NotHeld::Invalid { reason, .. }) => {
            tracing::warn!(reason, "a proposal holds a batch that is not valid");
            Ok(false)
        }
        Err(not) => Err(not),
    }
}
