//! The parts that a block's cost is made of.
//!
//! `cargo bench --profile dev -p ciro-consensus`

use std::hint::black_box;
use std::sync::Arc;

use ciro_consensus::crypto::{Scheme, Stark, StarkSigningKey};
use ciro_consensus::message::{Body, Message, PrePrepare, Summary};
use ciro_consensus::{
    Certificate, ChainId, ClientId, Committee, Digest, Epoch, Kind, Nonce, Operation, Proposal,
    ReplicaId, Seq, Statement, Validator, ValidatorSet, View,
};
use criterion::Criterion;

fn key(id: u64) -> StarkSigningKey {
    let secret = Stark::hash(&[Digest::short_string("bench"), Digest::from_u64(id)]);
    StarkSigningKey::from_bytes(secret.as_bytes()).expect("a hash is a scalar")
}

fn signatures(criterion: &mut Criterion) {
    let (key, message) = (key(1), Digest::from_u64(9));
    let verifying = Stark::expand(&Stark::public_key(&key)).expect("an own key is valid");
    let signature = Stark::sign(&key, &message).expect("a small word can be signed");
    criterion.bench_function("sign", |b| b.iter(|| Stark::sign(black_box(&key), &message)));
    criterion.bench_function("verify, expanded key", |b| {
        b.iter(|| Stark::verify(black_box(&verifying), &message, &signature));
    });
    criterion.bench_function("expand a key", |b| {
        b.iter(|| Stark::expand(black_box(&Stark::public_key(&key))));
    });
}

fn proposal() -> Proposal {
    let operations = (0..512).map(|client| Operation {
        client: ClientId(client),
        nonce: Nonce(1),
        payload: Digest::from_u64(client),
    });
    Proposal { view: View(0), operations: operations.collect(), evidence: Vec::new() }
}

fn hashes_and_bytes(criterion: &mut Criterion) {
    let statement = Statement {
        epoch: Epoch(1),
        kind: Kind::Prepare,
        view: View(2),
        seq: Seq(3),
        digest: Digest::from_u64(4),
    };
    let chain = ChainId::new("bench");
    criterion.bench_function("hash a statement", |b| {
        b.iter(|| black_box(&statement).hash::<Stark>(chain));
    });
    let proposal = proposal();
    let digest = proposal.digest::<Stark>();
    criterion.bench_function("digest of 512 operations", |b| {
        b.iter(|| black_box(&proposal).digest::<Stark>());
    });
    let signature = Stark::sign(&key(1), &digest).expect("a digest can be signed");
    let proposal = Arc::new(proposal);
    let body = Body::PrePrepare(PrePrepare { view: View(0), seq: Seq(1), digest, proposal });
    let message = Message { sender: ReplicaId(1), epoch: Epoch(0), signature, body };
    let bytes = message.to_bytes();
    criterion.bench_function("encode a PrePrepare", |b| b.iter(|| black_box(&message).to_bytes()));
    criterion.bench_function("decode a PrePrepare", |b| {
        b.iter(|| Message::from_bytes(black_box(&bytes)));
    });
}

fn certificates(criterion: &mut Criterion) {
    let keys: Vec<StarkSigningKey> = (0..100).map(key).collect();
    let validators = (0..).zip(&keys).map(|(id, key)| Validator {
        id: ReplicaId(id),
        key: Stark::public_key(key),
        stake: 1,
    });
    let set = Arc::new(ValidatorSet::new(validators).expect("a valid set"));
    let committee = Committee::<Stark>::new(Arc::clone(&set));
    let hash = Digest::from_u64(7);
    let signed: Vec<_> = (0..)
        .zip(&keys)
        .map(|(id, key)| (ReplicaId(id), Stark::sign(key, &hash).expect("a word can be signed")))
        .collect();
    let certificate =
        Certificate::collect(&set, signed.iter().map(|(id, s)| (*id, s))).expect("all have signed");
    criterion.bench_function("verify a certificate of 67 signatures", |b| {
        b.iter(|| committee.verify_certificate(black_box(&hash), &certificate));
    });
    let claim = |seq| ciro_consensus::message::Claim {
        seq: Seq(seq),
        view: View(1),
        digest: Digest::from_u64(seq),
    };
    let summary = Summary {
        view: View(2),
        stable_seq: Seq(0),
        stable_digest: Digest::from_u64(1),
        claims: (1..=128).map(claim).collect(),
    };
    criterion.bench_function("digest of a ViewChange with a full window", |b| {
        b.iter(|| black_box(&summary).digest::<Stark>(7));
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    signatures(&mut criterion);
    hashes_and_bytes(&mut criterion);
    certificates(&mut criterion);
    criterion.final_summary();
}
