//! Fixed-width, little-endian reading and writing, bounded by the bytes that are there.

use ciro_model::Tensor;
use ciro_model::integer::{ContextError, StatedTensor};
use ciro_model::tensor::element_count;

/// The most axes of a tensor.
const MAX_RANK: usize = ciro_model::integer::MAX_RANK;

/// Bytes that are no proof bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The file is something else.
    #[error("the file does not begin with `CIROPROF`")]
    Magic,
    /// The proof is about a program.
    #[error("the proof is about a Cairo program, not about a model")]
    Program,
    /// The file is of another version of the format.
    #[error(
        "the bundle has format version {found}, this program reads versions up to {expected}: {}",
        if found < expected { "have the inference proven again" } else { "use a newer program" }
    )]
    Version {
        /// The newest version that is read.
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
    /// The context is no number below the Stark prime.
    #[error("the bundle's context cannot be")]
    Context(#[source] ContextError),
    /// An input is neither public nor committed.
    #[error("the bundle shows an input in a way {0}, which does not exist")]
    Input(u8),
    /// A tensor is neither public nor committed.
    #[error("the bundle shows a tensor in a way {0}, which does not exist")]
    Visibility(u8),
    /// A bundle of the version that commits to single tensors, which commits to none.
    #[error("the bundle commits to no tensor, though its format version is for those that do")]
    NothingCommitted,
    /// A tensor that cannot be.
    #[error("the tensor at byte {0} has an impossible shape")]
    Shape(usize),
    /// A tensor of another shape than the model's.
    #[error("the tensor at byte {0} has another shape than the model's")]
    OtherShape(usize),
    /// Another number of inputs or outputs than the model's.
    #[error("byte {at} announces {found} tensor(s), the model has {expected} there")]
    Count {
        /// Where the number stands.
        at: usize,
        /// How many the model has.
        expected: usize,
        /// How many are announced.
        found: usize,
    },
    /// More claims than any proof is about.
    #[error("the bundle makes {found} claims, a bundle of this model holds at most {limit}")]
    TooManyClaims {
        /// How many there are.
        found: u32,
        /// How many are read.
        limit: usize,
    },
    /// A proof longer than any proof is.
    #[error("the proof has {found} bytes, the longest that is read has {limit}")]
    ProofTooLong {
        /// Its length.
        found: usize,
        /// The greatest length.
        limit: usize,
    },
}

/// Reads from a slice and never past its end.
#[derive(Debug)]
pub(in crate::verify) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the slice begins in its file, for errors.
    start: usize,
}

