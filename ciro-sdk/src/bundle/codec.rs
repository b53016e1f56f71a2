//! Fixed-width, little-endian reading and writing, bounded by the bytes that are there.

use ciro_graph::Tensor;
use ciro_graph::tensor::element_count;

/// The most axes of a tensor.
const MAX_RANK: u8 = 16;

/// Bytes that are no proof bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file is something else.
    #[error("the file does not begin with `CIROPROF`")]
    Magic,
    /// The file is of another version of the format.
    #[error("the bundle has format version {found}, this program reads version {expected}")]
    Version {
        /// The version that is read.
        expected: u16,
        /// The file's version.
        found: u16,
    },
    /// The bytes end too early.
    #[error("the bundle is cut short: {missing} more byte(s) are needed after byte {at}")]
    Truncated {
        /// Where the missing bytes belong.
        at: usize,
        /// How many are missing at least.
        missing: usize,
    },
    /// Bytes follow the end.
    #[error("{0} byte(s) follow the end of the bundle")]
    TrailingBytes(usize),
    /// No route has this code.
    #[error("the bundle names route {0}, which does not exist")]
    Route(u8),
    /// No preset has this name.
    #[error("the bundle names the security preset {0:?}, which does not exist")]
    Preset(String),
    /// An input is neither public nor committed.
    #[error("the bundle shows an input in a way {0}, which does not exist")]
    Input(u8),
    /// A tensor that cannot be.
    #[error("the tensor at byte {0} has an impossible shape")]
    Shape(usize),
}

/// Reads from a slice and never past its end.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn take(&mut self, count: u32) -> Result<&'a [u8], DecodeError> {
        self.slice(usize::try_from(count).unwrap_or(usize::MAX))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let slice = self.slice(N)?;
        Ok(slice.try_into().expect("the slice has N bytes"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A text of at most 255 bytes; bytes that are no text become replacement characters.
    pub(super) fn short_text(&mut self) -> Result<String, DecodeError> {
        let length = self.u8()?;
        Ok(String::from_utf8_lossy(self.slice(length.into())?).into_owned())
    }

    pub(super) fn tensors(&mut self) -> Result<Vec<Tensor<i32>>, DecodeError> {
        let count = self.u16()?;
        (0..count).map(|_| self.tensor()).collect()
    }

    fn tensor(&mut self) -> Result<Tensor<i32>, DecodeError> {
        let start = self.at;
        let impossible = DecodeError::Shape(start);
        let rank = self.u8()?;
        if rank > MAX_RANK {
            return Err(impossible);
        }
        let mut shape = Vec::with_capacity(rank.into());
        for _ in 0..rank {
            shape.push(usize::try_from(self.u32()?).unwrap_or(usize::MAX));
        }
        let bytes = element_count(&shape).and_then(|count| count.checked_mul(4));
        let bytes = self.slice(bytes.ok_or(impossible)?)?;
        let (elements, _) = bytes.as_chunks::<4>();
        let data = elements.iter().map(|element| i32::from_le_bytes(*element)).collect();
        Tensor::new(shape, data).map_err(|_| DecodeError::Shape(start))
    }

    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::TrailingBytes(left)),
        }
    }

    fn slice(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let left = self.bytes.len() - self.at;
        if count > left {
            return Err(DecodeError::Truncated { at: self.at, missing: count - left });
        }
        let slice = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(slice)
    }
}

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(super) fn count_u32(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a statement and its proof have less than 4 GiB");
        self.bytes(&count.to_le_bytes());
    }

    pub(super) fn short_text(&mut self, text: &str) {
        self.u8(u8::try_from(text.len()).expect("names of presets are short"));
        self.bytes(text.as_bytes());
    }

    pub(super) fn tensors(&mut self, tensors: &[Tensor<i32>]) {
        self.u16(u16::try_from(tensors.len()).expect("a model has less than 2^16 inputs"));
        for tensor in tensors {
            self.u8(u8::try_from(tensor.rank()).expect("a tensor has at most 16 axes"));
            tensor.shape().iter().for_each(|&extent| self.count_u32(extent));
            tensor.data().iter().for_each(|element| self.bytes(&element.to_le_bytes()));
        }
    }
}
