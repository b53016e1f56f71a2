//! Nodes that lie, fail and repeat themselves.

mod market;

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{BlobStatus, Code, Problem};
use ciro_protocol::blob::BlobId;
use ciro_protocol::id::ProviderId;
use ciro_protocol::order::Region;
use ciro_protocol::provider::{Asks, Profile, SealingCard};
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::text::Text;
use ciro_protocol::tx::Body;

use super::http::Http;
use super::*;
use crate::verify::{InputStatement, Key};

/// Requests in order: method and path, and the body.
type Asked = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A node with prepared answers: status and body, in order; it keeps what it was asked.
struct Node {
    url: String,
    asked: Asked,
}

fn node(answers: Vec<(u16, Vec<u8>)>) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (kept, mut answers) = (Arc::clone(&asked), VecDeque::from(answers));
    std::thread::spawn(move || {
        while let (Some((status, body)), Ok((stream, _))) = (answers.pop_front(), listener.accept())
        {
            let request = read(&stream);
            kept.lock().unwrap().push(request);
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let mut stream = &stream;
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&body).unwrap();
        }
    });
    Node { url, asked }
}

/// The first line of a request, and its body.
fn read(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let first = first.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (first, body)
}

fn problem(code: Code) -> (u16, Vec<u8>) {
    (code.status(), serde_json::to_vec(&Problem::new(code, "told")).unwrap())
}

fn blob(bytes: &[u8]) -> (u16, Vec<u8>) {
    let id = BlobId::of(bytes).unwrap();
    let status = BlobStatus { id, bytes: bytes.len() as u64, complete: true, missing: vec![] };
    (200, serde_json::to_vec(&status).unwrap())
}

/// An answer of a node.
fn told(answer: &impl serde::Serialize) -> (u16, Vec<u8>) {
    (200, serde_json::to_vec(answer).unwrap())
}

/// The key of somebody's model.
fn key() -> Key {
    let bytes = include_bytes!("../../../stark/tests/fixtures/mlp_v3.key");
    Key::from_bytes(bytes).unwrap()
}

/// A client that has not asked for the chain.
fn client(url: &str) -> Client {
    let genesis = serde_json::from_str(include_str!("../test_genesis.json")).unwrap();
    let chain = Genesis::chain(&genesis).unwrap();
    let http = Http::new(url).unwrap().with_patience(Duration::from_secs(10));
    Client { http, genesis, chain }
}

#[tokio::test]
async fn a_stream_is_read_line_by_line_and_no_line_is_endless() {
    let text = b"event: head\r\n\n{}\ncut off".to_vec();
    let node = node(vec![(200, text), (200, vec![b'x'; 5000]), problem(Code::NotFound)]);
    let client = client(&node.url);
    let mut stream = client.stream(api::EVENTS).await.unwrap();
    for line in [&b"event: head\r"[..], b"", b"{}"] {
        assert_eq!(stream.line(20).await.unwrap().as_deref(), Some(line));
    }
    assert_eq!(stream.line(20).await.unwrap(), None);
    let mut stream = client.stream(api::EVENTS).await.unwrap();
    let endless = stream.line(4000).await.unwrap_err().to_string();
    assert!(endless.contains("a line has more than 4000 bytes"), "{endless}");
    assert_eq!(client.stream(api::EVENTS).await.unwrap_err().code(), Some(Code::NotFound));
}

#[tokio::test]
async fn a_node_that_goes_silent_is_noticed_before_and_after_its_first_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let short = Duration::from_millis(50);
    let mut client = client(&url);
    client.http = client.http.with_silence(short);
    // Nobody accepts: the system makes the connection, and nothing is ever said.
    let silent = client.stream(api::EVENTS).await.unwrap_err();
    assert!(matches!(silent, ClientError::Silent { .. }) && silent.is_transient(), "{silent}");
    let (_first, _) = listener.accept().unwrap();
    // The head and a line come, and then nothing. The limit is long until that line has come.
    let speaks = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read(&stream);
        stream.write_all(b"HTTP/1.1 200 X\r\n\r\nevent: head\n").unwrap();
        stream
    });
    client.http = client.http.with_silence(Duration::from_secs(3600));
    let mut stream = client.stream(api::EVENTS).await.unwrap();
    assert_eq!(stream.line(20).await.unwrap().as_deref(), Some(&b"event: head"[..]));
    let mut stream = stream.with_silence(short);
    let _open = speaks.join().unwrap();
    let silent = stream.line(20).await.unwrap_err();
    assert!(matches!(silent, ClientError::Silent { .. }), "{silent}");
}

