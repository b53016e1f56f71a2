//! Proofs of small models verify, and say what the interpreter says.

use std::sync::Arc;

use ciro_graph::{IntegerModel, Tensor};
use ciro_stark::{Policy, Preset, Proof, Prover, verify};

use crate::models::{self, Stream};

#[track_caller]
fn check(model: Arc<IntegerModel>, bound: i32) {
    let mut stream = Stream::new(7);
    let inputs: Vec<Tensor<i32>> =
        model.input_nodes().map(|(id, _)| stream.tensor(&model.node(id).shape, bound)).collect();
    let expected = model.run(&inputs).unwrap();
    let prover = Prover::new(model, Preset::Standard, 1).unwrap();
    let (statement, proof) = prover.prove(std::slice::from_ref(&inputs)).unwrap();
    assert_eq!(statement.samples[0].outputs, expected);
    let bytes = proof.to_bytes();
    let proof = Proof::from_bytes(&bytes).unwrap();
    assert_eq!(proof.to_bytes(), bytes);
    verify(prover.key(), &statement, &proof, &Policy::default()).unwrap();
}

#[test]
fn mlp_verifies() {
    check(models::mlp(1), 100);
}
