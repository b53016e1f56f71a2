//! What a proof gives away: an attack that needs the key, the statement and one proof.
//!
//! Every opened value of a column is a linear equation on its rows, since a column is the
//! polynomial through them: one equation for a query, four for the out-of-domain point. A column
//! with no more unknown rows than that is solved for.

use ciro_model::integer::{Claim, Committing, Context, Statement};
use ciro_model::{Interface, Tensor};
use num_traits::{One, Zero};
use stwo::core::channel::{Channel as _, MerkleChannel as _};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::utils::{bit_reverse_coset_to_circle_domain_order, bit_reverse_index};
use stwo::prover::backend::CpuBackend;
use stwo::prover::poly::BitReversedOrder;
use stwo::prover::poly::circle::CircleEvaluation;

use crate::air::{Challenges, Chip as _, Shape};
use crate::chips::AnyChip;
use crate::commitment::{SALT_BYTES, Salt};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::prover::tests::models;
use crate::prover::{Plan, TensorProver};
use crate::transcript::{Transcript, Trees, open_transcript};
use crate::verify::openings::query_positions;

/// A proof, and where it is opened.
struct Seen {
    key: ModelKey,
    proof: Proof,
    point: CirclePoint<SecureField>,
    positions: Vec<usize>,
}

/// One equation: coefficients of the unknown rows, and what they come to.
type Equation = (Vec<BaseField>, BaseField);

impl Seen {
    /// Replays the transcript.
    fn of(key: ModelKey, statement: &Statement, proof: Proof) -> Self {
        let shape = ProofShape::of(&key);
        let config = shape.parameters.pcs_config(shape.log_rows);
        let roots = &proof.stark.0.commitments;
        let mut channel = Transcript::checking(proof.nonces.clone());
        open_transcript(&mut channel, &key, statement);
        config.mix_into(&mut channel);
        Trees::mix_root(&mut channel, roots[0]);
        Trees::mix_root(&mut channel, roots[1]);
        channel.ask_for_work(shape.parameters.challenge_pow_bits);
        Challenges::draw(&mut channel);
        Trees::mix_root(&mut channel, roots[2]);
        channel.ask_for_work(shape.parameters.round_pow_bits);
        channel.draw_secure_felt();
        Trees::mix_root(&mut channel, roots[3]);
        let point = CirclePoint::get_random_point(&mut channel);
        let positions = query_positions(&shape, &proof, &config, channel).unwrap();
        Self { key, proof, point, positions }
    }

    /// The chip with products of weights: its height, and its first columns in trees 0 and 1.
    fn contraction(&self) -> (u32, [usize; 2]) {
        let mut first = [0, 0];
        for chip in &self.key.chips {
            if matches!(chip, AnyChip::Contract(_)) {
                return (chip.log_size(), first);
            }
            let shape = Shape::of(chip);
            first = [first[0] + shape.fixed, first[1] + shape.witness];
        }
        panic!("the model has no product");
    }

    /// All that the proof says about some rows of a column, if the others are 0.
    fn equations(&self, [tree, column]: [usize; 2], log_size: u32, rows: usize) -> Vec<Equation> {
        let log_blowup = self.key.parameters().log_blowup;
        let log_copies = self.key.max_log_size() - log_size;
        let stark = &self.proof.stark.0;
        // The polynomials that are 1 in one row.
        let units: Vec<_> = (0..rows)
            .map(|row| {
                let mut values = vec![BaseField::zero(); 1 << log_size];
                values[row] = BaseField::one();
                bit_reverse_coset_to_circle_domain_order(&mut values);
                let domain = CanonicCoset::new(log_size).circle_domain();
                CircleEvaluation::<CpuBackend, BaseField, BitReversedOrder>::new(domain, values)
                    .interpolate()
            })
            .collect();
        let at = |point: CirclePoint<SecureField>| -> Vec<[BaseField; 4]> {
            units.iter().map(|unit| unit.eval_at_point(point).to_m31_array()).collect()
        };
        let domain = CanonicCoset::new(log_size + log_blowup).circle_domain();
        let mut equations: Vec<Equation> = vec![];
        for (&position, &value) in self.positions.iter().zip(&stark.queried_values[tree][column]) {
            let position = ((position >> (log_copies + 1)) << 1) + (position & 1);
            let place = bit_reverse_index(position, log_size + log_blowup);
            let row = at(domain.at(place).into_ef());
            equations.push((row.iter().map(|coordinates| coordinates[0]).collect(), value));
        }
        let row = at(self.point.repeated_double(log_copies));
        let value = stark.sampled_values[tree][column].last().unwrap().to_m31_array();
        for coordinate in 0..4 {
            let left = row.iter().map(|coordinates| coordinates[coordinate]).collect();
            equations.push((left, value[coordinate]));
        }
        equations
    }
}

