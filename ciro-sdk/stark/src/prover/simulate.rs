//! The simulator of `docs/privacy.md`, executed: from the key and a statement alone it makes what a
//! hiding proof shows. It knows no witness, so that proofs tell nothing of one.
//!
//! It chooses the challenges first, as it may where a random oracle gives them; whoever draws them
//! from a hash is convinced by no such proof. The statements here are even false.

use ciro_model::integer::Statement;
use num_traits::{One, Zero};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use stwo::core::channel::{Channel, MerkleChannel as _};
use stwo::core::circle::{CirclePoint, CirclePointIndex};
use stwo::core::fields::FieldExpOps;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::pcs::TreeVec;
use stwo::core::pcs::quotients::{
    ColumnSampleBatch, CommitmentSchemeProof, PointSample,
    build_samples_with_randomness_and_periodicity, column_line_coeffs, fri_answers,
};
use stwo::core::poly::circle::CanonicCoset;
use stwo::core::proof::StarkProof;
use stwo::core::proof_of_work::GrindOps;
use stwo::core::utils::bit_reverse_index;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo::prover::backend::Column as _;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::backend::simd::column::BaseColumn;
use stwo::prover::fri::FriProver;
use stwo::prover::poly::BitReversedOrder;
use stwo::prover::poly::circle::{PolyOps, SecureEvaluation};
use stwo::prover::secure_column::SecureColumnByCoords;
use stwo::prover::vcs_lifted::prover::MerkleProverLifted;

use super::TensorProver;
use super::algebra::{basis, conjugate, conjugate_point, embed, solve};
use super::conclude::shows_zero;
use super::masks::Coefficients;
use super::tests::{hiding, models};
use crate::air::Challenges;
use crate::chips::IoChip;
use crate::preset::Preset;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, Randomness, TREES};
use crate::statement::public_values;
use crate::transcript::{Program, Transcript, Trees, open_transcript};
use crate::verify::{Policy, VerificationError, verify};

type Opened = TreeVec<Vec<Vec<SecureField>>>;

/// Uniformly random numbers.
pub(super) struct Random(ChaCha20Rng);

impl Random {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }

    fn base(&mut self) -> BaseField {
        loop {
            let value = self.0.next_u32() >> 1;
            if value < P {
                return BaseField::from_u32_unchecked(value);
            }
        }
    }

    pub(super) fn extension(&mut self) -> SecureField {
        SecureField::from_m31_array(std::array::from_fn(|_| self.base()))
    }

    fn word(&mut self, log_size: u32) -> BaseColumn {
        (0..1usize << log_size).map(|_| self.base()).collect()
    }
}

/// A simulator's state: what it shows, tree by tree.
struct Simulator<'a> {
    prover: &'a TensorProver,
    shape: &'a ProofShape,
    random: Random,
    /// The values of every column on its domain; what is not opened is random.
    words: Vec<Vec<BaseColumn>>,
    /// Opened values out of domain.
    opened: Opened,
    /// Where the queries fall.
    positions: Vec<usize>,
    point: CirclePoint<SecureField>,
}

