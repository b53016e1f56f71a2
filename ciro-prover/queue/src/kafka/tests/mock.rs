//! librdkafka's own cluster.

use std::rc::Rc;
use std::time::Duration;

use ciro_protocol::order::Class;

use super::{Cluster, GroupProtocol, drain};
use crate::conformance::conformance;
use crate::kafka::mock::Mock;

fn cluster(mock: &Mock, protocol: GroupProtocol) -> Cluster {
    Cluster::new(&mock.brokers(), "t", protocol)
}

#[tokio::test(flavor = "multi_thread")]
async fn librdkafkas_own_cluster_conforms_though_requests_fail_and_leaders_change() {
    let mock = Rc::new(Mock::start("t"));
    mock.fail_requests();
    let mut cluster = cluster(&mock, GroupProtocol::Classic);
    cluster.disturbed = Some((mock, 0));
    conformance(&mut cluster, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suite_passes_with_kip_848() {
    let mock = Mock::start("t");
    conformance(&mut cluster(&mock, GroupProtocol::Consumer), 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_leaders_that_change_lose_nothing() {
    let mock = Mock::start("t");
    let cluster = cluster(&mock, GroupProtocol::Classic);
    let topic = cluster.topics.jobs(Class::S);
    let first = cluster.publish_all(0..20, 1).await;
    let mut queue = cluster.open();
    drain(&mut queue, &first).await;
    mock.lead(&topic, 2);
    mock.switch(1, false);
    let second = cluster.publish_all(20..40, 1).await;
    drain(&mut queue, &second).await;
    mock.switch(1, true);
    mock.lead(&topic, 1);
    let third = cluster.publish_all(40..60, 1).await;
    assert!(drain(&mut queue, &third).await >= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_table_stops_the_fetching_and_nothing_is_lost() {
    let mock = Mock::start("t");
    let mut cluster = cluster(&mock, GroupProtocol::Classic);
    cluster.settings.in_flight_max = 4;
    let jobs = cluster.publish_all(0..100, 1).await;
    let mut queue = cluster.open();
    // Nobody takes care of anything for a while: the thread polls on, and holds few records.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(drain(&mut queue, &jobs).await, 100, "each once");
}
