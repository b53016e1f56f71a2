//! The `.ciro-model` file: an integer model, where it comes from, and how accurate it is.
//!
//! ```text
//! "CIROMODL"   8 bytes
//! version      u32, little endian
//! length       u64, little endian: bytes of the payload
//! payload      postcard of `CompiledModel`
//! checksum     32 bytes: Blake2s of everything before it
//! ```
//!
//! The checksum finds damage, not forgery: a loaded model is checked as strictly as one from a
//! stranger.

use blake2::{Blake2s256, Digest};
use serde::{Deserialize, Serialize};

use super::{AccuracyReport, IntegerModel, ModelError};

const MAGIC: &[u8; 8] = b"CIROMODL";
const VERSION: u32 = 4;
const HEADER: usize = 20;
const CHECKSUM: usize = 32;

/// The longest file that is to be read, in bytes.
pub const MAX_FILE_BYTES: u64 = 1 << 31;

/// An integer model with its origin and its measured accuracy: what a `.ciro-model` file holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompiledModel {
    /// The model.
    pub model: IntegerModel,
    /// Where the model comes from.
    pub source: SourceInfo,
    /// How close it comes to the float model.
    pub accuracy: AccuracyReport,
}

/// Where a model comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// The ONNX file's name, without its folder.
    pub file_name: String,
    /// Blake2s of the ONNX file.
    pub onnx_digest: [u8; 32],
    /// `producer_name` and `producer_version` of the ONNX file.
    pub producer: String,
    /// The version of Ciro that compiled the model.
    pub compiler: String,
}

