//! The model key: what a verifier holds instead of the model.

use std::fmt;
use std::path::Path;

use ciro_model::Interface;
use ciro_stark::{Preset, Security};

#[cfg(feature = "cairo")]
use crate::cairo::{self, CairoKey};
use crate::files::{self, FileError};
#[cfg(feature = "prove")]
use crate::inputs::InputSpec;
use crate::route::{Route, RouteNotBuilt};

/// The longest key file that is read, in bytes; keys of real models have less than 10 kB.
const MAX_BYTES: u64 = ciro_stark::KEY_BYTES_MAX as u64;

/// The identity of a model for everybody who verifies: the digest of its key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyDigest(pub [u8; 32]);

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyDigest({self})")
    }
}

/// All that a verifier needs to know of a model: a commitment to its graph, weights and scales, and what its inputs and
/// outputs mean.
///
/// Whoever trusts a model makes its key ([`Model::key`](crate::Model::key)); verifiers get the key from them, never from the
/// prover.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ModelKey {
    /// A key of the tensor route.
    Tensor(Box<ciro_stark::ModelKey>),
    /// A key of the Cairo route.
    #[cfg(feature = "cairo")]
    Cairo(Box<CairoKey>),
}

/// What the keys of the Cairo route begin with, whatever their version.
const CAIRO_MAGIC: &[u8] = b"ciro-cairo-key/";

/// Bytes that are no model key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No key of the tensor route, nor of any other.
    #[error(transparent)]
    Tensor(#[from] ciro_stark::KeyError),
    /// A key of the Cairo route that does not decode.
    #[cfg(feature = "cairo")]
    #[error(transparent)]
    Cairo(#[from] ciro_cairo::KeyError),
    /// A key of a route that is not part of this build.
    #[error(transparent)]
    NotBuilt(#[from] RouteNotBuilt),
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadKeyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no key.
    #[error("not a usable model key")]
    Key(#[from] KeyError),
}

impl ModelKey {
    /// The route that the key is made for.
    pub fn route(&self) -> Route {
        match self {
            Self::Tensor(_) => Route::Tensor,
            #[cfg(feature = "cairo")]
            Self::Cairo(_) => Route::Cairo,
        }
    }

    /// The identity of the key.
    pub fn digest(&self) -> KeyDigest {
        match self {
            Self::Tensor(key) => KeyDigest(key.digest()),
            #[cfg(feature = "cairo")]
            Self::Cairo(key) => KeyDigest(key.digest()),
        }
    }

    /// The security parameters that the key is made for.
    pub fn preset(&self) -> Preset {
        match self {
            Self::Tensor(key) => key.preset(),
            #[cfg(feature = "cairo")]
            Self::Cairo(_) => cairo::PRESET,
        }
    }

    /// The security of proofs for this key, term by term.
    pub fn security(&self) -> Security {
        match self {
            Self::Tensor(key) => Security::of(key),
            #[cfg(feature = "cairo")]
            Self::Cairo(_) => cairo::security(),
        }
    }

    /// The number of inferences in one proof.
    pub fn batch(&self) -> u32 {
        match self {
            Self::Tensor(key) => key.batch(),
            #[cfg(feature = "cairo")]
            Self::Cairo(_) => 1,
        }
    }

    /// What the model takes and gives.
    pub fn interface(&self) -> &Interface {
        match self {
            Self::Tensor(key) => key.interface(),
            #[cfg(feature = "cairo")]
            Self::Cairo(key) => key.interface(),
        }
    }

    /// Names and shapes of the model's inputs.
    #[cfg(feature = "prove")]
    pub fn input_specs(&self) -> Vec<InputSpec> {
        InputSpec::all(self.interface())
    }

    /// The bytes of a key file.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Tensor(key) => key.to_bytes(),
            #[cfg(feature = "cairo")]
            Self::Cairo(key) => key.to_bytes(),
        }
    }

    /// Decodes a key file.
    ///
    /// # Errors
    /// [`KeyError`] if the bytes are no key of this version; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.starts_with(CAIRO_MAGIC) {
            #[cfg(feature = "cairo")]
            return Ok(Self::Cairo(Box::new(CairoKey::from_bytes(bytes)?)));
            #[cfg(not(feature = "cairo"))]
            return Err(RouteNotBuilt(Route::Cairo).into());
        }
        Ok(Self::Tensor(Box::new(ciro_stark::ModelKey::from_bytes(bytes)?)))
    }

    /// Writes a key file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`LoadKeyError`] if it cannot be read or is no key of this version.
    pub fn load(path: &Path) -> Result<Self, LoadKeyError> {
        Ok(Self::from_bytes(&files::read(path, MAX_BYTES)?)?)
    }
}
