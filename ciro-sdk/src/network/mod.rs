//! What the network's programs share: what its protocol says of keys and proofs, told from their
//! bytes alone, and how their settings are read.
//!
//! Validators must agree, so every answer about keys and proofs is a function of bytes: no time, no
//! machine, no setting.

#[cfg(feature = "cairo")]
mod program;
mod proofs;
mod result;
mod secret_input;
mod settings;

#[cfg(feature = "cairo")]
pub use program::{
    JOB_FELTS_MAX, JOB_STEPS_DEFAULT, JOB_STEPS_MAX, JobProgram, ProgramAnswer, ProgramBundle,
    ProgramInput, ProgramJobError, ProgramJobKey, RunJobError, check_program_result,
};
pub use proofs::{
    KEY_CELLS_UNKNOWN, NotProven, PROGRAMS_SINCE, Stated, VERIFIER, facts, facts_of,
    is_program_key, verifies, verify_stated,
};
#[cfg(feature = "client")]
pub(crate) use result::check_about;
pub use result::{ResultError, check_result};
pub use secret_input::{SecretInput, SecretInputError};
pub use settings::{SettingsError, check_ranges, read_settings};
