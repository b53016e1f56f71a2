//! Known answers for other implementations.
//!
//! `UPDATE_VECTORS=1 cargo test -p ciro-protocol vectors` writes the file anew; signatures are
//! deterministic, so it only changes when the format does.

use std::fs;
use std::path::Path;

use ciro_protocol::sign::Signable;
use ciro_protocol::{ChainSpec, Message};
use serde::{Deserialize, Serialize};

use crate::values;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    name: String,
    /// The value as people read it.
    json: serde_json::Value,
    /// The encoding in hexadecimal.
    bytes: String,
    /// Its digest in hexadecimal.
    digest: String,
}

fn vector<T: Message + Serialize>(name: &str, value: &T) -> Vector {
    Vector {
        name: name.to_owned(),
        json: serde_json::to_value(value).unwrap(),
        bytes: hex::encode(value.to_bytes()),
        digest: hex::encode(value.digest()),
    }
}

fn build() -> Vec<Vector> {
    let mut vectors: Vec<Vector> = values::transactions()
        .iter()
        .map(|tx| vector(&format!("signed transaction: {}", tx.body.body.kind()), tx))
        .collect();
    let tx = &values::transactions()[0];
    assert_eq!(tx.body.signer(), values::key(1).address());
    vectors.push(vector("transaction: transfer", &tx.body));
    vectors.push(vector("model card", &values::card()));
    let [settled, refunded] = values::receipts();
    vectors.push(vector("receipt: settled", &settled));
    vectors.push(vector("receipt: refunded", &refunded));
    vectors.push(vector("blob list", &values::blobs()));
    vectors.push(vector("receipt proof", &values::receipt_proof()));
    vectors.push(vector("chain specification", &values::spec()));
    vectors.push(vector("genesis", &values::genesis()));
    let with_economy = ChainSpec { economy: Some(values::economy()), ..values::spec() };
    vectors.push(vector("chain specification: economy", &with_economy));
    vectors.push(vector("model card: program", &values::program_card()));
    vectors.push(vector("chain specification: programs", &values::spec_with_programs()));
    let proposals = values::proposals();
    let proposals = proposals.iter();
    vectors.extend(
        proposals.map(|(name, tx)| vector(&format!("signed transaction: propose {name}"), tx)),
    );
    vectors
}

#[test]
fn encodings_are_those_of_the_vectors() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/protocol_v1.json"));
    let built = build();
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let json = serde_json::to_string_pretty(&built).unwrap();
        fs::write(path, json + "\n").unwrap();
    }
    let kept: Vec<Vector> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(kept, built);
}

#[test]
fn names_are_known_answers() {
    let operation = values::batch().body.operation();
    let known = [
        values::genesis().chain().unwrap().to_string(),
        operation.payload.to_hex(),
        values::blobs().id().to_string(),
        values::receipt_proof().state.root().to_hex(),
    ];
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/names_v1.json"));
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        fs::write(path, serde_json::to_string_pretty(&known).unwrap() + "\n").unwrap();
    }
    let kept: Vec<String> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(kept, known);
}