impl<'a> Reader<'a> {
    pub(in crate::verify) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, start: 0 }
    }

    /// Reads a part of a file that begins at byte `start`.
    pub(in crate::verify) fn part(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, at: 0, start }
    }

    /// The position in the slice.
    pub(in crate::verify) fn position(&self) -> usize {
        self.at
    }

    pub(in crate::verify) fn take(&mut self, count: u32) -> Result<&'a [u8], BundleError> {
        self.slice(usize::try_from(count).unwrap_or(usize::MAX))
    }

    pub(in crate::verify) fn array<const N: usize>(&mut self) -> Result<[u8; N], BundleError> {
        let slice = self.slice(N)?;
        Ok(slice.try_into().expect("the slice has N bytes"))
    }

    pub(in crate::verify) fn u8(&mut self) -> Result<u8, BundleError> {
        Ok(self.array::<1>()?[0])
    }

    pub(in crate::verify) fn u16(&mut self) -> Result<u16, BundleError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(in crate::verify) fn u32(&mut self) -> Result<u32, BundleError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A text of at most 255 bytes; bytes that are no text become replacement characters.
    pub(in crate::verify) fn short_text(&mut self) -> Result<String, BundleError> {
        let length = self.u8()?;
        Ok(String::from_utf8_lossy(self.slice(length.into())?).into_owned())
    }

    /// The tensors of these shapes; anything else is an error before memory is made for it.
    pub(in crate::verify) fn tensors(
        &mut self,
        shapes: &[Vec<usize>],
    ) -> Result<Vec<Tensor<i32>>, BundleError> {
        self.count(shapes)?;
        shapes.iter().map(|shape| self.tensor(shape)).collect()
    }

    /// The next byte, if there is one.
    pub(in crate::verify) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Tensors of these shapes, each of them shown or committed.
    pub(in crate::verify) fn stated(
        &mut self,
        shapes: &[Vec<usize>],
    ) -> Result<Vec<StatedTensor>, BundleError> {
        self.count(shapes)?;
        let stated = |shape: &Vec<usize>| match self.u8()? {
            0 => Ok(StatedTensor::Public(self.tensor(shape)?)),
            1 => Ok(StatedTensor::Committed(self.array()?)),
            tag => Err(BundleError::Visibility(tag)),
        };
        shapes.iter().map(stated).collect()
    }

    /// Whether tensors of these shapes follow, each of them shown or committed; makes no memory.
    #[cfg(feature = "prove")]
    pub(in crate::verify) fn pass_stated(
        &mut self,
        shapes: &[Vec<usize>],
    ) -> Result<(), BundleError> {
        self.count(shapes)?;
        shapes.iter().try_for_each(|shape| match self.u8()? {
            0 => self.elements(shape).map(drop),
            1 => self.array::<32>().map(drop),
            tag => Err(BundleError::Visibility(tag)),
        })
    }

    /// Reads over tensors of any shape that are shown or committed; says how many are committed.
    pub(in crate::verify) fn skip_stated(&mut self) -> Result<usize, BundleError> {
        let count = self.u16()?;
        let mut committed = 0;
        for _ in 0..count {
            match self.u8()? {
                0 => self.skip_tensor()?,
                1 => {
                    self.array::<32>()?;
                    committed += 1;
                }
                tag => return Err(BundleError::Visibility(tag)),
            }
        }
        Ok(committed)
    }

    /// Whether tensors of these shapes follow; makes no memory.
    #[cfg(feature = "prove")]
    pub(in crate::verify) fn pass_tensors(
        &mut self,
        shapes: &[Vec<usize>],
    ) -> Result<(), BundleError> {
        self.count(shapes)?;
        shapes.iter().try_for_each(|shape| self.elements(shape).map(drop))
    }

    /// Reads over tensors of any shape; makes no memory.
    pub(in crate::verify) fn skip_tensors(&mut self) -> Result<(), BundleError> {
        let count = self.u16()?;
        (0..count).try_for_each(|_| self.skip_tensor())
    }

    fn skip_tensor(&mut self) -> Result<(), BundleError> {
        let impossible = BundleError::Shape(self.start + self.at);
        let (extents, rank) = self.shape()?;
        let bytes = tensor_bytes(&extents[..rank]);
        self.slice(bytes.ok_or(impossible)?).map(drop)
    }

    fn count(&mut self, shapes: &[Vec<usize>]) -> Result<(), BundleError> {
        let at = self.start + self.at;
        let (expected, found) = (shapes.len(), usize::from(self.u16()?));
        if expected == found { Ok(()) } else { Err(BundleError::Count { at, expected, found }) }
    }

    fn tensor(&mut self, shape: &[usize]) -> Result<Tensor<i32>, BundleError> {
        let start = self.start + self.at;
        let (elements, _) = self.elements(shape)?.as_chunks::<4>();
        let data = elements.iter().map(|element| i32::from_le_bytes(*element)).collect();
        Tensor::new(shape.to_vec(), data).map_err(|_| BundleError::Shape(start))
    }

    /// The elements of a tensor of this shape.
    fn elements(&mut self, shape: &[usize]) -> Result<&'a [u8], BundleError> {
        let at = self.start + self.at;
        let (extents, rank) = self.shape()?;
        if extents.get(..rank) != Some(shape) {
            return Err(BundleError::OtherShape(at));
        }
        let bytes = tensor_bytes(shape);
        self.slice(bytes.ok_or(BundleError::Shape(at))?)
    }

    /// Extents and rank of the tensor that follows.
    fn shape(&mut self) -> Result<([usize; MAX_RANK], usize), BundleError> {
        let at = self.start + self.at;
        let rank = usize::from(self.u8()?);
        let mut extents = [0; MAX_RANK];
        let used = extents.get_mut(..rank).ok_or(BundleError::Shape(at))?;
        for extent in used {
            *extent = usize::try_from(self.u32()?).unwrap_or(usize::MAX);
        }
        Ok((extents, rank))
    }

    pub(in crate::verify) fn finish(self) -> Result<(), BundleError> {
        match self.bytes.len() - self.at {
            0 => Ok(()),
            left => Err(BundleError::TrailingBytes(left)),
        }
    }

    fn slice(&mut self, count: usize) -> Result<&'a [u8], BundleError> {
        let left = self.bytes.len() - self.at;
        if count > left {
            return Err(BundleError::Truncated { at: self.start + self.at, missing: count - left });
        }
        let slice = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(slice)
    }
}

/// How many bytes the elements of a tensor take; `None` if no bundle has as many, whatever the
/// width of the machine's words.
fn tensor_bytes(shape: &[usize]) -> Option<usize> {
    let bytes = element_count(shape)?.checked_mul(4)?;
    (bytes as u64 <= super::MAX_BUNDLE_BYTES).then_some(bytes)
}

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(in crate::verify) struct Writer(Vec<u8>);

impl Writer {
    pub(in crate::verify) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(in crate::verify) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(in crate::verify) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(in crate::verify) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(in crate::verify) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(in crate::verify) fn count_u32(&mut self, count: usize) {
        let count = u32::try_from(count).expect("a statement and its proof have less than 4 GiB");
        self.bytes(&count.to_le_bytes());
    }

    pub(in crate::verify) fn short_text(&mut self, text: &str) {
        self.u8(u8::try_from(text.len()).expect("names of presets are short"));
        self.bytes(text.as_bytes());
    }

    pub(in crate::verify) fn tensors(&mut self, tensors: &[Tensor<i32>]) {
        self.u16(u16::try_from(tensors.len()).expect("a model has less than 2^16 inputs"));
        tensors.iter().for_each(|tensor| self.tensor(tensor));
    }

    pub(in crate::verify) fn stated(&mut self, tensors: &[StatedTensor]) {
        self.u16(u16::try_from(tensors.len()).expect("a model has less than 2^16 inputs"));
        for tensor in tensors {
            match tensor {
                StatedTensor::Public(tensor) => {
                    self.u8(0);
                    self.tensor(tensor);
                }
                StatedTensor::Committed(commitment) => {
                    self.u8(1);
                    self.bytes(commitment);
                }
            }
        }
    }

    fn tensor(&mut self, tensor: &Tensor<i32>) {
        self.u8(u8::try_from(tensor.rank()).expect("a tensor has at most 16 axes"));
        tensor.shape().iter().for_each(|&extent| self.count_u32(extent));
        tensor.data().iter().for_each(|element| self.bytes(&element.to_le_bytes()));
    }
}
