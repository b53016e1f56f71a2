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

use crate::key::ModelKey;
use crate::proof_shape::{ProofShape, TREES};

/// A tensor STARK: together with a model key and a statement it convinces a verifier.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Proofs of work before challenges, in the order of the transcript.
    pub(crate) nonces: Vec<u64>,
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
    #[error(
        "the proof has format version {found}, this is version {expected}: {}",
        if found < expected { "have the inference proven again" } else { "use a newer program" }
    )]
    Version {
        /// The version that this library reads.
        expected: u16,
        /// The version in the file.
        found: u16,
    },
    /// A field element that is not in canonical form.
    #[error("the field element at byte {0} is not below 2^31 - 1")]
    NotCanonical(usize),
    /// A list that is longer than in any proof for the key.
    #[error("the list at byte {at} has {length} items, a proof for this key has at most {most}")]
    Length {
        /// Where the length stands.
        at: usize,
        /// The length.
        length: usize,
        /// The longest that the key allows.
        most: usize,
    },
}

impl Proof {
    /// The format's version, which counts apart from that of keys. Proofs of version 2 stated the
    /// sums of every chip, and were bound to no context.
    pub(crate) const VERSION: u16 = 3;

    /// Writes the proof, little-endian.
    ///
    /// The key says how many values of each kind there are. Written are only the numbers that
    /// depend on where the queries fall: that of different positions, and the lengths of
    /// authentication paths and of the layers of FRI.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer(Self::VERSION.to_le_bytes().to_vec());
        self.nonces.iter().for_each(|&nonce| w.u64(nonce));
        let proof = &self.stark.0;
        proof.commitments.iter().for_each(|hash| w.hash(hash));
        proof.sampled_values.iter().flatten().flatten().for_each(|&value| w.extension(value));
        proof.decommitments.iter().for_each(|decommitment| w.hashes(decommitment));
        let columns = proof.queried_values.iter().flatten();
        w.length(columns.clone().next().map_or(0, Vec::len));
        columns.flatten().for_each(|&value| w.base(value));
        w.u64(proof.proof_of_work);
        w.layer(&proof.fri_proof.first_layer);
        proof.fri_proof.inner_layers.iter().for_each(|layer| w.layer(layer));
        proof.fri_proof.last_layer_poly.iter().for_each(|&value| w.extension(value));
        w.0
    }

    /// Reads a proof for a key; every byte is accounted for and every field element is canonical.
    ///
    /// The key bounds every list, so that no bytes take more than a small multiple of their own
    /// length in memory.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are anything but what [`Self::to_bytes`] writes for a proof of
    /// the key's shape.
    pub fn from_bytes(bytes: &[u8], key: &ModelKey) -> Result<Self, DecodeError> {
        let mut r = Reader { bytes, at: 0 };
        let found = u16::from_le_bytes(r.take()?);
        if found != Self::VERSION {
            return Err(DecodeError::Version { expected: Self::VERSION, found });
        }
        let shape = ProofShape::of(key);
        let parameters = shape.parameters;
        let paths = shape.path_hashes_max();
        let nonces = r.many(parameters.nonces(shape.log_degree), 8, Reader::u64)?;
        let commitments = TreeVec(r.many(TREES, 32, Reader::hash)?);
        let sampled_values = shape
            .openings
            .iter()
            .map(|tree| tree.iter().map(|&rows| r.many(rows, 16, Reader::extension)).collect())
            .collect::<Result<_, _>>()?;
        let decommitments = TreeVec(r.many(TREES, 4, |r| r.hashes(paths))?);
        let positions = r.length(parameters.queries)?;
        let queried_values = shape
            .openings
            .iter()
            .map(|tree| tree.iter().map(|_| r.many(positions, 4, Reader::base)).collect())
            .collect::<Result<_, _>>()?;
        let proof_of_work = r.u64()?;
        let first_layer = r.layer(&shape)?;
        let inner_layers =
            r.many(parameters.inner_layers(shape.log_degree), 40, |r| r.layer(&shape))?;
        let last_layer =
            r.many(1 << parameters.last_layer(shape.log_degree), 16, Reader::extension)?;
        if r.at != bytes.len() {
            return Err(DecodeError::TrailingBytes(bytes.len() - r.at));
        }
        let fri_proof =
            FriProof { first_layer, inner_layers, last_layer_poly: LinePoly::new(last_layer) };
        let stark = StarkProof(CommitmentSchemeProof {
            // The verifier puts its own parameters here.
            config: PcsConfig::default(),
            commitments,
            sampled_values: TreeVec(sampled_values),
            decommitments,
            queried_values: TreeVec(queried_values),
            proof_of_work,
            fri_proof,
        });
        Ok(Self { nonces, stark })
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
        self.length(decommitment.hash_witness.len());
        decommitment.hash_witness.iter().for_each(|hash| self.hash(hash));
    }

    fn layer(&mut self, layer: &FriLayerProof<Blake2sMerkleHasher>) {
        self.length(layer.fri_witness.len());
        layer.fri_witness.iter().for_each(|&value| self.extension(value));
        self.hashes(&layer.decommitment);
        self.hash(&layer.commitment);
    }

    fn length(&mut self, length: usize) {
        let length = u32::try_from(length).expect("proofs hold fewer than 2^32 items");
        self.0.extend(length.to_le_bytes());
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

    fn hashes(
        &mut self,
        most: usize,
    ) -> Result<MerkleDecommitmentLifted<Blake2sMerkleHasher>, DecodeError> {
        let hashes = self.length(most)?;
        Ok(MerkleDecommitmentLifted { hash_witness: self.many(hashes, 32, Self::hash)? })
    }

    fn layer(
        &mut self,
        shape: &ProofShape,
    ) -> Result<FriLayerProof<Blake2sMerkleHasher>, DecodeError> {
        let values = self.length(shape.layer_values_max())?;
        Ok(FriLayerProof {
            fri_witness: self.many(values, 16, Self::extension)?,
            decommitment: self.hashes(shape.path_hashes_max())?,
            commitment: self.hash()?,
        })
    }

    /// Reads a length that the key bounds.
    fn length(&mut self, most: usize) -> Result<usize, DecodeError> {
        let at = self.at;
        let length = u32::from_le_bytes(self.take()?) as usize;
        if length > most {
            return Err(DecodeError::Length { at, length, most });
        }
        Ok(length)
    }

    /// Reads items of at least `item_bytes` bytes each; nothing is allocated for more of them than
    /// the rest of the bytes may hold.
    fn many<T>(
        &mut self,
        items: usize,
        item_bytes: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        if items > (self.bytes.len() - self.at) / item_bytes {
            return Err(DecodeError::Truncated(self.bytes.len()));
        }
        let mut list = Vec::with_capacity(items);
        for _ in 0..items {
            list.push(read(self)?);
        }
        Ok(list)
    }
}

