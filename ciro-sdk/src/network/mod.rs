//! What the network's programs share: what its protocol says of keys and proofs, told from their
//! bytes alone, and how their settings are read.
//!
//! Validators must agree, so every answer about keys and proofs is a function of bytes: no time, no
//! machine, no setting.

pub(crate) mod proofs;
pub(crate) mod result;
mod secret_input;
mod settings;

pub use proofs::{
    KEY_CELLS_UNKNOWN, NotProven, PROGRAMS_SINCE, Stated, VERIFIER, facts, facts_of,
    is_program_key, verifies, verify_stated,
};
#[cfg(feature = "client")]
pub(crate) use result::check_about;
pub use result::{ResultError, check_result};
pub use secret_input::{SecretInput, SecretInputError};
pub use settings::{SettingsError, check_ranges, read_settings};
