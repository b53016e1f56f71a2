//! Why inputs are not taken.

use super::json::JsonError;
use crate::advice::Advice;
use crate::files::FileError;

/// A file or a set of arrays that does not hold inputs of the model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not JSON, though it is neither `.npy` nor `.npz`.
    #[error("not valid JSON (nor `.npy` or `.npz`)")]
    Json(#[source] JsonError),
    /// A literal that Python writes and JSON does not have.
    #[error("line {line}, column {column}: `{literal}` is not a number")]
    NonFiniteLiteral {
        /// Line, beginning with 1.
        line: usize,
        /// Column, beginning with 1.
        column: usize,
        /// The literal.
        literal: &'static str,
    },
    /// JSON of another form than `{"input_data": [[...], ...]}`.
    #[error("expected {{\"input_data\": [[...], ...]}} with one list for each input: {0}")]
    Form(String),
    /// A value that is no number.
    #[error("input {input}, element {element}: expected a number, got {found}")]
    NotANumber {
        /// Position of the input.
        input: usize,
        /// Position of the element in reading order.
        element: usize,
        /// What stands there.
        found: &'static str,
    },
    /// A value that is no text, behind texts.
    #[error("input {input}, element {element}: expected a text like those before, got {found}")]
    NotText {
        /// Position of the input.
        input: usize,
        /// Position of the element in reading order.
        element: usize,
        /// What stands there.
        found: &'static str,
    },
    /// Lists of different lengths, or lists beside numbers.
    #[error("input {input}: the nested lists are not a rectangular array")]
    Ragged {
        /// Position of the input.
        input: usize,
    },
    /// A damaged or unsupported `.npy` array.
    #[error("array `{name}`: {problem}")]
    Npy {
        /// The array's name in its archive, or the file.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A damaged `.npz` archive.
    #[error("damaged `.npz` archive")]
    Npz(#[from] zip::result::ZipError),
    /// Another number of arrays than the model has inputs.
    #[error("the model takes {expected} input(s) ({names}), got {got} array(s)")]
    Count {
        /// How many inputs the model has.
        expected: usize,
        /// Their names.
        names: String,
        /// How many arrays came.
        got: usize,
    },
    /// No array belongs to an input.
    #[error("no array named `{name}` or `in_{position}`; there are {available}")]
    Missing {
        /// The input's name.
        name: String,
        /// Its position.
        position: usize,
        /// The arrays that came.
        available: String,
    },
    /// An array of another shape.
    #[error("input `{name}`: expected shape {expected:?}, or {batch} for N samples, got {got:?}")]
    Shape {
        /// The input's name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The shape of several samples.
        batch: String,
        /// The array's shape.
        got: Vec<usize>,
    },
    /// A flat list of another length.
    #[error(
        "input `{name}`: expected {expected} number(s) for shape {shape:?}, or a multiple of it, got {got}"
    )]
    Length {
        /// The input's name.
        name: String,
        /// Elements of one sample.
        expected: usize,
        /// The model's shape.
        shape: Vec<usize>,
        /// How many numbers came.
        got: usize,
    },
    /// An archive with two arrays of one name.
    #[error("the `.npz` archive has two arrays of one name")]
    DuplicateArrays,
    /// An array of more samples than a file may hold.
    #[error(
        "input `{name}` holds {samples} samples, more than {}: cut the file",
        super::MAX_SAMPLES
    )]
    TooManySamples {
        /// The input's name.
        name: String,
        /// How many samples it holds.
        samples: usize,
    },
    /// Inputs that hold different numbers of samples.
    #[error("input `{name}` holds {got} sample(s), input `{first}` holds {expected}")]
    Samples {
        /// The input.
        name: String,
        /// Its samples.
        got: usize,
        /// The first input.
        first: String,
        /// Its samples.
        expected: usize,
    },
    /// Texts for an input of numbers.
    #[error("input `{name}` takes numbers, got text")]
    Text {
        /// The input's name.
        name: String,
    },
    /// Numbers for an input of text.
    #[error("input `{name}` takes text, got numbers")]
    NoText {
        /// The input's name.
        name: String,
    },
    /// A text that the model's encoders refuse.
    #[error(
        "input `{name}`, sample {sample}, element {element}: `{text}` is none of the categories that the model takes there"
    )]
    UnknownText {
        /// The input's name.
        name: String,
        /// Which sample.
        sample: usize,
        /// Row-major position in the sample.
        element: usize,
        /// The text, its first 64 characters.
        text: String,
    },
    /// Infinity.
    #[error(
        "input `{name}`, sample {sample}, element {element} is {value}: only finite numbers can be proven"
    )]
    NotFinite {
        /// The input's name.
        name: String,
        /// Which sample.
        sample: usize,
        /// Row-major position in the sample.
        element: usize,
        /// The value.
        value: f64,
    },
}

/// What to do about values that are none.
pub(crate) const MISSING_VALUES: &str = "replace missing values before the model, as was done for its training; trees and imputers of the model take them where \
     the calibration samples hold some";

impl InputError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Json(_) | Self::Form(_) | Self::Ragged { .. } => Some(Advice::of(
                "write {\"input_data\": [[1.0, 2.0, ...]]}, or save an array with numpy.save",
            )),
            Self::NonFiniteLiteral { .. } | Self::NotFinite { .. } | Self::NotANumber { .. } => {
                Some(Advice::of(MISSING_VALUES))
            }
            Self::Count { .. } | Self::Missing { .. } => Some(Advice::of(
                "numpy.savez(\"input.npz\", in_0=..., in_1=...) writes one array for each input",
            )),
            Self::Shape { .. } | Self::Length { .. } | Self::Text { .. } | Self::NoText { .. } => {
                Some(Advice::InspectModel)
            }
            Self::UnknownText { .. } => Some(Advice::of(
                "export the model with an encoder that ignores what it does not know \
                 (`handle_unknown=\"ignore\"`), or give a category that it was trained with",
            )),
            Self::File(error) => error.advice(),
            Self::NotText { .. } => {
                Some(Advice::of("write every element of an input of text as a text"))
            }
            Self::Npy { .. }
            | Self::Npz(_)
            | Self::DuplicateArrays
            | Self::TooManySamples { .. }
            | Self::Samples { .. } => None,
        }
    }
}
