//! What this node does for other validators: it takes batches, and hands out batches, blobs and
//! blocks.

mod prefetch;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ciro_consensus::{Digest, Input, Operation, ReplicaId};
use ciro_ledger::Invalid;
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::sign::SignError;
use ciro_protocol::text::Text;
use ciro_protocol::wire::{Bytes, List, Message};
use ciro_sdk::error_chain;
use tokio::time::timeout;

use super::allowance::{Allowance, BATCH_BYTES};
use super::behaviour::Protocol;
use super::sources::{Slow, Sources};
use super::turns::{Turn, Turns};
use super::wire::{BatchAnswer, BatchRequest, BlobRequest, BlockRequest};
use super::{FetchError, Net};
use crate::blobs::{Blobs, Needed};
use crate::bodies::{Bodies, BodiesError, Keep, position};
use crate::driver::Shared;
use crate::ingress::{Pending, blobs_of};
use crate::store::StateStore;
use crate::validity::Validity;

/// How long it may take to fetch what a batch needs: then whoever pushes it has given up, and what
/// has come is kept for the next try.
const FETCHED_MAX: Duration = Duration::from_secs(25);

/// What a node holds for others, and what it needs to judge what comes.
#[derive(Debug)]
pub struct Holding {
    /// The bodies of batches.
    pub bodies: Arc<Bodies>,
    /// The blobs.
    pub blobs: Arc<Blobs>,
    /// Which blobs may not go.
    pub needed: Arc<Needed>,
    /// The state and all blocks.
    pub store: Arc<StateStore>,
    /// Transactions that wait here, and how far each submitter is.
    pub pending: Arc<Pending>,
    /// Who judges batches.
    pub validity: Arc<Validity>,
    /// Where operations go.
    pub inputs: SyncSender<Input>,
    /// What the threads tell.
    pub shared: Arc<Shared>,
}

/// Why a batch is to be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody asks for it before it is ordered: what a submitter may show is bounded.
    Pushed,
    /// A proposal orders it: whether it is valid must not depend on what was shown before.
    Proposed {
        /// The block until which it is needed.
        until: u64,
    },
}

/// Why a batch is not held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHeld {
    /// It never will be.
    #[error("{reason}")]
    Invalid {
        /// The label under which it is counted.
        label: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Another batch of the submitter has its place: whose fault that is cannot be said.
    #[error("{reason}")]
    Conflict {
        /// What is in its place.
        reason: String,
    },
    /// Not now.
    #[error("something that the batch needs is not here")]
    Later,
    /// The node cannot go on.
    #[error("the node stops")]
    Fatal,
}

/// What one validator may ask for.
#[derive(Debug)]
pub(super) struct Guest {
    turns: Turns,
    /// How many bytes of batches it may push.
    allowance: Mutex<Allowance>,
}

impl Default for Guest {
    fn default() -> Self {
        let allowance = Mutex::new(Allowance::of(BATCH_BYTES, Instant::now()));
        Self { turns: Turns::new(), allowance }
    }
}

/// Serves other validators.
#[derive(Debug)]
pub struct Service {
    net: Net,
    pub(crate) holding: Holding,
    /// Which batch a submitter has shown for a position that is not executed yet. One that shows
    /// two is refused the second.
    shown: Mutex<BTreeMap<(u64, u64), Digest>>,
    /// Batches that are being judged, by the digest of every byte: the signature is not part of the
    /// payload, and whoever brings a batch under a bad one must not be in the way of the good one.
    judging: Mutex<BTreeSet<[u8; 32]>>,
    guests: Mutex<BTreeMap<ReplicaId, Arc<Guest>>>,
    slow: Arc<Slow>,
}

impl Service {
    /// Makes a service. `held` are the operations whose batches were on disk at the start, and stay
    /// until their place is executed.
    #[must_use]
    pub fn new(net: Net, holding: Holding, held: &[Operation]) -> Self {
        let shown = held.iter().map(|it| ((it.client.0, it.nonce.0), it.payload));
        let (shown, judging) = (Mutex::new(shown.collect()), Mutex::default());
        let (guests, slow) = (Mutex::default(), Arc::default());
        Self { net, holding, shown, judging, guests, slow }
    }

    /// Returns what one validator may ask for. Those that left are forgotten, but not while they
    /// are served: whoever comes back has no more than before.
    pub(super) fn guest(&self, id: ReplicaId) -> Arc<Guest> {
        let mut guests = lock(&self.guests);
        if !guests.contains_key(&id) {
            let roll = self.net.peers().members().roll();
            let here = |id: &ReplicaId| roll.admits(*id);
            guests.retain(|id, guest| here(id) || Arc::strong_count(guest) > 1);
        }
        Arc::clone(guests.entry(id).or_default())
    }

