//! Real hiding proofs beside simulated ones, number by number: `simulate.rs` shows that a simulator
//! can make what proofs show, this that it makes it as often.
//!
//! For given challenges and queries, which all proofs here share, two things are compared: how
//! often every single number that is shown falls into which part of the field, and how many linear
//! relations hold in all proofs between the numbers that belong together: what is opened of one
//! column, all columns at one query, a layer of FRI. Masks that are too short, or used twice, show
//! in relations alone.

use std::sync::Arc;

use ciro_model::IntegerModel;
use ciro_model::integer::{Context, Statement};
use num_traits::Zero;
use stwo::core::fields::m31::{BaseField, MODULUS_BITS};
use stwo::core::fields::qm31::SecureField;

use super::TensorProver;
use super::algebra::rank;
use super::simulate::{Chosen, Random};
use super::tests::{hiding, models};
use crate::chips::defects::Defect;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;

/// Proofs of either kind: more than numbers of a family, so that relations between them are seen.
const PROOFS: u16 = 128;

/// The most numbers of a family; longer ones are several.
const MOST: usize = 96;

/// Parts of the field, as a binary logarithm.
const LOG_PARTS: u32 = 3;

/// A sum of squares with 7 degrees of freedom reaches this with a chance of 2^-26.
const UNLIKELY: f64 = 50.0;

/// Numbers that belong together.
#[derive(Clone, Default)]
struct Family {
    /// Whether they are in another family too.
    again: bool,
    /// For each proof its numbers, in the same places.
    proofs: Vec<Vec<BaseField>>,
}

/// How proofs of two kinds differ.
#[derive(Debug)]
struct Differences {
    /// Numbers that are distributed otherwise.
    numbers: usize,
    /// Families between whose numbers another number of relations holds.
    relations: usize,
    /// How far the mean of all sums of squares is from what it is expected to be, in standard
    /// deviations: many small differences.
    spread: f64,
}

/// A prover, what it proves, and the challenges of all proofs.
struct Experiment {
    prover: TensorProver,
    statement: Statement,
    chosen: Chosen,
    simulated: Vec<Family>,
}

impl Experiment {
    fn new(model: &Arc<IntegerModel>, seed: u8) -> Self {
        let prover = hiding(model, Preset::FastTest).commit();
        let shape = ProofShape::of(prover.key());
        let chosen = Chosen::new(&mut Random::new([seed; 32]), &shape);
        let (statement, _) = prover.prove(&[models::inputs(model, 7)]).unwrap();
        let proof =
            |at: u16| chosen.answer((&prover, &shape), &statement, Random::new(numbered(at)));
        let simulated = families((0..).filter_map(proof).take(PROOFS.into()));
        Self { prover, statement, chosen, simulated }
    }

    /// Proofs as they are made, with masks of their own each.
    fn real(&self) -> Vec<Family> {
        let inputs = [models::inputs(self.prover.model(), 7)];
        let prove = |at: u16| {
            let seed = numbered(at);
            let prove = || self.prover.prove_seeded((&inputs, Context::NONE), &[], &seed);
            let (statement, proof) = self.chosen.program.clone().within(prove).unwrap();
            assert_eq!(statement, self.statement);
            proof
        };
        families((0..PROOFS).map(prove))
    }

    fn differences(&self) -> Differences {
        compare(&self.real(), &self.simulated)
    }
}

fn numbered(at: u16) -> [u8; 32] {
    let mut seed = [17; 32];
    seed[..2].copy_from_slice(&at.to_le_bytes());
    seed
}

/// The numbers that proofs show, family by family; those of the model are no secret.
fn families(proofs: impl Iterator<Item = Proof>) -> Vec<Family> {
    let mut families: Vec<Family> = vec![];
    for proof in proofs {
        let shown = shown(&proof);
        families.resize(shown.len(), Family::default());
        for (family, (again, numbers)) in families.iter_mut().zip(shown) {
            family.again = again;
            family.proofs.push(numbers);
        }
    }
    families
}

/// Families of one proof, and whether their numbers are in another one too.
fn shown(proof: &Proof) -> Vec<(bool, Vec<BaseField>)> {
    let coordinates = |values: &[SecureField]| -> Vec<BaseField> {
        values.iter().flat_map(|value| value.to_m31_array()).collect()
    };
    let stark = &proof.stark.0;
    let mut families = vec![];
    for (sampled, queried) in stark.sampled_values.iter().zip(&stark.queried_values.0).skip(1) {
        let columns = sampled.iter().zip(queried);
        let columns = columns.map(|(rows, values)| [coordinates(rows), values.clone()].concat());
        families.extend(columns.map(|column| (false, column)));
        let queries = 0..queried.first().map_or(0, Vec::len);
        let at_query = |at: usize| queried.iter().map(|column| column[at]).collect();
        families.extend(queries.map(|at| (true, at_query(at))));
    }
    let fri = &stark.fri_proof;
    let layers = std::iter::once(&fri.first_layer).chain(&fri.inner_layers);
    families.extend(layers.map(|layer| (false, coordinates(&layer.fri_witness))));
    families.push((false, coordinates(&fri.last_layer_poly)));
    let parts = families
        .iter()
        .flat_map(|(again, family)| family.chunks(MOST).map(|numbers| (*again, numbers.to_vec())));
    parts.collect()
}

