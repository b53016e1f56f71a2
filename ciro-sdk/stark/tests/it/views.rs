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
