//! What every backend must do, as one function that each backend's tests call. It panics where a
//! backend does something else.

#![allow(clippy::unwrap_used, reason = "a suite of tests fails as tests do")]

use std::collections::BTreeMap;
use std::future::Future;

use ciro_consensus::ChainId;
use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{Chain, InputDigest, JobId, KeyDigest, ModelId};
use ciro_protocol::order::{Input, JobOrder, Mode, Needs, Offer, Policy};
use ciro_protocol::sign::{SecretKey, Signature, Signed};
use ciro_protocol::tx::{Body, Transaction, TxHeader};
use ciro_protocol::wire::{Bytes, List, Message as _};

use super::{JobQueue, OfferRecord, Poison, Position};

/// Looks at a figure that a backend learns of later, so often.
const LOOKS: usize = 100;
/// Records between two disturbances.
const STRETCH: usize = 10_000;

/// A backend with what a test needs beside the trait.
pub trait Backend {
    /// What is tested.
    type Queue: JobQueue;

    /// Whether records are bytes that others write: then they may be poison, and an acknowledgement
    /// is told to the queue. The queue of a node has what the ledger says, and forgets what the
    /// ledger has closed.
    const RECORDS: bool = true;

    /// Appends a record with its key.
    fn publish(&mut self, key: JobId, record: Vec<u8>) -> impl Future<Output = ()>;
    /// Appends a record with its key so many times.
    fn publish_many(
        &mut self,
        key: JobId,
        record: Vec<u8>,
        count: usize,
    ) -> impl Future<Output = ()> {
        async move {
            for _ in 0..count {
                self.publish(key, record.clone()).await;
            }
        }
    }
    /// Lets go wrong what a test can and the backend is to bear; returns whether anything does.
    fn disturb(&mut self) -> bool {
        false
    }
    /// Connects a consumer of the one group; one that was there before is gone, as after a crash.
    fn connect(&mut self) -> impl Future<Output = Self::Queue>;
    /// Takes the oldest dead letter.
    fn dead(&mut self) -> impl Future<Output = Option<(Vec<u8>, String)>>;
    /// Hears that a record was acknowledged.
    fn acknowledged(&mut self, _: Position) {}
    /// Lets some time pass, where a backend needs any.
    fn wait(&mut self) -> impl Future<Output = ()> {
        async {}
    }
}

/// Checks a backend that is empty.
pub async fn conformance<B: Backend>(backend: &mut B, records: usize) {
    order_of_each_key_and_redelivery(backend).await;
    if B::RECORDS {
        poison_goes_to_the_dead_letters(backend).await;
    }
    many_records(backend, records).await;
}

/// Until it is acknowledged, a record comes again; those of a job in order.
async fn order_of_each_key_and_redelivery<B: Backend>(backend: &mut B) {
    let mut sent: BTreeMap<JobId, Vec<u8>> = BTreeMap::new();
    for attempt in 1..=5 {
        for salt in 0..4 {
            let (job, bytes) = record(salt, attempt);
            backend.publish(job, bytes).await;
            sent.entry(job).or_default().push(attempt);
        }
    }
    let mut queue = backend.connect().await;
    for _ in 0..7 {
        queue.next().await.unwrap().offer.unwrap();
    }
    drop(queue);
    let mut queue = backend.connect().await;
    let (mut got, mut positions): (BTreeMap<JobId, Vec<u8>>, Vec<_>) = Default::default();
    for _ in 0..20 {
        let delivery = queue.next().await.unwrap();
        let offer = delivery.offer.unwrap();
        got.entry(offer.job).or_default().push(offer.attempt);
        positions.push(delivery.position);
    }
    assert_eq!(got, sent, "nothing was acknowledged: all come again, in order for each key");
    // Acknowledged from the end: a consumer may finish jobs in any order.
    for position in positions.iter().rev() {
        ack(backend, &mut queue, *position).await;
    }
    caught_up(backend, &queue).await;
    assert!(!B::RECORDS || queue.ack(positions[0]).await.is_err(), "twice");
}

