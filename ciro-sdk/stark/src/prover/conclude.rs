//! From committed columns to a proof: composition, out-of-domain point, openings.
//!
//! The same steps as stwo's own prover, from its parts: theirs opens what its components'
//! constraints read, ours what [`ProofShape`] says, and ours shows each chip what the others add to
//! its sums.

use num_traits::Zero as _;
use stwo::core::channel::Channel as _;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::fri::FriProofAux;
use stwo::core::pcs::TreeVec;
use stwo::core::pcs::quotients::{CommitmentSchemeProof, ExtendedCommitmentSchemeProof};
use stwo::core::proof::StarkProof;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher as Hasher;
use stwo::prover::backend::simd::SimdBackend;
use stwo::prover::poly::circle::SecureCirclePoly;
use stwo::prover::{CommitmentSchemeProver, ComponentProver, ComponentProvers, Trace};
use stwo_constraint_framework::{FrameworkComponent, TraceLocationAllocator};
use tracing::info_span;

use super::balance::others;
use super::masked::Masked;
use super::masks::Masks;
use crate::air::{Air, Balance, Challenges, fixed_columns};
use crate::chips::AnyChip;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, Randomness};
use crate::transcript::{Transcript, Trees};

/// Commits columns and opens them.
pub(super) type Scheme<'a> = CommitmentSchemeProver<'a, SimdBackend, Trees>;

/// A proof on the way: trees 0 to 2 are committed.
pub(super) struct Committed<'a> {
    pub(super) channel: Transcript,
    pub(super) scheme: Scheme<'a>,
    pub(super) challenges: Challenges,
    /// The total of the public values.
    pub(super) public: SecureField,
    /// What chips add to each other's sums.
    pub(super) balance: Balance,
    /// What the composition polynomial is masked with.
    pub(super) masks: Option<Masks>,
}

/// A proof, and what its prover finds out about it.
pub(super) struct Concluded {
    pub(super) proof: Proof,
    /// Whether the constraints hold: whether a verifier's check at the out-of-domain point passes.
    pub(super) holds: bool,
    /// Whether a simulator makes such a proof too, where there are masks: those of FRI mask all of
    /// it, as their four coordinates do if the powers of the batching challenge are a basis of the
    /// field, and [no 0](shows_zero) is shown.
    pub(super) is_masked: bool,
}

/// Trees 0 to 3 are committed.
pub(super) struct Composed<'a> {
    pub(super) channel: Transcript,
    pub(super) scheme: Scheme<'a>,
    challenges: Challenges,
    public: SecureField,
    composition: SecureField,
    hides: bool,
}

impl<'a> Committed<'a> {
    /// Proves the constraints of the chips.
    pub(super) fn conclude(self, chips: &[AnyChip], shape: &ProofShape) -> Concluded {
        let _span = info_span!("stark").entered();
        self.compose(chips, shape).open(shape)
    }

    /// Commits the composition polynomial, and the masks of FRI where there are any.
    pub(super) fn compose(self, chips: &[AnyChip], shape: &ProofShape) -> Composed<'a> {
        let components = self.components(chips, shape.parameters.secrecy.excess());
        let Self { mut channel, mut scheme, challenges, public, balance, masks } = self;
        let composition = channel.draw_secure_felt();
        let composed = compose(&components, &balance, &scheme, composition);
        let mut builder = scheme.tree_builder();
        if let Some(masks) = &masks {
            builder.extend_polys(masks.pieces(composed));
            builder.extend_polys(masks.batch(shape.log_degree));
        } else {
            let (left, right) = composed.split_at_mid();
            builder.extend_polys(left.into_coordinate_polys());
            builder.extend_polys(right.into_coordinate_polys());
        }
        builder.commit(&mut channel);
        Composed { channel, scheme, challenges, public, composition, hides: masks.is_some() }
    }

    /// Builds one component for each chip, in the order of the key.
    fn components(&self, chips: &[AnyChip], excess: u32) -> Vec<Masked> {
        let ids = fixed_columns(chips).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        let mut allocator = TraceLocationAllocator::new_with_preprocessed_columns(&ids);
        let component = |(number, chip): (usize, &AnyChip)| {
            let closing = self.balance.closing((number, chip), self.public);
            let air = Air::new((number, *chip), self.challenges.clone(), closing).masked(excess);
            let none = SecureField::from(0u32);
            let component = FrameworkComponent::new(&mut allocator, air, none);
            component.finish_naming();
            Masked { component, excess }
        };
        chips.iter().enumerate().map(component).collect()
    }
}

impl Composed<'_> {
    /// Opens all columns out of domain, and shows that they are polynomials.
    fn open(self, shape: &ProofShape) -> Concluded {
        let Self { mut channel, scheme, challenges, public, composition, hides } = self;
        let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
        let before = hides.then(|| channel.clone());
        let ExtendedCommitmentSchemeProof { proof: stark, aux } =
            scheme.prove_values(shape.points(point), &mut channel);
        let opened = &stark.sampled_values;
        let randomness = Randomness { challenges: &challenges, public, composition };
        let holds =
            shape.composition(point, opened) == shape.constraints(point, opened, &randomness);
        let nonces = channel.into_nonces();
        let is_masked = before.is_none_or(|transcript| {
            let mut transcript = transcript.replaying(&nonces);
            transcript.mix_felts(&opened.clone().flatten_cols());
            let is_basis = !transcript.draw_secure_felt().1.is_zero();
            is_basis && (is_bare() || !shows_zero(&stark, &aux.fri))
        });
        Concluded { proof: Proof { nonces, stark: StarkProof(stark) }, holds, is_masked }
    }
}

