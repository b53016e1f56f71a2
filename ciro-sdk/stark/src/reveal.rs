//! What a proof gives away: an attack that needs the key, the statement and one proof.
//!
//! Every opened value of a column is a linear equation on its rows, since a column is the
//! polynomial through them: one equation for a query, four for the out-of-domain point. A column
//! with no more unknown rows than that is solved for.

use std::collections::BTreeSet;

use ciro_model::integer::{Claim, Committing, Context, StatedInput, StatedTensor, Statement};
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
use stwo::prover::poly::circle::{CircleCoefficients, CircleEvaluation};

use crate::air::{Challenges, Chip as _, Shape};
use crate::chips::AnyChip;
use crate::chips::defects::Defect;
use crate::commitment::{SALT_BYTES, Salt};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::prover::tests::{hiding, models};
use crate::prover::{Plan, TensorProver};
use crate::transcript::{Transcript, Trees, open_transcript};
use crate::verify::openings::query_positions;
use crate::verify::{Policy, verify};

/// A proof, and where it is opened.
struct Seen {
    key: ModelKey,
    proof: Proof,
    point: CirclePoint<SecureField>,
    positions: Vec<usize>,
}

/// One equation: coefficients of the unknown rows, and what they come to.
type Equation = (Vec<BaseField>, BaseField);

/// Out of which point and at which positions a proof is opened: a replay of the transcript.
pub(crate) fn places(
    key: &ModelKey,
    statement: &Statement,
    proof: &Proof,
) -> (CirclePoint<SecureField>, Vec<usize>) {
    let shape = ProofShape::of(key);
    let config = shape.parameters.pcs_config(shape.log_degree);
    let roots = &proof.stark.0.commitments;
    let mut channel = Transcript::checking(proof.nonces.clone());
    open_transcript(&mut channel, key, statement);
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
    let positions = query_positions(&shape, proof, &config, channel).unwrap();
    (point, positions)
}

