//! Batches on their way to all validators, before they are ordered: large requests travel outside
//! of the agreement on their order (Castro and Liskov, TOCS 2002, section 5.1.3).
//!
//! A batch that was made here is pushed to every validator until it takes it. Only when more than
//! two thirds of the stake hold and accept it, this node's own included, is its operation handed to
//! consensus, here and at those who hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use ciro_consensus::{Input, Operation, ReplicaId};
use ciro_ledger::Blobs as _;
use ciro_protocol::batch::SignedBatch;
use ciro_protocol::blob::BlobId;
use ciro_protocol::wire::{Bytes, List, Message as _};
use tokio::sync::{Semaphore, mpsc, watch};

use super::fetch::pause;
use super::service::{Service, named};
use super::transport::{Relayed, Remote};
use super::wire::{ATTACHED_BYTES_MAX, BatchAnswer, BatchRequest};

/// Lists of relayed operations that wait to be looked at, at most.
const RELAYED_MAX: usize = 16;

/// Brings batches to other validators.
#[derive(Clone, Debug)]
pub struct Courier {
    service: Arc<Service>,
}

/// One batch on its way.
struct Parcel {
    service: Arc<Service>,
    batch: Arc<SignedBatch>,
    push: Vec<u8>,
    order: Vec<u8>,
    /// The validators that hold it.
    held: watch::Sender<BTreeSet<ReplicaId>>,
    /// Whether it may be ordered.
    available: watch::Sender<bool>,
}

impl Courier {
    /// Makes a courier, and the transport of consensus, whose relayed operations it carries.
    #[must_use]
    pub fn new(service: Arc<Service>) -> (Self, Remote) {
        let (relayed, queue) = mpsc::channel(RELAYED_MAX);
        let remote = Remote::new(service.net().clone(), relayed);
        let courier = Self { service };
        tokio::spawn(courier.clone().relay(queue));
        (courier, remote)
    }

    /// Begins to bring a batch that is durable here to everybody.
    pub fn deliver(&self, batch: Arc<SignedBatch>) {
        tokio::spawn(deliver(Arc::clone(&self.service), batch));
    }

    /// Hands operations that wait here to the validator whose turn it is to propose, with the
    /// batches behind them. They come from a quorum or from this node's own disk. A validator that
    /// takes them slowly holds up nothing for the next one; consensus relays again.
    async fn relay(self, mut queue: mpsc::Receiver<Relayed>) {
        let mut turns: BTreeMap<ReplicaId, Arc<Semaphore>> = BTreeMap::new();
        while let Some((to, operations)) = queue.recv().await {
            let turn = turns.entry(to).or_insert_with(|| Arc::new(Semaphore::new(1)));
            let Ok(turn) = Arc::clone(turn).try_acquire_owned() else {
                self.service.net().metrics.net_dropped("relay_busy");
                continue;
            };
            let courier = self.clone();
            tokio::spawn(async move {
                let _turn = turn;
                for operation in operations {
                    courier.relay_one(to, operation).await;
                }
            });
        }
    }

    async fn relay_one(&self, to: ReplicaId, operation: Operation) {
        let net = self.service.net();
        let order = BatchRequest::Order { payload: *operation.payload.as_bytes() }.to_bytes();
        match net.about_batch(to, order.clone()).await {
            Ok(BatchAnswer::Unknown) => {}
            // Consensus relays again if it did not help.
            _ => return,
        }
        let Ok(Some(batch)) = self.service.holding.bodies.get(&operation.payload) else { return };
        let push = pack(Arc::clone(&self.service), batch).await;
        if let Ok(BatchAnswer::Accepted) = net.about_batch(to, push).await {
            // As above.
            let _ = net.about_batch(to, order).await;
        }
    }
}