#[cfg(test)]
#[cfg(feature = "prove")]
mod tests {
    use super::*;
    use crate::preset::Preset;
    use crate::prover::TensorProver;
    use crate::prover::tests::models;

    fn proven() -> (ModelKey, Vec<u8>) {
        let model = models::mlp();
        let inputs = models::inputs(&model, 7);
        let prover = TensorProver::new(model, Preset::FastTest, 1).unwrap();
        let (_, proof) = prover.prove(&[inputs]).unwrap();
        (prover.key().clone(), proof.to_bytes())
    }

    /// Bytes on the heap.
    fn heap_bytes(proof: &Proof) -> usize {
        fn of<T>(list: &Vec<T>) -> usize {
            list.capacity() * size_of::<T>()
        }
        let stark = &proof.stark.0;
        let hashes = |decommitment: &MerkleDecommitmentLifted<Blake2sMerkleHasher>| {
            of(&decommitment.hash_witness)
        };
        let layer = |layer: &FriLayerProof<Blake2sMerkleHasher>| {
            of(&layer.fri_witness) + hashes(&layer.decommitment)
        };
        let sampled =
            stark.sampled_values.iter().map(|tree| of(tree) + tree.iter().map(of).sum::<usize>());
        let queried =
            stark.queried_values.iter().map(|tree| of(tree) + tree.iter().map(of).sum::<usize>());
        let fri = &stark.fri_proof;
        of(&proof.nonces)
            + of(&stark.commitments.0)
            + sampled.sum::<usize>()
            + queried.sum::<usize>()
            + stark.decommitments.iter().map(hashes).sum::<usize>()
            + layer(&fri.first_layer)
            + of(&fri.inner_layers)
            + fri.inner_layers.iter().map(layer).sum::<usize>()
            + fri.last_layer_poly.len() * 16
    }

    #[test]
    fn a_proof_takes_a_small_multiple_of_its_bytes() {
        let (key, bytes) = proven();
        let proof = Proof::from_bytes(&bytes, &key).unwrap();
        // With three queries, a column's values take 12 bytes and its lists, of which it has two,
        // 48.
        assert!(heap_bytes(&proof) <= 4 * bytes.len(), "{} of {}", heap_bytes(&proof), bytes.len());
    }

    #[test]
    fn lists_are_no_longer_than_the_key_allows() {
        let (key, bytes) = proven();
        let shape = ProofShape::of(&key);
        // Roots, opened values; then the first authentication path.
        let opened: usize = shape.openings.iter().flatten().sum();
        let at = 2 + 32 * TREES + 16 * opened;
        let most = shape.path_hashes_max();
        let length = most + 1;
        let mut longer = bytes;
        longer[at..at + 4].copy_from_slice(&u32::try_from(length).unwrap().to_le_bytes());
        longer.resize(longer.len() + (32 << 20), 0);
        let error = Proof::from_bytes(&longer, &key).unwrap_err();
        assert_eq!(error, DecodeError::Length { at, length, most });
    }

    #[test]
    fn nothing_is_allocated_for_bytes_that_are_not_there() {
        let (key, bytes) = proven();
        let end = bytes.len() - 1;
        assert_eq!(
            Proof::from_bytes(&bytes[..end], &key).unwrap_err(),
            DecodeError::Truncated(end)
        );
        let mut reader = Reader { bytes: &[0; 64], at: 0 };
        let read = reader.many(1 << 40, 4, Reader::base);
        assert_eq!(read, Err(DecodeError::Truncated(64)));
    }
}
