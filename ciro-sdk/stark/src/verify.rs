//! The verifier: needs a model key, a statement and a proof, and trusts nothing in the proof.

use ciro_model::integer::{ClaimError, StatedInput, Statement};
use num_traits::Zero;
use stwo::core::channel::{Channel, MerkleChannel as _};
use stwo::core::circle::CirclePoint;
use stwo::core::fields::m31::BaseField;
use stwo::core::fields::qm31::SecureField;
use stwo::core::fri::{CirclePolyDegreeBound, FriVerifier};
use stwo::core::pcs::utils::prepare_preprocessed_query_positions;
use stwo::core::pcs::{CommitmentSchemeVerifier, PcsConfig};
use stwo::core::verifier::VerificationError as StarkError;

use crate::air::Challenges;
use crate::chips::{AnyChip, IoChip};
use crate::form::{Form, TREES};
use crate::key::ModelKey;
use crate::preset::Preset;
use crate::proof::{ChipClaim, Proof};
use crate::security::Security;
use crate::statement::{open_transcript, public_values};
use crate::transcript::{Transcript, Trees};

/// What a verifier asks of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Conjectured security bits that proofs for the key must reach. 100 by default; lower it for tests alone.
    pub min_security_bits: u32,
    /// Security bits that they must reach without any conjecture. 0 by default; 100 asks for the preset `proven`.
    pub min_proven_bits: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self { min_security_bits: 100, min_proven_bits: 0 }
    }
}

impl Policy {
    /// Whether proofs of this security, with the parameters of a preset, are enough: one rule for every route.
    ///
    /// # Errors
    /// [`VerificationError::TooWeak`] if they are not.
    pub fn check(&self, preset: Preset, security: &Security) -> Result<(), VerificationError> {
        let enough = |bits: f64, wanted: u32| bits >= f64::from(wanted);
        if enough(security.conjectured_bits, self.min_security_bits)
            && enough(security.proven_bits, self.min_proven_bits)
        {
            return Ok(());
        }
        let (policy, security) = (self.clone(), Box::new(security.clone()));
        Err(VerificationError::TooWeak { preset, security, policy })
    }
}

/// Why a proof does not convince.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// The key's preset is weaker than the verifier's policy.
    #[error("proofs for this key (preset `{preset}`) have {}", shortfall(security, policy))]
    TooWeak {
        /// The key's preset.
        preset: Preset,
        /// What it gives for this key.
        security: Box<Security>,
        /// What the verifier asks for.
        policy: Policy,
    },
    /// The statement is about no input of the model, or does not have the form that the key prescribes.
    #[error("statement (sample {sample})")]
    Statement {
        /// Position in the batch.
        sample: usize,
        /// What is wrong.
        #[source]
        source: ClaimError,
    },
    /// This proof system proves no claims about committed inputs.
    #[error("the input of sample {sample} is committed, and only public inputs are proven here")]
    CommittedInput {
        /// Position in the batch.
        sample: usize,
    },
    /// Another number of samples than the key is made for.
    #[error("the key is made for {expected} inference(s) in a proof, the statement holds {got}")]
    Batch {
        /// What the key prescribes.
        expected: u32,
        /// What the statement holds.
        got: usize,
    },
    /// The proof does not have the form that the key prescribes.
    #[error("the proof's form is not the key's: {0}")]
    Structure(&'static str),
    /// The model columns are not those of the key.
    #[error("the proof is made for another model")]
    OtherModel,
    /// A proof of work before challenges is missing.
    #[error("a proof of work before challenges is missing")]
    ChallengeProofOfWork,
    /// The public values in the trace are not those of the statement.
    #[error("the proof is made for other inputs or outputs")]
    PublicValues,
    /// Tensor elements, table entries or tree nodes were used that nobody produced.
    #[error("the wiring does not balance: some value was used that was not produced")]
    Wiring,
    /// Results of matrix products are not the products of their operands.
    #[error("the matrix products do not balance: some result is not the product of its operands")]
    Products,
    /// A constraint is violated, or an opened value is not the committed one.
    #[error("a constraint does not hold at the point of evaluation")]
    Constraints,
    /// The commitments do not open as claimed.
    #[error("the commitments do not open as claimed: {0}")]
    Opening(String),
    /// The proof of work before the queries is missing.
    #[error("the proof of work before the queries is missing")]
    QueryProofOfWork,
}

/// Verifies that every inference of the statement is what the key's model computes.
///
/// Shapes, tables, sizes and security parameters come from the key and the policy, never from the proof. The work is linear in the
/// sizes of the key, the statement and the proof.
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

/// Which demand of a policy is not met.
fn shortfall(security: &Security, policy: &Policy) -> String {
    let (bits, wanted, kind) = if security.conjectured_bits < f64::from(policy.min_security_bits) {
        (security.conjectured_bits, policy.min_security_bits, "")
    } else {
        (security.proven_bits, policy.min_proven_bits, " without conjectures")
    };
    // Rounded down: 99.96 bits are not 100.
    let bits = (bits * 100.0).floor() / 100.0;
    format!("{bits} bits of security{kind}, the policy asks for {wanted}")
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

/// LogUp sums cancel, matrix products cancel, and the public values are the statement's.
fn check_claims(
    key: &ModelKey,
    statement: &Statement,
    claims: &[ChipClaim],
    challenges: &Challenges,
) -> Result<(), VerificationError> {
    let mut products = SecureField::zero();
    for (chip, claim) in key.chips.iter().zip(claims) {
        if !chip.has_total() && !claim.total.is_zero() {
            return Err(VerificationError::Structure("a total of a chip without one"));
        }
        match chip.product_sign() {
            Some(sign) if sign > 0 => products += claim.total,
            Some(_) => products -= claim.total,
            None => {}
        }
        if matches!(chip, AnyChip::Io(_))
            && claim.total != IoChip::public_total(public_values(statement), challenges)
        {
            return Err(VerificationError::PublicValues);
        }
    }
    if !products.is_zero() {
        return Err(VerificationError::Products);
    }
    let logup: SecureField = claims.iter().map(|claim| claim.logup).sum();
    if !logup.is_zero() {
        return Err(VerificationError::Wiring);
    }
    Ok(())
}

pub(crate) fn mix_claims(channel: &mut impl Channel, claims: &[ChipClaim]) {
    let felts: Vec<_> = claims.iter().flat_map(|claim| [claim.logup, claim.total]).collect();
    channel.mix_felts(&felts);
}

/// Finds the query positions and checks that the proof answers each of them, the same way where positions coincide.
///
/// stwo asserts this where we want an error; `channel` is the transcript after tree 2.
fn check_openings(
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