/// The composition polynomial. Behind the trees, each chip finds what others add to its sums, in
/// the order of [`Balance::sums`], in which stwo hands the columns out.
fn compose(
    components: &[Masked],
    balance: &Balance,
    scheme: &Scheme<'_>,
    composition: SecureField,
) -> SecureCirclePoly<SimdBackend> {
    let log_blowup = scheme.config.fri_config.log_blowup_factor;
    let excess = components.first().map_or(0, |chip| chip.excess);
    let trees = scheme.trace();
    let others = info_span!("balance").in_scope(|| others(balance, &trees, [log_blowup, excess]));
    let mut polys: Vec<Vec<_>> = trees.polys.0;
    polys.push(others.iter().collect());
    let trace = Trace { polys: TreeVec(polys) };
    let provers: Vec<_> =
        components.iter().map(|component| component as &dyn ComponentProver<SimdBackend>).collect();
    let provers = ComponentProvers {
        components: provers,
        n_preprocessed_columns: scheme.trees[0].polynomials.len(),
    };
    provers.compute_composition_polynomial(composition, &trace, scheme.twiddles, log_blowup)
}

/// Whether a masked element is 0 that a verifier reads or computes: opened values of all trees but
/// the model's, values of FRI in the leaves that queries open, the last layer.
///
/// stwo's transforms may leave a 0 as the modulus, which no verifier reads and which has another
/// hash. Whether they did depends on how the 0 came about, on the witness too. So whoever hides
/// makes no proof that shows any 0, however it is written: that is a matter of what is shown alone.
pub(super) fn shows_zero(stark: &CommitmentSchemeProof<Hasher>, fri: &FriProofAux<Hasher>) -> bool {
    let base = |value: &BaseField| value.0.is_multiple_of(P);
    let extension = |value: &SecureField| value.to_m31_array().iter().any(base);
    let layers = std::iter::once(&fri.first_layer).chain(&fri.inner_layers);
    let mut values = layers.flat_map(|layer| &layer.all_values).flat_map(|values| values.values());
    stark.sampled_values.iter().skip(1).flatten().flatten().any(extension)
        || stark.queried_values.iter().skip(1).flatten().flatten().any(base)
        || values.any(extension)
        || stark.fri_proof.last_layer_poly.iter().any(extension)
}

/// Whether a test has left masks out, to look at what is shown then: zeros, among other things.
#[cfg(test)]
fn is_bare() -> bool {
    use crate::chips::defects::{Defect, is_back};
    let masks = [Defect::BareColumns, Defect::BarePieces, Defect::BareBatch, Defect::BareLeaves];
    masks.into_iter().any(is_back)
}

#[cfg(not(test))]
const fn is_bare() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use stwo::core::poly::line::LinePoly;

    use super::*;
    use crate::preset::Preset;
    use crate::prover::batch::composed;
    use crate::prover::tests::{hiding, models};

    /// What a prover opens, before anybody looks at it.
    fn opened(seed: u8) -> ExtendedCommitmentSchemeProof<Hasher> {
        let prover = hiding(&models::mlp(), Preset::FastTest).commit();
        let shape = ProofShape::of(prover.key());
        let Composed { mut channel, scheme, .. } = composed(&prover, [seed; 32]);
        let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
        scheme.prove_values(shape.points(point), &mut channel)
    }

    /// A change that makes some element 0.
    type Change = fn(&mut ExtendedCommitmentSchemeProof<Hasher>, BaseField);

    #[test]
    fn a_zero_is_seen_wherever_it_is_shown_and_however_it_is_written() {
        let ExtendedCommitmentSchemeProof { proof, aux } = opened(1);
        assert!(!shows_zero(&proof, &aux.fri));
        let changes: [(bool, Change); 10] = [
            (true, |it, zero| it.proof.sampled_values[1][0][0].0.0 = zero),
            (true, |it, zero| it.proof.sampled_values[2][1][0].0.1 = zero),
            (true, |it, zero| it.proof.sampled_values[3][2][0].1.0 = zero),
            (true, |it, zero| it.proof.queried_values[1][0][0] = zero),
            (true, |it, zero| {
                *it.proof.queried_values[3].last_mut().unwrap().last_mut().unwrap() = zero
            }),
            (true, |it, zero| {
                it.aux.fri.first_layer.all_values[0].values_mut().next().unwrap().1.1 = zero;
            }),
            (true, |it, zero| {
                it.aux.fri.inner_layers[0].all_values[0].values_mut().next().unwrap().0.0 = zero;
            }),
            (true, |it, zero| {
                let last: Vec<_> = it.proof.fri_proof.last_layer_poly.iter().copied().collect();
                let with_zero = [&[SecureField::from(zero)], &last[1..]].concat();
                it.proof.fri_proof.last_layer_poly = LinePoly::new(with_zero);
            }),
            // The model is public.
            (false, |it, zero| it.proof.sampled_values[0][0][0].0.0 = zero),
            (false, |it, zero| it.proof.queried_values[0][0][0] = zero),
        ];
        for zero in [BaseField::zero(), BaseField::from_u32_unchecked(P)] {
            for (at, (expected, change)) in changes.iter().enumerate() {
                let mut other = opened(1);
                change(&mut other, zero);
                assert_eq!(shows_zero(&other.proof, &other.aux.fri), *expected, "{at}, {zero}");
            }
        }
    }
}
