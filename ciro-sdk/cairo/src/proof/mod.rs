//! Proofs and their bytes.

use std::io::{Read, Write};

use bincode::Options;
use cairo_air::CairoProofForRustVerifier;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;

/// stwo-cairo's proof, for Blake2s commitments.
pub(crate) type Inner = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-cairo-proof/1\n";

/// No proof of this crate is larger before compression; a decoder never reads further.
const PROOF_BYTES_MAX: u64 = 64 << 20;

/// A proof that a Cairo program ran to its end and wrote its output segment.
#[derive(Clone)]
pub struct CairoProof {
    pub(crate) inner: Inner,
}

impl std::fmt::Debug for CairoProof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let memory = &self.inner.claim.public_data.public_memory;
        f.debug_struct("CairoProof")
            .field("program_felts", &memory.program.len())
            .field("output_felts", &memory.output.len())
            .finish_non_exhaustive()
    }
}

/// Bytes that are no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofDecodeError {
    /// Not a proof, or of another version.
    #[error("not a Cairo proof of version 1")]
    Version,
    /// The compressed data is damaged or cut short.
    #[error("the Cairo proof cannot be decompressed: {0}")]
    Compression(String),
    /// Larger than any proof.
    #[error("the Cairo proof is larger than {PROOF_BYTES_MAX} bytes before compression")]
    TooLarge,
    /// The data is not what a proof consists of.
    #[error("the Cairo proof is damaged: {0}")]
    Damaged(String),
}

impl CairoProof {
    /// The proof as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes =
            options().serialize(&self.inner).expect("a proof is plain data below the size limit");
        let mut encoder = DeflateEncoder::new(MAGIC.to_vec(), Compression::default());
        encoder.write_all(&bytes).expect("writing to memory does not fail");
        encoder.finish().expect("writing to memory does not fail")
    }

    /// Reads a proof; nothing in it is believed before [`verify`](crate::verify).
    ///
    /// # Errors
    /// [`ProofDecodeError`] if the bytes are anything but one proof of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofDecodeError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(ProofDecodeError::Version)?;
        let mut decoder = DeflateDecoder::new(body);
        let mut decompressed = Vec::new();
        let limit = PROOF_BYTES_MAX + 1;
        let length = (&mut decoder)
            .take(limit)
            .read_to_end(&mut decompressed)
            .map_err(|error| ProofDecodeError::Compression(error.to_string()))?;
        if u64::try_from(length).is_ok_and(|length| length == limit) {
            return Err(ProofDecodeError::TooLarge);
        }
        if usize::try_from(decoder.total_in()) != Ok(body.len()) {
            let trailing = "bytes follow the compressed data";
            return Err(ProofDecodeError::Compression(trailing.to_owned()));
        }
        let inner = options()
            .deserialize(&decompressed)
            .map_err(|error| ProofDecodeError::Damaged(error.to_string()))?;
        Ok(Self { inner })
    }
}

/// Fixed-width little-endian integers, no trailing bytes, bounded lengths.
fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(PROOF_BYTES_MAX)
        .reject_trailing_bytes()
}
