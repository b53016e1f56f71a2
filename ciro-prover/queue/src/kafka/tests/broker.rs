//! Apache Kafka. These tests run where `.ci/run kafka` has started it, and are ignored elsewhere:
//!
//! - `CIRO_KAFKA` names the brokers, `CIRO_KAFKA_TOOL` the script that stops and starts them.

use std::process::Command;
use std::time::{Duration, Instant};

use ciro_protocol::order::Class;

use super::{Cluster, GroupProtocol, drain};
use crate::conformance::{Backend as _, conformance};
use crate::{JobQueue as _, Lag};

/// A cluster whose topics nobody else uses.
async fn cluster(name: &str, protocol: GroupProtocol) -> Cluster {
    let brokers = std::env::var("CIRO_KAFKA").expect("CIRO_KAFKA: `.ci/run kafka` sets it");
    let prefix = format!("{name}-{}", std::process::id());
    let cluster = Cluster::new(&brokers, &prefix, protocol);
    let created = cluster.topics.create(&cluster.settings, replication(&brokers)).await.unwrap();
    assert_eq!(created.len(), 14);
    let again = cluster.topics.create(&cluster.settings, replication(&brokers)).await.unwrap();
    assert!(again.is_empty());
    cluster
}

fn replication(brokers: &str) -> i32 {
    i32::try_from(brokers.split(',').count()).unwrap()
}

fn tool(arguments: &[&str]) {
    let tool = std::env::var("CIRO_KAFKA_TOOL").expect("CIRO_KAFKA_TOOL");
    assert!(Command::new(tool).args(arguments).status().unwrap().success(), "{arguments:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
async fn apache_kafka_conforms_with_kip_848() {
    conformance(&mut cluster("consumer", GroupProtocol::Auto).await, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
async fn apache_kafka_conforms_with_a_classic_group() {
    conformance(&mut cluster("classic", GroupProtocol::Classic).await, 100).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
async fn a_broker_that_is_killed_and_started_again_loses_nothing() {
    let cluster = cluster("restart", GroupProtocol::Auto).await;
    let before = cluster.publish_all(0..50, 1).await;
    let mut queue = cluster.open();
    drain(&mut queue, &before[..10]).await;
    tool(&["kill", "1"]);
    let (after, ()) = tokio::join!(cluster.publish_all(50..100, 1), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::task::spawn_blocking(|| tool(&["start", "1"])).await.unwrap();
    });
    drain(&mut queue, &after).await;
    let begun = Instant::now();
    while queue.lag().records > 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", queue.lag());
        if let Ok(delivery) = tokio::time::timeout(Duration::from_millis(200), queue.next()).await {
            super::acknowledge(&mut queue, delivery.unwrap().position).await;
        }
    }
    assert_eq!(queue.lag(), Lag::default());
}

/// What the brokers alone take: nothing is judged here (`ciro bench network --submit kafka` has
/// that).
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
async fn a_hundred_thousand_records_are_written_and_read() {
    let mut cluster = cluster("many", GroupProtocol::Auto).await;
    let (job, bytes) = crate::conformance::record(1, 1);
    let begun = Instant::now();
    cluster.publish_many(job, bytes, 100_000).await;
    let written = begun.elapsed();
    let mut queue = cluster.open();
    for _ in 0..100_000 {
        let delivery = queue.next().await.unwrap();
        queue.ack(delivery.position).await.unwrap();
    }
    let per_minute = 6_000_000.0 / written.as_secs_f64();
    println!(
        "kafka: 100000 records written with acks=all in {written:?} ({per_minute:.0} a minute), \
         written and read in {:?}",
        begun.elapsed()
    );
    assert_eq!(cluster.topics.jobs(Class::S), format!("{}.jobs.v1.s", cluster.settings.prefix));
}

/// Two members of one group: one goes, and the other gets what it left.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
async fn what_a_member_leaves_behind_goes_to_the_other() {
    let cluster = cluster("members", GroupProtocol::Auto).await;
    let jobs = cluster.publish_all(0..100, 1).await;
    let (mut one, mut two) = (cluster.open(), cluster.open());
    let mut taken = 0;
    while taken < 10 {
        // Neither is acknowledged.
        tokio::select! {
            delivery = one.next() => drop(delivery.unwrap()),
            delivery = two.next() => drop(delivery.unwrap()),
        }
        taken += 1;
    }
    drop(one);
    // The other keeps what it was given before, so that it starts afresh too.
    drop(two);
    assert!(drain(&mut cluster.open(), &jobs).await >= 100);
}