impl Simulator<'_> {
    fn log_blowup(&self) -> u32 {
        self.shape.parameters.log_blowup
    }

    /// Where a position of the tallest domain falls on one that is `2^log_copies` times smaller.
    fn lifted(position: usize, log_copies: u32) -> usize {
        ((position >> (log_copies + 1)) << 1) + (position & 1)
    }

    /// What the columns of the first three trees hold at a position, where constraints look.
    fn rows(&self, position: usize) -> Opened {
        let log_blowup = self.log_blowup();
        let rows = (0..TREES - 1).map(|tree| {
            let sizes = self.shape.sizes[tree].iter().zip(&self.shape.openings[tree]);
            let values = sizes.zip(&self.words[tree]).map(|((&log_degree, &rows), word)| {
                let place = Self::lifted(position, self.shape.log_degree - log_degree);
                let now = SecureField::from(word.at(place));
                if rows < 2 {
                    return vec![now; rows];
                }
                let before = step_back(log_degree, log_blowup, place);
                vec![word.at(before).into(), now]
            });
            values.collect()
        });
        TreeVec(rows.collect())
    }

    /// Makes the last piece of the composition polynomial what the constraints ask for, at the
    /// queries and out of domain.
    fn compose(&mut self, randomness: &Randomness<'_>) {
        let [pieces, _] = self.shape.parameters.secrecy.pieces();
        let last = SECURE_EXTENSION_DEGREE * (pieces - 1);
        let log_domain = self.shape.log_degree + self.log_blowup();
        let log_rows = self.shape.log_degree - 1;
        let domain = CanonicCoset::new(log_domain).circle_domain();
        for &position in &self.positions {
            let point = domain.at(bit_reverse_index(position, log_domain));
            let asked = self.shape.constraints(point.into_ef(), &self.rows(position), randomness);
            let vanishing = point.repeated_double(log_rows - 1).x;
            for (coordinate, asked) in asked.to_m31_array().into_iter().enumerate() {
                let word = &mut self.words[TREES - 1];
                let given = (0..pieces - 1).rev().fold(BaseField::zero(), |sum, piece| {
                    sum * vanishing
                        + word[SECURE_EXTENSION_DEGREE * piece + coordinate].at(position)
                });
                let value = (asked - given) / vanishing.pow(pieces as u128 - 1);
                word[last + coordinate].set(position, value);
            }
        }
        // Out of domain, each coordinate is determined: by the constraints at four conjugates.
        let conjugates: Vec<_> = (0..SECURE_EXTENSION_DEGREE)
            .map(|times| {
                let opened = self.opened.clone().map_cols(|values| {
                    values.into_iter().map(|value| conjugate(value, times)).collect()
                });
                let point = conjugate_point(self.point, times);
                let asked = self.shape.constraints(point, &opened, randomness);
                let back = SECURE_EXTENSION_DEGREE - times;
                let unit = |coordinate: usize| {
                    let mut unit = [BaseField::zero(); SECURE_EXTENSION_DEGREE];
                    unit[coordinate] = BaseField::one();
                    conjugate(SecureField::from_m31_array(unit), back)
                };
                let row = (0..SECURE_EXTENSION_DEGREE).map(unit).collect();
                (row, conjugate(asked, back))
            })
            .collect();
        let vanishing = self.point.repeated_double(log_rows - 1).x;
        for (coordinate, asked) in solve(conjugates).into_iter().enumerate() {
            let opened = &mut self.opened[TREES - 1];
            let given = (0..pieces - 1).rev().fold(SecureField::zero(), |sum, piece| {
                sum * vanishing + opened[SECURE_EXTENSION_DEGREE * piece + coordinate][0]
            });
            opened[last + coordinate][0] = (asked - given) / vanishing.pow(pieces as u128 - 1);
        }
    }

    /// A random word of FRI that answers the queries, where the opened values determine it: at the
    /// queries, and at two conjugates of the out-of-domain point.
    fn batch(&mut self, batching: SecureField, answers: &[SecureField]) -> Vec<SecureField> {
        let log_degree = self.shape.log_degree;
        let log_domain = log_degree + self.log_blowup();
        let domain = CanonicCoset::new(log_domain).circle_domain();
        let points = self
            .positions
            .iter()
            .map(|&at| domain.at(bit_reverse_index(at, log_domain)).into_ef::<SecureField>());
        let mut demands: Vec<_> = points.zip(answers.iter().copied()).collect();
        for times in [1, 3] {
            let point = conjugate_point(self.point, times);
            demands.push((point, self.quotient(batching, times)));
        }
        let count = 1usize << log_degree;
        let mut word: Vec<SecureField> = (0..count).map(|_| self.random.extension()).collect();
        // What quotients of columns by their values at a point are: of one degree less, and less
        // what no column has either.
        let (x, y) = (self.point.x.1, self.point.y.1);
        word[count - 1] = SecureField::zero();
        word[count - 2] = word[count - 3] * embed(-(x / y));
        let few = demands.len() + 2;
        let equations = demands.into_iter().map(|(point, value)| {
            let basis = basis(point, count);
            let now: SecureField = basis.iter().zip(&word).map(|(&b, &c)| b * c).sum();
            (basis[..few].to_vec(), value - now)
        });
        let change = solve(equations.collect());
        word.iter_mut().zip(change).for_each(|(word, change)| *word += change);
        word
    }

    /// The quotients of all columns at a conjugate of the out-of-domain point, whose values there
    /// are conjugates of opened ones.
    fn quotient(&self, batching: SecureField, times: usize) -> SecureField {
        let samples = build_samples_with_randomness_and_periodicity(
            &self.samples(),
            self.sizes().into_iter().map(Vec::into_iter).collect(),
            self.shape.log_degree + self.log_blowup(),
            batching,
        );
        let samples: Vec<_> = samples.iter().flatten().collect();
        let batches = ColumnSampleBatch::new_vec(&samples);
        let opened: Vec<_> = self.opened.iter().flatten().collect();
        let at = conjugate_point(self.point, times);

        let lines = column_line_coeffs(&batches);
        let of_batch = |(batch, lines): (&ColumnSampleBatch, &Vec<_>)| {
            let values = batch
                .cols_vals_randpows
                .iter()
                .map(|data| conjugate(*opened[data.column_index].last().unwrap(), times));
            let terms = values.zip(lines).map(|(value, &(a, b, c))| value * c - (a * at.y + b));
            let point = batch.point;
            let [x, y] = [point.x, point.y];
            let line = (embed(x.0) - at.x) * embed(y.1) - (embed(y.0) - at.y) * embed(x.1);
            terms.sum::<SecureField>() / line
        };
        batches.iter().zip(&lines).map(of_batch).sum()
    }

    /// The sizes of all columns' domains.
    fn sizes(&self) -> Vec<Vec<u32>> {
        let extended =
            |sizes: &Vec<u32>| sizes.iter().map(|size| size + self.log_blowup()).collect();
        self.shape.sizes.iter().map(extended).collect()
    }

    fn samples(&self) -> TreeVec<Vec<Vec<PointSample>>> {
        let samples = self.shape.points(self.point).zip_cols(self.opened.clone());
        samples.map_cols(|(points, values)| {
            let samples = points.into_iter().zip(values);
            samples.map(|(point, value)| PointSample { point, value }).collect()
        })
    }
}

