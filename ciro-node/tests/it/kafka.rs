//! A node with Kafka: what comes through topics is judged as what comes over HTTP, and what the
//! ledger does is published, whatever is killed. The cluster is librdkafka's own, in this process.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use ciro_protocol::api::{self, JobInfo, JobState};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::JobId;
use ciro_protocol::order::Mode;
use ciro_protocol::tx::{Body, Claim as Take, SubmitProof};
use ciro_protocol::wire::Message as _;
use ciro_queue::JobOffer;
use ciro_queue::kafka::mock::Mock;
use ciro_queue::kafka::{KafkaSettings, Outgoing, Reader, Topics, Writer};
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::market::{Golden, order, register_model, register_provider};
use crate::world::{RICH, World, node, path};

/// How long something may take that takes a second.
const PATIENCE: Duration = Duration::from_secs(90);

/// A network whose node has a cluster.
struct Market {
    world: World,
    _mock: Mock,
    settings: KafkaSettings,
    topics: Topics,
    runtime: Runtime,
}

impl Market {
    fn new() -> Self {
        let mock = Mock::start("ciro");
        let brokers = mock.brokers();
        let world = World::with_settings(&format!("[kafka]\nbrokers = \"{brokers}\"\n"));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let settings = KafkaSettings::plain(brokers);
        Self { world, _mock: mock, settings, topics: Topics::new("ciro"), runtime }
    }

    /// Signs a transaction that is valid for longer than a slow machine takes.
    fn sign(&mut self, seed: &[u8], body: Body) -> ciro_protocol::SignedTx {
        let until = self.world.info().head.time_ms + 300_000;
        self.world.sign_until(seed, body, until)
    }

    /// Writes records as any client does: without keys and headers.
    fn send(&self, topic: &str, payloads: &[&[u8]]) {
        let records: Vec<Outgoing> = payloads
            .iter()
            .map(|payload| Outgoing {
                topic: topic.to_owned(),
                key: Vec::new(),
                payload: payload.to_vec(),
                headers: Vec::new(),
            })
            .collect();
        let sent = async { Writer::open(&self.settings).unwrap().send(&records).await };
        self.runtime.block_on(sent).unwrap();
    }

    fn await_job(&self, job: JobId, state: JobState) {
        eventually(&format!("{job} is {state:?}"), || {
            let answer = self.world.get(&api::job(job));
            (answer.status == 200 && answer.json::<JobInfo>().state == state).then_some(())
        });
    }

    /// Reads records of a topic by a group of its own until that is enough.
    fn read(&self, topic: String, enough: impl Fn(&[(Vec<u8>, Vec<u8>)]) -> bool) {
        let read = async {
            let mut reader = Reader::open(&self.settings, &format!("{topic} test"), vec![topic])?;
            let mut records = Vec::new();
            while !enough(&records) {
                let record = tokio::time::timeout(PATIENCE, reader.next()).await;
                let record = record.expect("records are missing").unwrap();
                reader.finish(record.place).unwrap();
                records.push((record.key, record.payload));
            }
            Ok::<(), ciro_queue::kafka::KafkaError>(())
        };
        self.runtime.block_on(read).unwrap();
    }

    fn dead_letters(&self) -> Vec<Value> {
        let text = node(&["dlq", "list", "--json", path(&self.world.data())]);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} does not come true");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_job_goes_through_topics_from_order_to_receipt_though_the_node_is_killed() {
    let (mut market, golden) = (Market::new(), Golden::read());
    let model = register_model(&mut market.world, &golden);
    register_provider(&mut market.world, b"bob");
    let body = Body::Order(Box::new(order(&market.world, &golden, model, Mode::Open)));
    let signed = market.sign(RICH, body);
    let job = JobId::from(signed.body.id());
    let submissions = market.topics.submissions();
    market.send(&submissions, &[&signed.to_bytes(), &signed.to_bytes()]);
    market.await_job(job, JobState::Open);
    let class = ciro_sdk::network::facts(ciro_sdk::network::VERIFIER, &golden.key).unwrap().class();
    market.read(market.topics.jobs(class), |records| {
        records.iter().any(|(key, payload)| {
            let offer = JobOffer::read(payload).unwrap();
            assert_eq!((key, offer.attempt), (&offer.job.0.to_vec(), 1));
            offer.job == job
        })
    });

