//! What statements and keys with committed tensors say, and what they are refused for.

use std::sync::Arc;

use ciro_model::integer::ops::Combine;
use ciro_model::integer::{
    Context, Decoding, Encoding, ModelBuilder, StatedInput, StatedTensor, Statement,
};
use ciro_model::{IntegerModel, Tensor};

use super::super::tests::models;
use super::super::{StarkProveError, TensorProver};
use super::{TEST, everything, prover, salts, showing};
use crate::commitment::commit;
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::verify::{VerificationError, verify};

#[test]
fn a_commitment_is_reused_from_model_to_model() {
    let (first, second) = (models::dense(), models::mlp());
    // The second takes 20 numbers in [-100, 100]; two proofs of it, and one of another model with
    // as many.
    let inputs = models::inputs(&second, 9);
    let salt = salts(1, 5);
    let showing_input = |model: &Arc<IntegerModel>| showing(model, &[0], &[]);
    let prove = |model: &Arc<IntegerModel>, inputs: &[Tensor<i32>]| {
        let prover = prover(model, showing_input(model), 1);
        let (statement, proof) =
            prover.prove_committed(&[inputs.to_vec()], Context::NONE, &salt).unwrap();
        verify(prover.key(), &statement, &proof, &TEST).unwrap();
        statement.claims[0].input.clone()
    };
    assert_eq!(prove(&second, &inputs), prove(&second, &inputs));
    // Whatever the model: five numbers of the first one's input are committed alike alone.
    let five = Tensor::new(vec![1, 5], inputs[0].data()[..5].to_vec()).unwrap();
    let expected = StatedTensor::Committed(commit(five.data(), salt[0]));
    let stated = prove(&first, &[five]).tensors().unwrap();
    assert_eq!(stated, [expected]);
}

#[test]
fn an_output_is_the_next_models_input() {
    let model = models::ranked();
    let visibilities = showing(&model, &[], &[1]);
    let first = prover(&model, visibilities, 1);
    let salt = salts(1, 3);
    let inputs = models::inputs(&model, 4);
    let (statement, proof) =
        first.prove_committed(std::slice::from_ref(&inputs), Context::NONE, &salt).unwrap();
    verify(first.key(), &statement, &proof, &TEST).unwrap();
    let handed_on = statement.claims[0].outputs[1].clone();
    // The second output, two numbers, into a model of two numbers.
    let output = model.run(&inputs).unwrap().remove(1);
    let next = {
        let mut b = ModelBuilder::new();
        let input = b.input("x", output.shape().to_vec());
        let x = b.view(input, Encoding::Integer { lo: -299, hi: 301 }).unwrap();
        let double = Combine { coefficients: vec![2], constant: 0 };
        let y = b.push("double", double, &[x], 1.0).unwrap();
        b.output("y", y, Decoding::Integer);
        Arc::new(b.finish().unwrap())
    };
    let second = prover(&next, showing(&next, &[0], &[]), 1);
    let (statement, proof) = second.prove_committed(&[vec![output]], Context::NONE, &salt).unwrap();
    verify(second.key(), &statement, &proof, &TEST).unwrap();
    assert_eq!(statement.claims[0].input.tensors().unwrap(), [handed_on]);
}

/// A key, a statement and a proof with the input committed.
fn proven(model: &Arc<IntegerModel>) -> (ModelKey, Statement, Proof) {
    let prover = prover(model, showing(model, &[0], &[]), 1);
    let salt = salts(1, 3);
    let (statement, proof) =
        prover.prove_committed(&[models::inputs(model, 4)], Context::NONE, &salt).unwrap();
    (prover.key().clone(), statement, proof)
}

#[test]
fn what_is_shown_is_what_the_key_says() {
    let model = models::dense();
    let (key, committed, proof) = proven(&model);
    verify(&key, &committed, &proof, &TEST).unwrap();
    let (name, what) = ("x".to_owned(), "input");
    let verdict = |statement: &Statement| verify(&key, statement, &proof, &TEST);

    let open = TensorProver::new(Arc::clone(&model), Preset::FastTest, 1).unwrap();
    let (public, public_proof) = open.prove(&[models::inputs(&model, 4)]).unwrap();
    let shown = VerificationError::Visibility { sample: 0, what, name: name.clone() };
    assert_eq!(verdict(&public), Err(shown.clone()));
    let refused = verify(open.key(), &committed, &public_proof, &TEST);
    assert_eq!(refused, Err(VerificationError::CommittedInput { sample: 0 }));

    let mut mixed = committed.clone();
    mixed.claims[0].input = StatedInput::Mixed(public.claims[0].input.tensors().unwrap());
    assert_eq!(verdict(&mixed), Err(shown));
    let mut output = committed.clone();
    output.claims[0].outputs[0] = StatedTensor::Committed([0; 32]);
    let (what, name) = ("output", "y0".to_owned());
    assert_eq!(verdict(&output), Err(VerificationError::Visibility { sample: 0, what, name }));
}

#[test]
fn bytes_that_are_no_commitment_are_refused_before_the_proof_is_looked_at() {
    let (key, mut statement, proof) = proven(&models::dense());
    let StatedInput::Mixed(tensors) = &mut statement.claims[0].input else {
        panic!("the input is committed")
    };
    tensors[0] = StatedTensor::Committed([0xff; 32]);
    let (what, name) = ("input", "x".to_owned());
    let refused = verify(&key, &statement, &proof, &TEST);
    assert_eq!(refused, Err(VerificationError::Commitment { sample: 0, what, name }));
}

#[test]
fn a_key_with_commitments_has_a_version_of_its_own() {
    let model = models::dense();
    let (key, ..) = proven(&model);
    let bytes = key.to_bytes();
    assert_eq!((&bytes[..7], bytes[7]), (&b"CIROKEY"[..], 4));
    assert_eq!(ModelKey::from_bytes(&bytes), Ok(key.clone()));
    let open = TensorProver::new(model, Preset::FastTest, 1).unwrap().key().clone();
    assert_eq!(open.to_bytes()[7], 3);
    assert_ne!(open.digest(), key.digest());
    // Neither passes for the other.
    let mut other = bytes;
    other[7] = 3;
    ModelKey::from_bytes(&other).unwrap_err();
    let mut other = open.to_bytes();
    other[7] = 4;
    ModelKey::from_bytes(&other).unwrap_err();
    let nothing = [&other[..], &[1, 0, 1, 0]].concat();
    ModelKey::from_bytes(&nothing).unwrap_err();
    let undone = ModelKey { visibilities: open.visibilities().clone(), ..key };
    ModelKey::from_bytes(&undone.to_bytes()).unwrap_err();
}

#[test]
fn each_committed_tensor_takes_a_salt() {
    let model = models::dense();
    let prover = prover(&model, everything(&model), 1);
    let inputs = [models::inputs(&model, 1)];
    for got in [0, 1, 3] {
        let error = prover.prove_committed(&inputs, Context::NONE, &salts(got, 1)).unwrap_err();
        assert!(matches!(error, StarkProveError::Salts { expected: 2, got: n } if n == got));
    }
}
