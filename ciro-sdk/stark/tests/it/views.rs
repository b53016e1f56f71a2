//! A proof is about real inputs: all integer forms of one ONNX input come from one real tensor.

use ciro_model::Tensor;
use ciro_model::integer::ClaimError;
use ciro_stark::{Policy, Preset, TensorProver, VerificationError, verify};

use crate::models;

/// The integers of the voters' two views for these numbers.
fn encode(prover: &TensorProver, numbers: [f64; 4]) -> Vec<Tensor<i32>> {
    let sample = Tensor::new(vec![1, 4], numbers.to_vec()).unwrap();
    prover.key().interface().encode(&[sample]).unwrap().tensors
}

/// Proves with one input shown to the linear model and another one to the tree.
fn verdict(linear: [f64; 4], tree: [f64; 4]) -> Result<(), VerificationError> {
    verdict_at(Preset::Standard, linear, tree)
}

fn verdict_at(preset: Preset, linear: [f64; 4], tree: [f64; 4]) -> Result<(), VerificationError> {
    let prover = TensorProver::new(models::voters(), preset, 1).unwrap();
    let [numbers, images] =
        [(linear, 0), (tree, 1)].map(|(x, view)| encode(&prover, x)[view].clone());
    let (statement, proof) = prover.prove(&[vec![numbers, images]]).unwrap();
    let policy = match preset {
        Preset::FastTest => Policy { min_security_bits: 0, min_proven_bits: 0 },
        _ => Policy::default(),
    };
    verify(prover.key(), &statement, &proof, &policy)
}

#[test]
fn one_input_behind_both_views_is_accepted() {
    for x in [[-1.9, 0.5, 3.0, 0.0], [0.5, 0.25, 0.1, -0.3], [0.500_000_06, 1e-9, -4.0, 4.0]] {
        verdict(x, x).unwrap();
    }
}

#[test]
fn what_is_clamped_in_one_view_is_free_there_alone() {
    verdict([4.0, 0.0, 0.0, 0.0], [1e30, 0.0, 0.0, 0.0]).unwrap();
    verdict([3.999, 0.0, 0.0, 0.0], [1e30, 0.0, 0.0, 0.0]).unwrap_err();
}

#[test]
fn another_input_for_the_tree_is_refused() {
    let honest = [-1.9, -1.9, 1.9, -1.9];
    let others = [[0.9, -1.9, 1.9, -1.9], [0.9, 0.1, 0.2, 0.3], [-1.9, -1.9, 1.9, -1.902]];
    for (preset, tree) in Preset::ALL.into_iter().flat_map(|preset| others.map(|x| (preset, x))) {
        let error = verdict_at(preset, honest, tree).unwrap_err();
        let no_real = |error: &VerificationError| match error {
            VerificationError::Statement { sample: 0, source: ClaimError::NoReal { name, .. } } => {
                name == "x"
            }
            _ => false,
        };
        assert!(no_real(&error), "{preset}: {error:?}");
    }
}

/// Proves with one input shown to the linear model and another one to the tree; gives the output.
fn imputed(linear: [f64; 2], tree: [f64; 2]) -> Result<i32, VerificationError> {
    let prover = TensorProver::new(models::imputers(), Preset::Standard, 1).unwrap();
    let encode = |x: [f64; 2], view: usize| {
        let sample = Tensor::new(vec![1, 2], x.to_vec()).unwrap();
        prover.key().interface().encode(&[sample]).unwrap().tensors.swap_remove(view)
    };
    let integers = vec![encode(linear, 0), encode(tree, 1)];
    let (statement, proof) = prover.prove(&[integers]).unwrap();
    verify(prover.key(), &statement, &proof, &Policy::default())?;
    Ok(statement.claims[0].outputs[0].public().unwrap().data()[0])
}

#[test]
fn a_missing_value_is_proven_as_missing_and_counts_as_what_the_imputer_has() {
    let numbers = [2.0, -1.0];
    assert_eq!(imputed(numbers, numbers).unwrap(), 1000);
    assert_eq!(imputed([f64::NAN, -1.0], [f64::NAN, -1.0]).unwrap(), 101_000);
    assert_eq!(imputed([1.0, f64::NAN], [1.0, f64::NAN]).unwrap(), 3000);
}

#[test]
fn a_number_cannot_be_claimed_to_be_missing_nor_the_other_way_round() {
    let is_no_real = |error: &VerificationError| {
        matches!(error, VerificationError::Statement { source: ClaimError::NoReal { .. }, .. })
    };
    for (linear, tree) in [
        ([1.0, -1.0], [f64::NAN, -1.0]),
        ([f64::NAN, -1.0], [1.0, -1.0]),
        ([1.0, -1.0], [1.0, f64::NAN]),
    ] {
        let error = imputed(linear, tree).unwrap_err();
        assert!(is_no_real(&error), "{error:?}");
    }
}

#[test]
fn a_proof_of_a_number_says_nothing_of_a_missing_value() {
    let prover = TensorProver::new(models::imputers(), Preset::Standard, 1).unwrap();
    let encode = |x: [f64; 2]| {
        let sample = Tensor::new(vec![1, 2], x.to_vec()).unwrap();
        prover.key().interface().encode(&[sample]).unwrap().tensors
    };
    // The imputer's value itself: the linear model cannot tell it from a missing one.
    let (number, missing) = (encode([2.0, -1.0]), encode([f64::NAN, -1.0]));
    let (honest, proof) = prover.prove(&[number]).unwrap();
    verify(prover.key(), &honest, &proof, &Policy::default()).unwrap();
    // Another input under the same outputs, and under those that it has.
    for outputs in [1000, 101_000] {
        let mut forged = honest.clone();
        forged.claims[0].input.public_mut().unwrap().clone_from_slice(&missing);
        forged.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] = outputs;
        verify(prover.key(), &forged, &proof, &Policy::default()).unwrap_err();
    }
    // Images that are neither of a number nor the one of a missing value.
    for limbs in [[0x7f80, 0], [0x7f80, 2], [-0x7f81, 0xffff]] {
        let mut other = missing.clone();
        other[1].data_mut()[..2].copy_from_slice(&limbs);
        prover.prove(std::slice::from_ref(&other)).unwrap_err();
        let mut forged = honest.clone();
        forged.claims[0].input.public_mut().unwrap().clone_from_slice(&other);
        let error = verify(prover.key(), &forged, &proof, &Policy::default()).unwrap_err();
        assert!(matches!(error, VerificationError::Statement { .. }), "{error:?}");
    }
}
