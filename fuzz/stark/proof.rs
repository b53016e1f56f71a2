//! Proof bytes: decoding never panics, what decodes is written back byte for byte, and only the
//! golden proof verifies.
//!
//! Seeds: `ciro-sdk/stark/tests/fixtures/mlp_v3.proof`.
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
    let key = ModelKey::from_bytes(KEY).expect("a golden key");
    let Ok(proof) = Proof::from_bytes(bytes, &key) else { return };
    assert_eq!(proof.to_bytes(), bytes);
    let statement = self::statement(STATEMENT).expect("a golden statement");
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    assert_eq!(verify(&key, &statement, &proof, &policy).is_ok(), bytes == PROOF);
});
