//! What every backend must do, as one function that each backend's tests call.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ciro_consensus::ChainId;
use ciro_protocol::amount::Amount;
use ciro_protocol::id::{Chain, JobId};
use ciro_protocol::sign::{SecretKey, Signature, Signed};
use ciro_protocol::tx::{Body, Transaction, TxHeader};
use ciro_protocol::wire::Message;

use super::{JobQueue, MemoryBroker, OfferRecord, Poison};
use crate::worker::tests::order;

/// A backend with what a test needs beside the trait.
pub(crate) trait Backend {
    type Queue: JobQueue;

    /// Appends a record with its key.
    fn publish(&mut self, key: JobId, record: Vec<u8>) -> impl Future<Output = ()>;
    /// Connects a consumer of the one group; one that was there before is gone, as after a crash.
    fn connect(&mut self) -> impl Future<Output = Self::Queue>;
    /// Takes the oldest dead letter.
    fn dead(&mut self) -> impl Future<Output = Option<(Vec<u8>, String)>>;
}

/// Checks a backend that is empty.
pub(crate) async fn conformance<B: Backend>(backend: &mut B, records: usize) {
    order_of_each_key_and_redelivery(backend).await;
    poison_goes_to_the_dead_letters(backend).await;
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
        queue.ack(*position).await.unwrap();
    }
    assert_eq!(queue.lag().records, 0);
    assert!(queue.ack(positions[0]).await.is_err(), "twice");
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
    queue.ack(delivery.position).await.unwrap();
    assert_eq!(backend.dead().await.unwrap().0, b"poison");
    assert_eq!(backend.dead().await.unwrap().1, Poison::NoAttempt.to_string());
    assert_eq!(backend.dead().await, None);
    assert_eq!(queue.lag().records, 0);
}

async fn many_records<B: Backend>(backend: &mut B, records: usize) {
    let (job, bytes) = record(5, 1);
    for _ in 0..records {
        backend.publish(job, bytes.clone()).await;
    }
    let mut queue = backend.connect().await;
    let mut last = None;
    for _ in 0..records {
        let delivery = queue.next().await.unwrap();
        assert!(last < Some(delivery.position));
        last = Some(delivery.position);
        queue.ack(delivery.position).await.unwrap();
    }
    assert_eq!(queue.lag().records, 0);
}

/// A record that nobody signed: who reads it asks the ledger.
pub(crate) fn record(salt: u8, attempt: u8) -> (JobId, Vec<u8>) {
    let header = TxHeader {
        chain: Chain(ChainId::new("a test")),
        account: SecretKey::from_seed(b"requester").address(),
        salt: [salt; 16],
        valid_until_ms: 1,
        fee_max: Amount::ZERO,
    };
    let zero = ciro_consensus::crypto::Signature { r: [0; 32], s: [0; 32] };
    let body = Transaction { header, body: Body::Order(Box::new(order(0))) };
    let job = body.id().into();
    let order = Signed { body, signature: Signature(zero) };
    (job, OfferRecord { order, attempt }.to_bytes())
}

/// Runs a future that waits for nothing but itself.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    for _ in 0..10 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future waits for something that does not come");
}

impl Backend for MemoryBroker {
    type Queue = super::MemoryQueue;

    async fn publish(&mut self, _: JobId, record: Vec<u8>) {
        Self::publish(self, record).unwrap();
    }

    async fn connect(&mut self) -> Self::Queue {
        Self::connect(self)
    }

    async fn dead(&mut self) -> Option<(Vec<u8>, String)> {
        self.take_dead()
    }
}

#[test]
fn the_queue_in_memory_conforms() {
    run(conformance(&mut MemoryBroker::new(100_000), 100_000));
}

#[test]
fn a_consumer_waits_is_woken_and_is_told_when_another_takes_over() {
    let broker = MemoryBroker::new(1);
    let mut queue = broker.connect();
    let context = &mut Context::from_waker(Waker::noop());
    {
        let mut waiting = pin!(queue.next());
        assert!(waiting.as_mut().poll(context).is_pending());
        broker.publish(record(1, 1).1).unwrap();
        assert!(waiting.as_mut().poll(context).is_ready());
    }
    assert!(broker.publish(vec![]).is_err(), "the queue is full");
    let _other = broker.connect();
    assert_eq!(run(queue.next()), Err(super::QueueError::Closed));
}
