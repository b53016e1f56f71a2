//! Key files: `0x`, 64 hexadecimal digits, a line end; readable by their owner alone.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ciro_protocol::SecretKey;
use ciro_sdk::files;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The file cannot be read or written.
    #[error("cannot {operation} the key file `{}`", path.display())]
    File {
        /// What was tried, as a verb.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others may read it.
    #[error(
        "others may read the key file `{}` (mode {mode:o}): make it yours alone with `chmod 600`",
        path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no key.
    #[error("the key file `{}` does not hold `0x` and 64 hexadecimal digits of a key", .0.display())]
    Content(PathBuf),
    /// There is no randomness.
    #[error("the system gives no random bytes: {0}")]
    Random(getrandom::Error),
}

/// Makes a key and its file, which must not be there yet. A seed makes the same key every time, for
/// networks that are thrown away.
///
/// # Errors
///
/// [`SecretError`] if the file cannot be made.
pub fn create(path: &Path, seed: Option<&str>) -> Result<SecretKey, SecretError> {
    let bytes = match seed {
        Some(seed) => SecretKey::scalar_from_seed(seed.as_bytes()),
        None => random_scalar()?,
    };
    let file = |operation| {
        let path = path.to_owned();
        move |source| SecretError::File { operation, path, source }
    };
    let mut opened = files::create_private(path).map_err(file("create"))?;
    writeln!(opened, "0x{}", hex::encode(bytes)).map_err(file("write"))?;
    opened.sync_all().map_err(file("write"))?;
    SecretKey::from_bytes(&bytes).map_err(|_| SecretError::Content(path.to_owned()))
}

/// Reads a key file.
///
/// # Errors
///
/// [`SecretError`] if it is not there, others may read it, or it holds no key.
pub fn read(path: &Path) -> Result<SecretKey, SecretError> {
    let bytes = read_bytes(path)?;
    SecretKey::from_bytes(&bytes).map_err(|_| SecretError::Content(path.to_owned()))
}

/// Reads the bytes of a key file.
///
/// # Errors
///
/// [`SecretError`] if it is not there, others may read it, or it holds no 32 bytes.
pub fn read_bytes(path: &Path) -> Result<[u8; 32], SecretError> {
    let file = |source| SecretError::File { operation: "read", path: path.to_owned(), source };
    if let Some(mode) = files::shared_mode(path).map_err(file)? {
        return Err(SecretError::Mode { path: path.to_owned(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(file)?;
    let mut bytes = [0; 32];
    let digits = text.trim_end().strip_prefix("0x");
    let decoded = digits.and_then(|digits| hex::decode_to_slice(digits, &mut bytes).ok());
    decoded.map(|()| bytes).ok_or_else(|| SecretError::Content(path.to_owned()))
}

/// Draws a scalar.
fn random_scalar() -> Result<[u8; 32], SecretError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(SecretError::Random)?;
    SecretKey::make_scalar(&mut bytes);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let key = create(&path, None).unwrap();
        assert_eq!(read(&path).unwrap().address(), key.address());
        assert!(matches!(create(&path, None), Err(SecretError::File { .. })));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(SecretError::Mode { mode: 0o640, .. })));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        create(&path, Some("seed")).unwrap();
        for text in ["", "0x12", "zz", &format!("0x{}", "00".repeat(32)), &"0x".repeat(33)] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(SecretError::Content(_))), "{text}");
        }
    }
}
