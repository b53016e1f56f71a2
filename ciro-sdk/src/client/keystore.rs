//! Keys of accounts, encrypted on disk: Argon2id makes a key of the passphrase,
//! XChaCha20-Poly1305 seals the secret with it, and what is beside it is authenticated.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use ciro_protocol::sign::{Address, SecretKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::files::{self, FileError};

const VERSION: u16 = 1;
const FILE_BYTES_MAX: u64 = 4096;
/// What OWASP asks of Argon2id, and more: 64 MiB, three passes.
const MEMORY_KIB: u32 = 64 << 10;
const PASSES: u32 = 3;
/// A file may ask for so much memory at most, in KiB, and so many passes: a stranger's file must
/// not stop the machine.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 64;

/// A passphrase; its memory is cleared.
pub struct Passphrase(Zeroizing<String>);

/// An account's key as a file holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keystore {
    version: u16,
    /// The account.
    pub address: Address,
    kdf: Kdf,
    cipher: Cipher,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kdf {
    name: String,
    memory_kib: u32,
    passes: u32,
    salt: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: String,
    secret: String,
}

/// A keystore that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeystoreError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something of this name is there.
    #[error("`{}` exists: a key is never written over", .0.display())]
    Exists(PathBuf),
    /// Others can read the file.
    #[error("`{}` can be read by others: allow nobody but its owner (chmod 600)", .0.display())]
    Open(PathBuf),
    /// The file is none.
    #[error("not a keystore of version 1: {0}")]
    Form(String),
    /// The file holds no key.
    #[error("`{}` does not hold `0x` and 64 hexadecimal digits of a key", .0.display())]
    NoKey(PathBuf),
    /// The passphrase is empty.
    #[error("the passphrase is empty")]
    Empty,
    /// The passphrase is another one, or the file was changed.
    #[error("the passphrase is another one, or the keystore was changed")]
    Locked,
    /// The operating system has no random numbers.
    #[error("the operating system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

impl Passphrase {
    /// Takes a passphrase.
    ///
    /// # Errors
    /// [`KeystoreError::Empty`] if there is nothing in it.
    pub fn new(text: String) -> Result<Self, KeystoreError> {
        let text = Zeroizing::new(text);
        if text.is_empty() { Err(KeystoreError::Empty) } else { Ok(Self(text)) }
    }

    /// Reads a passphrase from a file of one line that only its owner can read.
    ///
    /// # Errors
    /// [`KeystoreError`] if it cannot be read, is open to others, or is empty.
    pub fn read(path: &Path) -> Result<Self, KeystoreError> {
        check_closed(path)?;
        let mut bytes = files::read(path, FILE_BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map(|text| text.trim_end_matches(['\r', '\n']));
        let text = text.map(str::to_owned).unwrap_or_default();
        bytes.zeroize();
        Self::new(text)
    }

    /// The passphrase itself, for keystores of other kinds.
    #[cfg(feature = "starknet-client")]
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Writes a new file that only its owner can read.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] if something is there already.
    pub fn write(&self, path: &Path) -> Result<(), KeystoreError> {
        write_secret(path, self.0.as_bytes())
    }
}

impl Keystore {
    /// Makes a new key and seals it.
    ///
    /// # Errors
    /// [`KeystoreError::Random`] if there are no random numbers.
    pub fn generate(passphrase: &Passphrase) -> Result<(Self, SecretKey), KeystoreError> {
        loop {
            let mut secret = Zeroizing::new([0; 32]);
            getrandom::fill(secret.as_mut()).map_err(KeystoreError::Random)?;
            SecretKey::make_scalar(&mut secret);
            if SecretKey::from_bytes(&secret).is_ok() {
                return Self::seal(&secret, passphrase);
            }
        }
    }

