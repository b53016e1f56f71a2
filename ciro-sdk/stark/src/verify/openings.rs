//! Whether a proof answers every query.

use stwo::core::channel::Channel;
use stwo::core::fields::m31::BaseField;
use stwo::core::fri::{CirclePolyDegreeBound, FriVerifier};
use stwo::core::pcs::PcsConfig;
use stwo::core::pcs::utils::prepare_preprocessed_query_positions;

use super::error::VerificationError;
use crate::proof::Proof;
use crate::proof_shape::ProofShape;
use crate::transcript::{Transcript, Trees};

/// Checks that the proof answers each query, the same way where positions coincide.
///
/// stwo asserts this where we want an error; `channel` is the transcript after the out-of-domain
/// point.
pub(super) fn check_openings(
    shape: &ProofShape,
    proof: &Proof,
    config: &PcsConfig,
    channel: Transcript,
) -> Result<(), VerificationError> {
    let positions = query_positions(shape, proof, config, channel)?;
    let log_domain = shape.log_degree + config.fri_config.log_blowup_factor;
    let fixed = prepare_preprocessed_query_positions(&positions, log_domain, log_domain);
    for (tree, queried) in proof.stark.0.queried_values.iter().enumerate() {
        let positions = if tree == 0 { &fixed } else { &positions };
        if queried.iter().any(|column| !answers(positions, column)) {
            return Err(VerificationError::Structure("answers to queries"));
        }
    }
    Ok(())
}

/// Finds the query positions of a proof; `channel` is the transcript after the out-of-domain point.
pub(crate) fn query_positions(
    shape: &ProofShape,
    proof: &Proof,
    config: &PcsConfig,
    mut channel: Transcript,
) -> Result<Vec<usize>, VerificationError> {
    let stark = &proof.stark.0;
    channel.mix_felts(&stark.sampled_values.clone().flatten_cols());
    let _quotients = channel.draw_secure_felt();
    let mut fri = FriVerifier::<Trees>::commit(
        &mut channel,
        config.fri_config,
        stark.fri_proof.clone(),
        CirclePolyDegreeBound::new(shape.log_degree),
    )
    .map_err(|error| VerificationError::Opening(error.to_string()))?;
    if !channel.is_paid() {
        return Err(VerificationError::ChallengeProofOfWork);
    }
    channel.mix_u64(stark.proof_of_work);
    Ok(fri.sample_query_positions(&mut channel))
}

/// Whether a column has one value for each position, equal ones for equal positions.
fn answers(positions: &[usize], column: &[BaseField]) -> bool {
    let pairs = || positions.windows(2).zip(column.windows(2));
    positions.len() == column.len() && pairs().all(|(p, c)| p[0] != p[1] || c[0] == c[1])
}
