//! Verification of proofs about programs: nothing in a proof is trusted.

use ciro_cairo::{CairoProof, CairoVerificationError, Felt, ProgramHash};
use ciro_stark::{Policy, Preset, Security};

use super::{ProgramKey, ProgramProof};
use crate::advice::Advice;
use crate::routes::{RouteError, cairo};
use crate::verdict::Check;
use crate::verify::KeyDigest;

/// What a verified proof establishes: there are arguments with which the program of this key ran to
/// its end and printed this, and nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedProgram {
    /// The key that it was verified with.
    pub key: KeyDigest,
    /// The program.
    pub program: ProgramHash,
    /// What it printed, felt by felt.
    pub output: Vec<Felt>,
    /// What the proof is worth, in bits.
    pub security: Security,
}

/// Why a proof about a program does not convince.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyProgramError {
    /// The proof names another program's key.
    #[error("the proof is about the program with key {found}, the verifier's key is {expected}")]
    OtherKey {
        /// The digest of the verifier's key.
        expected: KeyDigest,
        /// The digest in the proof.
        found: KeyDigest,
    },
    /// The proof's bytes do not decode.
    #[error("the proof is damaged")]
    Damaged(#[source] RouteError),
    /// A check of the verifier fails.
    #[error("the proof does not hold")]
    Invalid {
        /// Which one.
        check: Check,
        /// Why.
        #[source]
        source: RouteError,
    },
}

impl VerifyProgramError {
    /// The check that the proof fails.
    pub fn check(&self) -> Check {
        match self {
            Self::OtherKey { .. } => Check::Program,
            Self::Damaged(_) => Check::Format,
            Self::Invalid { check, .. } => *check,
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::OtherKey { .. } => None,
            Self::Damaged(_) => Some(Advice::AskForProof),
            Self::Invalid { check: Check::Security, .. } => None,
            Self::Invalid { .. } => Some(Advice::DoNotRely),
        }
    }
}

/// Verifies a proof about a program, and returns what it printed.
///
/// Which arguments it printed this for is no part of what is proven, unless the program prints
/// them.
///
/// # Errors
/// [`VerifyProgramError`] with the first check that fails.
pub fn verify_program(
    proof: &ProgramProof,
    key: &ProgramKey,
    policy: &Policy,
) -> Result<VerifiedProgram, VerifyProgramError> {
    let _span = tracing::info_span!("verify_program").entered();
    let (expected, found) = (key.digest(), proof.key);
    if expected != found {
        return Err(VerifyProgramError::OtherKey { expected, found });
    }
    let security = key.security();
    policy.check(Preset::Standard, &security).map_err(|error| VerifyProgramError::Invalid {
        check: Check::Security,
        source: RouteError::new(error),
    })?;
    let decoded = CairoProof::from_bytes(&proof.proof)
        .map_err(|error| VerifyProgramError::Damaged(RouteError::new(error)))?;
    let output = ciro_cairo::verify_program(&key.0, decoded).map_err(|error| {
        let check = match &error {
            CairoVerificationError::Program { .. } => Check::Program,
            error => cairo::check(error),
        };
        VerifyProgramError::Invalid { check, source: RouteError::new(error) }
    })?;
    Ok(VerifiedProgram { key: expected, program: key.program_hash(), output, security })
}
