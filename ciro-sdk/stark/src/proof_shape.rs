//! The shape that proofs for a key have: everything about them that can be counted before one is
//! seen.

use std::collections::HashMap;
use std::ops::Range;

use num_traits::Zero;
use stwo::core::ColumnVec;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::circle::CirclePoint;
use stwo::core::constraints::coset_vanishing;
use stwo::core::fields::FieldExpOps;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::pcs::TreeVec;
use stwo::core::poly::circle::CanonicCoset;
use stwo_constraint_framework::{
    FrameworkEval, INTERACTION_TRACE_IDX, InfoEvaluator, PREPROCESSED_TRACE_IDX, PointEvaluator,
};

use crate::air::{Air, Balance, Challenges, Chip as _, fixed_columns};
use crate::chips::AnyChip;
use crate::key::ModelKey;
use crate::preset::Parameters;
use crate::proof::Proof;

/// Number of trees: model, execution, LogUp and folds, composition.
pub(crate) const TREES: usize = 4;

/// In which rows a column is opened: this one, or the previous one and this one.
type Offsets = Vec<isize>;

/// For each tree and column, something about each of its openings.
type ByOpening<T> = TreeVec<ColumnVec<Vec<T>>>;

/// What proofs for a key look like.
pub(crate) struct ProofShape {
    places: Vec<Place>,
    balance: Balance,
    /// For each tree, how many coefficients its columns have, as binary logarithms.
    pub(crate) sizes: [Vec<u32>; TREES],
    /// For each tree, how often each column is opened out of domain.
    pub(crate) openings: [Vec<usize>; TREES],
    pub(crate) parameters: Parameters,
    /// Rows of the tallest chip, as a binary logarithm.
    log_rows: u32,
    /// Coefficients of the tallest column, as a binary logarithm.
    pub(crate) log_degree: u32,
}

/// Where a chip's columns stand in the trees, and how they are opened.
struct Place {
    chip: AnyChip,
    fixed: Vec<usize>,
    columns: [Range<usize>; 2],
    offsets: [Vec<Offsets>; 2],
    /// Its last columns, which are opened in the previous row too though no constraint looks there:
    /// that shows that a short chip's rows repeat.
    repeating: usize,
}

/// What the constraints depend on beside the columns.
pub(crate) struct Randomness<'a> {
    pub(crate) challenges: &'a Challenges,
    /// The total of the public values.
    pub(crate) public: SecureField,
    /// Separates the constraints from each other.
    pub(crate) composition: SecureField,
}

impl ProofShape {
    /// Runs the constraints of every chip once.
    ///
    /// # Panics
    /// If a short chip has no LogUp column that is opened in the previous row and in this one.
    /// Every chip has one: each makes at least one lookup. On it hangs that a chip's rows repeat in
    /// the lifted trace, see `docs/soundness.md`.
    pub(crate) fn of(key: &ModelKey) -> Self {
        let columns = fixed_columns(&key.chips);
        let indices: HashMap<_, _> =
            columns.iter().enumerate().map(|(index, (id, _))| (id, index)).collect();
        let (challenges, zero) = (Challenges::dummy(), SecureField::zero());
        let balance = Balance::of(&key.chips);
        let (parameters, log_rows) = (key.parameters(), key.max_log_size());
        let secrecy = parameters.secrecy;
        let (excess, log_degree) = (secrecy.excess(), log_rows + secrecy.excess());
        let fixed = columns.iter().map(|(_, log_size)| log_size + excess).collect();
        let last = SECURE_EXTENSION_DEGREE * secrecy.pieces().iter().sum::<usize>();
        let mut sizes = [fixed, vec![], vec![], vec![log_degree; last]];
        let mut places: Vec<Place> = vec![];
        for (number, &chip) in key.chips.iter().enumerate() {
            let closing = balance.closing((number, &chip), zero);
            let air = Air::new((number, chip), challenges.clone(), closing);
            let mut info = air.evaluate(InfoEvaluator::new(chip.log_size(), vec![], zero));
            let mut offsets: [Vec<Offsets>; 2] = [1, 2].map(|tree| {
                info.mask_offsets.get_mut(tree).map(std::mem::take).unwrap_or_default()
            });
            let mut repeating = 0;
            if balance.opens_twice((number, &chip)) {
                for offsets in offsets[1].iter_mut().rev().take(SECURE_EXTENSION_DEGREE) {
                    if offsets[..] == [0] {
                        offsets.insert(0, -1);
                        repeating += 1;
                    }
                    assert_eq!(offsets[..], [-1, 0], "chip {number}");
                }
            }
            let columns = [0, 1].map(|at| {
                let start = sizes[at + 1].len();
                sizes[at + 1].resize(start + offsets[at].len(), chip.log_size() + excess);
                start..sizes[at + 1].len()
            });
            let fixed = info.preprocessed_columns.iter().map(|id| indices[id]).collect();
            places.push(Place { chip, fixed, columns, offsets, repeating });
        }
        let opened = |tree: usize| {
            places.iter().flat_map(|place| place.offsets[tree].iter().map(Vec::len)).collect()
        };
        let mut openings = [vec![1; columns.len()], opened(0), opened(1), vec![1; last]];
        for ((sizes, openings), salts) in sizes.iter_mut().zip(&mut openings).zip(secrecy.salts()) {
            sizes.resize(sizes.len() + salts, log_degree);
            openings.resize(openings.len() + salts, 0);
        }
        Self { places, balance, sizes, openings, parameters, log_rows, log_degree }
    }

