//! Statement bytes: verifying the golden proof for another statement never panics and never
//! succeeds.
//!
//! Seeds: `ciro-sdk/stark/tests/fixtures/mlp_v3.statement`.
#![no_main]

use ciro_model::Tensor;
use ciro_model::integer::{Claim, Statement};
use ciro_stark::{ModelKey, Policy, Proof, verify};
use libfuzzer_sys::fuzz_target;

const KEY: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v3.key");
const STATEMENT: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v3.statement");
const PROOF: &[u8] = include_bytes!("../../ciro-sdk/stark/tests/fixtures/mlp_v3.proof");

/// For every sample its input tensors, then its output tensors.
fn statement(bytes: &[u8]) -> postcard::Result<Statement> {
    let samples: Vec<(Vec<Tensor<i32>>, Vec<Tensor<i32>>)> = postcard::from_bytes(bytes)?;
    let claims = samples.into_iter().map(|(inputs, outputs)| Claim::public(inputs, outputs));
    Ok(Statement::of(claims.collect()))
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(statement) = self::statement(bytes) else { return };
    let key = ModelKey::from_bytes(KEY).expect("a golden key");
    let proof = Proof::from_bytes(PROOF, &key).expect("a golden proof");
    let honest = self::statement(STATEMENT).expect("a golden statement");
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    assert_eq!(verify(&key, &statement, &proof, &policy).is_ok(), statement == honest);
});
