//! The form that proofs for a key have: everything about them that can be counted before one is
//! seen.

use std::collections::HashMap;
use std::ops::Range;

use num_traits::Zero;
use stwo::core::ColumnVec;
use stwo::core::air::Component;
use stwo::core::air::accumulation::PointEvaluationAccumulator;
use stwo::core::circle::CirclePoint;
use stwo::core::constraints::coset_vanishing;
use stwo::core::fields::FieldExpOps;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::pcs::TreeVec;
use stwo::core::poly::circle::CanonicCoset;
use stwo_constraint_framework::{FrameworkEval, InfoEvaluator, PointEvaluator};

use super::error::VerificationError;
use crate::air::{Air, Challenges, Chip as _, fixed_columns};
use crate::chips::AnyChip;
use crate::key::ModelKey;
use crate::preset::Parameters;
use crate::proof::{ChipClaim, Proof};

/// Number of trees: model, execution, LogUp and folds, composition.
pub(crate) const TREES: usize = 4;

/// In which rows a column is opened: this one, or the previous one and this one.
type Offsets = Vec<isize>;

/// What proofs for a key look like.
pub(crate) struct Form {
    places: Vec<Place>,
    /// For each tree but the last, the sizes of its columns as binary logarithms.
    pub(crate) sizes: [Vec<u32>; TREES - 1],
    /// For each tree, how often each column is opened.
    pub(crate) openings: [Vec<usize>; TREES],
    pub(crate) parameters: Parameters,
    /// Rows of the tallest column, as a binary logarithm.
    pub(crate) log_rows: u32,
}

/// Where a chip's columns stand in the trees, and how they are opened.
struct Place {
    chip: AnyChip,
    fixed: Vec<usize>,
    columns: [Range<usize>; 2],
    offsets: [Vec<Offsets>; 2],
    constraints: usize,
}

impl Form {
    /// Runs the constraints of every chip once.
    ///
    /// # Panics
    /// If a chip has no column that is opened in the previous row and in this one. Every chip has
    /// one: each makes at least one lookup, and the last LogUp column is such a column. On it hangs
    /// that a chip's rows repeat in the lifted trace, see `docs/soundness.md`.
    pub(crate) fn of(key: &ModelKey) -> Self {
        let columns = fixed_columns(&key.chips);
        let indices: HashMap<_, _> =
            columns.iter().enumerate().map(|(index, (id, _))| (id, index)).collect();
        let challenges = Challenges::dummy();
        let mut sizes = [columns.iter().map(|(_, size)| *size).collect(), vec![], vec![]];
        let mut places: Vec<Place> = vec![];
        for (number, &chip) in key.chips.iter().enumerate() {
            let air = Air::new(chip, number, challenges.clone(), ChipClaim::ZERO);
            let zero = SecureField::zero();
            let mut info = air.evaluate(InfoEvaluator::new(chip.log_size(), vec![], zero));
            let offsets: [Vec<Offsets>; 2] = [1, 2].map(|tree| {
                info.mask_offsets.get_mut(tree).map(std::mem::take).unwrap_or_default()
            });
            assert!(
                offsets.iter().flatten().any(|rows| rows[..] == [-1, 0]),
                "chip {number} has no column that is opened in two rows"
            );
            let columns = [0, 1].map(|at| {
                let start = sizes[at + 1].len();
                sizes[at + 1].resize(start + offsets[at].len(), chip.log_size());
                start..sizes[at + 1].len()
            });
            let fixed = info.preprocessed_columns.iter().map(|id| indices[id]).collect();
            places.push(Place { chip, fixed, columns, offsets, constraints: info.n_constraints });
        }
        let opened = |tree: usize| {
            places.iter().flat_map(|place| place.offsets[tree].iter().map(Vec::len)).collect()
        };
        let openings =
            [vec![1; columns.len()], opened(0), opened(1), vec![1; 2 * SECURE_EXTENSION_DEGREE]];
        let (parameters, log_rows) = (key.parameters(), key.max_log_size());
        Self { places, sizes, openings, parameters, log_rows }
    }

    /// Number of chips, each of which has a claim.
    pub(crate) fn chips(&self) -> usize {
        self.places.len()
    }

    /// The most hashes of an authentication path, for all queries together.
    pub(crate) fn path_hashes_max(&self) -> usize {
        self.parameters.queries * (self.log_rows + self.parameters.log_blowup) as usize
    }

    /// The most values of a layer of FRI that the verifier cannot compute.
    pub(crate) fn layer_values_max(&self) -> usize {
        self.parameters.queries << self.parameters.fold_step
    }

