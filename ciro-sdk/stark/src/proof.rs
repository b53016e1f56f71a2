//! A proof, and its form as bytes.

use stwo::core::fields::m31::{BaseField, P};
use stwo::core::fields::qm31::SecureField;
use stwo::core::fri::{FriLayerProof, FriProof};
use stwo::core::pcs::quotients::CommitmentSchemeProof;
use stwo::core::pcs::{PcsConfig, TreeVec};
use stwo::core::poly::line::LinePoly;
use stwo::core::proof::StarkProof;
use stwo::core::vcs::blake2_hash::Blake2sHash;
use stwo::core::vcs_lifted::blake2_merkle::Blake2sMerkleHasher;
use stwo::core::vcs_lifted::verifier::MerkleDecommitmentLifted;

/// What the prover claims of one chip; the constraints tie both figures to the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChipClaim {
    /// Sum of the chip's LogUp fractions.
    pub(crate) logup: SecureField,
    /// The chip's total, 0 for chips without one.
    pub(crate) total: SecureField,
}

/// A tensor STARK: together with a model key and a statement it convinces a verifier.
#[derive(Clone, Debug)]
pub struct Proof {
    pub(crate) claims: Vec<ChipClaim>,
    pub(crate) challenge_nonce: u64,
    pub(crate) stark: StarkProof<Blake2sMerkleHasher>,
}

/// Bytes that are no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside the proof.
    #[error("the proof is cut short at byte {0}")]
    Truncated(usize),
    /// Bytes follow the end of the proof.
    #[error("{0} byte(s) follow the end of the proof")]
    TrailingBytes(usize),
    /// Not a proof of this format version.
    #[error("not a tensor proof of format version {expected}, found version {found}")]
    Version {
        /// The version that this library reads.
        expected: u16,
        /// The version in the file.
        found: u16,
    },
    /// A field element that is not in canonical form.
    #[error("the field element at byte {0} is not below 2^31 - 1")]
    NotCanonical(usize),
    /// A list that cannot have this length.
    #[error("the list at byte {0} has an impossible length")]
    Length(usize),
}

impl Proof {
    const VERSION: u16 = 1;

    /// Writes the proof: little-endian, lists with a 32-bit length.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer(Self::VERSION.to_le_bytes().to_vec());
        w.list(&self.claims, |w, claim| {
            w.extension(claim.logup);
            w.extension(claim.total);
        });
        w.u64(self.challenge_nonce);
        let proof = &self.stark.0;
        w.list(&proof.commitments, |w, hash| w.hash(hash));
        w.list(&proof.sampled_values, |w, tree| {
            w.list(tree, |w, column| w.list(column, |w, value| w.extension(*value)));
        });
        w.list(&proof.decommitments, |w, decommitment| w.hashes(decommitment));
        w.list(&proof.queried_values, |w, tree| {
            w.list(tree, |w, column| w.list(column, |w, value| w.base(*value)));
        });
        w.u64(proof.proof_of_work);
        w.layer(&proof.fri_proof.first_layer);
        w.list(&proof.fri_proof.inner_layers, Writer::layer);
        w.list(&proof.fri_proof.last_layer_poly, |w, value| w.extension(*value));
        w.0
    }

    /// Reads a proof; every byte is accounted for and every field element is canonical.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are anything but what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader { bytes, at: 0 };
        let found = u16::from_le_bytes(r.take()?);
        if found != Self::VERSION {
            return Err(DecodeError::Version { expected: Self::VERSION, found });
        }
        let claims =
            r.list(32, |r| Ok(ChipClaim { logup: r.extension()?, total: r.extension()? }))?;
        let challenge_nonce = r.u64()?;
        let commitments = TreeVec(r.list(32, Reader::hash)?);
        let sampled_values = TreeVec(r.list(4, |r| r.list(4, |r| r.list(16, Reader::extension)))?);
        let decommitments = TreeVec(r.list(4, Reader::hashes)?);
        let queried_values = TreeVec(r.list(4, |r| r.list(4, |r| r.list(4, Reader::base)))?);
        let proof_of_work = r.u64()?;
        let first_layer = r.layer()?;
        let inner_layers = r.list(40, Reader::layer)?;
        let at = r.at;
        let last_layer = r.list(16, Reader::extension)?;
        if !last_layer.len().is_power_of_two() {
            return Err(DecodeError::Length(at));
        }
        if r.at != bytes.len() {
            return Err(DecodeError::TrailingBytes(bytes.len() - r.at));
        }
        let fri_proof =
            FriProof { first_layer, inner_layers, last_layer_poly: LinePoly::new(last_layer) };
        let stark = StarkProof(CommitmentSchemeProof {
            // The verifier puts its own parameters here.
            config: PcsConfig::default(),
            commitments,
            sampled_values,
            decommitments,
            queried_values,
            proof_of_work,
            fri_proof,
        });
        Ok(Self { claims, challenge_nonce, stark })
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn base(&mut self, value: BaseField) {
        self.0.extend(value.0.to_le_bytes());
    }

    fn extension(&mut self, value: SecureField) {
        value.to_m31_array().into_iter().for_each(|coordinate| self.base(coordinate));
    }

    fn hash(&mut self, hash: &Blake2sHash) {
        self.0.extend(hash.0);
    }

    fn hashes(&mut self, decommitment: &MerkleDecommitmentLifted<Blake2sMerkleHasher>) {
        self.list(&decommitment.hash_witness, |w, hash| w.hash(hash));
    }

    fn layer(&mut self, layer: &FriLayerProof<Blake2sMerkleHasher>) {
        self.list(&layer.fri_witness, |w, value| w.extension(*value));
        self.hashes(&layer.decommitment);
        self.hash(&layer.commitment);
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        let len = u32::try_from(items.len()).expect("proofs hold fewer than 2^32 items");
        self.0.extend(len.to_le_bytes());
        items.iter().for_each(|item| write(self, item));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk());
        let bytes = *bytes.ok_or(DecodeError::Truncated(self.bytes.len()))?;
        self.at += N;
        Ok(bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    fn base(&mut self) -> Result<BaseField, DecodeError> {
        let at = self.at;
        let value = u32::from_le_bytes(self.take()?);
        if value >= P {
            return Err(DecodeError::NotCanonical(at));
        }
        Ok(BaseField::from_u32_unchecked(value))
    }

    fn extension(&mut self) -> Result<SecureField, DecodeError> {
        let coordinates = [self.base()?, self.base()?, self.base()?, self.base()?];
        Ok(SecureField::from_m31_array(coordinates))
    }

    fn hash(&mut self) -> Result<Blake2sHash, DecodeError> {
        Ok(Blake2sHash(self.take()?))
    }

    fn hashes(&mut self) -> Result<MerkleDecommitmentLifted<Blake2sMerkleHasher>, DecodeError> {
        Ok(MerkleDecommitmentLifted { hash_witness: self.list(32, Self::hash)? })
    }

    fn layer(&mut self) -> Result<FriLayerProof<Blake2sMerkleHasher>, DecodeError> {
        Ok(FriLayerProof {
            fri_witness: self.list(16, Self::extension)?,
            decommitment: self.hashes()?,
            commitment: self.hash()?,
        })
    }

    /// Reads a list whose items take at least `item_bytes` bytes, so that a length never makes room for more than the rest holds.
    fn list<T>(
        &mut self,
        item_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let len = u32::from_le_bytes(self.take()?) as usize;
        if len > (self.bytes.len() - self.at) / item_bytes {
            return Err(DecodeError::Truncated(self.bytes.len()));
        }
        (0..len).map(|_| read(self)).collect()
    }
}
