//! librdkafka's own cluster, in this process: for tests that need no Java.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Code};

use super::Topics;

/// Brokers of the cluster.
const BROKERS: i32 = 3;
/// Partitions of each topic.
const PARTITIONS: i32 = 4;

/// A cluster of three brokers, which ends when it is dropped. It panics where it fails.
pub struct Mock(MockCluster<'static, DefaultProducerContext>);

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Mock").field(&self.brokers()).finish()
    }
}

impl Mock {
    /// Starts a cluster that has the topics of a prefix.
    ///
    /// # Panics
    ///
    /// If the system has no ports left.
    #[must_use]
    pub fn start(prefix: &str) -> Self {
        let cluster = MockCluster::new(BROKERS).expect("a cluster in this process");
        let topics = Topics::new(prefix);
        for topic in topics.all() {
            // Dead letters are looked at in their order.
            let partitions = if topic.name == topics.dead() { 1 } else { PARTITIONS };
            cluster.create_topic(&topic.name, partitions, BROKERS).expect("a new topic");
        }
        Self(cluster)
    }

    /// Returns where it is.
    #[must_use]
    pub fn brokers(&self) -> String {
        self.0.bootstrap_servers()
    }

    /// Takes a broker away, from 1 to 3, or brings it back.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn switch(&self, broker: i32, on: bool) {
        let done = if on { self.0.broker_up(broker) } else { self.0.broker_down(broker) };
        done.expect("a broker of the cluster");
    }

    /// Makes a broker the leader of all partitions of a topic.
    ///
    /// # Panics
    ///
    /// If there is no such topic or broker.
    pub fn lead(&self, topic: &str, broker: i32) {
        for partition in 0..PARTITIONS {
            self.0.partition_leader(topic, partition, Some(broker)).expect("a partition");
        }
    }

    /// Lets the next requests of each kind fail: writing, reading, committing, asking for leaders.
    pub fn fail_requests(&self) {
        let moved = Code::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
        let late = Code::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT;
        self.0.request_errors(Api::Produce, &[moved, late, moved]);
        self.0.request_errors(Api::Fetch, &[moved, moved]);
        self.0.request_errors(Api::OffsetCommit, &[late]);
        self.0.request_errors(Api::Metadata, &[late]);
    }
}
