//! What FRI is about in a hiding proof: the batch of all columns' quotients, which its masks have
//! to cover. Step 4 of the simulator in `docs/privacy.md` says that the batch is any polynomial
//! which obeys two equations on its top coefficients.

use std::collections::BTreeSet;

use ciro_model::integer::Context;
use num_traits::Zero;
use stwo::core::channel::Channel as _;
use stwo::core::circle::{CirclePoint, SECURE_FIELD_CIRCLE_GEN};
use stwo::core::fields::cm31::CM31;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::{QM31, SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::pcs::TreeVec;
use stwo::core::pcs::quotients::PointSample;
use stwo::core::poly::circle::CanonicCoset;
use stwo::prover::backend::Column as _;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::pcs::quotient_ops::compute_fri_quotients;
use stwo::prover::poly::BitReversedOrder;
use stwo::prover::poly::circle::{CircleEvaluation, PolyOps, SecureEvaluation};
use stwo::prover::poly::twiddles::TwiddleTree;

use super::TensorProver;
use super::columns::evaluations;
use super::conclude::Composed;
use super::masks::{Coefficients, Entropy, secrets};
use super::tests::{hiding, models};
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, TREES};

/// A hiding proof of a model's inputs on the way: all its trees are committed, as in the first
/// attempt with this seed.
pub(super) fn composed(prover: &TensorProver, seed: [u8; 32]) -> Composed<'_> {
    let inputs = [models::inputs(prover.model(), 7)];
    let (statement, _) = prover.prove_seeded((&inputs, Context::NONE), &[], &seed).unwrap();
    let traces = [prover.model().trace(&inputs[0]).unwrap()];
    let witness = prover.witness(&prover.layout().values(&traces, &[]));
    let secrets = secrets(&inputs, Context::NONE, &[]);
    let entropy = Entropy::new(&seed, prover.key().digest(), secrets);
    let (committed, _) = prover.commit(&statement, &witness, prover.masks(Some(&entropy), 0));
    committed.compose(&prover.key().chips, &ProofShape::of(prover.key()))
}

type Batch = SecureEvaluation<SimdBackend, BitReversedOrder>;
type Columns<'a> = TreeVec<Vec<&'a CircleEvaluation<SimdBackend, BaseField, BitReversedOrder>>>;

/// The coefficients of a batch, coordinate by coordinate; it is of degree less than its domain's
/// size by the blow-up.
fn coefficients(
    batch: Batch,
    twiddles: &TwiddleTree<SimdBackend>,
    log_blowup: u32,
) -> [Vec<BaseField>; SECURE_EXTENSION_DEGREE] {
    batch.interpolate_with_twiddles(twiddles).0.map(|mut coordinate| {
        for _ in 0..log_blowup {
            let (low, high) = coordinate.split_at_mid();
            assert!(high.coeffs.to_cpu().iter().all(Zero::is_zero));
            coordinate = low;
        }
        coordinate.coeffs.to_cpu()
    })
}

/// Whether a batch of quotients at a point obeys the equations of its masks.
fn is_like_masks(
    batch: &[Vec<BaseField>; SECURE_EXTENSION_DEGREE],
    point: CirclePoint<SecureField>,
) -> bool {
    let count = batch[0].len();
    let [highest, even, odd] = [1, 2, 3]
        .map(|back| SecureField::from_m31_array(std::array::from_fn(|at| batch[at][count - back])));
    let (x, y) = (point.x.1, point.y.1);
    let embed = |value| QM31(value, CM31::zero());
    highest.is_zero() && even * embed(y) + odd * embed(x) == SecureField::zero()
}

/// Where else a column is opened than at the point out of domain.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Else {
    Nowhere,
    /// In the row before.
    Before,
    /// Anywhere, as pins of keys would be.
    Anywhere,
}

/// As [`is_like_masks`], for the batch of one column alone, opened at a point and perhaps somewhere
/// else.
fn is_column_like_masks(column: &Coefficients, other: Else) -> bool {
    const LOG_BLOWUP: u32 = 1;
    let log_degree = column.log_size();
    let domain = CanonicCoset::new(log_degree + LOG_BLOWUP).circle_domain();
    let twiddles = SimdBackend::precompute_twiddles(domain.half_coset);
    let values = SimdBackend::evaluate(column, domain, &twiddles);
    let point = SECURE_FIELD_CIRCLE_GEN.mul(31_415);
    let before = point - CanonicCoset::new(log_degree - 1).step().into_ef();
    let points = match other {
        Else::Nowhere => vec![point],
        Else::Before => vec![before, point],
        Else::Anywhere => vec![SECURE_FIELD_CIRCLE_GEN.mul(27_182), point],
    };
    let sample = |point| PointSample { point, value: column.eval_at_point(point) };
    let columns: Columns<'_> = TreeVec(vec![vec![&values]]);
    let batch = compute_fri_quotients(
        &columns,
        &TreeVec(vec![vec![points.into_iter().map(sample).collect()]]),
        SecureField::from_m31_array([3, 1, 4, 1].map(BaseField::from)),
        log_degree + LOG_BLOWUP,
        &twiddles,
        LOG_BLOWUP,
    );
    is_like_masks(&coefficients(batch, &twiddles, LOG_BLOWUP), point)
}

