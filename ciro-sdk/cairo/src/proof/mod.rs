//! Proofs and their bytes.
//!
//! ```text
//! "ciro-cairo-proof/3\n"
//! rest         u32 length, bytes: the proof without the parts below, as bincode writes it with
//!              fixed-width integers
//! program      felts, in one stream of bits from here on (see `packing`)
//! output       felts
//! samples      trees of columns of opened values
//! queries      trees of columns
//! ```
//!
//! All integers are little endian. One proof has exactly one encoding: what decodes to a proof but
//! is not what the proof encodes to is refused.

mod bits;
mod packing;

use bincode::Options;
use cairo_air::CairoProofForRustVerifier;
use starknet_types_core::felt::Felt;
use stwo::core::pcs::TreeVec;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;

use self::bits::{BitReader, BitWriter, Malformed};
use crate::verify::felt;

/// stwo-cairo's proof, for Blake2s commitments.
pub(crate) type Inner = CairoProofForRustVerifier<Blake2sMerkleHasher>;

/// The format's first bytes: a name and a version.
const MAGIC: &[u8] = b"ciro-cairo-proof/3\n";

/// No proof of this crate is larger, encoded or decoded: a decoder reads no more, and what it
/// allocates is at most a small multiple.
const PROOF_BYTES_MAX: usize = 8 << 20;

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

impl From<Inner> for CairoProof {
    /// A proof as stwo-cairo's own tools hold it.
    fn from(inner: Inner) -> Self {
        Self { inner }
    }
}

impl From<CairoProof> for Inner {
    /// The proof as stwo-cairo's own tools take it.
    fn from(proof: CairoProof) -> Self {
        proof.inner
    }
}

/// Bytes that are no proof.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofDecodeError {
    /// Not a proof, or of another version.
    #[error("not a Cairo proof of version 3")]
    Version,
    /// Larger than any proof.
    #[error("the Cairo proof has {0} bytes, at most {PROOF_BYTES_MAX} are read")]
    TooLarge(usize),
    /// The data is not what a proof consists of.
    #[error("the Cairo proof is damaged: {0}")]
    Damaged(String),
    /// The same proof has another encoding, which is the valid one.
    #[error("the Cairo proof is not encoded as this version does")]
    NotCanonical,
}

impl From<Malformed> for ProofDecodeError {
    fn from(what: Malformed) -> Self {
        Self::Damaged(what.to_owned())
    }
}

impl CairoProof {
    /// What the program is claimed to have printed; nothing of it is verified.
    pub fn claimed_output(&self) -> Vec<Felt> {
        let memory = &self.inner.claim.public_data.public_memory;
        memory.output.iter().map(|(_, value)| felt(value)).collect()
    }

    /// The proof as bytes, equal for equal proofs.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode(&mut self.inner.clone())
    }

    /// Reads a proof; nothing in it is believed before [`verify`](crate::verify).
    ///
    /// # Errors
    /// [`ProofDecodeError`] if the bytes are anything but the one encoding of a proof of this
    /// version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofDecodeError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(ProofDecodeError::Version)?;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(ProofDecodeError::TooLarge(bytes.len()));
        }
        let (length, body) = body.split_first_chunk::<4>().ok_or("it is cut short")?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| "it is too large")?;
        let (rest, packed) = body.split_at_checked(length).ok_or("it is cut short")?;
        let mut inner: Inner = options()
            .deserialize(rest)
            .map_err(|error| ProofDecodeError::Damaged(error.to_string()))?;
        let memory = &mut inner.claim.public_data.public_memory;
        let stark = &mut inner.stark_proof.0;
        let unpacked = [
            memory.program.is_empty() && memory.output.is_empty(),
            stark.sampled_values.is_empty() && stark.queried_values.is_empty(),
        ];
        if unpacked != [true; 2] {
            return Err(ProofDecodeError::NotCanonical);
        }
        let mut bits = BitReader::new(packed, PROOF_BYTES_MAX);
        [memory.program, memory.output] = packing::read_sections(&mut bits)?;
        stark.sampled_values = TreeVec::new(packing::read_samples(&mut bits)?);
        stark.queried_values = TreeVec::new(packing::read_queries(&mut bits)?);
        bits.finish()?;
        if encode(&mut inner) != bytes {
            return Err(ProofDecodeError::NotCanonical);
        }
        Ok(Self { inner })
    }
}

/// The bytes of a proof, which is taken apart for it and put together again.
fn encode(proof: &mut Inner) -> Vec<u8> {
    let memory = &mut proof.claim.public_data.public_memory;
    let program = std::mem::take(&mut memory.program);
    let output = std::mem::take(&mut memory.output);
    let stark = &mut proof.stark_proof.0;
    let sampled = std::mem::take(&mut stark.sampled_values);
    let queried = std::mem::take(&mut stark.queried_values);
    let rest = options().serialize(proof).expect("a proof is plain data below the size limit");
    let mut bytes = MAGIC.to_vec();
    let length = u32::try_from(rest.len()).expect("the size limit is below 2^32");
    bytes.extend(length.to_le_bytes());
    bytes.extend(rest);
    let mut bits = BitWriter::default();
    packing::write_sections(&mut bits, [&program, &output]);
    packing::write_samples(&mut bits, &sampled);
    packing::write_queries(&mut bits, &queried);
    bytes.extend(bits.finish());
    let memory = &mut proof.claim.public_data.public_memory;
    (memory.program, memory.output) = (program, output);
    let stark = &mut proof.stark_proof.0;
    (stark.sampled_values, stark.queried_values) = (sampled, queried);
    bytes
}

/// The bytes that the felts of program and output take in a proof.
#[cfg(feature = "prove")]
pub(crate) fn felts_bytes(program: &[(u32, [u32; 8])], output: &[(u32, [u32; 8])]) -> usize {
    let mut bits = BitWriter::default();
    packing::write_sections(&mut bits, [program, output]);
    bits.finish().len()
}

/// Fixed-width little-endian integers, no trailing bytes, bounded lengths.
fn options() -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_little_endian()
        .with_limit(PROOF_BYTES_MAX as u64)
        .reject_trailing_bytes()
}
