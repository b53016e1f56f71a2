//! How far a sink has come: the number of the last event that it has, in a file.

use std::path::{Path, PathBuf};

use ciro_sdk::FileError;

/// The longest file that is read.
const BYTES_MAX: u64 = 64;

/// Why it is not known how far a sink has come.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CursorError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It holds something else.
    #[error("`{}` holds no number: delete it, and all events are published again", .0.display())]
    Content(PathBuf),
}

/// Reads a cursor; 0 if there is none yet.
pub(super) fn read(path: &Path) -> Result<u64, CursorError> {
    if !path.exists() {
        return Ok(0);
    }
    let bytes = ciro_sdk::files::read(path, BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).ok();
    let number = text.and_then(|it| it.strip_suffix('\n')).and_then(|it| it.parse().ok());
    number.ok_or_else(|| CursorError::Content(path.to_owned()))
}

/// Writes a cursor, which then outlasts the machine.
pub(super) fn write(path: &Path, number: u64) -> Result<(), CursorError> {
    Ok(ciro_sdk::files::write_durably(path, format!("{number}\n").as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_what_was_written_and_nothing_else_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        assert_eq!(read(&path).unwrap(), 0);
        write(&path, 17).unwrap();
        write(&path, u64::MAX).unwrap();
        assert_eq!(read(&path).unwrap(), u64::MAX);
        for bad in ["", "17", "-1\n", "1 7\n", &"1".repeat(100)] {
            std::fs::write(&path, bad).unwrap();
            assert!(read(&path).is_err(), "{bad:?}");
        }
    }
}
