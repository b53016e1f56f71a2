//! The file of a proof about a program.
//!
//! ```text
//! "CIROPROG"   8 bytes
//! version      u16: 1
//! key          32 bytes: digest of the program's key
//! proof        u32 length, bytes
//! ```
//!
//! All integers are little endian. What the program printed is part of the proof and stands nowhere
//! else, so that nothing in the file can contradict what is proven.

use std::path::Path;

use ciro_cairo::{CairoProof, Felt, ProofDecodeError};

use crate::advice::Advice;
use crate::files::{self, FileError};
use crate::verify::bundle::{MAGIC as BUNDLE_MAGIC, PROGRAM_MAGIC};
use crate::verify::{KeyDigest, MAX_BUNDLE_BYTES, MAX_PROOF_BYTES};

const VERSION: u16 = 1;

/// What stands before the proof.
const HEADER_BYTES: usize = PROGRAM_MAGIC.len() + 2 + 32 + 4;

/// A proof that a Cairo program printed an output.
///
/// Nothing in it is to be believed before it is [verified](crate::program::verify_program).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramProof {
    /// The key of the program that the proof says it is about.
    pub key: KeyDigest,
    /// The proof.
    pub proof: Vec<u8>,
}

/// Bytes that are no proof about a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramProofError {
    /// The file is something else.
    #[error("the file does not begin with `CIROPROG`")]
    Magic,
    /// The proof is about a model.
    #[error("the proof is about a model, not about a Cairo program")]
    Model,
    /// The file is of another version of the format.
    #[error("the proof has format version {0}, this program reads version {VERSION}")]
    Version(u16),
    /// The bytes end too early.
    #[error("the proof is cut short: {0} more byte(s) are needed at least")]
    Truncated(usize),
    /// Bytes follow the end.
    #[error("{0} byte(s) follow the end of the proof")]
    TrailingBytes(usize),
    /// Longer than any proof.
    #[error("the proof has {0} bytes, the longest that is read has {MAX_PROOF_BYTES}")]
    TooLong(usize),
}

/// A file of a proof about a program that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadProgramProofError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no proof about a program.
    #[error("not a valid proof about a program")]
    Decode(#[from] ProgramProofError),
}

impl LoadProgramProofError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Decode(ProgramProofError::Model) => None,
            Self::Decode(_) => Some(Advice::AskForProof),
            Self::File(error) => error.advice(),
        }
    }
}

impl ProgramProof {
    /// What the program is claimed to have printed; nothing of it is verified.
    ///
    /// # Errors
    /// [`ProofDecodeError`] if the proof does not decode.
    pub fn claimed_output(&self) -> Result<Vec<Felt>, ProofDecodeError> {
        Ok(CairoProof::from_bytes(&self.proof)?.claimed_output())
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.proof.len()).expect("a proof has at most 8 MiB");
        let (version, length) = (VERSION.to_le_bytes(), length.to_le_bytes());
        [PROGRAM_MAGIC, &version[..], &self.key.0, &length, &self.proof].concat()
    }

    /// Decodes the bytes of a file.
    ///
    /// # Errors
    /// [`ProgramProofError`] if they are no proof about a program; no bytes panic.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramProofError> {
        let rest = match bytes.strip_prefix(PROGRAM_MAGIC) {
            Some(rest) => rest,
            None if bytes.starts_with(BUNDLE_MAGIC) => return Err(ProgramProofError::Model),
            None => return Err(ProgramProofError::Magic),
        };
        let missing = HEADER_BYTES.saturating_sub(bytes.len());
        let short = ProgramProofError::Truncated(missing);
        let (version, rest) = rest.split_first_chunk::<2>().ok_or(short.clone())?;
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(ProgramProofError::Version(version));
        }
        let (key, rest) = rest.split_first_chunk::<32>().ok_or(short.clone())?;
        let (length, proof) = rest.split_first_chunk::<4>().ok_or(short)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_PROOF_BYTES {
            return Err(ProgramProofError::TooLong(length));
        }
        match proof.len().checked_sub(length) {
            Some(0) => Ok(Self { key: KeyDigest(*key), proof: proof.to_vec() }),
            Some(more) => Err(ProgramProofError::TrailingBytes(more)),
            None => Err(ProgramProofError::Truncated(length - proof.len())),
        }
    }

    /// Whether a file begins as those of proofs about programs do, whatever their version.
    pub fn is_proof_file(path: &Path) -> bool {
        files::head(path).is_some_and(|head| head.starts_with(PROGRAM_MAGIC))
    }

    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// Reads a file, or a pipe.
    ///
    /// # Errors
    /// [`LoadProgramProofError`] if it cannot be read or is no proof about a program.
    pub fn load(path: &Path) -> Result<Self, LoadProgramProofError> {
        // Opened once, and as long as proofs about models are, so that those are told.
        Ok(Self::from_bytes(&files::read(path, MAX_BUNDLE_BYTES)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_malformed_file_is_told_by_what_is_wrong() {
        let proof = ProgramProof { key: KeyDigest([3; 32]), proof: vec![1, 2, 3] };
        let bytes = proof.to_bytes();
        assert_eq!(bytes.len(), HEADER_BYTES + 3);
        assert_eq!(ProgramProof::from_bytes(&bytes), Ok(proof));
        let refused = |bytes: &[u8]| ProgramProof::from_bytes(bytes).unwrap_err();
        for end in 8..bytes.len() {
            let error = refused(&bytes[..end]);
            assert!(matches!(error, ProgramProofError::Truncated(1..)), "{end}: {error}");
        }
        assert_eq!(refused(&bytes[..7]), ProgramProofError::Magic);
        assert_eq!(refused(b"CIROPROF"), ProgramProofError::Model);
        assert_eq!(refused(b"CIROPROG\x02\x00"), ProgramProofError::Version(2));
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(refused(&longer), ProgramProofError::TrailingBytes(1));
        let mut long = bytes.clone();
        long[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(refused(&long), ProgramProofError::TooLong(_)));
    }
}