#[tokio::test]
async fn what_fails_for_a_while_is_sent_again_unchanged_and_what_is_refused_is_not() {
    let node = node(vec![
        problem(Code::QueueFull),
        (502, b"<html>".to_vec()),
        blob(b"bytes"),
        problem(Code::StorageFull),
        blob(b"bytes"),
        problem(Code::BadBlob),
    ]);
    let client = client(&node.url);
    for _ in 0..2 {
        assert_eq!(client.upload(b"bytes").await.unwrap(), BlobId::of(b"bytes").unwrap());
    }
    let refused = client.upload(b"bytes").await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::BadBlob));
    let asked = node.asked.lock().unwrap();
    assert_eq!(asked.len(), 6);
    assert!(asked.iter().all(|request| *request == asked[0]), "each is the same request");
    assert_eq!(asked[0].1, b"bytes");
}

#[tokio::test]
async fn a_blob_that_is_another_one_or_too_long_is_refused() {
    let node = node(vec![(200, b"other".to_vec()), (200, vec![0; 100]), (200, b"bytes".to_vec())]);
    let (client, id) = (client(&node.url), BlobId::of(b"bytes").unwrap());
    for _ in 0..2 {
        let refused = client.download(id, 99).await.unwrap_err();
        assert!(matches!(refused, ClientError::Answer { .. }), "{refused:?}");
    }
    assert_eq!(client.download(id, 99).await.unwrap(), b"bytes");
}

#[tokio::test]
async fn an_upload_goes_on_with_the_chunks_that_are_missing() {
    let bytes: Vec<u8> = (0..=255).cycle().take(5 << 20).collect();
    let id = BlobId::of(&bytes).unwrap();
    let status = |missing: Vec<u64>| {
        let complete = missing.is_empty();
        let status = BlobStatus { id, bytes: bytes.len() as u64, complete, missing };
        (200, serde_json::to_vec(&status).unwrap())
    };
    let node = node(vec![status(vec![1, 4]), status(vec![4]), status(vec![])]);
    assert_eq!(client(&node.url).upload(&bytes).await.unwrap(), id);
    let asked = node.asked.lock().unwrap();
    let paths: Vec<&str> = asked.iter().map(|(first, _)| first.as_str()).collect();
    let [one, four] = [1, 4].map(|index| format!("PUT {}", api::blob_chunk(id, index)));
    assert_eq!(paths, [&format!("POST {}", api::BLOBS), &one, &four]);
    assert_eq!((asked[1].1.len(), asked[2].1.len()), (1 << 20, 1 << 20));
}

#[tokio::test]
async fn a_node_of_another_network_is_refused_on_connecting() {
    let genesis: Genesis = serde_json::from_str(include_str!("../test_genesis.json")).unwrap();
    let mut other = genesis.clone();
    other.spec.name = Text::new("another").unwrap();
    let info = |genesis: &Genesis| {
        let head = api::Head {
            height: 0,
            state_root: genesis.state_root,
            time_ms: 0,
            epoch: 0,
            events: 0,
        };
        let chain = genesis.chain().unwrap();
        let info = ChainInfo {
            chain,
            genesis: genesis.clone(),
            head,
            certified: 0,
            pin: format!("0:0x{}", "0".repeat(64)).parse().unwrap(),
            version: String::new(),
        };
        (200, serde_json::to_vec(&info).unwrap())
    };
    let node = node(vec![info(&other), info(&genesis), info(&other)]);
    let refused = Client::connect(&node.url, genesis.clone()).await.unwrap_err();
    assert!(matches!(refused, ClientError::OtherChain { .. }), "{refused:?}");
    assert_eq!(Client::connect(&node.url, genesis).await.unwrap().chain(), client(&node.url).chain);
    assert_eq!(Client::genesis_of(&node.url).await.unwrap(), other);
}

