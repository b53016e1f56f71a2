//! The verifier: needs a model key, a statement and a proof, and trusts nothing in the proof.

mod claims;
mod error;
pub(crate) mod form;
mod openings;
mod policy;

use ciro_model::integer::{StatedInput, Statement};
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::verifier::VerificationError as StarkError;

use self::claims::check_claims;
use self::form::Form;
use self::openings::check_openings;
use crate::air::Challenges;
use crate::key::ModelKey;
use crate::proof::Proof;
use crate::security::Security;
use crate::transcript::{Transcript, Trees, mix_claims, open_transcript};

pub use error::VerificationError;
pub use policy::Policy;

/// Verifies that every inference of the statement is what the key's model computes.
///
/// Shapes, tables, sizes and security parameters come from the key and the policy, never from the
/// proof. The work is linear in the sizes of the key, the statement and the proof.
///
/// # Errors
/// [`VerificationError`] with the first check that fails.
pub fn verify(
    key: &ModelKey,
    statement: &Statement,
    proof: &Proof,
    policy: &Policy,
) -> Result<(), VerificationError> {
    policy.check(key.preset, &Security::of(key))?;
    check_statement(key, statement)?;
    let form = Form::of(key);
    form.check(proof)?;
    let mut stark = proof.stark.clone();
    let parameters = form.parameters;
    let config = parameters.pcs_config(form.log_rows);
    stark.0.config = config;

    let mut channel = Transcript::checking(proof.nonces.clone());
    open_transcript(&mut channel, key, statement);
    config.mix_into(&mut channel);
    let mut scheme = CommitmentSchemeVerifier::<Trees>::new(config);
    let roots = &stark.0.commitments;
    if roots[0].0 != key.root {
        return Err(VerificationError::OtherModel);
    }
    scheme.commit(roots[0], &form.sizes[0], &mut channel);
    scheme.commit(roots[1], &form.sizes[1], &mut channel);
    channel.ask_for_work(parameters.challenge_pow_bits);
    let challenges = Challenges::draw(&mut channel);
    if !channel.is_paid() {
        return Err(VerificationError::ChallengeProofOfWork);
    }
    check_claims(key, statement, &proof.claims, &challenges)?;
    mix_claims(&mut channel, &proof.claims);
    scheme.commit(roots[2], &form.sizes[2], &mut channel);
    channel.ask_for_work(parameters.round_pow_bits);

    check_openings(&form, proof, &config, channel.clone())?;
    let components = form.components(&challenges, &proof.claims);
    let components: Vec<_> =
        components.iter().map(|component| component as &dyn stwo::core::air::Component).collect();
    stwo::core::verifier::verify(&components, &mut channel, &mut scheme, stark).map_err(|error| {
        match error {
            StarkError::OodsNotMatching => VerificationError::Constraints,
            StarkError::ProofOfWork => VerificationError::QueryProofOfWork,
            error => VerificationError::Opening(error.to_string()),
        }
    })
}

fn check_statement(key: &ModelKey, statement: &Statement) -> Result<(), VerificationError> {
    let got = statement.claims.len();
    if got != key.batch as usize {
        return Err(VerificationError::Batch { expected: key.batch, got });
    }
    for (sample, claim) in statement.claims.iter().enumerate() {
        let StatedInput::Public(inputs) = &claim.input else {
            return Err(VerificationError::CommittedInput { sample });
        };
        key.interface
            .check_claim(inputs, &claim.outputs)
            .map_err(|source| VerificationError::Statement { sample, source })?;
    }
    Ok(())
}