/// The place of the row before the one at a place, on a column's domain.
fn step_back(log_degree: u32, log_blowup: u32, place: usize) -> usize {
    let log_domain = log_degree + log_blowup;
    let domain = CanonicCoset::new(log_domain).circle_domain();
    let step = CanonicCoset::new(log_degree - 1).step_size();
    let before = domain.index_at(bit_reverse_index(place, log_domain)) - step;
    let half = domain.half_coset;
    let find = |index: CirclePointIndex| {
        let distance = (index - half.initial_index).reduce().0;
        let at = distance / half.step_size.0;
        (distance.is_multiple_of(half.step_size.0) && at < half.size()).then_some(at)
    };
    let found = find(before).or_else(|| find(-before).map(|at| half.size() + at));
    bit_reverse_index(found.expect("a step of a row stays in the domain"), log_domain)
}

/// Makes a proof of a statement, true or not, with the challenges that it holds for; as a prover
/// does, it draws again where a proof shows a 0.
fn simulate(prover: &TensorProver, statement: &Statement, seed: u8) -> (Proof, Program) {
    (seed..).find_map(|seed| attempt(prover, statement, seed)).unwrap()
}

fn attempt(prover: &TensorProver, statement: &Statement, seed: u8) -> Option<(Proof, Program)> {
    let shape = ProofShape::of(prover.key());
    let mut random = Random::new([seed; 32]);
    let chosen = Chosen::new(&mut random, &shape);
    let proof = chosen.answer((prover, &shape), statement, random);
    proof.map(|proof| (proof, chosen.program))
}

