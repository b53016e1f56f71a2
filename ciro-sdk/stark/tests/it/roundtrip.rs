//! Proofs of small models verify, and say what the interpreter says.

use std::error::Error as _;

use ciro_stark::{Policy, Preset, Proof, TensorProver, verify};

use crate::models;

#[test]
fn every_model_verifies() {
    for (name, model) in models::all() {
        let inputs = models::inputs(&model, 7);
        let expected = model.run(&inputs).unwrap();
        let prover = TensorProver::new(model, Preset::Standard, 1).unwrap();
        let (statement, proof) = prover.prove(std::slice::from_ref(&inputs)).unwrap();
        assert!(statement.claims[0].public_outputs().eq(&expected), "{name}");
        let bytes = proof.to_bytes();
        let proof = Proof::from_bytes(&bytes, prover.key()).unwrap();
        assert_eq!(proof.to_bytes(), bytes, "{name}");
        verify(prover.key(), &statement, &proof, &Policy::default()).expect(name);
    }
}

#[test]
fn clamps_far_from_zero_need_no_table() {
    let model = models::clamped_far_from_zero();
    let inputs = models::inputs(&model, 7);
    let prover = TensorProver::new(model, Preset::FastTest, 1).unwrap();
    assert!(prover.estimate().log_rows <= 12, "{:?}", prover.estimate());
    let (statement, proof) = prover.prove(&[inputs]).unwrap();
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    verify(prover.key(), &statement, &proof, &policy).unwrap();
}

#[test]
fn tables_far_from_zero_are_refused_before_they_are_made() {
    let error = TensorProver::new(models::table_far_from_zero(), Preset::FastTest, 1).unwrap_err();
    let message = format!("{error}: {}", error.source().unwrap());
    assert_eq!(
        message,
        "node `node1` (Lookup): a table of 500000101 entries, from [0, 500000100], is too large (at most 1048576); quantize its operand \
         with fewer bits or around 0"
    );
}

#[test]
fn a_batch_is_one_proof() {
    for (name, model) in models::all() {
        let inputs: Vec<_> = (0..3).map(|seed| models::inputs(&model, seed)).collect();
        let prover = TensorProver::new(model, Preset::FastTest, 3).unwrap();
        let (statement, proof) = prover.prove(&inputs).unwrap();
        assert_eq!(statement.claims.len(), 3, "{name}");
        let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
        verify(prover.key(), &statement, &proof, &policy).expect(name);
    }
}