async fn poison_goes_to_the_dead_letters<B: Backend>(backend: &mut B) {
    let (job, good) = record(77, 1);
    backend.publish(job, b"poison".to_vec()).await;
    backend.publish(job, record(78, 0).1).await;
    backend.publish(job, good).await;
    let mut queue = backend.connect().await;
    for _ in 0..2 {
        let delivery = queue.next().await.unwrap();
        let poison = delivery.offer.unwrap_err();
        queue.refuse(delivery.position, &poison).await.unwrap();
    }
    let delivery = queue.next().await.unwrap();
    assert_eq!(delivery.offer.unwrap().job, job);
    ack(backend, &mut queue, delivery.position).await;
    assert_eq!(backend.dead().await.unwrap().0, b"poison");
    assert_eq!(backend.dead().await.unwrap().1, Poison::NoAttempt.to_string());
    assert_eq!(backend.dead().await, None);
    caught_up(backend, &queue).await;
}

async fn ack<B: Backend>(backend: &mut B, queue: &mut B::Queue, position: Position) {
    queue.ack(position).await.unwrap();
    backend.acknowledged(position);
}

async fn caught_up<B: Backend>(backend: &mut B, queue: &B::Queue) {
    for _ in 0..LOOKS {
        if queue.lag().records == 0 {
            return;
        }
        backend.wait().await;
    }
    panic!("all was acknowledged, and the lag is {:?}", queue.lag());
}

/// A key's records come in their order and each once; where things go wrong on the way, what came
/// before may come again.
async fn many_records<B: Backend>(backend: &mut B, records: usize) {
    let (job, bytes) = record(5, 1);
    let mut written = 0;
    while written < records {
        let count = STRETCH.min(records - written);
        backend.publish_many(job, bytes.clone(), count).await;
        backend.disturb();
        written += count;
    }
    let mut queue = backend.connect().await;
    let (mut last, mut read, mut again) = (None, 0, 0);
    let (mut disturbed, mut next) = (false, STRETCH / 2);
    while read < records {
        if read == next {
            disturbed |= backend.disturb();
            next += STRETCH;
        }
        let delivery = queue.next().await.unwrap();
        if last < Some(delivery.position) {
            last = Some(delivery.position);
            read += 1;
        } else {
            again += 1;
        }
        assert!(again == 0 || disturbed && again <= records, "{again} came again, {read} did not");
        ack(backend, &mut queue, delivery.position).await;
    }
    caught_up(backend, &queue).await;
}

/// Makes a record that nobody signed: who reads it asks the ledger.
#[must_use]
pub fn record(salt: u8, attempt: u8) -> (JobId, Vec<u8>) {
    let header = TxHeader {
        chain: Chain(ChainId::new("a test")),
        account: SecretKey::from_seed(b"requester").address(),
        salt: [salt; 16],
        valid_until_ms: 1,
        fee_max: Amount::ZERO,
    };
    let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
    let body = Transaction { header, body: Body::Order(Box::new(order())) };
    let job = body.id().into();
    let order = Signed { body, signature: Signature(zero) };
    (job, OfferRecord { order, attempt }.to_bytes())
}

fn order() -> JobOrder {
    JobOrder {
        model: ModelId([1; 32]),
        key: KeyDigest([1; 32]),
        input: Input {
            blob: BlobId([3; 32]),
            bytes: 10,
            statement: InputDigest([4; 32]),
            recipients: List::default(),
        },
        offer: Offer {
            mode: Mode::Open,
            price_min: Amount::ZERO,
            price_max: Amount::CIRO,
            ramp_start_ms: 0,
            ramp_ms: 4_000,
            lease_ms: 8_000,
            deadline_ms: 40_000,
            collateral: Amount::ZERO,
            attempts_max: 3,
        },
        policy: Policy { bits: 100, proven: false },
        needs: Needs::default(),
        memo: Bytes::default(),
    }
}
