//! Keys of accounts on Starknet: files of the Web3 Secret Storage, as starkli writes them.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use starknet_rust_core::types::Felt;
use starknet_rust_signers::SigningKey;

use crate::client::{KeystoreError, Passphrase};
use crate::files::{self, FileError};

/// The longest file of a key, in bytes.
const BYTES_MAX: u64 = 8192;
/// The most that a file may ask for: 256 MiB and a second. A stranger's file must not stop the
/// machine.
const SCRYPT_N_MAX: u32 = 1 << 18;
const SCRYPT_R_MAX: u32 = 8;
const SCRYPT_P_MAX: u32 = 8;
const PBKDF2_ROUNDS_MAX: u32 = 5_000_000;

/// The order of Starknet's curve: two scalars that differ by it are one key.
const ORDER: Felt =
    Felt::from_hex_unchecked("0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f");

/// An account's key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The passphrase's file cannot be used.
    #[error(transparent)]
    Passphrase(#[from] KeystoreError),
    /// It is no keystore.
    #[error("`{}` is no keystore of an account on Starknet: {reason}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The passphrase is another one.
    #[error("the passphrase of `{}` is another one, or the keystore was changed", .0.display())]
    Locked(PathBuf),
}

/// What has to be known of a keystore before anything is computed.
#[derive(Deserialize)]
struct Keystore {
    crypto: Crypto,
}

#[derive(Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdfparams: KdfParams,
}

#[derive(Deserialize)]
struct CipherParams {
    iv: String,
}

#[derive(Deserialize)]
struct KdfParams {
    dklen: u32,
    n: Option<u32>,
    r: Option<u32>,
    p: Option<u32>,
    c: Option<u32>,
}

impl Keystore {
    /// What keeps the file from being opened, if anything does.
    fn fault(&self) -> Option<&'static str> {
        let Crypto { cipher, cipherparams, ciphertext, kdfparams } = &self.crypto;
        let KdfParams { dklen, n, r, p, c } = *kdfparams;
        let within = |value: Option<u32>, max| value.is_none_or(|it| (1..=max).contains(&it));
        if cipher != "aes-128-ctr" {
            return Some("the cipher is not `aes-128-ctr`");
        }
        if dklen != 32 || cipherparams.iv.len() != 32 || ciphertext.len() != 64 {
            return Some("expected a key of 32 bytes, and an `iv` of 16");
        }
        let bounded = within(n, SCRYPT_N_MAX) && within(r, SCRYPT_R_MAX) && within(p, SCRYPT_P_MAX);
        if !bounded || !within(c, PBKDF2_ROUNDS_MAX) {
            return Some(
                "`kdfparams` ask for more than is given: n to 2^18, r and p to 8, c to 5000000",
            );
        }
        match (c, n, r, p) {
            (Some(_), None, None, None) => None,
            (None, Some(n), Some(_), Some(_)) if n.is_power_of_two() && n > 1 => None,
            _ => Some("`kdfparams` are neither scrypt's n, r and p nor pbkdf2's c"),
        }
    }
}

/// Opens the key of an account; takes the better part of a second, on purpose.
pub(super) fn open(path: &Path, passphrase_file: &Path) -> Result<SigningKey, KeyFileError> {
    let passphrase = Passphrase::read(passphrase_file)?;
    let form = |reason: String| KeyFileError::Form { path: path.to_owned(), reason };
    let keystore: Keystore = serde_json::from_slice(&files::read(path, BYTES_MAX)?)
        .map_err(|error| form(error.to_string()))?;
    if let Some(fault) = keystore.fault() {
        return Err(form(fault.to_owned()));
    }
    let key = SigningKey::from_keystore(path, passphrase.expose())
        .map_err(|_| KeyFileError::Locked(path.to_owned()))?;
    if key.secret_scalar() == Felt::ZERO || key.secret_scalar() >= ORDER {
        return Err(form("the key is no number between zero and the curve's order".to_owned()));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder with a key and its passphrase.
    fn folder() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (store, words) = (folder.path().join("key.json"), folder.path().join("words"));
        let key = SigningKey::from_secret_scalar(Felt::from(0x1234_5678_u64));
        key.save_as_keystore(&store, "correct horse").unwrap();
        std::fs::write(&words, "correct horse\n").unwrap();
        std::fs::set_permissions(&words, std::fs::Permissions::from_mode(0o600)).unwrap();
        (folder, store, words)
    }

    #[test]
    fn a_key_opens_with_its_passphrase_alone() {
        let (_folder, store, words) = folder();
        let key = open(&store, &words).unwrap();
        assert_eq!(key.secret_scalar(), Felt::from(0x1234_5678_u64));
        std::fs::write(&words, "another\n").unwrap();
        assert!(matches!(open(&store, &words), Err(KeyFileError::Locked(_))));
    }

    #[test]
    fn a_number_that_is_no_key_is_refused() {
        let (_folder, store, words) = folder();
        for (scalar, good) in [(Felt::ZERO, false), (ORDER, false), (ORDER - Felt::ONE, true)] {
            std::fs::remove_file(&store).unwrap();
            let key = SigningKey::from_secret_scalar(scalar);
            key.save_as_keystore(&store, "correct horse").unwrap();
            assert_eq!(open(&store, &words).is_ok(), good, "{scalar:#x}");
        }
    }

    #[test]
    fn files_that_ask_for_too_much_or_are_damaged_are_refused_before_anything_is_computed() {
        let (_folder, store, words) = folder();
        let good: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&store).unwrap()).unwrap();
        let changes: [(&str, serde_json::Value); 8] = [
            ("/crypto/kdfparams/n", (1_u32 << 30).into()),
            ("/crypto/kdfparams/n", 1000.into()),
            ("/crypto/kdfparams/r", 4096.into()),
            ("/crypto/kdfparams/p", 0.into()),
            ("/crypto/kdfparams/dklen", 16.into()),
            ("/crypto/cipherparams/iv", "00".into()),
            ("/crypto/ciphertext", "".into()),
            ("/crypto/cipher", "none".into()),
        ];
        for (place, value) in changes {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            std::fs::write(&store, bad.to_string()).unwrap();
            let refused = open(&store, &words);
            assert!(matches!(refused, Err(KeyFileError::Form { .. })), "{place}: {refused:?}");
        }
    }
}