impl Seen {
    fn of(key: ModelKey, statement: &Statement, proof: Proof) -> Self {
        let (point, positions) = places(&key, statement, &proof);
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

    /// All that the proof says about some rows of a column, if the others are 0 and it is bare.
    fn equations(&self, column: [usize; 2], log_size: u32, rows: usize) -> Vec<Equation> {
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
        self.equations_of(&units, column, log_size)
    }

    /// All that the proof says about a column that is a sum of some polynomials.
    fn equations_of(
        &self,
        units: &[CircleCoefficients<CpuBackend>],
        [tree, column]: [usize; 2],
        log_size: u32,
    ) -> Vec<Equation> {
        let parameters = self.key.parameters();
        let log_extended = log_size + parameters.secrecy.excess() + parameters.log_blowup;
        let log_copies = self.key.max_log_size() - log_size;
        let stark = &self.proof.stark.0;
        let at = |point: CirclePoint<SecureField>| -> Vec<[BaseField; 4]> {
            units.iter().map(|unit| unit.eval_at_point(point).to_m31_array()).collect()
        };
        let domain = CanonicCoset::new(log_extended).circle_domain();
        let mut equations: Vec<Equation> = vec![];
        for (&position, &value) in self.positions.iter().zip(&stark.queried_values[tree][column]) {
            let position = ((position >> (log_copies + 1)) << 1) + (position & 1);
            let place = bit_reverse_index(position, log_extended);
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

/// A hiding proof, and what the first input column of the product holds.
fn hidden(preset: Preset) -> (Seen, Vec<i64>) {
    let model = models::dense();
    let prover = hiding(&model, preset).commit();
    let (statement, proof) = prover.prove(&[models::inputs(&model, 7)]).unwrap();
    let [_, input] = truth(&statement);
    (Seen::of(prover.key().clone(), &statement, proof), input)
}

#[test]
fn hiding_proofs_do_not_reveal_the_input() {
    for preset in [Preset::FastTest, Preset::Standard] {
        let attack = |seen: &Seen, rows: usize| {
            let (log_size, [_, witness]) = seen.contraction();
            solve(seen.equations([1, witness], log_size, rows), rows)
        };
        let (seen, input) = hidden(preset);
        // Known idle rows contradict the openings; unknown ones leave too much open.
        assert_eq!(attack(&seen, input.len()), None, "{preset}");
        assert_eq!(attack(&seen, 1 << seen.contraction().0), None, "{preset}");
        let _back = Defect::BareColumns.put_back();
        let (seen, input) = hidden(preset);
        assert_eq!(attack(&seen, input.len()), Some(input), "{preset}, bare");
    }
}

/// The polynomials that a mask is a sum of: what stands in the upper half of the coefficients.
fn mask(log_size: u32, length: usize) -> Vec<CircleCoefficients<CpuBackend>> {
    let unit = |at: usize| {
        let mut coefficients = vec![BaseField::zero(); 2 << log_size];
        coefficients[(1 << log_size) + at] = BaseField::one();
        CircleCoefficients::new(coefficients)
    };
    (0..length).map(unit).collect()
}

/// Which values the first row of a column may have, for whoever knows all others and that its mask
/// has so many coefficients: of 0, 1, the true one and 77.
fn guesses((seen, input): &(Seen, Vec<i64>), length: usize) -> [bool; 4] {
    assert!(![0, 1, 77].contains(&input[0]));
    let (log_size, [_, witness]) = seen.contraction();
    // Unknown are the first row and the mask; what is known of the others is subtracted.
    let of_mask = seen.equations_of(&mask(log_size, length), [1, witness], log_size);
    let of_rows = seen.equations([1, witness], log_size, input.len());
    let embed = |value: i64| crate::field::embed(i32::try_from(value).unwrap());
    let equations = || of_mask.iter().zip(&of_rows);
    [0, 1, input[0], 77].map(|guess| {
        let guessed = equations().map(|((mask, right), (rows, _))| {
            let given = rows[1..].iter().zip(&input[1..]).map(|(&row, &x)| row * embed(x));
            (mask.clone(), *right - given.sum::<BaseField>() - rows[0] * embed(guess))
        });
        is_solvable(guessed.collect())
    })
}

/// Whoever knows every row of a column but one, and how it is masked, is left with as many
/// solutions as there are values of that row: every guess can be completed with a mask.
#[test]
fn a_row_of_a_hiding_proof_may_hold_anything_even_if_all_others_are_known() {
    let proven = hidden(Preset::Standard);
    let length = proven.0.key.parameters().mask();
    assert_eq!(guesses(&proven, length), [true; 4]);
}

/// One coefficient less than a column has openings, and the row comes out: masks have to be as long
/// as they are, or nearly.
#[test]
fn a_mask_with_fewer_coefficients_than_openings_leaves_one_value_of_a_row() {
    let model = models::dense();
    let prover = hiding(&model, Preset::Standard).commit();
    let parameters = prover.key().parameters();
    let length = parameters.queries + 3;
    // Queries that fall on one row of a short column are one opening of it.
    let is_spread = |(seen, _): &(Seen, Vec<i64>)| {
        let log_copies = seen.key.max_log_size() - seen.contraction().0;
        let lifted = seen.positions.iter().map(|at| ((at >> (log_copies + 1)) << 1) + (at & 1));
        lifted.collect::<BTreeSet<_>>().len() == parameters.queries
    };
    let proven = |seed: u8| {
        let inputs = [models::inputs(&model, 7)];
        let made = prover.prove_seeded((&inputs, Context::NONE), &[], &[seed; 32]);
        let (statement, proof) = made.unwrap();
        let [_, input] = truth(&statement);
        (Seen::of(prover.key().clone(), &statement, proof), input)
    };
    let short = {
        let _back = Defect::ShortMasks.put_back();
        (0..100).map(proven).find(is_spread).unwrap()
    };
    assert_eq!(guesses(&short, length), [false, false, true, false]);
    // Whoever is wrong about the length finds nothing: a mask as long as it should be leaves all.
    let whole = (0..100).map(proven).find(is_spread).unwrap();
    assert_eq!(guesses(&whole, length), [false; 4]);
    assert_eq!(guesses(&whole, parameters.mask()), [true; 4]);
}

/// Whether there is any solution.
fn is_solvable(mut equations: Vec<Equation>) -> bool {
    let unknowns = equations[0].0.len();
    let mut rank = 0;
    for column in 0..unknowns {
        let Some(pivot) = (rank..equations.len()).find(|&row| !equations[row].0[column].is_zero())
        else {
            continue;
        };
        equations.swap(rank, pivot);
        let inverse = equations[rank].0[column].inverse();
        let (left, right) = equations[rank].clone();
        for equation in &mut equations[rank + 1..] {
            let factor = equation.0[column] * inverse;
            equation.0.iter_mut().zip(&left).for_each(|(x, &y)| *x -= factor * y);
            equation.1 -= factor * right;
        }
        rank += 1;
    }
    equations[rank..].iter().all(|(_, right)| right.is_zero())
}

/// The same attack as on the plain proof above: beside a hiding proof, a commitment is private.
#[test]
fn a_committed_input_of_a_hiding_proof_is_not_computed() {
    let model = models::dense();
    let (all, none) = (Committing::All, Committing::Nothing);
    let inputs = models::inputs(&model, 7);
    let attack = || {
        let visibilities = Interface::of(&model).visibilities(&all, &none).unwrap();
        let plan = Plan::hiding(model.clone(), Preset::Standard, 1, visibilities).unwrap();
        let (prover, salt) = (plan.commit(), [Salt::from_bytes([9; SALT_BYTES])]);
        let inputs = std::slice::from_ref(&inputs);
        let (statement, proof) = prover.prove_committed(inputs, Context::NONE, &salt).unwrap();
        verify(prover.key(), &statement, &proof, &Policy::default()).unwrap();
        let seen = Seen::of(prover.key().clone(), &statement, proof);
        let (log_size, [_, witness]) = seen.contraction();
        solve(seen.equations([1, witness], log_size, 6), 6)
    };
    assert_eq!(attack(), None);
    let [_, input] = truth(&Statement::of(vec![Claim::public(inputs.clone(), vec![])]));
    let _back = Defect::BareColumns.put_back();
    assert_eq!(attack(), Some(input));
}

/// What the command makes of `examples/models/logreg_iris`: `ciro key` and `ciro prove`, with
/// `--commit-input`, and with `--private` or without. Three numbers of a bundle's statement are
/// read, as `ciro-sdk/src/verify/bundle` writes them.
fn commanded(name: &str) -> Seen {
    let read = |kind: &str| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        std::fs::read(folder.join(format!("{name}.{kind}"))).unwrap()
    };
    // The only entry of a key file ends where the file does.
    let ring = read("ring");
    let entry = ring.windows(7).position(|bytes| bytes == b"CIROKEY").unwrap();
    let key = ModelKey::from_bytes(&ring[entry..]).unwrap();
    let bundle = read("ciro");
    let mut rest = &bundle[..];
    let mut take = |count: usize| {
        let (taken, left) = rest.split_at(count);
        rest = left;
        taken
    };
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    take(8 + 2 + 1);
    let preset = number(take(1));
    take(preset + 32 + 32);
    assert_eq!(number(take(4)), 1);
    // Behind a tag for all inputs: each of them, then each output, is shown or committed to.
    assert_eq!(take(1), [2]);
    let [inputs, outputs] = [(); 2].map(|()| {
        let count = number(take(2));
        let mut tensor = || match take(1)[0] {
            0 => {
                let rank = number(take(1));
                let shape: Vec<usize> = (0..rank).map(|_| number(take(4))).collect();
                let bytes = take(4 * shape.iter().product::<usize>());
                let (words, _) = bytes.as_chunks();
                let data = words.iter().map(|&word| i32::from_le_bytes(word)).collect();
                StatedTensor::Public(Tensor::new(shape, data).unwrap())
            }
            _ => StatedTensor::Committed(take(32).try_into().unwrap()),
        };
        (0..count).map(|_| tensor()).collect::<Vec<_>>()
    });
    let length = number(take(4));
    let proof = Proof::from_bytes(take(length), &key).unwrap();
    let statement = Statement::of(vec![Claim { input: StatedInput::Mixed(inputs), outputs }]);
    verify(&key, &statement, &proof, &Policy::default()).unwrap();
    Seen::of(key, &statement, proof)
}

#[test]
fn an_input_that_the_command_commits_to_is_computed_unless_the_proof_is_private() {
    // Behind fewer rows than openings, the chip is idle.
    const USED: usize = 20;
    let attack = |seen: &Seen| {
        let (log_size, [_, witness]) = seen.contraction();
        [USED, 1 << log_size].map(|rows| solve(seen.equations([1, witness], log_size, rows), rows))
    };
    let [found, _] = attack(&commanded("iris_committed_v3"));
    let found = found.unwrap();
    // `input_0.json`, in the key's scale.
    assert!([5222, 3482, 1536, 205].iter().all(|integer| found.contains(integer)), "{found:?}");
    let seen = commanded("iris_private_v4");
    assert!(seen.key.secrecy().hides());
    assert_eq!(attack(&seen), [None, None]);
}
