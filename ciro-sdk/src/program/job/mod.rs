//! Jobs about Cairo programs: what is registered, ordered, proven and settled.
//!
//! ```text
//! program ── steps ──► ProgramJobKey     what is registered: which program, and how long it runs
//! arguments ─────────► ProgramInput      what an order names, and what travels to providers
//! proof ─────────────► ProgramBundle     what settles the job: ── verify ──► ProgramAnswer
//! ```
//!
//! A proof about a program says what the program *printed*, and nothing of what it was given. So a
//! program that jobs are ordered of **prints its arguments first**, and then its answer: the bundle
//! says how many of the printed felts are arguments, and those are what it states as its input. An
//! order names their digest, so that no proof about other arguments settles it.

mod bundle;
#[cfg(feature = "client")]
mod client;
mod input;
mod key;
mod result;
mod run;

use ciro_cairo::{CairoProgramKeyError, Felt};
use ciro_protocol::model::KeyFacts;
use ciro_stark::Policy;

pub use bundle::{ProgramAnswer, ProgramBundle};
#[cfg(feature = "client")]
pub use client::{AnsweredProgram, ProgramDeployment, ProgramJob, ProgramSubmission};
pub use input::ProgramInput;
pub use key::{JOB_STEPS_DEFAULT, JOB_STEPS_MAX, ProgramJobKey};
pub use result::check_program_result;
pub use run::{JobProgram, RunJobError};

use crate::network::Stated;
use crate::network::proofs::ProgramJobs;
use crate::program::{ProgramProofError, VerifyProgramError};
use crate::routes::RouteError;

/// The most felts that a job's program prints, its arguments included: a proof shows each of them
/// at up to 40 bytes, and whoever proves pays for a bundle by the byte. It is no part of validity.
pub const JOB_FELTS_MAX: usize = 1 << 14;

/// Bytes that are no key, input or bundle of a job about a program, or a proof that does not hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramJobError {
    /// The bytes are something else, or of another version.
    #[error("not {0} of version 1 of a job about a program")]
    Form(&'static str),
    /// The bytes end too early.
    #[error("{0} of a job about a program is cut short")]
    Truncated(&'static str),
    /// Bytes follow the end.
    #[error("{count} byte(s) follow {what} of a job about a program")]
    Trailing {
        /// What they follow.
        what: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A number of steps that no run has, or that no run may take.
    #[error("{0} steps are declared, expected 1 to {JOB_STEPS_MAX}")]
    Steps(u64),
    /// The key is of no program.
    #[error("the key holds no program's key")]
    Program(#[from] CairoProgramKeyError),
    /// More arguments than a job has.
    #[error("{0} arguments, a job about a program has at most {JOB_FELTS_MAX}")]
    Arguments(usize),
    /// An argument that is no number below the prime.
    #[error("argument {0} is no number below the Stark prime")]
    Felt(usize),
    /// The bundle holds no proof about a program.
    #[error("the bundle holds no proof about a program")]
    Proof(#[from] ProgramProofError),
    /// The proof does not hold.
    #[error("the proof does not hold")]
    Verify(#[from] VerifyProgramError),
    /// Fewer felts are printed than are said to be arguments.
    #[error(
        "the program printed {printed} felt(s), the first {arguments} are said to be arguments"
    )]
    Printed {
        /// How many are said to be arguments.
        arguments: u32,
        /// How many are printed.
        printed: usize,
    },
}

/// What the network asks of this build's verifier.
pub(crate) struct Jobs;

impl ProgramJobs for Jobs {
    fn facts(&self, key: &[u8]) -> Result<KeyFacts, RouteError> {
        Ok(ProgramJobKey::from_bytes(key).map_err(RouteError::new)?.facts())
    }

    fn verify_stated(&self, key: &[u8], bundle: &[u8]) -> Result<Stated, RouteError> {
        stated(key, bundle).map_err(RouteError::new)
    }
}

fn stated(key: &[u8], bundle: &[u8]) -> Result<Stated, ProgramJobError> {
    let (key, bundle) = (ProgramJobKey::from_bytes(key)?, ProgramBundle::from_bytes(bundle)?);
    let any = Policy { min_security_bits: 0, min_proven_bits: 0 };
    let answer = bundle.verify(&key, &any)?;
    let (input, output) = (answer.input_digest(&key), answer.output_digest(&key));
    Ok(Stated { key: key.digest().into(), input, output })
}

/// Takes the first bytes, if there are as many.
fn take<'b, const N: usize>(
    bytes: &mut &'b [u8],
    what: &'static str,
) -> Result<&'b [u8; N], ProgramJobError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(ProgramJobError::Truncated(what))?;
    *bytes = rest;
    Ok(first)
}

/// `Blake2s-256(name ‖ 0 ‖ key ‖ count ‖ felts)`, the count as 4 and each felt as 32 little-endian
/// bytes: what orders and receipts say of arguments and answers.
fn digest(name: &str, key: &ProgramJobKey, felts: &[Felt]) -> [u8; 32] {
    use blake2::{Blake2s256, Digest as _};
    let count = u32::try_from(felts.len()).expect("no run prints 2^32 felts");
    let head = [name.as_bytes(), &[0], &key.digest().0, &count.to_le_bytes()].concat();
    let felts = felts.iter().flat_map(Felt::to_bytes_le);
    Blake2s256::new_with_prefix(head).chain_update(felts.collect::<Vec<u8>>()).finalize().into()
}
