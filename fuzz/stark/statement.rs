//! Statement bytes: verifying the golden proof for another statement never panics and never
//! succeeds.
//!
//! Seeds: `ciro-sdk/stark/tests/fixtures/mlp_v2.statement`.
#![no_main]

use ciro_stark::{ModelKey, Policy, Proof, Statement, verify};
use libfuzzer_sys::fuzz_target;

const KEY: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v2.key");
const STATEMENT: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v2.statement");
const PROOF: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v2.proof");

fuzz_target!(|bytes: &[u8]| {
    let Ok(statement) = postcard::from_bytes::<Statement>(bytes) else { return };
    let key = ModelKey::from_bytes(KEY).expect("a golden key");
    let proof = Proof::from_bytes(PROOF, &key).expect("a golden proof");
    let honest: Statement = postcard::from_bytes(STATEMENT).expect("a golden statement");
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    assert_eq!(verify(&key, &statement, &proof, &policy).is_ok(), statement == honest);
});