#[test]
fn what_columns_add_to_the_batch_of_fri_is_what_its_masks_can_be() {
    let masks = Entropy::new(&[1; 32], [2; 32], [3; 32]).masks(0, 22);
    let log_size = 7;
    let rows: Vec<BaseField> = (0..1u32 << log_size).map(|x| (x * x).into()).collect();
    let domain = CanonicCoset::new(log_size).circle_domain();
    let twiddles = SimdBackend::precompute_twiddles(domain.half_coset);
    let bare = SimdBackend::interpolate_columns(evaluations(&[&rows]), &twiddles);
    let masked = masks.columns(1, bare).remove(0);
    let noise = masks.batch(log_size + 1).remove(0);
    for other in [Else::Nowhere, Else::Before, Else::Anywhere] {
        assert!(is_column_like_masks(&masked, other), "{other:?}");
        // A column whose highest coefficient is not 0 may not be opened anywhere else.
        assert_eq!(is_column_like_masks(&noise, other), other == Else::Nowhere, "{other:?}");
    }
}

/// The word of FRI that a proof is about, and the point out of domain; `proof` is that proof, made
/// in the first attempt.
fn batch(
    composed: Composed<'_>,
    shape: &ProofShape,
    proof: &Proof,
) -> ([Vec<BaseField>; SECURE_EXTENSION_DEGREE], CirclePoint<SecureField>) {
    let Composed { mut channel, scheme, .. } = composed;
    let log_blowup = shape.parameters.log_blowup;
    let lifted = shape.log_degree + log_blowup;
    let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
    let samples =
        scheme.polynomials().zip_cols(shape.points(point)).map_cols(|(column, points)| {
            let log_copies = lifted - column.evals.domain.log_size();
            let sample = |point: CirclePoint<SecureField>| PointSample {
                point,
                value: column.eval_at_point(point.repeated_double(log_copies), None),
            };
            points.into_iter().map(sample).collect::<Vec<_>>()
        });
    let opened = samples
        .clone()
        .map_cols(|samples| samples.into_iter().map(|sample| sample.value).collect::<Vec<_>>());
    // With equal roots and openings, challenges are equal too: the word is the proof's.
    assert_eq!(scheme.roots().0, proof.stark.0.commitments.0);
    assert_eq!(opened.0, proof.stark.0.sampled_values.0);
    channel.mix_felts(&opened.flatten_cols());
    let word = compute_fri_quotients(
        &scheme.evaluations(),
        &samples,
        channel.draw_secure_felt(),
        lifted,
        scheme.twiddles,
        log_blowup,
    );
    (coefficients(word, scheme.twiddles, log_blowup), point)
}

/// The equations on real proofs, whose columns have several heights, and are opened once or twice.
#[test]
fn the_word_of_fri_of_a_real_proof_obeys_the_equations_of_its_masks_and_is_full_otherwise() {
    for preset in [Preset::FastTest, Preset::Standard] {
        let mut mixed = 0;
        for (name, model) in models::all() {
            let prover = hiding(&model, preset).commit();
            let shape = ProofShape::of(prover.key());
            let heights: BTreeSet<u32> = shape.sizes[1..].iter().flatten().copied().collect();
            let openings: BTreeSet<usize> = shape.openings[1..].iter().flatten().copied().collect();
            if heights.len() == 1 {
                continue;
            }
            mixed += 1;
            assert_eq!(openings, BTreeSet::from([0, 1, 2]), "{name}");
            let inputs = [models::inputs(&model, 7)];
            let (_, proof) = prover.prove_seeded((&inputs, Context::NONE), &[], &[5; 32]).unwrap();
            let (word, point) = batch(composed(&prover, [5; 32]), &shape, &proof);
            assert!(is_like_masks(&word, point), "{name}, {preset}");
            // No other point would do.
            let other = point + SECURE_FIELD_CIRCLE_GEN;
            assert!(!is_like_masks(&word, other), "{name}, {preset}");
            for coordinate in word {
                assert_eq!(coordinate.len(), 1 << shape.log_degree, "{name}, {preset}");
                let zeros = coordinate.iter().filter(|value| value.is_zero()).count();
                assert_eq!(zeros, 1, "{name}, {preset}");
            }
        }
        assert!(mixed > 0, "{preset}");
    }
}

/// The four masks of FRI are four: at every place that a proof opens.
#[test]
fn the_masks_of_fri_differ_wherever_they_are_opened() {
    let prover = hiding(&models::mlp(), Preset::Standard).commit();
    let inputs = [models::inputs(prover.model(), 7)];
    let (_, proof) = prover.prove_seeded((&inputs, Context::NONE), &[], &[5; 32]).unwrap();
    let stark = &proof.stark.0;
    let (sampled, queried) = (&stark.sampled_values[TREES - 1], &stark.queried_values[TREES - 1]);
    let masks = sampled.len() - SECURE_EXTENSION_DEGREE..sampled.len();
    for one in masks.clone() {
        for other in masks.clone().filter(|&other| other != one) {
            assert_ne!(sampled[one], sampled[other]);
            assert!(queried[one].iter().zip(&queried[other]).all(|(one, other)| one != other));
        }
    }
}
