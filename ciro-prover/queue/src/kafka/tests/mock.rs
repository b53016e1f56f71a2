//! librdkafka's own cluster.

use std::time::Duration;

use ciro_protocol::order::Class;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey as Api, RDKafkaRespErr as Error};

use super::{Cluster, GroupProtocol, drain};
use crate::conformance::conformance;

/// A cluster of three brokers with the topics that the tests use.
fn mock() -> (MockCluster<'static, DefaultProducerContext>, String) {
    let mock = MockCluster::new(3).unwrap();
    for topic in ["t.jobs.v1.s", "t.jobs.v1.l", "t.dlq.v1"] {
        let partitions = if topic == "t.dlq.v1" { 1 } else { 4 };
        mock.create_topic(topic, partitions, 3).unwrap();
    }
    let brokers = mock.bootstrap_servers();
    (mock, brokers)
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafkas_own_cluster_conforms() {
    let (_mock, brokers) = mock();
    conformance(&mut Cluster::new(&brokers, "t", GroupProtocol::Classic), 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_though_requests_fail() {
    let (mock, brokers) = mock();
    for api in [Api::Produce, Api::Fetch, Api::OffsetCommit, Api::Metadata] {
        let errors = [
            Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
            Error::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        ];
        let errors = if matches!(api, Api::OffsetCommit | Api::Metadata) {
            vec![Error::RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT]
        } else {
            errors.to_vec()
        };
        mock.request_errors(api, &errors);
    }
    conformance(&mut Cluster::new(&brokers, "t", GroupProtocol::Classic), 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_leaders_that_change_lose_nothing() {
    let (mock, brokers) = mock();
    let cluster = Cluster::new(&brokers, "t", GroupProtocol::Classic);
    let mut jobs = cluster.publish_all(0..20, 1).await;
    let mut queue = cluster.open();
    drain(&mut queue, &jobs).await;
    for partition in 0..4 {
        mock.partition_leader("t.jobs.v1.s", partition, Some(2)).unwrap();
    }
    mock.broker_down(1).unwrap();
    jobs.extend(cluster.publish_all(20..40, 1).await);
    drain(&mut queue, &jobs[20..]).await;
    mock.broker_up(1).unwrap();
    for partition in 0..4 {
        mock.partition_leader("t.jobs.v1.s", partition, Some(1)).unwrap();
    }
    jobs.extend(cluster.publish_all(40..60, 1).await);
    assert!(drain(&mut queue, &jobs[40..]).await >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_with_kip_848() {
    let (_mock, brokers) = mock();
    conformance(&mut Cluster::new(&brokers, "t", GroupProtocol::Consumer), 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_table_stops_the_fetching_and_nothing_is_lost() {
    let (_mock, brokers) = mock();
    let mut cluster = Cluster::new(&brokers, "t", GroupProtocol::Classic);
    cluster.settings.in_flight_max = 4;
    let jobs = cluster.publish_all(0..100, 1).await;
    let mut queue = cluster.open();
    // Nobody takes care of anything for a while: the thread polls on, and holds few records.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(drain(&mut queue, &jobs).await, 100, "each once");
    assert_eq!(cluster.topics.jobs(Class::S), "t.jobs.v1.s");
}
