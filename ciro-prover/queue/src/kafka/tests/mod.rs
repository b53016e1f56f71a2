//! Kafka against the suite of all backends: librdkafka's own cluster in this process, which fails
//! as it is told to, and Apache Kafka itself where one runs (`.ci/run kafka`).

mod broker;
mod mock;
#[cfg(feature = "tls")]
mod secured;

use std::rc::Rc;
use std::time::Duration;

use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::Class;

use super::mock::Mock;
use super::{GroupProtocol, KafkaQueue, KafkaSettings, Outgoing, Topics, Writer, dead, header};
use crate::conformance::{Backend, record};
use crate::{JobQueue, Position};

/// Records of one call that are written at once.
const BATCH: usize = 1_000;

/// A cluster with the topics of a prefix.
struct Cluster {
    settings: KafkaSettings,
    topics: Topics,
    writer: Writer,
    buried: usize,
    /// The cluster in this process that is to be disturbed, and how often it was.
    disturbed: Option<(Rc<Mock>, i32)>,
}

impl Cluster {
    fn new(brokers: &str, prefix: &str, group_protocol: GroupProtocol) -> Self {
        let prefix = prefix.to_owned();
        let settings = KafkaSettings { prefix, group_protocol, ..KafkaSettings::plain(brokers) };
        let writer = Writer::open(&settings).unwrap();
        let topics = Topics::new(&settings.prefix);
        Self { topics, settings, writer, buried: 0, disturbed: None }
    }

    fn open(&self) -> KafkaQueue {
        KafkaQueue::open(&self.settings, ProviderId(7), &[Class::S, Class::L]).unwrap()
    }

    fn outgoing(&self, key: JobId, payload: Vec<u8>) -> Outgoing {
        let (topic, key) = (self.topics.jobs(Class::S), key.0.to_vec());
        Outgoing { topic, key, payload, headers: Vec::new() }
    }

    /// Writes offers of one attempt each, and returns their jobs in order.
    async fn publish_all(&self, salts: impl Iterator<Item = u8>, attempt: u8) -> Vec<JobId> {
        let (mut jobs, mut records) = (Vec::new(), Vec::new());
        for salt in salts {
            let (job, bytes) = record(salt, attempt);
            jobs.push(job);
            records.push(self.outgoing(job, bytes));
        }
        while let Err(error) = self.writer.send(&records).await {
            tracing::warn!(%error, "again");
        }
        jobs
    }
}

impl Backend for Cluster {
    type Queue = KafkaQueue;

    async fn publish(&mut self, key: JobId, payload: Vec<u8>) {
        let record = self.outgoing(key, payload);
        self.writer.send(&[record]).await.unwrap();
    }

    async fn publish_many(&mut self, key: JobId, payload: Vec<u8>, count: usize) {
        for done in (0..count).step_by(BATCH) {
            let batch = BATCH.min(count - done);
            let records = vec![self.outgoing(key, payload.clone()); batch];
            self.writer.send(&records).await.unwrap();
        }
    }

    /// Requests of each kind fail, and the partitions of offers go to the next broker.
    fn disturb(&mut self) -> bool {
        let Some((mock, count)) = &mut self.disturbed else { return false };
        *count += 1;
        mock.fail_requests();
        mock.lead(&self.topics.jobs(Class::S), 1 + *count % 3);
        true
    }

    async fn connect(&mut self) -> KafkaQueue {
        self.open()
    }

    async fn dead(&mut self) -> Option<(Vec<u8>, String)> {
        let settings = self.settings.clone();
        let letters = tokio::task::spawn_blocking(move || dead::list(&settings, 100));
        let letter = letters.await.unwrap().unwrap().into_iter().nth(self.buried)?;
        self.buried += 1;
        let headers = &letter.record.headers;
        let error = super::headers::find(headers, header::ERROR).unwrap().to_owned();
        assert_eq!(dead::origin(headers), Some(self.topics.jobs(Class::S).as_str()));
        Some((letter.record.payload, error))
    }

    async fn wait(&mut self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Takes records until each of these jobs was delivered, and acknowledges all; returns how many
/// came. More is fine, fewer would be a loss.
async fn drain(queue: &mut KafkaQueue, jobs: &[JobId]) -> usize {
    let mut missing: std::collections::BTreeSet<JobId> = jobs.iter().copied().collect();
    let mut count = 0;
    while !missing.is_empty() {
        let delivery = tokio::time::timeout(Duration::from_secs(90), queue.next()).await;
        let delivery = delivery.expect("records are missing").unwrap();
        missing.remove(&delivery.offer.unwrap().job);
        count += 1;
        acknowledge(queue, delivery.position).await;
    }
    count
}

/// A partition that moved to another consumer is acknowledged there.
async fn acknowledge(queue: &mut KafkaQueue, position: Position) {
    let _ = queue.ack(position).await;
}
