//! Proofs about Cairo programs of one's own: that a program printed an output, and nothing about a
//! model.
//!
//! ```text
//! file ──Executable::load──► Executable ──key──► ProgramKey ──────────┐
//!                                └──prove(arguments)──► ProgramProof ─┴─verify_program──► output
//! ```
//!
//! Keys and proofs of programs have file formats of their own, so that neither is ever taken for
//! one of a model.

mod arguments;
#[cfg(feature = "network")]
pub mod job;
mod key;
mod proof;
mod prove;
mod verify;

use std::error::Error;

pub use arguments::{ArgumentsError, MAX_ARGUMENTS, parse_arguments, read_arguments};
pub use ciro_cairo::{EXECUTABLE_BYTES_MAX, Felt, ProgramHash, ReadProgramError};
pub use key::{LoadProgramKeyError, ProgramKey};
pub use proof::{LoadProgramProofError, ProgramProof, ProgramProofError};
pub use prove::{
    Executable, LoadExecutableError, ProgramRun, ProvenProgram, RunBounds, RunProgramError,
};
pub use verify::{VerifiedProgram, VerifyProgramError, verify_program};

use crate::advice::Advice;
use crate::files::FileError;
use crate::verdict::Check;

/// What to do about an error of this module.
pub(crate) fn advice(error: &(dyn Error + 'static)) -> Option<Advice> {
    if let Some(error) = error.downcast_ref::<LoadProgramProofError>() {
        return error.advice();
    }
    if let Some(error) = error.downcast_ref::<VerifyProgramError>() {
        return error.advice();
    }
    #[cfg(feature = "network")]
    if let Some(error) = error.downcast_ref::<job::RunJobError>() {
        return error.advice();
    }
    error.downcast_ref::<RunProgramError>()?.advice()
}

/// The check that a proof about a program fails by an error of this module.
pub(crate) fn failed_check(error: &(dyn Error + 'static)) -> Option<Check> {
    if let Some(error) = error.downcast_ref::<VerifyProgramError>() {
        return Some(error.check());
    }
    match error.downcast_ref::<LoadProgramProofError>()? {
        LoadProgramProofError::Decode(_)
        | LoadProgramProofError::File(FileError::TooLarge { .. }) => Some(Check::Format),
        LoadProgramProofError::File(_) => None,
    }
}
