//! Why a model is not imported.

use std::fmt;
use std::path::PathBuf;

use crate::float::{EvalError, GraphError};
use ciro_model::movement::MovementError;

/// A model that cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than [`Settings::max_file_bytes`](super::Settings::max_file_bytes).
    #[error("`{path}` has more than {limit} bytes")]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// The bytes are not the protobuf of an ONNX model; most often the file is cut short.
    #[error("not an ONNX model, or a file cut short")]
    Decode(#[from] prost::DecodeError),
    /// The protobuf holds no graph.
    #[error("the file holds no graph")]
    NoGraph,
    /// A version of ONNX that is newer than this import.
    #[error("the model needs {what} {got}, the newest that is known here is {known}")]
    Newer {
        /// What has the version.
        what: String,
        /// The model's version.
        got: i64,
        /// The newest version that is known.
        known: i64,
    },
    /// Axes whose extent the model leaves open.
    #[error("the model leaves {} open", list(.0))]
    UnknownShapes(Vec<UnknownAxis>),
    /// A shape setting that names nothing in the model.
    #[error("no input and no symbol is named `{name}`; the model has {}", names(.known))]
    UnknownName {
        /// The name of the setting.
        name: String,
        /// Inputs and symbols of the model.
        known: Vec<String>,
    },
    /// A shape setting that contradicts the model.
    #[error("input `{input}`: the model says {model}, the setting says {setting}")]
    ShapeConflict {
        /// The input.
        input: String,
        /// The model's shape.
        model: String,
        /// The shape of the setting.
        setting: String,
    },
    /// Nodes, inputs or initializers that have no meaning here, all of them.
    #[error("{}", refusals(.0))]
    Refused(Vec<Refused>),
    /// The imported graph breaks a rule of its own; this is a defect of the import.
    #[error("the imported graph is not consistent")]
    Graph(#[from] GraphError),
}

impl ImportError {
    /// What the user can do about it, if there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(refused) => {
                refused.iter().find_map(|r| r.reason.hint()).map(str::to_owned)
            }
            Self::Newer { known, .. } => {
                Some(format!("export the model for version {known}, or update ciro"))
            }
            Self::FileTooLarge { .. } => Some("raise `max_file_bytes`".to_owned()),
            Self::Decode(_) | Self::NoGraph => {
                Some("export the model again, or download it again".to_owned())
            }
            _ => None,
        }
    }
}

/// An axis of an input whose extent the model leaves open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownAxis {
    /// The input.
    pub input: String,
    /// The axis; `None` if the model does not even say how many axes there are.
    pub axis: Option<usize>,
    /// The symbol that stands for the extent.
    pub symbol: Option<String>,
}

impl fmt::Display for UnknownAxis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.axis, &self.symbol) {
            (Some(axis), Some(symbol)) => {
                write!(f, "axis {axis} (`{symbol}`) of input `{}`", self.input)
            }
            (Some(axis), None) => write!(f, "axis {axis} of input `{}`", self.input),
            (None, _) => write!(f, "the shape of input `{}`", self.input),
        }
    }
}

