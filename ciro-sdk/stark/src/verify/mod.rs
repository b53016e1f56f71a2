//! The verifier: needs a model key, a statement and a proof, and trusts nothing in the proof.

mod error;
pub(crate) mod openings;
mod policy;

use ciro_model::integer::{StatedTensor, Statement};
use stwo::core::channel::Channel as _;
use stwo::core::circle::CirclePoint;
use stwo::core::fields::qm31::SecureField;
use stwo::core::pcs::CommitmentSchemeVerifier;
use stwo::core::verifier::VerificationError as StarkError;

use self::openings::check_openings;
use crate::air::Challenges;
use crate::chips::IoChip;
use crate::commitment::elements;
use crate::key::ModelKey;
use crate::proof::Proof;
use crate::proof_shape::{ProofShape, Randomness, TREES};
use crate::security::Security;
use crate::statement::public_values;
use crate::transcript::{Transcript, Trees, open_transcript};

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
    let shape = ProofShape::of(key);
    shape.check(proof).map_err(VerificationError::Structure)?;
    let mut stark = proof.stark.clone();
    let parameters = shape.parameters;
    let config = parameters.pcs_config(shape.log_rows);
    stark.0.config = config;

    let mut channel = Transcript::checking(proof.nonces.clone());
    open_transcript(&mut channel, key, statement);
    config.mix_into(&mut channel);
    let mut scheme = CommitmentSchemeVerifier::<Trees>::new(config);
    let roots = stark.0.commitments.clone();
    if roots[0].0 != key.root {
        return Err(VerificationError::OtherModel);
    }
    scheme.commit(roots[0], &shape.sizes[0], &mut channel);
    scheme.commit(roots[1], &shape.sizes[1], &mut channel);
    channel.ask_for_work(parameters.challenge_pow_bits);
    let challenges = Challenges::draw(&mut channel);
    scheme.commit(roots[2], &shape.sizes[2], &mut channel);
    channel.ask_for_work(parameters.round_pow_bits);
    let public = IoChip::public_total(public_values(statement), &challenges);
    let composition = channel.draw_secure_felt();
    let halves = shape.openings[TREES - 1].len();
    scheme.commit(roots[TREES - 1], &vec![shape.log_rows; halves], &mut channel);
    let point = CirclePoint::<SecureField>::get_random_point(&mut channel);
    if !channel.is_paid() {
        return Err(VerificationError::ChallengeProofOfWork);
    }

    let opened = &stark.0.sampled_values;
    let randomness = Randomness { challenges: &challenges, public, composition };
    if shape.composition(point, opened) != shape.constraints(point, opened, &randomness) {
        return Err(VerificationError::Constraints);
    }
    check_openings(&shape, proof, &config, channel.clone())?;
    scheme.verify_values(shape.points(point), stark.0, &mut channel).map_err(|error| match error {
        StarkError::ProofOfWork => VerificationError::QueryProofOfWork,
        error => VerificationError::Opening(error.to_string()),
    })
}

fn check_statement(key: &ModelKey, statement: &Statement) -> Result<(), VerificationError> {
    let got = statement.claims.len();
    if got != key.batch as usize {
        return Err(VerificationError::Batch { expected: key.batch, got });
    }
    for (sample, claim) in statement.claims.iter().enumerate() {
        let Some(inputs) = claim.input.tensors() else {
            return Err(VerificationError::CommittedInput { sample });
        };
        // A claim has one form: inputs of which none is committed are stated as a whole.
        if claim.input.public().is_some() == key.commits_inputs() {
            let name = key.views().find(|(_, committed)| *committed).map(|(name, _)| name);
            let name = name.unwrap_or_default().to_owned();
            return Err(match key.commits_inputs() {
                true => VerificationError::Visibility { sample, what: "input", name },
                false => VerificationError::CommittedInput { sample },
            });
        }
        key.interface
            .check_stated(&inputs, &claim.outputs)
            .map_err(|source| VerificationError::Statement { sample, source })?;
        let outputs = key.interface.outputs.iter().enumerate();
        let outputs =
            outputs.map(|(at, port)| (port.name.as_str(), key.visibilities.commits_output(at)));
        check_shown(("input", sample), key.views(), &inputs)?;
        check_shown(("output", sample), outputs, &claim.outputs)?;
    }
    Ok(())
}

/// Checks that tensors are shown or committed as the key says, and that commitments are some.
fn check_shown<'k>(
    (what, sample): (&'static str, usize),
    expected: impl Iterator<Item = (&'k str, bool)>,
    stated: &[StatedTensor],
) -> Result<(), VerificationError> {
    for ((name, committed), tensor) in expected.zip(stated) {
        let name = || name.to_owned();
        match tensor.commitment() {
            commitment if commitment.is_some() != committed => {
                return Err(VerificationError::Visibility { sample, what, name: name() });
            }
            Some(commitment) if elements(commitment).is_none() => {
                return Err(VerificationError::Commitment { sample, what, name: name() });
            }
            _ => {}
        }
    }
    Ok(())
}
