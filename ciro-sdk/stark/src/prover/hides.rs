//! What hiding rests on: as many random coefficients as opened places, each mask in its place, and
//! new ones in every proof. `reveal.rs` attacks, `simulate.rs` runs the argument.

use std::collections::BTreeSet;
use std::sync::Arc;

use ciro_model::integer::{Context, Statement};
use ciro_model::{IntegerModel, Tensor};
use num_traits::Zero;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::bit_reverse_index;

use super::TensorProver;
use super::algebra::rank;
use super::tests::{hiding, models};
use crate::chips::defects::Defect;
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, TREES};
use crate::reveal::places;
use crate::verify::{Policy, verify};

const TEST: Policy = Policy { min_security_bits: 0, min_proven_bits: 0 };

fn proven(model: &Arc<IntegerModel>, preset: Preset) -> (TensorProver, Statement, Proof) {
    let prover = hiding(model, preset).commit();
    let (statement, proof) = seeded(&prover, [5; 32]);
    (prover, statement, proof)
}

fn seeded(prover: &TensorProver, seed: [u8; 32]) -> (Statement, Proof) {
    let inputs = [models::inputs(prover.model(), 7)];
    prover.prove_seeded((&inputs, Context::NONE), &[], &seed).unwrap()
}

/// The values at a point of what a mask is a sum of: the vanishing polynomial of the rows times
/// the first polynomials of stwo's basis.
fn mask(point: CirclePoint<SecureField>, log_size: u32, length: usize) -> Vec<SecureField> {
    let vanishing = point.repeated_double(log_size - 1).x;
    let mut values = vec![vanishing, vanishing * point.y];
    let mut factor = point.x;
    while values.len() < length {
        let higher: Vec<_> = values.iter().map(|&value| value * factor).collect();
        values.extend(higher);
        factor = CirclePoint::double_x(factor);
    }
    values.truncate(length);
    values
}

/// A proof shows of a column its values at the queries and out of domain; the composition there
/// depends on the rows before. All these values together are independent and uniform if the
/// equations on the mask are independent, and one more at any leaf.
#[test]
fn masks_have_a_random_coefficient_for_everything_that_openings_depend_on() {
    for preset in Preset::QUICK {
        for (name, model) in [("dense", models::dense()), ("forest", models::forest())] {
            let (prover, statement, proof) = proven(&model, preset);
            let shape = ProofShape::of(prover.key());
            let length = shape.parameters.mask();
            let (point, positions) = places(prover.key(), &statement, &proof);
            let heights: BTreeSet<u32> = shape.sizes[1..].iter().flatten().copied().collect();
            for log_degree in heights {
                let (log_rows, log_copies) = (log_degree - 1, shape.log_degree - log_degree);
                let log_domain = log_degree + shape.parameters.log_blowup;
                let domain = CanonicCoset::new(log_domain).circle_domain();
                let step = CanonicCoset::new(log_rows).step();
                let lifted: BTreeSet<usize> =
                    positions.iter().map(|at| ((at >> (log_copies + 1)) << 1) + (at & 1)).collect();
                let unopened = (0..domain.size()).find(|at| !lifted.contains(at)).unwrap();
                let mut points = BTreeSet::new();
                let mut rows: Vec<Vec<BaseField>> = vec![];
                for at in lifted.into_iter().chain([unopened]) {
                    let now = domain.at(bit_reverse_index(at, log_domain));
                    for place in [now, now - step] {
                        if points.insert((place.x.0, place.y.0)) {
                            let values = mask(place.into_ef(), log_rows, length);
                            rows.push(values.iter().map(|value| value.to_m31_array()[0]).collect());
                        }
                    }
                }
                let now = point.repeated_double(log_copies);
                for place in [now, now - step.into_ef()] {
                    let values = mask(place, log_rows, length);
                    for at in 0..SECURE_EXTENSION_DEGREE {
                        let coordinate = |value: &SecureField| value.to_m31_array()[at];
                        rows.push(values.iter().map(coordinate).collect());
                    }
                }
                let equations = rows.len();
                assert_eq!(rank(rows), equations, "{name}, {preset}, {log_degree}");
                assert!(equations < length, "{name}, {preset}, {log_degree}");
            }
        }
    }
}

/// A proof opens each column where masks allow, and no column more often.
#[test]
fn no_column_is_opened_in_more_than_two_rows_out_of_domain() {
    for (name, model) in models::all() {
        let shape = ProofShape::of(hiding(&model, Preset::FastTest).commit().key());
        for (tree, openings) in shape.openings.iter().enumerate().skip(1) {
            let most = if tree == TREES - 1 { 1 } else { 2 };
            assert!(openings.iter().all(|&rows| rows <= most), "{name}, tree {tree}");
            let salts = openings.iter().filter(|&&rows| rows == 0).count();
            assert_eq!(salts, shape.parameters.secrecy.salts()[tree], "{name}, tree {tree}");
        }
    }
}

/// Leaves are salted, and what FRI is about is masked: its last layer has all its coefficients.
/// Without the mask the highest would be 0 whatever is proven, since columns leave room.
fn has_salts_and_batch(proof: &Proof, shape: &ProofShape) -> [bool; 2] {
    let stark = &proof.stark.0;
    let salts = stark.queried_values.iter().zip(&shape.openings).flat_map(|(values, openings)| {
        values.iter().zip(openings).filter(|(_, rows)| **rows == 0).map(|(values, _)| values)
    });
    let salts: Vec<BaseField> = salts.flatten().copied().collect();
    let distinct: BTreeSet<u32> = salts.iter().map(|value| value.0).collect();
    let last = stark.fri_proof.last_layer_poly.iter().next_back().unwrap();
    [distinct.len() == salts.len(), !last.is_zero()]
}

