//! The module in Node against the library on this machine: damaged proofs and keys, drawn from a
//! seed, get the same answers to the last byte: 2,000, or a tenth of `CIRO_MUTATIONS`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use ciro_wasm::{Call, Room, Rooms};
use serde::Serialize;

use crate::proofs::{Pair, example, golden};

#[path = "../../../../ciro-sdk/stark/tests/it/damage.rs"]
mod damage;

/// Golden models are small: the default policy would refuse each before its proof is looked at.
const ASKED: &str = r#"{"minSecurityBits":0}"#;

/// A linear congruential generator.
struct Stream(u64);

impl Stream {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }
}

/// One question, and what the library answers.
#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    asked: &'a str,
    key: String,
    proof: String,
    answer: String,
}

fn answer(asked: &str, key: &[u8], proof: &[u8]) -> String {
    let mut rooms = Rooms::default();
    for (room, bytes) in [(Room::Asked, asked.as_bytes()), (Room::Key, key), (Room::Proof, proof)] {
        rooms.make(room, bytes.len()).unwrap().copy_from_slice(bytes);
    }
    rooms.answer(Call::Verify)
}

/// One question as a line of JSON, and whether its answer is that the proof is valid.
fn line(pair: &Pair, key: &[u8], proof: &[u8]) -> (String, bool) {
    let answer = answer(ASKED, key, proof);
    let valid = answer.starts_with("{\"ok\"");
    let (key, proof) = (hex::encode(key), hex::encode(proof));
    let case = Case { name: &pair.name, asked: ASKED, key, proof, answer };
    (serde_json::to_string(&case).unwrap(), valid)
}

#[test]
fn damaged_proofs_get_the_same_answers_from_the_module() {
    let Some(module) = std::env::var_os("CIRO_WASM") else {
        eprintln!("skipped: CIRO_WASM names no module; `.ci/run wasm` builds it");
        return;
    };
    // Native and module together take a tenth of what the native verifier does in the same time.
    let trials = damage::mutations() / 10;
    let mut pairs = golden();
    pairs.extend([example("logreg_iris", 3).0, example("mlp_mnist", 1).0]);
    let (mut lines, mut valid) = (String::new(), 0);
    for pair in &pairs {
        let (line, is_valid) = line(pair, &pair.key, &pair.proof);
        assert!(is_valid, "{}: {line:.300}", pair.name);
        writeln!(lines, "{line}").unwrap();
    }
    let mut stream = Stream(2026);
    for trial in 0..trials {
        let pair = &pairs[trial % pairs.len()];
        let mut below = |end| stream.below(end);
        let (mut key, mut proof) = (pair.key.clone(), pair.proof.clone());
        match below(8) {
            0 => key = damage::damage(&key, &mut below),
            // Header and claims are much shorter than the proof.
            1 | 2 => {
                let head = proof.len().min(600);
                proof = [&damage::damage(&proof[..head], &mut below)[..], &proof[head..]].concat();
            }
            _ => proof = damage::damage(&proof, &mut below),
        }
        let (line, is_valid) = line(pair, &key, &proof);
        valid += usize::from(is_valid && (&key, &proof) != (&pair.key, &pair.proof));
        writeln!(lines, "{line}").unwrap();
    }
    assert_eq!(valid, 0, "damaged proofs are valid");
    let folder = tempfile::tempdir().unwrap();
    let cases = folder.path().join("cases.jsonl");
    std::fs::write(&cases, lines).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity.mjs");
    let node = Command::new("node").arg(script).arg(module).arg(&cases).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&node.stdout), String::from_utf8_lossy(&node.stderr));
    assert!(node.status.success(), "{out}{err}");
    assert_eq!(out.trim(), format!("{} answers, all the same", trials + pairs.len()));
}