    /// The most hashes of an authentication path, for all queries together.
    pub(crate) fn path_hashes_max(&self) -> usize {
        self.parameters.queries * (self.log_degree + self.parameters.log_blowup) as usize
    }

    /// The most values of a layer of FRI that the verifier cannot compute.
    pub(crate) fn layer_values_max(&self) -> usize {
        self.parameters.queries << self.parameters.fold_step
    }

    /// Where every column is opened, for an out-of-domain point; salts are opened nowhere.
    pub(crate) fn points(
        &self,
        point: CirclePoint<SecureField>,
    ) -> ByOpening<CirclePoint<SecureField>> {
        let step = CanonicCoset::new(self.log_rows).step();
        let shifted = |offset: &isize| point + step.mul_signed(*offset).into_ef();
        let of_tree = |tree: usize| {
            let offsets = self.places.iter().flat_map(move |place| &place.offsets[tree]);
            offsets.map(|offsets| offsets.iter().map(shifted).collect()).collect::<Vec<_>>()
        };
        let once = |tree: usize| vec![vec![point]; self.openings[tree].len()];
        let mut points = vec![once(0), of_tree(0), of_tree(1), once(TREES - 1)];
        points.iter_mut().zip(&self.openings).for_each(|(tree, openings)| {
            tree.resize(openings.len(), vec![]);
        });
        TreeVec(points)
    }

    /// The composition polynomial at a point, from its pieces' values there: `q0 + v q1 + ..`,
    /// where `v` vanishes on the rows of the tallest chip.
    ///
    /// # Panics
    /// If the values are not those of a proof of this shape.
    pub(crate) fn composition(
        &self,
        point: CirclePoint<SecureField>,
        opened: &ByOpening<SecureField>,
    ) -> SecureField {
        let piece = |at: usize| {
            SecureField::from_partial_evals(std::array::from_fn(|coordinate| {
                opened[TREES - 1][at * SECURE_EXTENSION_DEGREE + coordinate][0]
            }))
        };
        let vanishing = point.repeated_double(self.log_rows - 1).x;
        let [pieces, _] = self.parameters.secrecy.pieces();
        let zero = SecureField::zero();
        (0..pieces).rev().fold(zero, |sum, at| sum * vanishing + piece(at))
    }

    /// All constraints at a point, divided by what vanishes on the trace: what the composition
    /// polynomial has to be there.
    ///
    /// # Panics
    /// As [`Self::composition`].
    pub(crate) fn constraints(
        &self,
        point: CirclePoint<SecureField>,
        opened: &ByOpening<SecureField>,
        randomness: &Randomness<'_>,
    ) -> SecureField {
        let vanishing = coset_vanishing(CanonicCoset::new(self.log_rows).coset, point).inverse();
        let mut sum = PointEvaluationAccumulator::new(randomness.composition);
        for (number, place) in self.places.iter().enumerate() {
            let closing = self.balance.closing((number, &place.chip), randomness.public);
            let air = Air::new((number, place.chip), randomness.challenges.clone(), closing);
            air.finish_naming();
            let columns = opened[PREPROCESSED_TRACE_IDX].as_slice();
            let fixed = place.fixed.iter().map(|&column| &columns[column]).collect();
            let [execution, all] = [0, 1].map(|at| &opened[at + 1][place.columns[at].clone()]);
            // What constraints see of columns that are opened in the previous row in vain.
            let (interaction, repeating) = all.split_at(all.len() - place.repeating);
            let repeating: Vec<_> = repeating.iter().map(|rows| rows[1..].to_vec()).collect();
            let others = self.others(number, &opened[INTERACTION_TRACE_IDX]);
            air.evaluate(PointEvaluator::new(
                TreeVec(vec![
                    fixed,
                    execution.iter().collect(),
                    interaction.iter().chain(&repeating).collect(),
                    others.iter().collect(),
                ]),
                &mut sum,
                vanishing,
                place.chip.log_size(),
                SecureField::zero(),
            ));
        }
        sum.finalize()
    }