/// Challenges, and the words that query positions are made of.
pub(super) struct Chosen {
    pub(super) program: Program,
    words: Vec<u32>,
}

impl Chosen {
    pub(super) fn new(random: &mut Random, shape: &ProofShape) -> Self {
        let challenges: Vec<_> = (0..64).map(|_| random.extension()).collect();
        let words: Vec<u32> = (0..shape.parameters.queries).map(|_| random.0.next_u32()).collect();
        Self { program: Program::new(challenges, words.clone()), words }
    }

    /// A simulated proof that holds for these challenges; none if it would show a 0.
    pub(super) fn answer(
        &self,
        of: (&TensorProver, &ProofShape),
        statement: &Statement,
        random: Random,
    ) -> Option<Proof> {
        self.program.clone().within(|| run(of, statement, random, &self.words))
    }
}

fn run(
    (prover, shape): (&TensorProver, &ProofShape),
    statement: &Statement,
    mut random: Random,
    words: &[u32],
) -> Option<Proof> {
    let parameters = shape.parameters;
    let log_domain = shape.log_degree + parameters.log_blowup;
    let mut positions: Vec<usize> =
        words.iter().map(|word| *word as usize & ((1 << log_domain) - 1)).collect();
    positions.sort_unstable();
    positions.dedup();
    let model = &prover.model_tree().tree;
    let fixed: Vec<BaseColumn> =
        model.polynomials.iter().map(|column| column.evals.values.clone()).collect();
    let mut trees = vec![fixed];
    for sizes in &shape.sizes[1..] {
        trees.push(sizes.iter().map(|size| random.word(size + parameters.log_blowup)).collect());
    }
    let opened = shape.openings.iter().map(|openings| {
        openings.iter().map(|&rows| (0..rows).map(|_| random.extension()).collect()).collect()
    });
    let opened = TreeVec(opened.collect());

    // The challenges come first, and need nothing.
    let mut channel = Transcript::searching();
    let challenges = Challenges::draw(&mut channel);
    let composition = channel.draw_secure_felt();
    let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
    let batching = channel.draw_secure_felt();
    let mut simulator = Simulator { prover, shape, random, words: trees, opened, positions, point };
    let columns = model.polynomials.iter().zip(&shape.sizes[0]);
    simulator.opened[0] = columns
        .map(|(column, &size)| {
            let point = point.repeated_double(shape.log_degree - size);
            vec![column.eval_at_point(point, None)]
        })
        .collect();
    let public = IoChip::public_total(public_values(statement), &challenges);
    simulator.compose(&Randomness { challenges: &challenges, public, composition });
    let (queried, decommitments, roots) = simulator.decommit();
    let answers = fri_answers(
        TreeVec(simulator.sizes()),
        simulator.samples(),
        batching,
        &simulator.positions,
        queried.clone(),
        log_domain,
    )
    .unwrap();
    let word = simulator.batch(batching, &answers);

    let word = simulator.evaluate(&word);
    simulator.conclude(statement, &word, (queried, decommitments, roots))
}

type Decommitments = (
    TreeVec<Vec<Vec<BaseField>>>,
    Vec<stwo::core::vcs_lifted::verifier::MerkleDecommitmentLifted<Blake2sMerkleHasher>>,
    Vec<stwo::core::vcs::blake2_hash::Blake2sHash>,
);

