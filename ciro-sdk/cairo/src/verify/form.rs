//! The form that a claim asks of its proof: how many values are opened and queried.
//!
//! stwo's verifier asserts what is checked here. A panic of it is caught all the same, but whoever
//! builds with `panic = "abort"` has no such net, and a proof is anybody's.

use cairo_air::cairo_components::CairoComponents;
use cairo_air::relations::CommonLookupElements;
use stwo::core::air::Components;
use stwo::core::channel::{Blake2sChannel, Channel, MerkleChannel};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::{SECURE_EXTENSION_DEGREE, SecureField};
use stwo::core::fri::{CirclePolyDegreeBound, FriVerifier};
use stwo::core::pcs::utils::prepare_preprocessed_query_positions;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;

use super::CairoVerificationError;
use crate::proof::Inner;
use crate::security;

/// The preprocessed trace, the execution, the lookups, the composition polynomial.
const TREES: usize = 4;

/// Checks the form of a proof whose claim and parameters keep every rule of [`super::claim`].
pub(super) fn check(proof: &Inner) -> Result<(), CairoVerificationError> {
    let wrong = |what: &str| Err(CairoVerificationError::Structure(what.to_owned()));
    let stark = &proof.stark_proof.0;
    let trees = [stark.sampled_values.len(), stark.decommitments.len(), stark.queried_values.len()];
    if trees != [TREES; 3] {
        return wrong("number of trees");
    }
    let openings = openings(proof);
    for (openings, sampled) in openings.iter().zip(stark.sampled_values.iter()) {
        if !sampled.iter().map(Vec::len).eq(openings.iter().copied()) {
            return wrong("number of opened values");
        }
    }
    for (openings, queried) in openings.iter().zip(stark.queried_values.iter()) {
        if queried.len() != openings.len() {
            return wrong("number of columns");
        }
    }
    let positions = positions(proof)?;
    let lifting = stark.config.lifting_log_size.unwrap_or(0);
    let fixed = prepare_preprocessed_query_positions(&positions, lifting, lifting);
    for (tree, queried) in stark.queried_values.iter().enumerate() {
        let positions = if tree == 0 { &fixed } else { &positions };
        if !queried.iter().all(|column| answers(positions, column)) {
            return wrong("answers to queries");
        }
    }
    Ok(())
}

/// How many values of each column are opened, tree by tree.
fn openings(proof: &Inner) -> Vec<Vec<usize>> {
    let preprocessed = proof.preprocessed_trace_variant.to_preprocessed_trace().ids();
    let elements = CommonLookupElements::dummy();
    let generator =
        CairoComponents::new(&proof.claim, &elements, &proof.interaction_claim, &preprocessed);
    let components = Components {
        components: generator.components(),
        n_preprocessed_columns: preprocessed.len(),
    };
    let masks = components.mask_points(CirclePoint::zero(), log_rows(proof), false);
    let masks = masks.iter().map(|tree| tree.iter().map(Vec::len).collect());
    masks.chain([vec![1; 2 * SECURE_EXTENSION_DEGREE]]).collect()
}

/// The positions that the verifier is going to query: its transcript, up to there.
fn positions(proof: &Inner) -> Result<Vec<usize>, CairoVerificationError> {
    let stark = &proof.stark_proof.0;
    let channel = &mut Blake2sChannel::default();
    let root = |channel: &mut Blake2sChannel, tree: usize| {
        Blake2sMerkleChannel::mix_root(channel, stark.commitments[tree]);
    };
    channel.mix_felts(&[proof.channel_salt.into()]);
    stark.config.mix_into(channel);
    root(channel, 0);
    proof.claim.mix_into::<Blake2sMerkleChannel>(channel);
    root(channel, 1);
    channel.mix_u64(proof.interaction_pow);
    let _elements = CommonLookupElements::draw(channel);
    proof.interaction_claim.mix_into(channel);
    root(channel, 2);
    let _composition = channel.draw_secure_felt();
    root(channel, 3);
    let _point = CirclePoint::<SecureField>::get_random_point(channel);
    channel.mix_felts(&stark.sampled_values.clone().flatten_cols());
    let _quotients = channel.draw_secure_felt();
    let bound = CirclePolyDegreeBound::new(log_rows(proof));
    let fri = stark.fri_proof.clone();
    let mut fri =
        FriVerifier::<Blake2sMerkleChannel>::commit(channel, stark.config.fri_config, fri, bound)
            .map_err(|error| CairoVerificationError::Stark(error.to_string()))?;
    channel.mix_u64(stark.proof_of_work);
    Ok(fri.sample_query_positions(channel))
}

/// Binary logarithm of the rows that all columns are lifted to.
fn log_rows(proof: &Inner) -> u32 {
    let lifting = proof.stark_proof.0.config.lifting_log_size.unwrap_or(0);
    lifting.saturating_sub(security::LOG_BLOWUP_FACTOR)
}

/// Whether a column has one value for each position, equal ones for equal positions.
fn answers(positions: &[usize], column: &[BaseField]) -> bool {
    let pairs = || positions.windows(2).zip(column.windows(2));
    positions.len() == column.len() && pairs().all(|(p, c)| p[0] != p[1] || c[0] == c[1])
}