    /// Answers a validator, whose turn lasts until the answer is on its way; `None` if what it asks
    /// is not understood, or too much.
    pub(crate) async fn serve(
        self: Arc<Self>,
        from: ReplicaId,
        protocol: Protocol,
        request: Vec<u8>,
    ) -> Option<(Vec<u8>, Option<Turn>)> {
        let guest = self.guest(from);
        let Some(turn) = guest.turns.take(protocol, request.len()).await else {
            self.net.metrics.net_refused("too_many_requests");
            let busy = (protocol == Protocol::Batch).then(|| BatchAnswer::Busy.to_bytes());
            return busy.map(|busy| (busy, None));
        };
        let answer = match protocol {
            Protocol::Batch => {
                let request = self.decode::<BatchRequest>(from, &request)?;
                let (answer, turn) = self.batch(from, request, turn).await;
                return Some((answer.to_bytes(), turn));
            }
            Protocol::Blob => {
                let request = self.decode::<BlobRequest>(from, &request)?;
                let read = tokio::task::spawn_blocking(move || self.holding.blob(request));
                read.await.ok()?.to_bytes()
            }
            Protocol::Block => {
                let request = self.decode::<BlockRequest>(from, &request)?;
                let read = tokio::task::spawn_blocking(move || self.holding.blocks(request));
                let blocks = read.await.ok()?.inspect_err(|error| {
                    tracing::error!(error = error_chain(error), "blocks cannot be read");
                });
                blocks.ok()?.to_bytes()
            }
            Protocol::Record | Protocol::Consensus => return None,
        };
        Some((answer, Some(turn)))
    }

    fn decode<T: Message>(&self, from: ReplicaId, bytes: &[u8]) -> Option<T> {
        let decoded = T::from_bytes(bytes).inspect_err(|error| {
            tracing::warn!(validator = %from, %error, "a request is refused");
            self.net.metrics.net_refused("request_malformed");
        });
        decoded.ok()
    }

    async fn batch(
        self: &Arc<Self>,
        from: ReplicaId,
        request: BatchRequest,
        turn: Turn,
    ) -> (BatchAnswer, Option<Turn>) {
        let answer = match request {
            BatchRequest::Push { batch, blobs } => {
                let begun = Instant::now();
                match self.push(from, Arc::new(*batch), blobs).await {
                    Ok(()) => BatchAnswer::Accepted,
                    Err(NotHeld::Invalid { label, reason }) => {
                        turn.rest(begun.elapsed());
                        return (self.refuse(from, label, &reason), None);
                    }
                    Err(NotHeld::Conflict { reason }) => {
                        self.refuse(from, "batch_conflict", &reason)
                    }
                    Err(NotHeld::Later | NotHeld::Fatal) => BatchAnswer::Busy,
                }
            }
            BatchRequest::Order { payload } => self.order(payload).await,
            BatchRequest::Get { payload } => match self.body(payload).await {
                Some(batch) => BatchAnswer::Batch(Box::new((*batch).clone())),
                None => BatchAnswer::Unknown,
            },
        };
        (answer, Some(turn))
    }

    fn refuse(&self, from: ReplicaId, label: &'static str, reason: &str) -> BatchAnswer {
        self.net.metrics.net_refused(label);
        tracing::warn!(validator = %from, reason, "a batch is refused");
        let short: String = reason.chars().take(60).collect();
        BatchAnswer::Refused(Text::new(&short).unwrap_or_default())
    }

    /// Holds a batch that somebody asks for before it is ordered.
    async fn push<const BYTES: usize, const MAX: usize>(
        self: &Arc<Self>,
        from: ReplicaId,
        batch: Arc<SignedBatch>,
        blobs: List<Bytes<BYTES>, MAX>,
    ) -> Result<(), NotHeld> {
        // What is not wanted stores nothing.
        let operation = batch.body.operation();
        if !self.is_executed(&batch) && !self.vouch(&batch, &operation).await? {
            self.check_place(&lock(&self.shown), &batch, operation.payload)?;
            self.charge(from, &batch)?;
            self.check_submitter(&batch, Why::Pushed).await?;
            self.take_blobs(&batch, blobs).await?;
            self.hold(Arc::clone(&batch), from, Why::Pushed).await?;
        }
        self.prefetch(&batch, from);
        Ok(())
    }

    async fn body(self: &Arc<Self>, payload: [u8; 32]) -> Option<Arc<SignedBatch>> {
        let (service, payload) = (Arc::clone(self), Digest::from_bytes(payload)?);
        let read = tokio::task::spawn_blocking(move || service.held(&payload));
        read.await.ok()?.ok().flatten()
    }

