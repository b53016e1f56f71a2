//! What a verifier knows of a model.

use blake2::{Blake2s256, Digest};
use ciro_model::integer::{Interface, InterfaceError};
use serde::{Deserialize, Serialize};

use crate::builtin::Builtin;
use crate::identity::Identity;
use crate::program_hash::ProgramHash;

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-cairo-key/2\n";

/// No key is longer: a thousand class names take some ten kilobytes.
const KEY_BYTES_MAX: usize = 1 << 20;

/// A verifier's view of a model: the hash of its program, and what the program's inputs and outputs
/// mean.
///
/// The program binds the graph and its small constants by its bytecode, and the large constants by
/// a commitment that it checks. A key is small (below 10 kB unless the model lists many class
/// names) and is computed once for each model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CairoKey {
    /// The digest of the integer model ([`ciro_model::IntegerModel::digest`]): the same as in a key
    /// of the other route.
    pub model: [u8; 32],
    /// The program.
    pub program: ProgramHash,
    /// The builtins whose pointers the program takes, in order; the program hash covers them.
    pub builtins: Vec<Builtin>,
    /// What the model takes and gives; the program takes one integer tensor for each view.
    pub interface: Interface,
}

/// A key that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CairoKeyError {
    /// The inputs or outputs are none that a model has.
    #[error("the Cairo model key contradicts itself")]
    Interface(#[from] InterfaceError),
    /// More bytes than a key has.
    #[error("the Cairo model key has {0} bytes, at most {KEY_BYTES_MAX} are read")]
    TooLarge(usize),
    /// Not a key, or of another version.
    #[error("not a Cairo model key of version 2: ask the model's owner for a new one")]
    Version,
    /// Cut short, or holding something else.
    #[error("the Cairo model key is damaged: {0}")]
    Damaged(#[from] postcard::Error),
    /// More bytes than the key has.
    #[error("{0} byte(s) follow the Cairo model key")]
    Trailing(usize),
    /// The same key has another, shorter encoding.
    #[error("the Cairo model key is not encoded as this version does")]
    NotCanonical,
}

impl CairoKey {
    /// What the program states to be about: the model, and what its inputs and outputs mean.
    pub fn identity(&self) -> Identity {
        Identity::new(self.model, &self.interface)
    }

    /// The Blake2s digest of the key's bytes: two keys with one digest are one key.
    pub fn digest(&self) -> [u8; 32] {
        Blake2s256::digest(self.to_bytes()).into()
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
    /// [`CairoKeyError`] if the bytes are anything but one key.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CairoKeyError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(CairoKeyError::Version)?;
        if bytes.len() > KEY_BYTES_MAX {
            return Err(CairoKeyError::TooLarge(bytes.len()));
        }
        let (key, rest) = postcard::take_from_bytes::<Self>(body)?;
        if !rest.is_empty() {
            return Err(CairoKeyError::Trailing(rest.len()));
        }
        key.interface.check()?;
        if key.to_bytes() != bytes {
            return Err(CairoKeyError::NotCanonical);
        }
        Ok(key)
    }
}
