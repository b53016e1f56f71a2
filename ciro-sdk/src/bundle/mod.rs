//! The proof bundle: one file with everything that a verifier needs besides the model key.
//!
//! ```text
//! "CIROPROF"   8 bytes
//! version      u16: 1
//! route        u8: 0 tensor, 1 cairo
//! preset       u8 length, name of the security preset in ASCII
//! model key    32 bytes: digest of the key
//! claims       u32 count, then for each: input, outputs
//!   input      u8: 0 public, then tensors; 1 committed, then 32 bytes
//!   outputs    tensors: u16 count, then for each: u8 rank, u32 extents, i32 elements in row-major order
//! proof        u32 length, bytes
//! ```
//!
//! All integers are little endian. One statement and proof have exactly one encoding.

mod codec;

use std::path::Path;

use ciro_stark::Preset;

pub use codec::DecodeError;
use codec::{Reader, Writer};

use crate::files::{self, FileError};
use crate::key::KeyDigest;
use crate::route::Route;
use crate::statement::{Claim, StatedInput, Statement};

const MAGIC: &[u8; 8] = b"CIROPROF";
const VERSION: u16 = 1;

/// The longest bundle that is read, in bytes.
pub const MAX_BUNDLE_BYTES: u64 = 1 << 30;

/// A statement and its proof: this model, on these inputs, gave these outputs.
///
/// Nothing in a bundle is to be believed before it is [verified](crate::verify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofBundle {
    /// How the statement is proven.
    pub route: Route,
    /// The security parameters that the prover used, by name.
    pub preset: Preset,
    /// The key of the model that the statement is about.
    pub model_key: KeyDigest,
    /// Input and outputs of every inference, as integers.
    pub statement: Statement,
    /// The proof, in the encoding of its route.
    pub proof: Vec<u8>,
}

/// A bundle file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadBundleError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no bundle.
    #[error("not a valid proof bundle")]
    Decode(#[from] DecodeError),
}

impl ProofBundle {
    /// The bytes of the `.ciro` file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::default();
        w.bytes(MAGIC);
        w.u16(VERSION);
        w.u8(match self.route {
            Route::Tensor => 0,
            Route::Cairo => 1,
        });
        w.short_text(self.preset.name());
        w.bytes(&self.model_key.0);
        w.count_u32(self.statement.claims.len());
        for claim in &self.statement.claims {
            match &claim.input {
                StatedInput::Public(tensors) => {
                    w.u8(0);
                    w.tensors(tensors);
                }
                StatedInput::Committed(commitment) => {
                    w.u8(1);
                    w.bytes(commitment);
                }
            }
            w.tensors(&claim.outputs);
        }
        w.count_u32(self.proof.len());
        w.bytes(&self.proof);
        w.into_bytes()
    }

    /// Decodes the bytes of a `.ciro` file.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no bundle of this version; no bytes panic or take more memory than they have.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        if r.array::<8>().ok().as_ref() != Some(MAGIC) {
            return Err(DecodeError::Magic);
        }
        let found = r.u16()?;
        if found != VERSION {
            return Err(DecodeError::Version { expected: VERSION, found });
        }
        let route = match r.u8()? {
            0 => Route::Tensor,
            1 => Route::Cairo,
            code => return Err(DecodeError::Route(code)),
        };
        let name = r.short_text()?;
        let preset = name.parse().map_err(|_| DecodeError::Preset(name))?;
        let model_key = KeyDigest(r.array()?);
        let count = r.u32()?;
        let mut claims = Vec::new();
        for _ in 0..count {
            let input = match r.u8()? {
                0 => StatedInput::Public(r.tensors()?),
                1 => StatedInput::Committed(r.array()?),
                tag => return Err(DecodeError::Input(tag)),
            };
            claims.push(Claim { input, outputs: r.tensors()? });
        }
        let length = r.u32()?;
        let proof = r.take(length)?.to_vec();
        r.finish()?;
        Ok(Self { route, preset, model_key, statement: Statement { claims }, proof })
    }

    /// Writes the `.ciro` file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a `.ciro` file.
    ///
    /// # Errors
    /// [`LoadBundleError`] if it cannot be read or is no bundle of this version.
    pub fn load(path: &Path) -> Result<Self, LoadBundleError> {
        Ok(Self::from_bytes(&files::read(path, MAX_BUNDLE_BYTES)?)?)
    }
}

#[cfg(test)]
mod tests {
    use ciro_graph::Tensor;
    use proptest::prelude::*;

    use super::*;

    fn sample() -> ProofBundle {
        let tensor = |shape: Vec<usize>, data| Tensor::new(shape, data).unwrap();
        let outputs = vec![tensor(vec![3], vec![-2, 0, i32::MAX])];
        let inputs = vec![tensor(vec![1, 2], vec![1, -3]), Tensor::scalar(i32::MIN)];
        let public = Claim { input: StatedInput::Public(inputs), outputs: outputs.clone() };
        let committed = Claim { input: StatedInput::Committed([9; 32]), outputs };
        ProofBundle {
            route: Route::Tensor,
            preset: Preset::Standard,
            model_key: KeyDigest([7; 32]),
            statement: Statement { claims: vec![public, committed] },
            proof: vec![1, 2, 3, 4],
        }
    }

    #[test]
    fn a_saved_bundle_loads_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("proof.ciro");
        for route in Route::ALL {
            for preset in Preset::ALL {
                let bundle = ProofBundle { route, preset, ..sample() };
                bundle.save(&path).unwrap();
                assert_eq!(ProofBundle::load(&path).unwrap(), bundle);
            }
        }
    }

    #[test]
    fn every_shorter_or_longer_file_is_refused() {
        let bytes = sample().to_bytes();
        for end in 0..bytes.len() {
            ProofBundle::from_bytes(&bytes[..end]).unwrap_err();
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(ProofBundle::from_bytes(&longer), Err(DecodeError::TrailingBytes(1)));
    }

    #[test]
    fn other_files_and_versions_are_told_apart() {
        let decode = |at: usize, value: u8| {
            let mut bytes = sample().to_bytes();
            bytes[at] = value;
            ProofBundle::from_bytes(&bytes).unwrap_err()
        };
        assert_eq!(ProofBundle::from_bytes(b"PK\x03\x04"), Err(DecodeError::Magic));
        assert_eq!(decode(0, b'X'), DecodeError::Magic);
        assert_eq!(decode(8, 2), DecodeError::Version { expected: 1, found: 2 });
        assert_eq!(decode(10, 9), DecodeError::Route(9));
        assert_eq!(decode(12, b'S'), DecodeError::Preset("Standard".to_owned()));
        assert_eq!(decode(56, 2), DecodeError::Input(2));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_one_bundle_has_one_encoding(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            tail in prop::collection::vec(any::<u8>(), 0..40),
            keep: prop::sample::Index,
        ) {
            let mut bytes = sample().to_bytes();
            for (at, value) in changes {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            bytes.truncate(keep.index(bytes.len()) + 1);
            bytes.extend(tail);
            if let Ok(bundle) = ProofBundle::from_bytes(&bytes) {
                prop_assert_eq!(bundle.to_bytes(), bytes);
            }
        }
    }
}