/// Solves equations by elimination: the unknowns, if there is one solution.
fn solve(mut equations: Vec<Equation>, unknowns: usize) -> Option<Vec<i64>> {
    for at in 0..unknowns {
        let pivot = (at..equations.len()).find(|&row| !equations[row].0[at].is_zero())?;
        equations.swap(at, pivot);
        let inverse = equations[at].0[at].inverse();
        let (left, right) = equations[at].clone();
        let pivot: Equation = (left.iter().map(|&x| x * inverse).collect(), right * inverse);
        for (row, equation) in equations.iter_mut().enumerate() {
            let factor = if row == at { equation.0[at] - BaseField::one() } else { equation.0[at] };
            equation.0.iter_mut().zip(&pivot.0).for_each(|(x, &y)| *x -= factor * y);
            equation.1 -= factor * pivot.1;
        }
    }
    // What is left says 0 = 0.
    let fits = equations[unknowns..].iter().all(|(_, right)| right.is_zero());
    let signed = |value: BaseField| {
        let value = i64::from(value.0);
        if value > i64::from(P / 2) { value - i64::from(P) } else { value }
    };
    fits.then(|| equations[..unknowns].iter().map(|&(_, right)| signed(right)).collect())
}

/// The weights of the golden dense model, its bias behind them, and an input with a 1 behind it.
fn truth(statement: &Statement) -> [Vec<i64>; 2] {
    let mut stream = models::Stream::new(6);
    let [weights, bias] = [stream.tensor(&[5, 1], 5000), stream.tensor(&[1], 1000)];
    let weights = weights.data().iter().chain(bias.data()).map(|&x| i64::from(x)).collect();
    let input = statement.claims[0].input.public().unwrap()[0].data();
    [weights, input.iter().map(|&x| i64::from(x)).chain([1]).collect()]
}

fn golden() -> Seen {
    let read = |kind: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        std::fs::read(folder.join(format!("dense_v3.{kind}"))).unwrap()
    };
    let key = ModelKey::from_bytes(&read("key")).unwrap();
    let claims: Vec<[Vec<Tensor<i32>>; 2]> = postcard::from_bytes(&read("statement")).unwrap();
    let claims = claims.into_iter().map(|[input, output]| Claim::public(input, output));
    let statement = Statement::of(claims.collect());
    let proof = Proof::from_bytes(&read("proof"), &key).unwrap();
    Seen::of(key, &statement, proof)
}

#[test]
fn proofs_without_hiding_reveal_the_weights() {
    // Three queries and the out-of-domain point: seven equations for six rows.
    let seen = golden();
    let model = models::dense();
    let input = Claim::public(models::inputs(&model, 7), vec![]);
    let [weights, input] = truth(&Statement::of(vec![input]));
    let (log_size, [fixed, witness]) = seen.contraction();
    let rows = weights.len();
    // Behind three flags and an address.
    let found = solve(seen.equations([0, fixed + 4], log_size, rows), rows);
    assert_eq!(found.as_deref(), Some(&weights[..]));
    // The input, from the execution's tree: committing to it instead of showing it would not help.
    let found = solve(seen.equations([1, witness], log_size, rows), rows);
    assert_eq!(found.as_deref(), Some(&input[..]));
}

#[test]
fn proofs_of_small_models_reveal_the_weights_to_whoever_knows_nothing_of_the_layout() {
    let model = models::dense();
    let prover = TensorProver::new(model.clone(), Preset::Standard, 1).unwrap();
    let (statement, proof) = prover.prove(&[models::inputs(&model, 7)]).unwrap();
    let seen = Seen::of(prover.key().clone(), &statement, proof);
    let (log_size, [fixed, _]) = seen.contraction();
    // Every row of the chip is unknown.
    let rows = 1 << log_size;
    let found = solve(seen.equations([0, fixed + 4], log_size, rows), rows).unwrap();
    let [weights, _] = truth(&statement);
    assert_eq!(found[..weights.len()], weights);
    assert!(found[weights.len()..].iter().all(|&weight| weight == 0));
}

/// The statement holds a commitment, and the input comes out of the columns all the same.
#[test]
fn a_committed_input_is_as_easy_to_compute_as_a_public_one() {
    let model = models::dense();
    let (all, none) = (Committing::All, Committing::Nothing);
    let visibilities = Interface::of(&model).visibilities(&all, &none).unwrap();
    let plan = Plan::showing(model.clone(), Preset::Standard, 1, visibilities).unwrap();
    let (prover, inputs) = (plan.commit(), models::inputs(&model, 7));
    let salt = [Salt::from_bytes([9; SALT_BYTES])];
    let (statement, proof) =
        prover.prove_committed(std::slice::from_ref(&inputs), Context::NONE, &salt).unwrap();
    assert!(statement.claims[0].input.public().is_none());
    let seen = Seen::of(prover.key().clone(), &statement, proof);
    let (log_size, [_, witness]) = seen.contraction();
    let [_, input] = truth(&Statement::of(vec![Claim::public(inputs, vec![])]));
    let found = solve(seen.equations([1, witness], log_size, input.len()), input.len());
    assert_eq!(found, Some(input));
}
