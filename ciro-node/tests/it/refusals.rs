//! Every bad request gets one clear error.

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, Accepted, BlobStatus, TxState};
use ciro_protocol::blob::{BlobId, BlobList};
use ciro_protocol::id::{Chain, TxId};
use ciro_protocol::order::Mode;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, SignedTx, Transfer};
use ciro_protocol::wire::Message as _;

use crate::http::request;
use crate::market::{Golden, ciro, order, register_model};
use crate::world::{RICH, World};

fn transfer(amount: Amount) -> Body {
    Body::Transfer(Transfer { to: SecretKey::from_seed(b"carol").address(), amount })
}

#[test]
fn every_bad_transaction_gets_its_code() {
    let mut world = World::new();
    let now = world.info().head.time_ms;
    let code = |world: &World, tx: &SignedTx| {
        let answer = world.post(api::TRANSACTIONS, &tx.to_bytes());
        answer.code()
    };
    let poor = world.sign(b"nobody", transfer(ciro(1)));
    assert_eq!(code(&world, &poor), "fee_unaffordable");
    let greedy = world.sign(RICH, transfer(ciro(1_000_000)));
    assert_eq!(code(&world, &greedy), "insufficient_funds");
    let late = world.sign_until(RICH, transfer(ciro(1)), now - 1);
    assert_eq!(code(&world, &late), "expired");
    let long = world.sign_until(RICH, transfer(ciro(1)), now + 86_400_000);
    assert_eq!(code(&world, &long), "validity_too_long");
    let mut dear = world.sign(RICH, transfer(ciro(1))).body;
    dear.header.fee_max = Amount::ZERO;
    let dear = Signed::new(dear, &SecretKey::from_seed(RICH)).unwrap();
    assert_eq!(code(&world, &dear), "fee_above_max");
    let mut elsewhere = world.sign(RICH, transfer(ciro(1))).body;
    elsewhere.header.chain = Chain(ciro_consensus::ChainId::new("another network"));
    let elsewhere = Signed::new(elsewhere, &SecretKey::from_seed(RICH)).unwrap();
    assert_eq!(code(&world, &elsewhere), "wrong_chain");
    let mut forged = world.sign(RICH, transfer(ciro(1)));
    forged.signature.0.s[31] ^= 1;
    assert_eq!(code(&world, &forged), "bad_signature");
    let golden = Golden::read();
    let model = register_model(&mut world, &golden);
    let mut nowhere = order(&world, &golden, model, Mode::Open);
    nowhere.input.blob = BlobId([7; 32]);
    let nowhere = world.sign(RICH, Body::Order(Box::new(nowhere)));
    assert_eq!(code(&world, &nowhere), "blob_missing");
    let mut short = order(&world, &golden, model, Mode::Open);
    short.input.bytes += 1;
    let short = world.sign(RICH, Body::Order(Box::new(short)));
    assert_eq!(code(&world, &short), "bad_blob");
    a_false_card_is_refused(&mut world, &golden);
    a_repeated_transaction_is_known(&mut world);
}

fn a_false_card_is_refused(world: &mut World, golden: &Golden) {
    let again = world.info().genesis.spec.accounts[0].address;
    let facts = ciro_sdk::network::facts(1, &golden.key).unwrap();
    let facts = ciro_protocol::model::KeyFacts { bits: facts.bits + 1, ..facts };
    let bytes = ciro_protocol::wire::Bytes::new(golden.key.clone()).unwrap();
    let entry = ciro_protocol::model::KeyEntry { bytes, facts };
    let content = b"the compiled model";
    let card = ciro_protocol::ModelCard {
        owner: again,
        name: ciro_protocol::text::Text::new("false").unwrap(),
        version: ciro_protocol::text::Text::default(),
        licence: ciro_protocol::text::Text::default(),
        blob: world.store(content),
        bytes: content.len() as u64,
        keys: ciro_protocol::wire::List::new(vec![entry]).unwrap(),
    };
    let listing = ciro_protocol::model::Listing {
        providers: ciro_protocol::wire::List::default(),
        price_hint: Amount::ZERO,
    };
    let body = ciro_protocol::tx::RegisterModel { card, listing };
    let tx = world.sign(RICH, Body::RegisterModel(Box::new(body)));
    assert_eq!(world.post(api::TRANSACTIONS, &tx.to_bytes()).code(), "key_invalid");
}

fn a_repeated_transaction_is_known(world: &mut World) {
    let tx = world.sign(RICH, transfer(ciro(1)));
    let sent = |world: &World| world.post(api::TRANSACTIONS, &tx.to_bytes()).json::<Accepted>();
    assert!(!sent(world).known);
    assert!(sent(world).known, "while it waits or after");
    let TxState::Executed { height, .. } = world.status(tx.body.id(), "20s").state else {
        panic!("not executed");
    };
    assert!(sent(world).known);
    let TxState::Executed { height: again, receipt, .. } = world.status(tx.body.id(), "0s").state
    else {
        panic!("not executed");
    };
    assert_eq!((again, receipt.refused), (height, None));
}

