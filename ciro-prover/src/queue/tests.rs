//! The queue of a node against the suite of all backends: a server that answers as a node does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, ChainInfo, Head};
use ciro_protocol::chain::Genesis;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::order::Class;
use ciro_protocol::wire::Message as _;
use ciro_queue::conformance::{Backend, conformance, record};
use ciro_sdk::client::Client;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{JobQueue as _, NodeQueue, OfferRecord, Position};
use crate::worker::tests::world;

/// Open jobs by place, as a node lists them.
type Open = Arc<Mutex<BTreeMap<u64, api::JobOffer>>>;

/// A node whose ledger closes a job when the test says so.
struct StubNode {
    client: Client,
    open: Open,
    events: u64,
}

impl StubNode {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (genesis, _) = ciro_ledger::genesis(world::test_spec()).unwrap();
        let (open, served) = (Open::default(), genesis.clone());
        let offers = Arc::clone(&open);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, served.clone(), Arc::clone(&offers)));
            }
        });
        let client = Client::connect(&url, genesis).await.unwrap();
        Self { client, open, events: 0 }
    }
}

/// Answers one request and closes.
async fn answer(stream: TcpStream, genesis: Genesis, open: Open) {
    reply(stream, async |path| {
        let body = if path == api::CHAIN { chain(&genesis) } else { offers(path, &open).await };
        body.into_bytes()
    })
    .await;
}

/// Answers one request of a connection by its path.
pub(crate) async fn reply(stream: TcpStream, body: impl AsyncFnOnce(&str) -> Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut request, mut line) = (String::new(), String::new());
    reader.read_line(&mut request).await.unwrap();
    while reader.read_line(&mut line).await.is_ok_and(|read| read > 2) {
        line.clear();
    }
    let body = body(request.split(' ').nth(1).unwrap_or_default()).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close", body.len());
    let answer = [format!("{head}\r\n\r\n").into_bytes(), body].concat();
    // Whoever asked may have left.
    let _ = reader.get_mut().write_all(&answer).await;
}

/// What a node says of a network that has only begun.
pub(crate) fn chain(genesis: &Genesis) -> String {
    let (state_root, time_ms) = (genesis.state_root, genesis.spec.genesis_ms);
    let head = Head { height: 0, state_root, time_ms, epoch: 0, events: 0 };
    let chain = genesis.chain().unwrap();
    let genesis = genesis.clone();
    let pin = "0:0x0000000000000000000000000000000000000000000000000000000000000000";
    let (pin, version) = (pin.parse().unwrap(), "0".to_owned());
    let info = ChainInfo { chain, genesis, head, certified: 0, pin, version };
    serde_json::to_string(&info).unwrap()
}

/// Waits for offers after a place, for a second at most.
async fn offers(path: &str, open: &Open) -> String {
    let after = path.split("after=").nth(1).and_then(|it| it.split('&').next());
    let after: u64 = after.unwrap().parse().unwrap();
    if !path.starts_with("/v1/queue/s?") {
        tokio::time::sleep(Duration::from_secs(1)).await;
        return String::new();
    }
    for _ in 0..50 {
        let found: Vec<String> = open
            .lock()
            .unwrap()
            .range(after + 1..)
            .take(api::OFFERS_MAX)
            .map(|(_, offer)| serde_json::to_string(offer).unwrap())
            .collect();
        if !found.is_empty() {
            return found.join("\n") + "\n";
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    String::new()
}

impl Backend for StubNode {
    type Queue = NodeQueue;

    const RECORDS: bool = false;

    async fn publish(&mut self, job: JobId, bytes: Vec<u8>) {
        self.events += 1;
        let OfferRecord { order, attempt } = OfferRecord::from_bytes(&bytes).unwrap();
        let offer = api::JobOffer {
            position: self.events,
            job,
            attempt,
            class: Class::S,
            held: None,
            order,
            opened_ms: 0,
            time_ms: 0,
            price: Amount::ZERO,
        };
        self.open.lock().unwrap().insert(self.events, offer);
    }

    async fn connect(&mut self) -> NodeQueue {
        NodeQueue::open(&self.client, ProviderId(0), &[Class::S, Class::L])
    }

    async fn dead(&mut self) -> Option<(Vec<u8>, String)> {
        None
    }

    fn acknowledged(&mut self, position: Position) {
        self.open.lock().unwrap().remove(&position.offset);
    }

    async fn wait(&mut self) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queue_of_a_node_conforms() {
    conformance(&mut StubNode::start().await, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_of_attempt_zero_is_refused_and_the_next_one_comes() {
    let mut node = StubNode::start().await;
    let (job, good) = record(2, 1);
    node.publish(job, record(1, 0).1).await;
    node.publish(job, good).await;
    let mut queue = node.connect().await;
    let bad = queue.next().await.unwrap();
    queue.refuse(bad.position, &bad.offer.unwrap_err()).await.unwrap();
    assert_eq!(queue.next().await.unwrap().offer.unwrap().job, job);
}

/// What a worker had no room for would otherwise never come to it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_go_comes_again_and_nothing_before_it() {
    let mut node = StubNode::start().await;
    let ((first, bytes), (second, more)) = (record(1, 1), record(2, 1));
    node.publish(first, bytes).await;
    node.publish(second, more).await;
    let classes = (ProviderId(0), &[Class::S][..]);
    let mut queue = NodeQueue::open_with(&node.client, classes, Duration::ZERO);
    assert_eq!(queue.next().await.unwrap().offer.unwrap().job, first);
    let last = queue.next().await.unwrap();
    assert_eq!(last.offer.unwrap().job, second);
    let more = tokio::time::timeout(Duration::from_secs(3), queue.next()).await;
    assert!(more.is_err(), "it came twice, and nobody asked");
    for (from, job) in [(Some(last.position), second), (None, first)] {
        queue.again(from);
        let more = tokio::time::timeout(Duration::from_secs(30), queue.next()).await.unwrap();
        assert_eq!(more.unwrap().offer.unwrap().job, job);
    }
}
