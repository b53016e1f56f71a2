//! Whether a proof answers every query.

use stwo::core::channel::{Channel, MerkleChannel as _};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;
use stwo::core::fri::{CirclePolyDegreeBound, FriVerifier};
use stwo::core::pcs::PcsConfig;
use stwo::core::pcs::utils::prepare_preprocessed_query_positions;

use super::error::VerificationError;
use super::form::{Form, TREES};
use crate::proof::Proof;
use crate::transcript::{Transcript, Trees};

/// Finds the query positions and checks that the proof answers each of them, the same way where
/// positions coincide.
///
/// stwo asserts this where we want an error; `channel` is the transcript after tree 2.
pub(super) fn check_openings(
    form: &Form,
    proof: &Proof,
    config: &PcsConfig,
    mut channel: Transcript,
) -> Result<(), VerificationError> {
    let stark = &proof.stark.0;
    let _composition = channel.draw_secure_felt();
    Trees::mix_root(&mut channel, stark.commitments[TREES - 1]);
    let _point = CirclePoint::<SecureField>::get_random_point(&mut channel);
    channel.mix_felts(&stark.sampled_values.clone().flatten_cols());
    let _quotients = channel.draw_secure_felt();
    let mut fri = FriVerifier::<Trees>::commit(
        &mut channel,
        config.fri_config,
        stark.fri_proof.clone(),
        CirclePolyDegreeBound::new(form.log_rows),
    )
    .map_err(|error| VerificationError::Opening(error.to_string()))?;
    if !channel.is_paid() {
        return Err(VerificationError::ChallengeProofOfWork);
    }
    channel.mix_u64(stark.proof_of_work);
    let positions = fri.sample_query_positions(&mut channel);
    let log_domain = form.log_rows + config.fri_config.log_blowup_factor;
    let fixed = prepare_preprocessed_query_positions(&positions, log_domain, log_domain);
    for (tree, queried) in stark.queried_values.iter().enumerate() {
        let positions = if tree == 0 { &fixed } else { &positions };
        if queried.iter().any(|column| !answers(positions, column)) {
            return Err(VerificationError::Structure("answers to queries"));
        }
    }
    Ok(())
}

/// Whether a column has one value for each position, equal ones for equal positions.
fn answers(positions: &[usize], column: &[BaseField]) -> bool {
    let pairs = || positions.windows(2).zip(column.windows(2));
    positions.len() == column.len() && pairs().all(|(p, c)| p[0] != p[1] || c[0] == c[1])
}
