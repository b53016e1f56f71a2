//! Key files of programs.

use std::path::Path;

use ciro_cairo::{CairoProgramKeyError, ProgramHash};
use ciro_stark::Security;

use crate::files::{self, FileError};
use crate::verify::{KeyDigest, KeyRing, MAX_KEY_FILE_BYTES};

/// What a verifier holds of a Cairo program: the hash of its bytecode, and the builtins it takes.
///
/// Whoever trusts a program makes its key from the executable; the key says nothing of what the
/// program's output means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramKey(pub(crate) ciro_cairo::CairoProgramKey);

/// A key file of a program that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadProgramKeyError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is a key file of a model.
    #[error("a key file of a model, not of a Cairo program")]
    Model,
    /// The bytes are no key of a program.
    #[error("not a usable key file of a program")]
    Key(#[from] CairoProgramKeyError),
}

impl ProgramKey {
    /// The identity of the key: two keys with one digest are one key, and no key of a model has it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(self.0.digest())
    }

    /// The hash of the program.
    pub fn program_hash(&self) -> ProgramHash {
        self.0.program()
    }

    /// The names of the builtins that the program takes.
    pub fn builtins(&self) -> Vec<&'static str> {
        self.0.builtins().iter().map(|builtin| builtin.name()).collect()
    }

    /// The security of proofs for this key, term by term: the same for every program.
    pub fn security(&self) -> Security {
        ciro_cairo::security()
    }

    /// The bytes of the key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Decodes the bytes of a key file.
    ///
    /// # Errors
    /// [`LoadProgramKeyError`] if the bytes are no key of a program; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LoadProgramKeyError> {
        if KeyRing::is_key(bytes) {
            return Err(LoadProgramKeyError::Model);
        }
        Ok(Self(ciro_cairo::CairoProgramKey::from_bytes(bytes)?))
    }

    /// Whether bytes begin as key files of programs do, whatever their version.
    pub fn is_key(bytes: &[u8]) -> bool {
        ciro_cairo::CairoProgramKey::is_key(bytes)
    }

    /// Whether a file begins as key files of programs do, whatever their version. It opens the
    /// file: what comes through a pipe has to be [told by its bytes](Self::is_key).
    pub fn is_key_file(path: &Path) -> bool {
        files::head(path).is_some_and(|head| Self::is_key(&head))
    }

    /// Writes a key file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a key file, or a pipe.
    ///
    /// # Errors
    /// [`LoadProgramKeyError`] if it cannot be read or is no key of a program.
    pub fn load(path: &Path) -> Result<Self, LoadProgramKeyError> {
        // Opened once, and as long as keys of models are, so that those are told.
        Self::from_bytes(&files::read(path, MAX_KEY_FILE_BYTES)?)
    }
}