    let claim = market.sign(b"bob", Body::Claim(Take { job, attempt: 1 }));
    market.send(&market.topics.results(), &[&claim.to_bytes()]);
    market.await_job(job, JobState::Claimed);
    market.world.kill();
    market.world.restart();
    market.world.store(&golden.key);
    market.world.store(&golden.bundle);
    let proven = golden.proven();
    let proof = Body::SubmitProof(SubmitProof { job, attempt: 1, proven });
    let proof = market.sign(b"bob", proof);
    market.send(&market.topics.results(), &[&proof.to_bytes()]);
    market.await_job(job, JobState::Settled);

    books_have_every_event_once(&market, job);
    assert!(market.dead_letters().is_empty());
    assert!(market.world.terminate());
}

/// By their numbers, whatever came twice: all events, all movements, and the one receipt.
fn books_have_every_event_once(market: &Market, job: JobId) {
    let last = market.world.info().head.events;
    let rows = |records: &[(Vec<u8>, Vec<u8>)]| -> BTreeMap<Vec<u8>, Value> {
        let mut rows: BTreeMap<Vec<u8>, Value> = BTreeMap::new();
        for (key, payload) in records {
            let row: Value = serde_json::from_slice(payload).unwrap();
            let known = rows.insert(key.clone(), row.clone());
            assert!(known.is_none_or(|known| known == row), "the same number, another row");
        }
        rows
    };
    market.read(market.topics.events(), |records| {
        let rows = rows(records);
        let numbers: BTreeSet<u64> =
            rows.values().map(|row| row["payload"]["event_seq"].as_u64().unwrap()).collect();
        (1..=last).all(|number| numbers.contains(&number))
    });
    market.read(market.topics.receipts(), |records| {
        let rows = rows(records);
        assert!(rows.len() <= 1);
        rows.values().any(|row| {
            row["payload"]["job"] == job.to_string() && row["payload"]["state"] == "settled"
        })
    });
    market.read(market.topics.billing(), |records| {
        rows(records)
            .values()
            .any(|row| row["payload"]["why"] == "price" && row["payload"]["job"] == job.to_string())
    });
}

#[test]
fn what_nobody_can_use_is_a_dead_letter_and_may_be_put_back() {
    let mut market = Market::new();
    let submissions = market.topics.submissions();
    let faucet = market.sign(b"carol", Body::Faucet);
    market.send(&submissions, &[b"poison", &faucet.to_bytes()]);
    let letters = eventually("two letters", || {
        let letters = market.dead_letters();
        (letters.len() == 2).then_some(letters)
    });
    let codes: BTreeSet<&str> =
        letters.iter().map(|it| it["headers"]["ciro-error-code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["decode", "kind"].into());
    let data = market.world.data();
    let name = letters[0]["letter"].as_str().unwrap();
    let shown = node(&["dlq", "show", path(&data), name]);
    assert!(shown.contains("ciro.submissions.v1/"), "{shown}");
    let put = node(&["dlq", "requeue", path(&data), name]);
    assert!(put.contains("in `ciro.submissions.v1` again"), "{put}");
    eventually("it is refused again", || (market.dead_letters().len() == 3).then_some(()));
    let refused = crate::world::refused(&["dlq", "show", path(&data), "0:999"]);
    assert!(refused.contains("there is no dead letter 0:999"), "{refused}");
}

#[test]
fn an_order_whose_input_is_late_is_tried_again() {
    let (mut market, golden) = (Market::new(), Golden::read());
    let model = register_model(&mut market.world, &golden);
    let mut late = order(&market.world, &golden, model, Mode::Open);
    let input = b"the input that comes later";
    late.input.blob = BlobId::of(input).unwrap();
    late.input.bytes = input.len() as u64;
    let signed = market.sign(RICH, Body::Order(Box::new(late)));
    market.send(&market.topics.submissions(), &[&signed.to_bytes()]);
    market.read(market.topics.retry(0).unwrap(), |records| {
        records.iter().any(|(_, payload)| *payload == signed.to_bytes())
    });
    market.world.store(input);
    market.await_job(signed.body.id().into(), JobState::Open);
    assert!(market.dead_letters().is_empty());
}