/// Bytes that are no `.ciro-model` file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The file is something else.
    #[error("not a `.ciro-model` file: it does not begin with `CIROMODL`")]
    Magic,
    /// The file is of another version of the format.
    #[error("the file has format version {got}, this program reads version {expected}")]
    Version {
        /// The version that this program reads.
        expected: u32,
        /// The file's version.
        got: u32,
    },
    /// The file is cut short or has bytes behind its end.
    #[error("the file has {got} bytes, its header announces {expected}")]
    Length {
        /// What the header says.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// The file is damaged.
    #[error("the checksum does not fit: the file is damaged")]
    Checksum,
    /// The payload does not decode.
    #[error("the file does not decode as a model")]
    Decode(#[source] postcard::Error),
    /// The payload decodes to something that is no model.
    #[error("the file does not hold a valid model")]
    Model(#[from] ModelError),
}

impl IntegerModel {
    /// Blake2s over a canonical encoding of everything that gives the model's integers their
    /// meaning: operators, shapes, intervals, scales, constants, encodings of inputs and decodings
    /// of outputs.
    pub fn digest(&self) -> [u8; 32] {
        let payload = postcard::to_stdvec(&self.meaning()).expect("models serialize into memory");
        let mut hasher = Blake2s256::new();
        hasher.update(b"ciro integer model v1");
        hasher.update(payload);
        hasher.finalize().into()
    }
}

impl CompiledModel {
    /// Whether bytes begin as a compiled model does, whatever its version.
    pub fn is_begun_by(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// The bytes of the `.ciro-model` file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let payload = postcard::to_stdvec(self).expect("models serialize into memory");
        let mut bytes = Vec::with_capacity(HEADER + payload.len() + CHECKSUM);
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend((payload.len() as u64).to_le_bytes());
        bytes.extend(payload);
        let checksum = Blake2s256::digest(&bytes);
        bytes.extend(checksum);
        bytes
    }

    /// Decodes the bytes of a `.ciro-model` file and checks the model by every rule.
    ///
    /// # Errors
    /// [`ModelFileError`] for bytes that are no model of this version; no input panics.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFileError> {
        if !Self::is_begun_by(bytes) {
            return Err(ModelFileError::Magic);
        }
        let got = bytes.len() as u64;
        let header = bytes.get(MAGIC.len()..HEADER).and_then(|rest| rest.split_first_chunk());
        let Some((version, length)) = header else {
            return Err(ModelFileError::Length { expected: (HEADER + CHECKSUM) as u64, got });
        };
        let version = u32::from_le_bytes(*version);
        if version != VERSION {
            return Err(ModelFileError::Version { expected: VERSION, got: version });
        }
        let length = u64::from_le_bytes(length.try_into().expect("the header ends with 8 bytes"));
        let expected = length.saturating_add((HEADER + CHECKSUM) as u64);
        if expected != got {
            return Err(ModelFileError::Length { expected, got });
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if Blake2s256::digest(content)[..] != *checksum {
            return Err(ModelFileError::Checksum);
        }
        let compiled: Self = match postcard::take_from_bytes(&content[HEADER..]) {
            Ok((compiled, [])) => compiled,
            Ok(_) => return Err(ModelFileError::Decode(postcard::Error::DeserializeBadEncoding)),
            Err(error) => return Err(ModelFileError::Decode(error)),
        };
        compiled.model.check()?;
        Ok(compiled)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::integer::{Decoding, Encoding, ModelBuilder, ops};
    use crate::tensor::Tensor;

    fn sample() -> CompiledModel {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![1, 2]);
        let encoding = Encoding::Affine { scale: 0.5, lo: -100, hi: 100 };
        let x = builder.view(input, encoding).unwrap();
        let weight = builder.constant(Tensor::new(vec![2, 2], vec![1, 2, 3, 4]).unwrap());
        let linear = ops::Linear { weight, bias: None };
        let y = builder.push("fc", linear, &[x], 0.5).unwrap();
        let clamp = ops::Requantize { shift: 1, lo: 0, hi: 50 };
        let y = builder.push("relu", clamp, &[y], 1.0).unwrap();
        builder.output("y", y, Decoding::Real { scale: 1.0 });
        CompiledModel {
            model: builder.finish().unwrap(),
            source: SourceInfo { producer: "test".into(), ..SourceInfo::default() },
            accuracy: AccuracyReport::default(),
        }
    }

    fn reseal(mut bytes: Vec<u8>) -> Vec<u8> {
        let end = bytes.len() - CHECKSUM;
        let checksum = Blake2s256::digest(&bytes[..end]);
        bytes[end..].copy_from_slice(&checksum);
        bytes
    }

    #[test]
    fn a_written_model_is_read_as_it_was() {
        assert_eq!(CompiledModel::from_bytes(&sample().to_bytes()).unwrap(), sample());
        assert!(CompiledModel::is_begun_by(&sample().to_bytes()));
        assert!(!CompiledModel::is_begun_by(b"CIROPROF"));
    }

    #[test]
    fn files_of_another_kind_or_version_are_told_apart() {
        let bytes = sample().to_bytes();
        let load = |bytes: &[u8]| CompiledModel::from_bytes(bytes).unwrap_err();
        assert!(matches!(load(b"PK"), ModelFileError::Magic));
        assert!(matches!(load(MAGIC), ModelFileError::Length { .. }));
        let mut other = bytes.clone();
        other[8] = 1;
        assert!(matches!(load(&reseal(other)), ModelFileError::Version { expected: 4, got: 1 }));
        assert!(matches!(load(&bytes[..bytes.len() - 1]), ModelFileError::Length { .. }));
        let mut damaged = bytes.clone();
        damaged[HEADER + 3] ^= 1;
        assert!(matches!(load(&damaged), ModelFileError::Checksum));
    }

    #[test]
    fn a_model_that_breaks_a_rule_is_refused() {
        let mut compiled = sample();
        let bytes = compiled.to_bytes();
        let at = bytes.windows(5).position(|w| w == b"\x04relu").unwrap();
        // The operator follows the name: variant, shift, lo, hi (zigzag).
        let hi = at + 8..at + 9;
        assert_eq!(bytes[hi.clone()], [100]);
        let mut wrong = bytes;
        wrong[hi.start] = 98;
        let error = CompiledModel::from_bytes(&reseal(wrong)).unwrap_err();
        assert!(
            matches!(error, ModelFileError::Model(ModelError::Inconsistent { .. })),
            "{error:?}"
        );
        compiled.accuracy.samples = 7;
        assert_eq!(compiled.model.digest(), sample().model.digest(), "reports are not meaning");
    }

    #[test]
    fn the_digest_covers_scales_and_weights() {
        let digest = |scale: f64, weight: i32| {
            let mut builder = ModelBuilder::new();
            let input = builder.input("x", vec![1]);
            let x = builder.view(input, Encoding::Affine { scale, lo: 0, hi: 9 }).unwrap();
            let weight = builder.constant(Tensor::new(vec![1, 1], vec![weight]).unwrap());
            let y = builder.push("y", ops::Linear { weight, bias: None }, &[x], scale).unwrap();
            builder.output("y", y, Decoding::Real { scale });
            builder.finish().unwrap().digest()
        };
        assert_eq!(digest(1.0, 2), digest(1.0, 2));
        assert_ne!(digest(1.0, 2), digest(1.0, 3));
        assert_ne!(digest(1.0, 2), digest(0.5, 2));
    }

    #[test]
    fn counts_are_those_of_the_layers() {
        assert_eq!((sample().model.macs(), sample().model.parameters()), (4, 4));
    }

    proptest! {
        #[test]
        fn altered_bytes_never_panic(
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = sample().to_bytes();
            let payload = HEADER..bytes.len() - CHECKSUM;
            for (index, value) in changes {
                bytes[payload.start + index.index(payload.len())] = value;
            }
            let _ = CompiledModel::from_bytes(&reseal(bytes));
        }

        #[test]
        fn every_flipped_bit_is_found(at: prop::sample::Index, bit in 0u8..8) {
            let mut bytes = sample().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(CompiledModel::from_bytes(&bytes).is_err());
        }
    }
}