async fn deliver(service: Arc<Service>, batch: Arc<SignedBatch>) {
    let push = pack(Arc::clone(&service), Arc::clone(&batch)).await;
    let members = Arc::clone(service.net().peers().members());
    let (held, mut holding) = watch::channel(BTreeSet::from([members.own()]));
    let available = watch::channel(false).0;
    let operation = batch.body.operation();
    let order = BatchRequest::Order { payload: *operation.payload.as_bytes() }.to_bytes();
    let parcel = Arc::new(Parcel { service, batch, push, order, held, available });
    let body = &parcel.batch.body;
    let pending = &parcel.service.holding.pending;
    let mut executed = pin!(pending.executed_up_to(body.submitter.0, body.nonce));
    let (mut rolls, mut brought) = (members.follow(), BTreeSet::from([members.own()]));
    loop {
        // Who votes may change meanwhile, and with it who has to hold the batch.
        let roll = Arc::clone(&rolls.borrow_and_update());
        for to in roll.members().filter(|id| brought.insert(*id)) {
            tokio::spawn(Arc::clone(&parcel).bring(to));
        }
        let weight = |held: &BTreeSet<ReplicaId>| -> u128 {
            held.iter().map(|id| u128::from(roll.weight(*id))).sum()
        };
        if roll.is_quorum(weight(&holding.borrow_and_update())) {
            break;
        }
        tokio::select! {
            // The senders are part of the parcel and of the node.
            _ = holding.changed() => {}
            _ = rolls.changed() => {}
            // After a restart others may have ordered it already.
            () = &mut executed => return,
        }
    }
    parcel.available.send_replace(true);
    if !parcel.service.input(Input::Operation(operation)).await {
        tracing::debug!("a batch became available after consensus had ended");
    }
}

impl Parcel {
    /// Brings the batch to a validator and, once enough hold it, has it ordered there. Goes on
    /// until the batch is executed or refused.
    async fn bring(self: Arc<Self>, to: ReplicaId) {
        let mut available = self.available.subscribe();
        let (mut tries, mut holds) = (0, false);
        while !self.service.is_executed(&self.batch) && !self.is_over() {
            let request = if holds { &self.order } else { &self.push };
            match self.service.net().about_batch(to, request.clone()).await {
                Ok(BatchAnswer::Accepted) => {
                    holds = true;
                    self.held.send_if_modified(|held| held.insert(to));
                    // The sender is this parcel.
                    let _ = available.wait_for(|available| *available).await;
                    continue;
                }
                Ok(BatchAnswer::Ordered) => return,
                Ok(BatchAnswer::Unknown) => holds = false,
                Ok(BatchAnswer::Refused(reason)) => {
                    tracing::error!(validator = %to, reason = &*reason, "a batch is refused there");
                    return;
                }
                Ok(BatchAnswer::Busy | BatchAnswer::Batch(_)) | Err(_) => {}
            }
            tokio::time::sleep(pause(tries)).await;
            tries += 1;
        }
    }

    fn is_over(&self) -> bool {
        self.service.holding.shared.is_stopping()
    }
}

/// Encodes a batch with the blobs that it names, as far as they fit: those first that its validity
/// depends on. What is left out is fetched.
async fn pack(service: Arc<Service>, batch: Arc<SignedBatch>) -> Vec<u8> {
    let packed = tokio::task::spawn_blocking(move || {
        let attachments = batch.body.attachments.iter().copied();
        let first: Vec<BlobId> = attachments.collect();
        let rest = named(&batch).into_iter().filter(|id| !first.contains(id));
        let rest: Vec<BlobId> = rest.collect();
        let (mut blobs, mut room) = (List::default(), ATTACHED_BYTES_MAX);
        for id in first.into_iter().chain(rest) {
            let bytes = service.holding.blobs.len(id);
            let fits = bytes.and_then(|bytes| usize::try_from(bytes).ok());
            let Some(bytes) = fits.filter(|bytes| *bytes <= room) else { continue };
            let Some(blob) = service.holding.blobs.get(id) else { continue };
            // A blob beyond what validity looks at is read in part.
            let Some(blob) = Some(blob).filter(|blob| blob.len() == bytes) else { continue };
            let Ok(blob) = Bytes::new(blob.to_vec()) else { continue };
            if blobs.push(blob).is_err() {
                break;
            }
            // Each costs its length and four bytes.
            room = room.saturating_sub(bytes + 4);
        }
        BatchRequest::Push { batch: Box::new((*batch).clone()), blobs }.to_bytes()
    });
    packed.await.unwrap_or_default()
}
