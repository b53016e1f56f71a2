//! Apache Kafka as `ciro-node kafka init` sets it up: TLS, SCRAM-SHA-512, and rights by prefix.
//! These tests run where `.ci/run kafka_secured` has started it with `tools/kafka/secured`:
//!
//! - `CIRO_KAFKA_SECURED` names the brokers, `CIRO_KAFKA_SECURED_DIR` the folder of files.

use std::path::PathBuf;
use std::time::Duration;

use ciro_protocol::id::ProviderId;
use ciro_protocol::order::Class;
use ciro_protocol::wire::Message as _;

use super::{Cluster, GroupProtocol, acknowledge};
use crate::conformance::record;
use crate::kafka::{
    KafkaError, KafkaQueue, KafkaSettings, Outgoing, Reader, Security, Topics, Writer, dead,
};
use crate::{JobQueue as _, OfferRecord, QueueError};

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: `.ci/run kafka_secured` sets it"))
}

/// The settings of a user, as an operator writes them.
fn user(name: &str) -> KafkaSettings {
    let folder = PathBuf::from(variable("CIRO_KAFKA_SECURED_DIR"));
    KafkaSettings {
        security: Security::SaslTls,
        ca: Some(folder.join("stores/ca.pem")),
        username: Some(name.to_owned()),
        password_file: Some(folder.join(format!("files/{name}.password"))),
        ..KafkaSettings::plain(variable("CIRO_KAFKA_SECURED"))
    }
}

/// A cluster in the hands of a node, with its topics.
async fn node() -> Cluster {
    let settings = user("node");
    let topics = Topics::new(&settings.prefix);
    topics.create(&settings, 3).await.unwrap();
    let writer = Writer::open(&settings).unwrap();
    Cluster { settings, topics, writer, buried: 0, disturbed: None }
}

async fn write(settings: &KafkaSettings, topic: String) -> Result<(), KafkaError> {
    let (key, payload, headers) = (Vec::new(), b"a record".to_vec(), Vec::new());
    Writer::open(settings)?.send(&[Outgoing { topic, key, payload, headers }]).await
}

/// Waits until a reader is told that nothing will come, and why.
async fn lost(settings: &KafkaSettings, group: &str, topic: String) -> String {
    let mut reader = Reader::open(settings, group, vec![topic]).unwrap();
    let told = tokio::time::timeout(Duration::from_secs(60), reader.next()).await;
    match told.expect("it idles") {
        Err(QueueError::Lost { reason }) => reason,
        other => panic!("expected a refusal: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka with TLS and passwords: .ci/run kafka_secured"]
async fn a_node_and_a_worker_do_their_work_on_the_cluster_of_init() {
    let node = node().await;
    let jobs = node.publish_all(0..20, 1).await;
    let poison = b"poison".to_vec();
    node.writer.send(&[node.outgoing(jobs[0], poison.clone())]).await.unwrap();
    let settings = user("provider-1");
    assert_eq!(settings.group_protocol, GroupProtocol::Auto);
    let mut queue = KafkaQueue::open(&settings, ProviderId(1), &[Class::S]).unwrap();
    let mut missing: std::collections::BTreeSet<_> = jobs.into_iter().collect();
    let mut refused = 0;
    while !missing.is_empty() || refused == 0 {
        let delivery = tokio::time::timeout(Duration::from_secs(90), queue.next()).await;
        let delivery = delivery.expect("records are missing").unwrap();
        match delivery.offer {
            Ok(offer) => {
                missing.remove(&offer.job);
                acknowledge(&mut queue, delivery.position).await;
            }
            Err(reason) => {
                queue.refuse(delivery.position, &reason).await.unwrap();
                refused += 1;
            }
        }
    }
    let (_, bytes) = record(1, 1);
    let order = OfferRecord::from_bytes(&bytes).unwrap().order;
    queue.submit(&order).await.unwrap();
    let settings = node.settings.clone();
    let letters = tokio::task::spawn_blocking(move || dead::list(&settings, 100).unwrap());
    assert!(letters.await.unwrap().iter().any(|letter| letter.record.payload == poison));
    let submissions = node.topics.submissions();
    write(&node.settings, submissions.clone()).await.unwrap();
    let mut reader = Reader::open(&node.settings, "ciro.ingress", vec![submissions]).unwrap();
    let record = tokio::time::timeout(Duration::from_secs(60), reader.next()).await;
    assert_eq!(record.unwrap().unwrap().payload, b"a record");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Apache Kafka with TLS and passwords: .ci/run kafka_secured"]
async fn nobody_does_what_is_anothers_and_each_refusal_ends_the_worker_with_its_reason() {
    let node = node().await;
    let (one, jobs) = (user("provider-1"), node.topics.jobs(Class::S));
    let group = node.topics.provider_group(1);
    let other = lost(&one, &node.topics.provider_group(0), jobs.clone()).await;
    assert!(other.contains("may not join its group"), "{other}");
    let books = lost(&one, &group, node.topics.billing()).await;
    assert!(books.contains("may not read a topic"), "{books}");
    let wrong = PathBuf::from(variable("CIRO_KAFKA_SECURED_DIR")).join("files/node.password");
    let wrong = KafkaSettings { password_file: Some(wrong), ..one.clone() };
    let refused = lost(&wrong, &group, jobs.clone()).await;
    assert!(refused.contains("does not accept the name and password"), "{refused}");
    for topic in [node.topics.submissions(), jobs] {
        let refused = write(&one, topic.clone()).await.unwrap_err().to_string();
        assert!(refused.contains(&topic) && refused.contains("authorization"), "{refused}");
    }
    write(&one, node.topics.results()).await.unwrap();
}
