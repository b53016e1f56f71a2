//! Verifies proofs.
//!
//! stwo-cairo's own verifier leaves some rules to its caller and panics on claims that break
//! others, so every rule that concerns a claim or the form of a proof is checked here first (see
//! [`claim`], [`form`]), and all of it runs behind a guard that turns panics into errors.

mod claim;
mod components;
mod form;

use cairo_air::verifier::verify_cairo;
use ciro_model::integer::Claim;
use starknet_types_core::felt::Felt;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleChannel;

use crate::guard;
use crate::key::CairoKey;
use crate::program_hash::ProgramHash;
use crate::program_key::CairoProgramKey;
use crate::proof::CairoProof;
use crate::statement::{StatementError, parse_claim};

use claim::Expected;
pub use claim::MalformedClaim;

/// A proof that does not convince.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CairoVerificationError {
    /// The proof was made with other parameters than this crate's, so with other security.
    #[error("proof parameter `{what}`: expected {expected}, got {got}")]
    Parameters {
        /// Which parameter.
        what: &'static str,
        /// What this crate demands.
        expected: String,
        /// What the proof says.
        got: String,
    },
    /// The proof is about another program, so about another model.
    #[error("the proof is about program {got}, the key about program {expected}")]
    Program {
        /// The key's program.
        expected: ProgramHash,
        /// The proof's program.
        got: ProgramHash,
    },
    /// The claim breaks a rule that every execution keeps.
    #[error("the proof's claim is malformed")]
    Claim(#[from] MalformedClaim),
    /// The program's output is no statement about the key's model.
    #[error("the proof's output is no statement about this model")]
    Statement(#[from] StatementError),
    /// The proof states another input or output than expected.
    #[error("the proof states another {0}")]
    Stated(&'static str),
    /// The STARK itself does not hold.
    #[error("a check of the STARK verifier fails: {0}")]
    Stark(String),
    /// The STARK verifier gave up on the proof's structure.
    #[error("the proof's structure is broken: {0}")]
    Structure(String),
}

/// Verifies a proof against a model's key and returns what it states.
///
/// Nothing but the key and this crate's own parameters is trusted: program, builtins, security
/// parameters and tables are compared with them. The caller decides whether the statement is the
/// one it wants; [`verify_statement`] compares.
///
/// # Errors
/// [`CairoVerificationError`] if the proof does not convince.
pub fn verify(key: &CairoKey, proof: CairoProof) -> Result<Claim, CairoVerificationError> {
    let _span = tracing::info_span!("verify").entered();
    let expected = Expected { program: key.program, builtins: &key.builtins };
    let statement = parse_claim(key, &claimed_output(expected, &proof)?)?;
    check_stark(proof)?;
    Ok(statement)
}

/// Verifies a proof against a program's key and returns what the program printed.
///
/// There are arguments with which the program ran to its end and wrote this, and nothing else, to
/// its output segment. Which arguments is not part of the statement, unless the program prints
/// them, and what the output means is for whoever trusts the program to know. The checks are those
/// of [`verify`] without a model's statement.
///
/// # Errors
/// [`CairoVerificationError`] if the proof does not convince.
pub fn verify_program(
    key: &CairoProgramKey,
    proof: CairoProof,
) -> Result<Vec<Felt>, CairoVerificationError> {
    let _span = tracing::info_span!("verify_program").entered();
    let expected = Expected { program: key.program(), builtins: key.builtins() };
    let output = claimed_output(expected, &proof)?;
    check_stark(proof)?;
    Ok(output)
}

/// Checks every rule about the claim, and reads what the program is claimed to have printed.
fn claimed_output(
    expected: Expected<'_>,
    proof: &CairoProof,
) -> Result<Vec<Felt>, CairoVerificationError> {
    claim::check(expected, &proof.inner)?;
    Ok(proof.claimed_output())
}

/// Checks the form of a proof whose claim keeps every rule, and the STARK.
fn check_stark(proof: CairoProof) -> Result<(), CairoVerificationError> {
    let inner = proof.inner;
    // All that stwo-cairo asserts about a proof has been checked, as far as this crate knows.
    let verified = guard::silent(move || {
        form::check(&inner)?;
        verify_cairo::<Blake2sMerkleChannel>(inner)
            .map_err(|error| CairoVerificationError::Stark(error.to_string()))
    });
    verified.map_err(CairoVerificationError::Structure)?
}

/// Verifies a proof against a model's key and against what it is expected to state.
///
/// # Errors
/// [`CairoVerificationError`] if the proof does not convince, [`CairoVerificationError::Stated`] if
/// it states something else.
pub fn verify_statement(
    key: &CairoKey,
    proof: CairoProof,
    expected: &Claim,
) -> Result<(), CairoVerificationError> {
    let stated = verify(key, proof)?;
    if stated.input != expected.input {
        return Err(CairoVerificationError::Stated("input"));
    }
    if stated.outputs != expected.outputs {
        return Err(CairoVerificationError::Stated("output"));
    }
    Ok(())
}

/// The field element of eight little-endian limbs; `claim::check` finds out whether they are below
/// the modulus.
pub(crate) fn felt(limbs: &[u32; 8]) -> Felt {
    Felt::from_bytes_le(&limb_bytes(limbs))
}

/// Eight limbs as bytes, least significant first.
fn limb_bytes(limbs: &[u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(4).zip(limbs) {
        chunk.copy_from_slice(&limb.to_le_bytes());
    }
    bytes
}