    /// Seals the big-endian bytes of a secret scalar.
    ///
    /// # Errors
    /// [`KeystoreError::Form`] if they are no key.
    pub fn seal(
        secret: &[u8; 32],
        passphrase: &Passphrase,
    ) -> Result<(Self, SecretKey), KeystoreError> {
        let key = SecretKey::from_bytes(secret)
            .map_err(|error| KeystoreError::Form(error.to_string()))?;
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        getrandom::fill(&mut salt).map_err(KeystoreError::Random)?;
        getrandom::fill(&mut nonce).map_err(KeystoreError::Random)?;
        let kdf = Kdf {
            name: "argon2id".to_owned(),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            salt: hex::encode(salt),
        };
        let cipher = Cipher {
            name: "xchacha20poly1305".to_owned(),
            nonce: hex::encode(nonce),
            secret: String::new(),
        };
        let mut store = Self { version: VERSION, address: key.address(), kdf, cipher };
        let payload = Payload { msg: secret, aad: &store.context() };
        let sealed = store.aead(passphrase)?.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| KeystoreError::Locked)?;
        store.cipher.secret = hex::encode(sealed);
        Ok((store, key))
    }

    /// Opens the key.
    ///
    /// # Errors
    /// [`KeystoreError::Locked`] if the passphrase is another one or anything was changed.
    pub fn open(&self, passphrase: &Passphrase) -> Result<SecretKey, KeystoreError> {
        let form = |what: &str| KeystoreError::Form(what.to_owned());
        if self.version != VERSION {
            return Err(form("another version"));
        }
        if self.kdf.name != "argon2id" || self.cipher.name != "xchacha20poly1305" {
            return Err(form("another cipher"));
        }
        let mut nonce = [0; 24];
        hex::decode_to_slice(&self.cipher.nonce, &mut nonce).map_err(|_| form("bad nonce"))?;
        let sealed = hex::decode(&self.cipher.secret).map_err(|_| form("bad secret"))?;
        let payload = Payload { msg: &sealed, aad: &self.context() };
        let opened = self.aead(passphrase)?.decrypt(&XNonce::from(nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| KeystoreError::Locked)?);
        let secret: Zeroizing<[u8; 32]> =
            Zeroizing::new(opened.as_slice().try_into().map_err(|_| form("bad secret"))?);
        let key = SecretKey::from_bytes(&secret).map_err(|error| form(&error.to_string()))?;
        if key.address() == self.address {
            Ok(key)
        } else {
            Err(form("the key of another account"))
        }
    }

    /// Writes a new file that only its owner can read.
    ///
    /// # Errors
    /// [`KeystoreError::Exists`] if something is there already.
    pub fn save(&self, path: &Path) -> Result<(), KeystoreError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| KeystoreError::Form(error.to_string()))?;
        write_secret(path, text.as_bytes())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`KeystoreError`] if it cannot be read, is open to others, or is none.
    pub fn load(path: &Path) -> Result<Self, KeystoreError> {
        check_closed(path)?;
        let bytes = files::read(path, FILE_BYTES_MAX)?;
        serde_json::from_slice(&bytes).map_err(|error| KeystoreError::Form(error.to_string()))
    }

    /// What is authenticated beside the secret.
    fn context(&self) -> Vec<u8> {
        let Kdf { name, memory_kib, passes, salt } = &self.kdf;
        let text = format!(
            "ciro keystore {VERSION} {} {name} {memory_kib} {passes} {salt} {}",
            self.address, self.cipher.name
        );
        text.into_bytes()
    }

    fn aead(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305, KeystoreError> {
        let form = |what: &str| KeystoreError::Form(what.to_owned());
        let Kdf { memory_kib, passes, salt, .. } = &self.kdf;
        if !(8..=MEMORY_KIB_MAX).contains(memory_kib) || !(1..=PASSES_MAX).contains(passes) {
            return Err(form("more memory or passes than are allowed"));
        }
        let mut salted = [0; 16];
        hex::decode_to_slice(salt, &mut salted).map_err(|_| form("bad salt"))?;
        let params = Params::new(*memory_kib, *passes, 1, Some(32));
        let params = params.map_err(|error| form(&error.to_string()))?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase.0.as_bytes(), &salted, key.as_mut())
            .map_err(|error| form(&error.to_string()))?;
        Ok(XChaCha20Poly1305::new(key.as_slice().into()))
    }
}

