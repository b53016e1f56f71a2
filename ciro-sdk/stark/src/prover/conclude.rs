//! From committed columns to a proof: composition, out-of-domain point, openings.
//!
//! The same steps as stwo's own prover, from its parts: theirs opens what its components'
//! constraints read, ours what [`ProofShape`] says, and ours shows each chip what the others add to
//! its sums.

use num_traits::Zero as _;
use stwo::core::channel::Channel as _;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::SecureField;
use stwo::core::pcs::TreeVec;
use stwo::core::proof::StarkProof;
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
    /// Whether the masks of FRI mask all of it, where there are any: their four coordinates do if
    /// the powers of the batching challenge are a basis of the field.
    pub(super) is_masked: bool,
}

impl Committed<'_> {
    /// Proves the constraints of the chips.
    pub(super) fn conclude(self, chips: &[AnyChip], shape: &ProofShape) -> Concluded {
        let _span = info_span!("stark").entered();
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

        let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
        let before = masks.is_some().then(|| channel.clone());
        let stark = scheme.prove_values(shape.points(point), &mut channel).proof;
        let opened = &stark.sampled_values;
        let randomness = Randomness { challenges: &challenges, public, composition };
        let holds =
            shape.composition(point, opened) == shape.constraints(point, opened, &randomness);
        let nonces = channel.into_nonces();
        let is_masked = before.is_none_or(|transcript| {
            let mut transcript = transcript.replaying(&nonces);
            transcript.mix_felts(&opened.clone().flatten_cols());
            !transcript.draw_secure_felt().1.is_zero()
        });
        Concluded { proof: Proof { nonces, stark: StarkProof(stark) }, holds, is_masked }
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
