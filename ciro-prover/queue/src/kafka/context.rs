//! What librdkafka tells its clients: logs, figures, and who reads which partition.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, Statistics, TopicPartitionList};

use super::table::{Part, Table};

/// The context of a producer.
#[derive(Clone, Debug)]
pub(super) struct ProducerContext;

impl ClientContext for ProducerContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
    }
}

/// The context of a consumer: its table, which the reader has a part in.
#[derive(Clone, Debug)]
pub(super) struct ReaderContext {
    pub(super) topics: Arc<[String]>,
    table: Arc<Mutex<Table>>,
}

impl ReaderContext {
    pub(super) fn new(topics: Vec<String>) -> Self {
        Self { topics: topics.into(), table: Arc::default() }
    }

    /// No code panics while it holds the lock, so that a poisoned one is as good.
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns which partition this is; `None` if it is none of the reader's.
    pub(super) fn part(&self, topic: &str, partition: i32) -> Option<Part> {
        let place = self.topics.iter().position(|known| known == topic)?;
        Some((u16::try_from(place).ok()?, partition))
    }

    /// Commits what has moved; of some partitions only, if they are given.
    pub(super) fn commit(
        &self,
        consumer: &BaseConsumer<Self>,
        only: Option<&[Part]>,
        mode: CommitMode,
    ) {
        let mut moved = self.table().moved();
        moved.retain(|(part, _)| only.is_none_or(|only| only.contains(part)));
        if moved.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(moved.len());
        for ((topic, partition), offset) in &moved {
            let Some(topic) = self.topics.get(usize::from(*topic)) else { continue };
            // Offsets of records are none of the special values, the one thing that is refused.
            let _ = list.add_partition_offset(topic, *partition, Offset::Offset(*offset));
        }
        match consumer.commit(&list, mode) {
            Ok(()) => self.table().committed(&moved),
            // It is tried again; at worst records come again.
            Err(error) => tracing::warn!(%error, "offsets are not committed"),
        }
    }

    fn parts(&self, list: &TopicPartitionList) -> Vec<Part> {
        let elements = list.elements();
        elements.iter().filter_map(|it| self.part(it.topic(), it.partition())).collect()
    }
}

impl ClientContext for ReaderContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "Kafka");
    }

    fn stats(&self, statistics: Statistics) {
        let mut table = self.table();
        for (name, topic) in &statistics.topics {
            for (number, partition) in &topic.partitions {
                let Some(part) = self.part(name, *number) else { continue };
                // `desired` partitions are those that this consumer reads.
                if partition.desired && partition.hi_offset >= 0 {
                    let known = [partition.committed_offset, partition.next_offset];
                    let base = known.into_iter().find(|it| *it >= 0);
                    table.observe(part, partition.hi_offset, base.unwrap_or(0));
                }
            }
        }
    }
}

impl ConsumerContext for ReaderContext {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let Rebalance::Revoke(list) = rebalance else { return };
        let parts = self.parts(list);
        if !consumer.assignment_lost() {
            // Whoever reads them next begins where this consumer ended.
            self.commit(consumer, Some(&parts), CommitMode::Sync);
        }
        let mut table = self.table();
        for part in &parts {
            table.revoke(*part);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => tracing::info!(partitions = list.count(), "reads more"),
            Rebalance::Revoke(list) => tracing::info!(partitions = list.count(), "reads less"),
            Rebalance::Error(error) => tracing::warn!(%error, "the group does not agree"),
        }
    }

    fn commit_callback(
        &self,
        result: rdkafka::error::KafkaResult<()>,
        offsets: &TopicPartitionList,
    ) {
        // A commit is sent and forgotten: what an outage swallowed would never be sent again where
        // no more records come, and would come again to whoever reads next.
        if let Err(error) = result {
            tracing::warn!(%error, partitions = offsets.count(), "offsets are not committed");
            self.table().not_committed(&self.parts(offsets));
        }
    }
}

fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        // One line for each partition and each look, while a broker comes back.
        _ if facility == "METADATAUPDATE" => tracing::debug!(facility, message, "librdkafka"),
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(facility, message, "librdkafka"),
        _ => tracing::debug!(facility, message, "librdkafka"),
    }
}