impl Simulator<'_> {
    /// A polynomial's values, as FRI takes them.
    fn evaluate(&self, word: &[SecureField]) -> SecureEvaluation<SimdBackend, BitReversedOrder> {
        let twiddles = &self.prover.model_tree().twiddles;
        let domain = CanonicCoset::new(self.shape.log_degree + self.log_blowup()).circle_domain();
        let columns = std::array::from_fn(|at| {
            let values: BaseColumn = word.iter().map(|value| value.to_m31_array()[at]).collect();
            SimdBackend::evaluate(&Coefficients::new(values), domain, twiddles).values
        });
        SecureEvaluation::new(domain, SecureColumnByCoords { columns })
    }

    /// The rest is what a prover does; no proof if it would show a 0.
    fn conclude(
        self,
        statement: &Statement,
        word: &SecureEvaluation<SimdBackend, BitReversedOrder>,
        (queried_values, decommitments, roots): Decommitments,
    ) -> Option<Proof> {
        let parameters = self.shape.parameters;
        let config = parameters.pcs_config(self.shape.log_degree);
        let mut channel = Transcript::searching();
        open_transcript(&mut channel, self.prover.key(), statement);
        config.mix_into(&mut channel);
        Trees::mix_root(&mut channel, roots[0]);
        Trees::mix_root(&mut channel, roots[1]);
        channel.ask_for_work(parameters.challenge_pow_bits);
        Challenges::draw(&mut channel);
        Trees::mix_root(&mut channel, roots[2]);
        channel.ask_for_work(parameters.round_pow_bits);
        channel.draw_secure_felt();
        Trees::mix_root(&mut channel, roots[3]);
        CirclePoint::<SecureField>::get_random_point(&mut channel);
        channel.mix_felts(&self.opened.clone().flatten_cols());
        channel.draw_secure_felt();
        let twiddles = &self.prover.model_tree().twiddles;
        let fri = FriProver::<SimdBackend, Trees>::commit(
            &mut channel,
            config.fri_config,
            word,
            twiddles,
        );
        let proof_of_work = SimdBackend::grind(&channel, parameters.query_pow_bits);
        channel.mix_u64(proof_of_work);
        let fri = fri.decommit(&mut channel);
        assert_eq!(fri.query_positions, self.positions);
        let fri = fri.fri_proof;
        let stark = CommitmentSchemeProof {
            config,
            commitments: TreeVec(roots),
            sampled_values: self.opened,
            decommitments: TreeVec(decommitments),
            queried_values,
            proof_of_work,
            fri_proof: fri.proof,
        };
        let nonces = channel.into_nonces();
        (!shows_zero(&stark, &fri.aux)).then_some(Proof { nonces, stark: StarkProof(stark) })
    }

    /// Hashes all words, and opens them at the queries.
    fn decommit(&self) -> Decommitments {
        let log_domain = self.shape.log_degree + self.log_blowup();
        let (mut queried, mut decommitments, mut roots) = (vec![], vec![], vec![]);
        for words in &self.words {
            let columns = || words.iter().collect::<Vec<_>>();
            let tree = MerkleProverLifted::<SimdBackend, Blake2sMerkleHasher>::commit(
                columns(),
                log_domain,
                0,
            );
            let (values, decommitment) = tree.decommit(&self.positions, columns());
            queried.push(values);
            decommitments.push(decommitment.decommitment);
            roots.push(tree.root());
        }
        (TreeVec(queried), decommitments, roots)
    }
}

#[test]
fn a_simulator_without_a_witness_makes_what_proofs_show() {
    let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
    for preset in [Preset::FastTest, Preset::Standard, Preset::Proven] {
        for model in [models::dense(), models::mlp()] {
            let prover = hiding(&model, preset).commit();
            let (mut statement, _) = prover.prove(&[models::inputs(&model, 7)]).unwrap();
            // Not even a true statement: nothing of the execution is needed.
            statement.claims[0].outputs[0].public_mut().unwrap().data_mut()[0] ^= 1;
            let (proof, program) = simulate(&prover, &statement, 3);
            let proof = Proof::from_bytes(&proof.to_bytes(), prover.key()).unwrap();
            let verdict = || verify(prover.key(), &statement, &proof, &policy);
            assert_eq!(program.within(verdict), Ok(()), "{preset}");
            // Challenges that a hash gives are others.
            assert_eq!(verdict(), Err(VerificationError::Constraints), "{preset}");
        }
    }
}
