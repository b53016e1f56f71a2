//! Settings of the network's programs: a TOML file in which every field is known, and every number
//! in its range.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::files::{self, FileError};

/// The longest file of settings, in bytes.
const BYTES_MAX: u64 = 1 << 20;

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no TOML, or holds a field that nobody knows.
    #[error("`{}` is not usable: {reason}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why, with the line.
        reason: String,
    },
    /// A number is out of its range.
    #[error("`{field}` is {value}, expected {min} to {max}")]
    Range {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u64,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
}

/// Reads a file of settings.
///
/// # Errors
/// [`SettingsError`] if it cannot be read, or has another form.
pub fn read_settings<T: DeserializeOwned>(path: &Path) -> Result<T, SettingsError> {
    let refused = |reason: String| SettingsError::Parse { path: path.to_owned(), reason };
    let text = String::from_utf8(files::read(path, BYTES_MAX)?);
    let text = text.map_err(|error| refused(error.to_string()))?;
    toml::from_str(&text).map_err(|error| refused(error.to_string().trim_end().to_owned()))
}

/// Checks numbers: for each its field, its value, the least and the greatest that it may have.
///
/// # Errors
/// [`SettingsError::Range`] with the first that is out of its range.
pub fn check_ranges(ranges: &[(&'static str, u64, u64, u64)]) -> Result<(), SettingsError> {
    for &(field, value, min, max) in ranges {
        if !(min..=max).contains(&value) {
            return Err(SettingsError::Range { field, value, min, max });
        }
    }
    Ok(())
}