fn compare(real: &[Family], simulated: &[Family]) -> Differences {
    assert_eq!(real.len(), simulated.len());
    let mut differences = Differences { numbers: 0, relations: 0, spread: 0.0 };
    let mut squares = vec![];
    for (real, simulated) in real.iter().zip(simulated) {
        let width = if real.again { 0 } else { real.proofs[0].len() };
        for at in 0..width {
            let [real, simulated] = [real, simulated].map(|family| counts(family, at));
            squares.push(square(&real, &simulated));
        }
        let [real, simulated] = [real, simulated].map(dimension);
        differences.relations += usize::from(real != simulated);
    }
    differences.numbers = squares.iter().filter(|&&square| square > UNLIKELY).count();
    let freedom = f64::from((1u32 << LOG_PARTS) - 1);
    let count = squares.len() as f64;
    differences.spread =
        (squares.iter().sum::<f64>() - freedom * count) / (2.0 * freedom * count).sqrt();
    differences
}

/// How many proofs have a number in each part of the field.
fn counts(family: &Family, at: usize) -> [f64; 1 << LOG_PARTS] {
    let mut counts = [0.0; 1 << LOG_PARTS];
    family.proofs.iter().for_each(|numbers| {
        counts[(numbers[at].0 >> (MODULUS_BITS - LOG_PARTS)) as usize] += 1.0;
    });
    counts
}

/// Pearson's sum of squares for two samples of one size.
fn square(one: &[f64], other: &[f64]) -> f64 {
    let pairs = one.iter().zip(other).filter(|(one, other)| *one + *other > 0.0);
    pairs.map(|(one, other)| (one - other) * (one - other) / (one + other)).sum()
}

/// The dimension of the smallest affine space that the numbers of all proofs lie in: one less for
/// each linear relation that holds in all of them.
fn dimension(family: &Family) -> usize {
    let (first, others) = family.proofs.split_first().expect("there are proofs");
    let less = |numbers: &Vec<BaseField>| numbers.iter().zip(first).map(|(&x, &y)| x - y).collect();
    rank(others.iter().map(less).collect())
}

#[test]
fn real_proofs_are_distributed_as_simulated_ones_are() {
    for (model, seed) in [(models::dense(), 1), (models::mlp(), 2)] {
        let found = Experiment::new(&model, seed).differences();
        assert_eq!((found.numbers, found.relations), (0, 0), "{found:?}");
        assert!(found.spread.abs() < 6.0, "{found:?}");
    }
}

#[test]
fn masks_that_are_left_out_or_short_or_used_twice_tell_real_proofs_from_simulated_ones() {
    let experiment = Experiment::new(&models::dense(), 1);
    for (defect, in_numbers) in [
        (Defect::BareColumns, true),
        (Defect::BarePieces, true),
        (Defect::BareBatch, true),
        (Defect::BareLeaves, true),
        (Defect::ShortMasks, false),
        (Defect::OneMask, false),
    ] {
        let _back = defect.put_back();
        let found = experiment.differences();
        assert_eq!(found.numbers > 0, in_numbers, "{defect:?}: {found:?}");
        assert!(found.relations > 0, "{defect:?}: {found:?}");
    }
}

/// What the statistics say of samples that are known.
#[test]
fn statistics_tell_samples_apart_and_leave_equal_ones_alone() {
    let sample = |seed: u8, change: fn(u16, &mut [BaseField])| -> Vec<Family> {
        let mut random = Random::new([seed; 32]);
        let numbers = (0..PROOFS).map(|at| {
            let mut numbers: Vec<BaseField> =
                (0..2).flat_map(|_| random.extension().to_m31_array()).collect();
            change(at, &mut numbers);
            numbers
        });
        vec![Family { again: false, proofs: numbers.collect() }]
    };
    let uniform = sample(1, |_, _| {});
    let found = |change: fn(u16, &mut [BaseField])| {
        let Differences { numbers, relations, spread } = compare(&sample(2, change), &uniform);
        (numbers, relations, spread.abs() < 6.0)
    };
    assert_eq!(found(|_, _| {}), (0, 0, true));
    assert_eq!(found(|_, numbers| numbers[3] = BaseField::zero()), (1, 1, false));
    // A number that is small in three of four proofs.
    let small = |at: u16, numbers: &mut [BaseField]| {
        numbers[0].0 >>= if at.is_multiple_of(4) { 0 } else { 8 };
    };
    assert_eq!(found(small), (1, 0, false));
    let related = |_: u16, numbers: &mut [BaseField]| numbers[5] = numbers[0] + numbers[1];
    assert_eq!(found(related), (0, 1, true));
}