    /// What other chips add to the sums that a chip closes, at a point: one value in a list for
    /// each coordinate.
    fn others(&self, chip: usize, opened: &ColumnVec<Vec<SecureField>>) -> Vec<Vec<SecureField>> {
        let now = |column: usize| opened[column].last().expect("every column is opened");
        let sums = self.balance.sums().iter().filter(|sum| sum.closer == chip);
        sums.flat_map(|sum| sum.at_point(now)).map(|value| vec![value]).collect()
    }

    /// Compares a proof's shape with the key's, so that stwo, which asserts it, may take it for
    /// granted.
    ///
    /// # Errors
    /// What is different.
    pub(crate) fn check(&self, proof: &Proof) -> Result<(), &'static str> {
        let wrong = Err;
        let stark = &proof.stark.0;
        if proof.nonces.len() != self.parameters.nonces(self.log_degree) {
            return wrong("number of nonces");
        }
        let trees = [
            stark.commitments.len(),
            stark.sampled_values.len(),
            stark.decommitments.len(),
            stark.queried_values.len(),
        ];
        if trees != [TREES; 4] {
            return wrong("number of trees");
        }
        for (openings, sampled) in self.openings.iter().zip(&*stark.sampled_values) {
            if !sampled.iter().map(Vec::len).eq(openings.iter().copied()) {
                return wrong("number of opened values");
            }
        }
        for (openings, queried) in self.openings.iter().zip(&*stark.queried_values) {
            if queried.len() != openings.len() {
                return wrong("number of columns");
            }
        }
        if stark.fri_proof.inner_layers.len() != self.parameters.inner_layers(self.log_degree) {
            return wrong("number of FRI layers");
        }
        if stark.fri_proof.last_layer_poly.len() != 1 << self.parameters.last_layer(self.log_degree)
        {
            return wrong("length of the last FRI layer");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use num_traits::One;
    use stwo::core::circle::SECURE_FIELD_CIRCLE_GEN;
    use stwo::core::fields::m31::BaseField;
    use stwo::core::pcs::quotients::{PointSample, build_samples_with_randomness_and_periodicity};

    use super::*;
    use crate::air::Shape;
    use crate::chips::{AccumulateChip, ConstantsChip, ContractChip, IoChip};
    use crate::key::COLUMNS_MAX;
    use crate::preset::Preset;
    use crate::statement::empty;
    use crate::verify::{Policy, verify};

    /// A key with about as many columns as one may have.
    fn largest_key(preset: Preset) -> ModelKey {
        let constants = AnyChip::Constants(ConstantsChip { log_size: 16, lanes: 64 });
        let io = AnyChip::Io(IoChip { log_size: 5, lanes: 1 });
        let chips = std::iter::once(io).chain([constants; 25]).collect();
        let key = ModelKey::of_chips(preset, chips, [0; 32]);
        ModelKey::from_bytes(&key.to_bytes()).unwrap()
    }

    /// As many zeros as a proof for a key has bytes, with `positions` answers to queries and empty
    /// paths.
    fn zeros(key: &ModelKey, positions: u32) -> Vec<u8> {
        let shape = ProofShape::of(key);
        let (parameters, log_degree) = (shape.parameters, shape.log_degree);
        let opened: usize = shape.openings.iter().flatten().sum();
        let columns: usize = shape.openings.iter().map(Vec::len).sum();
        let before = 2 + 8 * parameters.nonces(log_degree) + 32 * TREES + 16 * opened + 4 * TREES;
        let answers = 4 * columns * positions as usize;
        let layers = 40 * (1 + parameters.inner_layers(log_degree));
        let last = 16 << parameters.last_layer(log_degree);
        let mut bytes = vec![0; before + 4 + answers + 8 + layers + last];
        bytes[..2].copy_from_slice(&Proof::VERSION.to_le_bytes());
        bytes[before..before + 4].copy_from_slice(&positions.to_le_bytes());
        bytes
    }

    #[test]
    fn every_column_of_the_largest_key_has_one_place() {
        let key = largest_key(Preset::Standard);
        let shape = ProofShape::of(&key);
        let columns = fixed_columns(&key.chips).len();
        assert!(columns as u64 > COLUMNS_MAX / 2);
        let mut seen = vec![0; columns];
        for place in &shape.places {
            place.fixed.iter().for_each(|&column| seen[column] += 1);
        }
        assert_eq!(seen, vec![1; columns]);
        for tree in 1..TREES - 1 {
            let places = shape.places.iter().flat_map(|place| place.columns[tree - 1].clone());
            assert!(places.eq(0..shape.sizes[tree].len()));
        }
    }

    /// The argument for lifted columns in `docs/soundness.md` rests on which columns stwo opens a
    /// third time, and where.
    #[test]
    fn folds_and_last_lookups_of_short_chips_are_opened_one_period_further_on() {
        let chips = vec![
            AnyChip::Io(IoChip { log_size: 5, lanes: 1 }),
            AnyChip::Contract(ContractChip { log_size: 6, left: 1, right: 1, dynamic: false }),
            AnyChip::Constants(ConstantsChip { log_size: 9, lanes: 4 }),
            AnyChip::Accumulate(AccumulateChip { log_size: 7, lanes: 1, limbs: None }),
            AnyChip::Constants(ConstantsChip { log_size: 9, lanes: 1 }),
        ];
        let shape = ProofShape::of(&ModelKey::of_chips(Preset::FastTest, chips, [0; 32]));
        let point = SECURE_FIELD_CIRCLE_GEN.mul(12_345);
        let points = shape.points(point);
        let value = |at: usize| SecureField::from(BaseField::from(at)) + SecureField::one();
        let samples = TreeVec(
            points.0[..TREES - 1]
                .iter()
                .map(|tree| {
                    let of = |points: &Vec<CirclePoint<SecureField>>| {
                        let sample = |(at, &point)| PointSample { point, value: value(at) };
                        points.iter().enumerate().map(sample).collect()
                    };
                    tree.iter().map(of).collect()
                })
                .collect(),
        );
        let sizes = shape.sizes[..TREES - 1].iter().map(|sizes| sizes.iter().copied()).collect();
        let opened = build_samples_with_randomness_and_periodicity(
            &samples,
            sizes,
            shape.log_rows,
            value(7),
        );
        for (number, place) in shape.places.iter().enumerate() {
            let (chip, log_size) = (Shape::of(&place.chip), place.chip.log_size());
            let columns = &opened[INTERACTION_TRACE_IDX][place.columns[1].clone()];
            let folds = SECURE_EXTENSION_DEGREE * chip.folds;
            let last = columns.len() - SECURE_EXTENSION_DEGREE;
            for (at, samples) in columns.iter().enumerate() {
                let repeats = at < folds || (at >= last && (log_size < 9 || number == 2));
                assert_eq!(samples.len(), if repeats { 3 } else { 1 }, "chip {number}, {at}");
                if repeats {
                    let (period, now) = (&samples[0].0, &samples[2].0);
                    let step = CanonicCoset::new(shape.log_rows).step().repeated_double(log_size);
                    assert_eq!(now.point, point);
                    assert_eq!(period.point, point + step.into_ef());
                    assert_eq!(period.value, now.value);
                }
            }
        }
    }

    #[test]
    fn a_proof_of_zeros_is_refused_by_the_largest_key() {
        let statement = empty();
        for preset in Preset::ALL {
            let key = largest_key(preset);
            let positions = u32::try_from(key.parameters().queries).unwrap();
            let proof = Proof::from_bytes(&zeros(&key, positions), &key).unwrap();
            let policy = Policy { min_security_bits: 0, min_proven_bits: 0 };
            assert!(verify(&key, &statement, &proof, &policy).is_err(), "{preset}");
        }
    }
}