/// One thing in the model that has no meaning here.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The node's name, or that of the input, output or initializer.
    pub node: String,
    /// The ONNX operator, with its domain unless that is the default one; `input`, `output` or
    /// `initializer` otherwise.
    pub op: String,
    /// Why it is refused.
    pub reason: Reason,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` ({}): {}", self.node, self.op, self.reason)
    }
}

/// Why a node, input, output or initializer is refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No operator of this domain is known.
    #[error("unknown domain `{0}`")]
    UnknownDomain(String),
    /// The domain has no operator of this name that can be imported.
    #[error("the operator is not supported")]
    UnknownOperator,
    /// An operator or mode that is known and refused.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The shape of the result, or the structure of the computation, would depend on data.
    #[error("{what} must be constant: the shape of the result would depend on data")]
    DataDependent {
        /// What has to be constant.
        what: String,
    },
    /// A loop whose number of turns is not known.
    #[error("the number of turns of the loop depends on data")]
    UnboundedLoop,
    /// A value that nothing defines.
    #[error("reads `{0}`, which no node, input or initializer defines")]
    Undefined(String),
    /// An output of an operator that its translation does not give, and that something reads.
    #[error("hangs on `{0}`, an output of its operator that is not computed here")]
    NotComputed(String),
    /// A name that is defined twice.
    #[error("`{0}` is defined more than once")]
    Duplicate(String),
    /// A node that depends on itself.
    #[error("the node is part of a cycle")]
    Cycle,
    /// Weights that are not finite numbers.
    #[error("{count} of its values are not finite, the first is {first}")]
    NonFinite {
        /// How many.
        count: usize,
        /// The first of them.
        first: f64,
    },
    /// Strings that are data, not labels.
    #[error("strings as data have no integer meaning")]
    Strings,
    /// Text of an input where a model may tell any text from any other.
    #[error(
        "text of an input is used for more than to look it up in the model's lists of categories"
    )]
    TextLeaves,
    /// A list of categories that leaves a text of an input without any meaning.
    #[error("no text is a category of every encoder that reads the input")]
    NoCategory,
    /// A type other than a tensor.
    #[error("{0} is not a tensor")]
    NotATensor(&'static str),
    /// An element type that is not supported.
    #[error("element type {0} is not supported")]
    ElementType(String),
    /// An input that the operator needs is missing.
    #[error("input {0} is missing")]
    MissingInput(usize),
    /// An attribute that is missing or has a value that ONNX does not allow.
    #[error("attribute `{name}` {problem}")]
    Attribute {
        /// The attribute.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Operands that do not fit the operator.
    #[error("{what}, operand shapes are {shapes:?}")]
    Shape {
        /// The rule that is broken.
        what: &'static str,
        /// The operands' shapes.
        shapes: Vec<Vec<usize>>,
    },
    /// Elements that cannot be moved as asked.
    #[error(transparent)]
    Movement(#[from] MovementError),
    /// Constants on which the operator is not defined.
    #[error("its constant operands have no value")]
    Constant(#[from] Box<EvalError>),
    /// A tensor whose bytes do not fit its type and shape.
    #[error("{0}")]
    TensorData(String),
    /// A file of weights outside the model.
    #[error("external data `{location}`: {problem}")]
    ExternalData {
        /// The location that the model names.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More elements than the settings allow.
    #[error("the model has more than {limit} elements here")]
    TooManyElements {
        /// [`Settings::max_elements`](super::Settings::max_elements).
        limit: usize,
    },
    /// More nodes than the settings allow, after unrolling.
    #[error("the model has more than {limit} nodes here")]
    TooManyNodes {
        /// [`Settings::max_nodes`](super::Settings::max_nodes).
        limit: usize,
    },
    /// Graphs or functions inside each other, too deep.
    #[error("subgraphs or functions are nested more than {0} deep")]
    TooDeep(usize),
}

impl Reason {
    /// What the user can do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::UnknownDomain(_)
            | Self::UnknownOperator
            | Self::Unsupported(_)
            | Self::NotComputed(_) => Some(
                "replace the operator, or end the model before it and compute the rest outside",
            ),
            Self::DataDependent { .. } => Some(
                "make the value an initializer, or simplify the model with a fixed input shape",
            ),
            Self::UnboundedLoop => Some("export the model with a fixed number of turns"),
            Self::NonFinite { .. } => Some("train or export the model again"),
            Self::Strings | Self::TextLeaves | Self::NoCategory => Some(
                "encode strings as numbers before the model; text that OneHotEncoder, LabelEncoder or CategoryMapper looks up in lists of the model may be an input",
            ),
            Self::ExternalData { .. } => Some("put the file of weights beside the model"),
            Self::TooManyElements { .. } => Some("raise `max_elements`, or use a smaller model"),
            Self::TooManyNodes { .. } => Some("raise `max_nodes`, or use a smaller model"),
            _ => None,
        }
    }
}

fn list(axes: &[UnknownAxis]) -> String {
    axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn names(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn refusals(refused: &[Refused]) -> String {
    match refused {
        [one] => format!("cannot import {one}"),
        many => {
            let lines: Vec<String> = many.iter().map(|r| format!("\n  {r}")).collect();
            format!("cannot import {} parts of the model:{}", many.len(), lines.concat())
        }
    }
}