/// A provider as a node tells of it.
fn provider(account: Address, sealing: Option<Signed<SealingCard>>) -> ProviderInfo {
    ProviderInfo {
        provider: ProviderId(3),
        account,
        profile: Profile {
            name: Text::new("p").unwrap(),
            region: Region::new(*b"CH").unwrap(),
            memory_mb: 1,
        },
        asks: Asks { sealing, ..Asks::default() },
        bond: Amount::ZERO,
        locked: Amount::ZERO,
        held: 0,
        jailed_until_ms: None,
        settled: 0,
        lost: 0,
    }
}

#[tokio::test]
async fn inputs_are_sealed_with_a_key_that_the_providers_account_vouches_for() {
    let [own, other] = [b"own", b"oth"].map(|seed| SecretKey::from_seed(seed));
    let here = client("http://127.0.0.1:1");
    let [honest, theirs] = [&own, &other].map(|key| here.sealing_card(key).unwrap());
    let forged = SealingCard { key: theirs.body.key, ..honest.body.clone() };
    let forged = Signed { body: forged, signature: honest.signature };
    let chain: Chain = serde_json::from_str(&format!("\"0x{:064x}\"", 7)).unwrap();
    let elsewhere = SealingCard { chain, ..honest.body.clone() };
    let elsewhere = Signed::new(elsewhere, &own).unwrap();

    let named = ProviderName::Account(own.address());
    let told = async |name, info: ProviderInfo| {
        let page = Page { items: vec![info.clone()], next: None };
        let body = match name {
            ProviderName::Account(_) => serde_json::to_vec(&info),
            ProviderName::Number(_) => serde_json::to_vec(&page),
        };
        client(&node(vec![(200, body.unwrap())]).url).recipients(&[name]).await
    };
    let of_own = |card| provider(own.address(), Some(card));
    let key = honest.body.key;
    let expected = vec![Recipient { provider: ProviderId(3), account: own.address(), key }];
    assert_eq!(told(named, of_own(honest.clone())).await.unwrap(), expected);
    let number = ProviderName::Number(ProviderId(3));
    assert_eq!(told(number, of_own(honest)).await.unwrap(), expected);

    for card in [theirs.clone(), forged, elsewhere] {
        let refused = told(named, of_own(card)).await;
        assert!(matches!(refused, Err(ClientError::Sealing { .. })), "{refused:?}");
    }
    // Another provider in the place of the one that was asked for.
    let refused = told(named, provider(other.address(), Some(theirs.clone()))).await;
    assert!(matches!(refused, Err(ClientError::Sealing { .. })), "{refused:?}");
    let refused = told(ProviderName::Number(ProviderId(4)), of_own(theirs)).await;
    assert!(matches!(refused, Err(ClientError::NotThere { number: 4, .. })), "{refused:?}");
    let refused = told(named, provider(own.address(), None)).await;
    assert!(matches!(refused, Err(ClientError::NoSealing(ProviderId(3)))), "{refused:?}");
}

#[test]
fn an_order_is_quoted_and_signed_with_what_its_input_costs() {
    let key = key();
    let client = client("http://127.0.0.1:1");
    let terms = client.terms_of(&[], key.class(), Amount::CIRO);
    let submission = |input| Submission::new((ModelId([1; 32]), terms), &key, input);
    let sample = OrderInput::sample(&key);
    assert_eq!(InputStatement::from_bytes(sample.bytes(), &key).as_ref(), Ok(sample.statement()));
    let bytes = [sample.bytes(), &[0; 1000]].concat();
    let longer = OrderInput { bytes, ..sample.clone() };
    let fees = [&sample, &longer].map(|input| client.fee(&submission(input)).unwrap());
    let per_byte = client.spec().fees.per_input_byte;
    assert_eq!(fees[1].checked_sub(fees[0]), per_byte.checked_mul(1000));
    let order = client.job_order(&submission(&longer).ordered(), 1_700_000_000_000).unwrap();
    let account = SecretKey::from_seed(b"somebody");
    let signed = client.sign(&account, Body::Order(Box::new(order)), ([7; 16], 1)).unwrap();
    assert_eq!(signed.body.header.fee_max, fees[1]);
}