#[test]
fn leaves_without_salts_and_batches_without_masks_show() {
    let model = models::mlp();
    for preset in [Preset::FastTest, Preset::Standard] {
        let (prover, statement, proof) = proven(&model, preset);
        let shape = ProofShape::of(prover.key());
        verify(prover.key(), &statement, &proof, &TEST).unwrap();
        assert_eq!(has_salts_and_batch(&proof, &shape), [true; 2], "{preset}");
        for (defect, expected) in
            [(Defect::BareLeaves, [false, true]), (Defect::BareBatch, [true, false])]
        {
            let _back = defect.put_back();
            // Neither is a matter of soundness.
            let (_, statement, proof) = proven(&model, preset);
            verify(prover.key(), &statement, &proof, &TEST).unwrap();
            assert_eq!(has_salts_and_batch(&proof, &shape), expected, "{preset}, {defect:?}");
        }
    }
}

#[test]
fn two_proofs_of_one_statement_have_nothing_in_common() {
    let prover = hiding(&models::mlp(), Preset::Standard).commit();
    let inputs = [models::inputs(prover.model(), 7)];
    let [(said, first), (same, second)] = [(); 2].map(|()| prover.prove(&inputs).unwrap());
    assert_eq!(said, same);
    let differs = |tree: usize| {
        first.stark.0.commitments[tree] != second.stark.0.commitments[tree]
            && first.stark.0.sampled_values[tree] != second.stark.0.sampled_values[tree]
    };
    assert!((1..TREES).all(differs));
    assert_eq!(first.stark.0.commitments[0], second.stark.0.commitments[0]);
    // With one seed they are the same, as golden files need.
    let [(_, first), (_, second)] = [(); 2].map(|()| seeded(&prover, [9; 32]));
    assert_eq!(first.to_bytes(), second.to_bytes());
}

#[test]
fn the_length_of_a_proof_follows_from_the_key_and_the_queries() {
    let prover = hiding(&models::mlp(), Preset::FastTest).commit();
    let shape = ProofShape::of(prover.key());
    for seed in 0..8 {
        let (statement, proof) = seeded(&prover, [seed; 32]);
        let (_, positions) = places(prover.key(), &statement, &proof);
        let stark = &proof.stark.0;
        for (values, openings) in stark.queried_values.iter().zip(&shape.openings) {
            assert_eq!(values.len(), openings.len());
            assert!(values.iter().all(|values| values.len() == positions.len()));
        }
        shape.check(&proof).unwrap();
    }
}

/// The models that are proven bare and hiding, golden files of both.
fn golden(name: &str) -> Arc<IntegerModel> {
    models::all().into_iter().find(|(other, _)| *other == name).unwrap().1
}

/// As the golden files of plain proofs: `CIRO_BLESS=1` writes new ones.
#[test]
fn golden_hiding_proofs_verify_and_are_still_made() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for name in ["dense", "mlp", "forest"] {
        let (prover, statement, proof) = proven(&golden(name), Preset::FastTest);
        let claims = statement.claims.iter().map(|claim| {
            let outputs = claim.public_outputs().cloned().collect();
            [claim.input.public().unwrap().to_vec(), outputs]
        });
        let stated: Vec<[Vec<Tensor<i32>>; 2]> = claims.collect();
        let files = [
            ("key", prover.key().to_bytes()),
            ("proof", proof.to_bytes()),
            ("statement", postcard::to_allocvec(&stated).unwrap()),
        ];
        let read = files.map(|(kind, bytes)| {
            let path = folder.join(format!("{name}_hiding_v3.{kind}"));
            if std::env::var_os("CIRO_BLESS").is_some() {
                std::fs::write(&path, &bytes).unwrap();
            }
            let read = std::fs::read(&path).unwrap();
            assert!(read == bytes, "{name}: another {kind} than version 3");
            read
        });
        let key = ModelKey::from_bytes(&read[0]).unwrap();
        let proof = Proof::from_bytes(&read[1], &key).unwrap();
        verify(&key, &statement, &proof, &TEST).unwrap();
    }
}

#[test]
fn hiding_and_plain_keys_do_not_take_each_others_proofs() {
    let model = models::mlp();
    let (hiding, statement, hidden) = proven(&model, Preset::Standard);
    let plain = TensorProver::new(Arc::clone(&model), Preset::Standard, 1).unwrap();
    let (_, shown) = plain.prove(&[models::inputs(&model, 7)]).unwrap();
    assert_ne!(hiding.key().digest(), plain.key().digest());
    for (key, other) in [(hiding.key(), &shown), (plain.key(), &hidden)] {
        assert!(Proof::from_bytes(&other.to_bytes(), key).is_err());
        assert!(verify(key, &statement, other, &TEST).is_err());
    }
    // The same chips, roots and bytes under a key that says otherwise are another key.
    let mut key = hiding.key().clone();
    key.secrecy = crate::secrecy::Secrecy::Plain;
    assert!(verify(&key, &statement, &hidden, &TEST).is_err());
}
