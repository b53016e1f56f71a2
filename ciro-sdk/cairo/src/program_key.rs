//! What a verifier knows of a program that is no model's.

use blake2::{Blake2s256, Digest};
use serde::{Deserialize, Serialize};

use crate::builtin::{Builtin, Unprovable, check_provable};
use crate::program_hash::ProgramHash;

/// The format's first bytes, whatever the version.
const NAME: &[u8] = b"ciro-program-key/";

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-program-key/1\n";

/// No key is longer: a hash, and a byte for each builtin.
const KEY_BYTES_MAX: usize = 128;

/// A verifier's view of a Cairo program: the hash of its bytecode, and the builtins that it takes.
///
/// It says nothing of what the program's output means, and nothing of arguments. How much a program
/// prints is for the program to decide, and for the proof to show: no length is part of the key, so
/// that a key follows from the program alone, without a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CairoProgramKey {
    program: ProgramHash,
    builtins: Vec<Builtin>,
}

/// A program key that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CairoProgramKeyError {
    /// Something else.
    #[error("not a program key: it does not begin with `ciro-program-key/`")]
    Magic,
    /// Of another version.
    #[error("not a program key of version 1: make the key again from the program")]
    Version,
    /// More bytes than a key has.
    #[error("the program key has {0} bytes, at most {KEY_BYTES_MAX} are read")]
    TooLarge(usize),
    /// Cut short, or holding something else.
    #[error("the program key is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// More bytes than the key has.
    #[error("{0} byte(s) follow the program key")]
    Trailing(usize),
    /// Builtins that no proof can be about.
    #[error("the program key cannot be that of a program")]
    Builtins(#[from] Unprovable),
    /// The same key has another, shorter encoding.
    #[error("the program key is not encoded as this version does")]
    NotCanonical,
}

impl CairoProgramKey {
    /// The key of a program with this hash that takes these builtins.
    ///
    /// # Errors
    /// [`Unprovable`] if there are no proofs about programs that take them.
    pub fn new(program: ProgramHash, builtins: Vec<Builtin>) -> Result<Self, Unprovable> {
        check_provable(&builtins)?;
        Ok(Self { program, builtins })
    }

    /// The program.
    pub fn program(&self) -> ProgramHash {
        self.program
    }

    /// The builtins whose pointers the program takes, in order; the program hash covers them.
    pub fn builtins(&self) -> &[Builtin] {
        &self.builtins
    }

    /// The Blake2s digest of the key's bytes: two keys with one digest are one key, and none has
    /// the digest of a model's key.
    pub fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_bytes()).into()
    }

    /// Whether bytes begin as program keys do, whatever their version.
    pub fn is_key(bytes: &[u8]) -> bool {
        bytes.starts_with(NAME)
    }

    /// The key as bytes, equal for equal keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(postcard::to_stdvec(self).expect("a key holds nothing that postcard refuses"));
        bytes
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`CairoProgramKeyError`] if the bytes are anything but one key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CairoProgramKeyError> {
        if !Self::is_key(bytes) {
            return Err(CairoProgramKeyError::Magic);
        }
        let body = bytes.strip_prefix(MAGIC).ok_or(CairoProgramKeyError::Version)?;
        if bytes.len() > KEY_BYTES_MAX {
            return Err(CairoProgramKeyError::TooLarge(bytes.len()));
        }
        let (key, rest) = postcard::take_from_bytes::<Self>(body)?;
        if !rest.is_empty() {
            return Err(CairoProgramKeyError::Trailing(rest.len()));
        }
        check_provable(&key.builtins)?;
        if key.to_bytes() != bytes {
            return Err(CairoProgramKeyError::NotCanonical);
        }
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CairoProgramKey {
        let builtins = vec![Builtin::Output, Builtin::Pedersen, Builtin::RangeCheck];
        CairoProgramKey::new(ProgramHash([7; 32]), builtins).unwrap()
    }

    #[test]
    fn a_key_comes_back_and_has_one_encoding() {
        let bytes = key().to_bytes();
        assert_eq!(bytes.len(), MAGIC.len() + 32 + 1 + 3);
        assert_eq!(CairoProgramKey::from_bytes(&bytes), Ok(key()));
        for end in 0..bytes.len() {
            CairoProgramKey::from_bytes(&bytes[..end]).unwrap_err();
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                if let Ok(other) = CairoProgramKey::from_bytes(&changed) {
                    assert_eq!(other.to_bytes(), changed);
                    assert_ne!(other.digest(), key().digest());
                }
            }
        }
    }

    #[test]
    fn each_malformed_key_is_told_by_what_is_wrong() {
        let bytes = key().to_bytes();
        let refused = |bytes: &[u8]| CairoProgramKey::from_bytes(bytes).unwrap_err();
        assert_eq!(refused(b"CIRORING"), CairoProgramKeyError::Magic);
        assert_eq!(refused(b"ciro-cairo-key/2\n"), CairoProgramKeyError::Magic);
        assert_eq!(refused(b"ciro-program-key/2\n"), CairoProgramKeyError::Version);
        assert_eq!(refused(&[&bytes[..], &[0]].concat()), CairoProgramKeyError::Trailing(1));
        let longer = [&bytes[..], &[0; 200]].concat();
        assert_eq!(refused(&longer), CairoProgramKeyError::TooLarge(longer.len()));
        let cut = refused(&bytes[..bytes.len() - 1]);
        assert!(matches!(cut, CairoProgramKeyError::Damaged(_)), "{cut}");
        // The number of builtins in two bytes instead of one.
        let count = MAGIC.len() + 32;
        let wide = [&bytes[..count], &[0x83, 0], &bytes[count + 1..]].concat();
        assert_eq!(refused(&wide), CairoProgramKeyError::NotCanonical);
        let with = |builtins: Vec<Builtin>| {
            let key = CairoProgramKey { program: ProgramHash([7; 32]), builtins };
            refused(&key.to_bytes())
        };
        let unprovable = [
            vec![],
            vec![Builtin::RangeCheck],
            vec![Builtin::Output, Builtin::Output],
            vec![Builtin::Output, Builtin::Poseidon, Builtin::Pedersen],
            vec![Builtin::Output, Builtin::Ecdsa],
            vec![Builtin::Output, Builtin::SegmentArena],
        ];
        for builtins in unprovable {
            let error = with(builtins.clone());
            assert!(matches!(error, CairoProgramKeyError::Builtins(_)), "{builtins:?}: {error}");
        }
    }
}