#[test]
fn every_bad_request_gets_its_code() {
    let world = World::new();
    let octets = [("Content-Type", api::OCTETS)];
    let ask = |line: &str, headers: &[(&str, &str)], body: Option<&[u8]>| {
        request(world.address, line, headers, body).unwrap().code()
    };
    let zero = TxId([0; 32]);
    let cases: &[(&str, &[u8], &str)] = &[
        ("POST /v1/transactions", b"", "malformed_body"),
        ("POST /v1/transactions", b"\x01\x00garbage", "malformed_body"),
        ("POST /v1/transactions", &[0; 70_000], "body_too_large"),
        ("POST /v1/blobs", b"\x01\x00", "malformed_body"),
        ("POST /v1/blobs", &[1; 600_000], "body_too_large"),
    ];
    for (line, body, expected) in cases {
        assert_eq!(ask(line, &octets, Some(body)), *expected, "{line} with {} bytes", body.len());
    }
    let blob = api::blob(BlobId(zero.0));
    assert_eq!(ask(&format!("PUT {blob}"), &octets, Some(b"x")), "bad_blob");
    assert_eq!(ask(&format!("PUT {blob}/chunks/0"), &octets, Some(b"x")), "not_found");
    assert_eq!(
        ask("POST /v1/transactions", &[("Content-Type", "text/plain")], Some(b"x")),
        "media_type"
    );
    assert_eq!(ask("POST /v1/transactions", &[], Some(b"x")), "media_type");
    let gets = [
        ("/v1/nothing", "not_found"),
        ("/v1/transactions/0x12", "bad_parameter"),
        ("/v1/jobs?limit=0", "bad_parameter"),
        ("/v1/jobs?limit=101", "bad_parameter"),
        ("/v1/jobs?colour=red", "bad_parameter"),
        ("/v1/jobs?state=lost", "bad_parameter"),
        ("/v1/jobs/%FF", "bad_parameter"),
        ("/v1/queue/xxl", "bad_parameter"),
        ("/v1/queue/xs?wait=31s", "bad_parameter"),
        ("/v1/queue/xs?after=-1", "bad_parameter"),
        ("/v1/blocks/0", "not_found"),
        ("/v1/blocks/99999999999999999999", "bad_parameter"),
        ("/v1/blocks/9999999", "not_found"),
        ("/v1/events?after=x", "bad_parameter"),
        ("/v1/accounts/bob", "bad_parameter"),
        ("/v1/models?after=1", "bad_parameter"),
    ];
    for (path, expected) in gets {
        assert_eq!(ask(&format!("GET {path}"), &[], None), expected, "{path}");
    }
    assert_eq!(ask("DELETE /v1/chain", &[], None), "method_not_allowed");
    assert_eq!(ask(&format!("GET {}", api::transaction(zero)), &[], None), "not_found");
    assert_eq!(ask(&format!("GET {}", api::job_receipt(zero.into())), &[], None), "not_found");
    assert_eq!(ask("GET /v1/events", &[("Last-Event-ID", "x")], None), "bad_parameter");
    assert_eq!(world.get(api::READY).status, 200, "the node is well after all that");
}

#[test]
fn a_blob_goes_up_in_chunks_and_comes_down_in_ranges() {
    let world = World::new();
    let content: Vec<u8> = (0..=255).cycle().take((1 << 20) + 100).collect();
    let list = BlobList::of(&content).unwrap();
    let id = list.id();
    let status: BlobStatus = world.post(api::BLOBS, &list.to_bytes()).json();
    assert_eq!(status.missing, [0, 1]);
    let (first, second) = content.split_at(1 << 20);
    assert_eq!(world.put(&api::blob_chunk(id, 0), second).code(), "bad_blob");
    assert_eq!(world.put(&api::blob_chunk(id, 9), second).code(), "bad_blob");
    assert_eq!(world.get(&api::blob(id)).code(), "not_found");
    let status: BlobStatus = world.put(&api::blob_chunk(id, 1), second).json();
    assert_eq!(status.missing, [0]);
    let status: BlobStatus = world.put(&api::blob_chunk(id, 0), first).json();
    assert!(status.complete);
    let whole = world.get(&api::blob(id));
    assert_eq!((whole.status, whole.body.len()), (200, content.len()));
    assert_eq!(whole.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(world.get(&api::blob_list(id)).body, list.to_bytes());
    let ranged = |range: &str| {
        let line = format!("GET {}", api::blob(id));
        request(world.address, &line, &[("Range", range)], None).unwrap()
    };
    let part = ranged("bytes=10-19");
    assert_eq!((part.status, &part.body[..]), (206, &content[10..20]));
    assert_eq!(part.header("content-range"), Some("bytes 10-19/1048676"));
    assert_eq!(ranged("bytes=9999999-").code(), "bad_range");
    let head = request(world.address, &format!("HEAD {}", api::blob(id)), &[], None).unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("1048676")));
}

/// Bytes that differ from a good transaction's in one bit, and bytes that are nothing at all.
#[test]
fn no_bytes_stop_the_node() {
    let mut world = World::new();
    let good = world.sign(RICH, transfer(ciro(1))).to_bytes();
    let flipped = (0..good.len()).step_by(3).map(|at| {
        let mut bytes = good.clone();
        bytes[at] ^= 1 << (at % 8);
        bytes
    });
    let noise = (0..40_usize).map(|length| {
        let byte = |at: usize| u8::try_from((at * 131 + length * 17) % 256).unwrap();
        (0..length * 20).map(byte).collect()
    });
    for bytes in flipped.chain(noise) {
        let answer = world.post(api::TRANSACTIONS, &bytes);
        assert!((400..500).contains(&answer.status), "{answer:?} to {}", hex::encode(&bytes));
        assert_ne!(answer.code(), "internal");
        let answer = world.post(api::BLOBS, &bytes);
        assert!((400..500).contains(&answer.status), "{answer:?} to {}", hex::encode(&bytes));
    }
    assert_eq!(world.post(api::TRANSACTIONS, &good).status, 202);
    assert_eq!(world.get(api::READY).status, 200);
}
