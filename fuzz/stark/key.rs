//! Key bytes: decoding never panics, a key has one encoding, and neither does verifying a proof for
//! what decodes.
//!
//! Seeds: the golden keys in `ciro-sdk/stark/tests/fixtures`.
#![no_main]

use ciro_model::Tensor;
use ciro_model::integer::{Claim, Statement};
use ciro_stark::{ModelKey, Policy, Proof, Security, verify};
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
    let Ok(key) = ModelKey::from_bytes(bytes) else { return };
    assert_eq!(key.to_bytes(), bytes);
    let security = Security::of(&key);
    assert!(security.conjectured_bits.is_finite() && security.proven_bits.is_finite());
    let honest = ModelKey::from_bytes(KEY).expect("a golden key");
    let statement = self::statement(STATEMENT).expect("a golden statement");
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    // As the golden key reads the proof, and as this one does.
    for reader in [&honest, &key] {
        if let Ok(proof) = Proof::from_bytes(PROOF, reader) {
            assert_eq!(verify(&key, &statement, &proof, &policy).is_ok(), key == honest);
        }
    }
});
