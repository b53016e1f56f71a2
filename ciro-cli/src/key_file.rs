//! A key file that is read once.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
#[cfg(feature = "cairo")]
use ciro_sdk::program::{LoadProgramKeyError, ProgramKey};
use ciro_sdk::{FileError, KeyRing, LoadKeyError, MAX_KEY_FILE_BYTES, files};

/// A key file whose bytes say what it is a key of. It is opened once: what comes through a pipe
/// cannot be read again.
#[derive(Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    /// Why it cannot be read is told when the key is asked for.
    bytes: Result<Vec<u8>, FileError>,
}

impl KeyFile {
    pub(crate) fn read(path: &Path) -> Self {
        Self { path: path.to_owned(), bytes: files::read(path, MAX_KEY_FILE_BYTES) }
    }

    /// The keys of a model.
    pub(crate) fn ring(self) -> Result<KeyRing> {
        let Self { path, bytes } = self;
        let ring = bytes
            .map_err(LoadKeyError::from)
            .and_then(|bytes| KeyRing::from_bytes(&bytes).map_err(LoadKeyError::from));
        ring.with_context(|| format!("key `{}`", path.display()))
    }
}

#[cfg(feature = "cairo")]
impl KeyFile {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is the key of a program, whatever its version.
    pub(crate) fn is_of_program(&self) -> bool {
        self.bytes.as_ref().is_ok_and(|bytes| ProgramKey::is_key(bytes))
    }

    /// The key of a program.
    pub(crate) fn program(self) -> Result<ProgramKey> {
        let Self { path, bytes } = self;
        let key = bytes
            .map_err(LoadProgramKeyError::from)
            .and_then(|bytes| ProgramKey::from_bytes(&bytes));
        key.with_context(|| format!("key `{}`", path.display()))
    }
}