/// Reads the key of a node: `0x` and 64 hexadecimal digits in a file that only its owner can read.
///
/// # Errors
/// [`KeystoreError`] if it cannot be read, is open to others, or holds no key.
pub fn read_key(path: &Path) -> Result<SecretKey, KeystoreError> {
    check_closed(path)?;
    let bytes = Zeroizing::new(files::read(path, FILE_BYTES_MAX)?);
    let digits = bytes.trim_ascii().strip_prefix(b"0x").unwrap_or_default();
    let mut scalar = Zeroizing::new([0; 32]);
    let decoded = hex::decode_to_slice(digits, scalar.as_mut_slice()).is_ok();
    let key = decoded.then(|| SecretKey::from_bytes(&scalar).ok()).flatten();
    key.ok_or_else(|| KeystoreError::NoKey(path.to_owned()))
}

/// Writes a new file that only its owner can read.
fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), KeystoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::AlreadyExists => KeystoreError::Exists(path.to_owned()),
        _ => FileError::Write { path: path.to_owned(), source }.into(),
    };
    let mut file = files::create_private(path).map_err(failed)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed)
}

/// Refuses a file that others can read.
fn check_closed(path: &Path) -> Result<(), KeystoreError> {
    match files::shared_mode(path) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(KeystoreError::Open(path.to_owned())),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phrase(text: &str) -> Passphrase {
        Passphrase::new(text.to_owned()).unwrap()
    }

    #[test]
    fn a_key_comes_back_with_its_passphrase_and_with_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let (store, key) = Keystore::generate(&phrase("correct horse")).unwrap();
        store.save(&path).unwrap();
        let read = Keystore::load(&path).unwrap();
        assert_eq!(read, store);
        assert_eq!(read.open(&phrase("correct horse")).unwrap().address(), key.address());
        assert!(matches!(read.open(&phrase("battery")), Err(KeystoreError::Locked)));
        assert!(matches!(store.save(&path), Err(KeystoreError::Exists(_))));
        assert!(!format!("{:?}", phrase("correct horse")).contains("horse"));
    }

    #[test]
    fn whatever_is_changed_in_a_keystore_locks_it() {
        let (store, _) = Keystore::generate(&phrase("p")).unwrap();
        let other = SecretKey::from_seed(b"other").address();
        let changes: [fn(&mut Keystore); 4] = [
            |it| it.kdf.passes = 2,
            |it| it.kdf.salt = hex::encode([0; 16]),
            |it| it.cipher.nonce = hex::encode([0; 24]),
            |it| it.cipher.secret.replace_range(0..2, "00"),
        ];
        for change in changes {
            let mut changed = store.clone();
            change(&mut changed);
            assert!(changed == store || changed.open(&phrase("p")).is_err());
        }
        let moved = Keystore { address: other, ..store.clone() };
        assert!(matches!(moved.open(&phrase("p")), Err(KeystoreError::Locked)));
        let mut greedy = store;
        greedy.kdf.memory_kib = u32::MAX;
        assert!(matches!(greedy.open(&phrase("p")), Err(KeystoreError::Form(_))));
    }

    #[test]
    fn keys_of_nodes_are_read_from_files_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let scalar = SecretKey::scalar_from_seed(b"node0");
        write_secret(&path, format!("0x{}\n", hex::encode(scalar)).as_bytes()).unwrap();
        assert_eq!(read_key(&path).unwrap().address(), SecretKey::from_seed(b"node0").address());
        let other = folder.path().join("other.key");
        write_secret(&other, b"0x12").unwrap();
        assert!(matches!(read_key(&other), Err(KeystoreError::NoKey(_))));
    }

    #[cfg(unix)]
    #[test]
    fn files_that_others_can_read_are_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phrase");
        write_secret(&path, b"secret\n").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(&*Passphrase::read(&path).unwrap().0, "secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(Passphrase::read(&path), Err(KeystoreError::Open(_))));
    }
}