    /// Hands a batch that is here to consensus.
    async fn order(self: &Arc<Self>, payload: [u8; 32]) -> BatchAnswer {
        let Some(batch) = self.body(payload).await else { return BatchAnswer::Unknown };
        let operation = batch.body.operation();
        if !self.is_executed(&batch) && !self.vouch(&batch, &operation).await.unwrap_or(false) {
            return BatchAnswer::Busy;
        }
        match self.input(Input::Operation(operation)).await {
            true => BatchAnswer::Ordered,
            false => BatchAnswer::Busy,
        }
    }

    /// Waits for room in the queue of consensus; false if it has ended.
    pub(crate) async fn input(&self, mut input: Input) -> bool {
        loop {
            match self.holding.inputs.try_send(input) {
                Ok(()) => return true,
                Err(TrySendError::Full(back)) => {
                    input = back;
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                Err(TrySendError::Disconnected(_)) => return false,
            }
        }
    }

    /// Whether a batch is executed.
    pub(crate) fn is_executed(&self, batch: &SignedBatch) -> bool {
        let (submitter, nonce) = position(batch);
        self.holding.pending.executed_nonce(submitter) >= nonce
    }

    /// Judges a batch and makes it durable. Whoever gets `Ok` may count on it being here until its
    /// block is.
    ///
    /// # Errors
    ///
    /// [`NotHeld`] with whether trying again helps.
    pub(crate) async fn hold(
        self: &Arc<Self>,
        batch: Arc<SignedBatch>,
        from: ReplicaId,
        why: Why,
    ) -> Result<(), NotHeld> {
        let operation = batch.body.operation();
        let (payload, bodies) = (operation.payload, Arc::clone(&self.holding.bodies));
        let keep = match why {
            Why::Pushed => Keep::Place,
            Why::Proposed { until } => Keep::Block(until),
        };
        let held = match why {
            Why::Pushed => self.is_executed(&batch) || self.vouch(&batch, &operation).await?,
            Why::Proposed { until } => bodies.keep(&operation, until).is_some(),
        };
        if held {
            return Ok(());
        }
        match why {
            // Its submitter was checked before its blobs were taken.
            Why::Pushed => self.check_place(&lock(&self.shown), &batch, payload)?,
            Why::Proposed { .. } => self.check_submitter(&batch, why).await?,
        }
        // Before anybody else has to wait for it: each gets what a batch needs for itself, so that
        // whoever hands it out slowly is in nobody's way.
        let fetched = timeout(FETCHED_MAX, self.fetch_missing(&batch, from)).await;
        fetched.map_err(|_| NotHeld::Later)??;
        let signed = batch.digest();
        if !lock(&self.judging).insert(signed) {
            return Err(NotHeld::Later);
        }
        let _judging = Judging { service: self, signed };
        let judged = Arc::clone(&batch);
        let valid = self.holding.validity.run(move |validity| validity.batch(&judged)).await;
        match valid.ok_or(NotHeld::Fatal)? {
            Ok(()) => {}
            Err(Invalid::Unavailable(_)) => return Err(NotHeld::Later),
            Err(invalid) => {
                let reason = error_chain(&invalid);
                return Err(NotHeld::Invalid { label: "batch_invalid", reason });
            }
        }
        // Only now: whoever is not the submitter must not take its places.
        if why == Why::Pushed {
            self.show(&batch, payload)?;
        }
        let written = tokio::task::spawn_blocking(move || bodies.append(batch, keep)).await;
        written.map_err(|_| NotHeld::Fatal)?.map_err(|error| self.fatal(&error))
    }

    /// Returns a batch that is here: it was judged before it was written.
    fn held(&self, payload: &Digest) -> Result<Option<Arc<SignedBatch>>, NotHeld> {
        self.holding.bodies.get(payload).map_err(|error| self.fatal(&error))
    }

    /// Stops the node.
    pub(super) fn fail(&self, reason: &str) {
        self.holding.shared.fail(reason);
    }

    /// Stops the node, whose bodies cannot be read or written.
    fn fatal(&self, error: &BodiesError) -> NotHeld {
        self.holding.shared.fail(error_chain(error));
        NotHeld::Fatal
    }

    /// Checks that a batch is its submitter's, before anything is fetched or stored for it. The
    /// signature is not part of the payload: a proposal is not invalid because somebody hands over
    /// its batch under a bad one.
    async fn check_submitter(&self, batch: &Arc<SignedBatch>, why: Why) -> Result<(), NotHeld> {
        let submitter = u32::try_from(batch.body.submitter.0).map(ReplicaId);
        let roll = self.net.peers().members().roll();
        // Whoever lost its vote may have it again, and whom this node does not know yet may be
        // registered: what it submits is not wrong.
        let may = |id: ReplicaId| why != Why::Pushed || roll.submits(id);
        if submitter.is_ok_and(|id| roll.key(id).is_none() || !may(id)) {
            return Err(NotHeld::Later);
        }
        let signed = Arc::clone(batch);
        let checked = self.holding.validity.run(move |judge| judge.submitter(&signed)).await;
        checked.ok_or(NotHeld::Fatal)?.map_err(|invalid| match invalid {
            Invalid::Batch(SignError::Signature { .. }) if why != Why::Pushed => NotHeld::Later,
            _ => NotHeld::Invalid { label: "batch_invalid", reason: error_chain(&invalid) },
        })
    }

    /// Whether a batch is not under a bad signature. All else that is wrong with it is part of what
    /// was ordered, and the verdict on that says so.
    pub(super) async fn is_signed(&self, batch: &Arc<SignedBatch>) -> bool {
        let signed = Arc::clone(batch);
        let checked = self.holding.validity.run(move |judge| judge.submitter(&signed)).await;
        !matches!(checked, Some(Err(Invalid::Batch(SignError::Signature { .. }))))
    }

    /// Stores blobs that came with their batch. Others than it names are not taken.
    async fn take_blobs<const BYTES: usize, const MAX: usize>(
        self: &Arc<Self>,
        batch: &SignedBatch,
        blobs: List<Bytes<BYTES>, MAX>,
    ) -> Result<(), NotHeld> {
        if blobs.is_empty() {
            return Ok(());
        }
        let named = named(batch);
        let service = Arc::clone(self);
        let stored = tokio::task::spawn_blocking(move || {
            for bytes in blobs.iter() {
                let id = BlobId::of(bytes).ok().filter(|id| named.contains(id));
                let id = id.ok_or_else(|| NotHeld::Invalid {
                    label: "blob_not_named",
                    reason: "a blob came along that the batch does not name".to_owned(),
                })?;
                let holding = &service.holding;
                let stored = holding.blobs.put(id, bytes, || holding.needed.blobs());
                stored.map_err(|error| {
                    let error = error_chain(&error);
                    tracing::error!(blob = %id, error, "a blob is not stored");
                    NotHeld::Later
                })?;
            }
            Ok(())
        });
        stored.await.map_err(|_| NotHeld::Fatal)?
    }

    /// Fetches the blobs that a batch's validity depends on, one after the other, as many batches
    /// are judged at once: whoever answers just in time does so once, and goes last then. What has
    /// come stays, though another one does not come.
    async fn fetch_missing(&self, batch: &SignedBatch, from: ReplicaId) -> Result<(), NotHeld> {
        let mut fetched = Ok(());
        for &id in batch.body.attachments.iter() {
            fetched = fetched.and(self.fetch_one(id, from).await);
        }
        fetched
    }

    async fn fetch_one(&self, id: BlobId, from: ReplicaId) -> Result<(), NotHeld> {
        let fetched = self.net.attachment(&self.holding, id, &mut self.asking(from)).await;
        fetched.map_err(|error| {
            tracing::debug!(blob = %id, %error, "a blob that a batch names is not here");
            NotHeld::Later
        })
    }

    /// Returns all others, one of them first and the rest in an order that nobody can foresee.
    /// Those that have let others wait come last.
    pub(crate) fn sources(&self, first: ReplicaId) -> Vec<ReplicaId> {
        let mut others = self.net.peers().others();
        let (slow, order) = (&self.slow, RandomState::new());
        others.sort_by_cached_key(|id| (slow.pace(*id), *id != first, order.hash_one(id)));
        others
    }

    /// Returns the same to be asked, which takes note of who is slow.
    pub(crate) fn asking(&self, first: ReplicaId) -> Sources {
        Sources::noting(self.sources(first), Arc::clone(&self.slow))
    }

    /// Fetches a blob that somebody asks this node for.
    ///
    /// # Errors
    ///
    /// [`FetchError`] if nobody has it.
    pub async fn bring(&self, id: BlobId) -> Result<(), FetchError> {
        let mut sources = Sources::new(self.sources(self.net.peers().own()));
        self.net.blob(&self.holding, (id, u64::MAX), &mut sources).await
    }

    /// Returns the handle of the network.
    #[must_use]
    pub const fn net(&self) -> &Net {
        &self.net
    }
}

/// A batch that is being judged.
struct Judging<'s> {
    service: &'s Service,
    signed: [u8; 32],
}

impl Drop for Judging<'_> {
    fn drop(&mut self) {
        lock(&self.service.judging).remove(&self.signed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns all blobs that a batch is about.
pub(super) fn named(batch: &SignedBatch) -> BTreeSet<BlobId> {
    let of_txs = batch.body.txs.iter().flat_map(|tx| blobs_of(&tx.body.body));
    batch.body.attachments.iter().copied().chain(of_txs).collect()
}

#[cfg(test)]
mod tests;