    /// The chips at the out-of-domain point.
    pub(crate) fn components<'a>(
        &'a self,
        challenges: &Challenges,
        claims: &[ChipClaim],
    ) -> Vec<PointComponent<'a>> {
        let chips = self.places.iter().zip(claims).enumerate();
        chips
            .map(|(number, (place, &claim))| {
                let air = Air::new(place.chip, number, challenges.clone(), claim);
                air.finish_naming();
                PointComponent { air, place }
            })
            .collect()
    }

    /// Compares a proof's form with the key's, so that stwo, which asserts it, may take it for
    /// granted.
    pub(crate) fn check(&self, proof: &Proof) -> Result<(), VerificationError> {
        let wrong = |what| Err(VerificationError::Structure(what));
        let stark = &proof.stark.0;
        if proof.claims.len() != self.chips() {
            return wrong("number of chips");
        }
        if proof.nonces.len() != self.parameters.nonces(self.log_rows) {
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
        if stark.fri_proof.inner_layers.len() != self.parameters.inner_layers(self.log_rows) {
            return wrong("number of FRI layers");
        }
        if stark.fri_proof.last_layer_poly.len() != 1 << self.parameters.last_layer(self.log_rows) {
            return wrong("length of the last FRI layer");
        }
        Ok(())
    }
}

/// A chip's constraints at the out-of-domain point: what stwo's verifier needs of stwo's component.
///
/// stwo's own looks every fixed column up in a list of all, which takes a time that is quadratic in
/// a key.
pub(crate) struct PointComponent<'a> {
    air: Air,
    place: &'a Place,
}

impl Component for PointComponent<'_> {
    fn n_constraints(&self) -> usize {
        self.place.constraints
    }

    fn max_constraint_log_degree_bound(&self) -> u32 {
        self.air.max_constraint_log_degree_bound()
    }

    fn trace_log_degree_bounds(&self) -> TreeVec<ColumnVec<u32>> {
        let [execution, interaction] = self.place.offsets.each_ref().map(Vec::len);
        let sizes = |columns| vec![self.air.log_size(); columns];
        TreeVec(vec![sizes(self.place.fixed.len()), sizes(execution), sizes(interaction)])
    }

    fn mask_points(
        &self,
        point: CirclePoint<SecureField>,
        max_log_degree_bound: u32,
    ) -> TreeVec<ColumnVec<Vec<CirclePoint<SecureField>>>> {
        let step = CanonicCoset::new(max_log_degree_bound).step();
        let shifted = |offset: &isize| point + step.mul_signed(*offset).into_ef();
        let points = |columns: &Vec<Offsets>| {
            columns.iter().map(|offsets| offsets.iter().map(shifted).collect()).collect()
        };
        let [execution, interaction] = self.place.offsets.each_ref().map(points);
        TreeVec(vec![vec![], execution, interaction])
    }

    fn preprocessed_column_indices(&self) -> ColumnVec<usize> {
        self.place.fixed.clone()
    }

    fn evaluate_constraint_quotients_at_point(
        &self,
        point: CirclePoint<SecureField>,
        mask: &TreeVec<ColumnVec<Vec<SecureField>>>,
        evaluation_accumulator: &mut PointEvaluationAccumulator,
        max_log_degree_bound: u32,
    ) {
        let fixed = self.place.fixed.iter().map(|&column| &mask[0][column]).collect();
        let [execution, interaction] =
            [1, 2].map(|tree| mask[tree][self.place.columns[tree - 1].clone()].iter().collect());
        let vanishing = coset_vanishing(CanonicCoset::new(max_log_degree_bound).coset, point);
        self.air.evaluate(PointEvaluator::new(
            TreeVec(vec![fixed, execution, interaction]),
            evaluation_accumulator,
            vanishing.inverse(),
            self.air.log_size(),
            SecureField::zero(),
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chips::{ConstantsChip, IoChip};
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
        let form = Form::of(key);
        let (parameters, log_rows) = (form.parameters, form.log_rows);
        let opened: usize = form.openings.iter().flatten().sum();
        let columns: usize = form.openings.iter().map(Vec::len).sum();
        let before = 2
            + 32 * form.chips()
            + 8 * parameters.nonces(log_rows)
            + 32 * TREES
            + 16 * opened
            + 4 * TREES;
        let answers = 4 * columns * positions as usize;
        let layers = 40 * (1 + parameters.inner_layers(log_rows));
        let last = 16 << parameters.last_layer(log_rows);
        let mut bytes = vec![0; before + 4 + answers + 8 + layers + last];
        bytes[0] = 2;
        bytes[before..before + 4].copy_from_slice(&positions.to_le_bytes());
        bytes
    }

    #[test]
    fn every_column_of_the_largest_key_has_one_place() {
        let key = largest_key(Preset::Standard);
        let form = Form::of(&key);
        let columns = fixed_columns(&key.chips).len();
        assert!(columns as u64 > COLUMNS_MAX / 2);
        let mut seen = vec![0; columns];
        for place in &form.places {
            place.fixed.iter().for_each(|&column| seen[column] += 1);
        }
        assert_eq!(seen, vec![1; columns]);
        for tree in 1..TREES - 1 {
            let places = form.places.iter().flat_map(|place| place.columns[tree - 1].clone());
            assert!(places.eq(0..form.sizes[tree].len()));
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
