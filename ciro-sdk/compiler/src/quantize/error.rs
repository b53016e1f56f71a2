//! Why a model cannot be quantized.

use crate::float::{self, EvalError};
use ciro_model::integer::{EncodingError, ModelError};

/// A model that cannot be quantized.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantizeError {
    /// An operator that has no integer meaning here, with what to change.
    #[error("node `{node}` ({op}): {reason}")]
    Refused {
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// Why it is refused.
        reason: Refusal,
    },
    /// Integers that could reach 2^30, or another rule of integer models.
    #[error("node `{node}` ({op})")]
    Model {
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// The rule that would be broken.
        #[source]
        source: Box<ModelError>,
    },
    /// The finished model breaks a rule.
    #[error("the finished model breaks a rule")]
    Finish(#[source] Box<ModelError>),
    /// A setting outside its range.
    #[error("setting {0}")]
    Setting(&'static str),
    /// The calibration belongs to another graph.
    #[error("the calibration has {got} nodes, the graph {expected}")]
    Calibration {
        /// How many nodes the graph has.
        expected: usize,
        /// How many ranges came.
        got: usize,
    },
}

/// Why an operator is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each message says it")]
pub enum Refusal {
    #[error("the kernel of a convolution is computed")]
    ComputedKernel,
    #[error("the table of a gather is computed")]
    ComputedTable,
    #[error("the operand's values are not integers inside [0, {rows})")]
    NotAnIndex { rows: usize },
    #[error("products over an axis have no integer form here")]
    Product,
    #[error("`{function}` of two computed tensors has no integer form here")]
    Function { function: String },
    #[error("the divisor takes both signs, or zero, at calibration: {lo} to {hi}")]
    DivisorSign { lo: String, hi: String },
    #[error("minus infinity is a mask, and masks are for a softmax or a maximum alone")]
    Infinity,
    #[error("every position of a row is masked")]
    MaskedRow,
    #[error("the operand is not a truth value (0 or 1)")]
    NotABoolean,
    #[error("the function is not finite at {at}, inside the range seen at calibration")]
    NotFinite { at: String },
    #[error("the output holds labels, but its values are not integers")]
    NotALabel,
    #[error("equality of tensors with more than 2^16 distinct differences")]
    WideEquality,
    #[error("values and weights are too coarse or too wide to fit below 2^30")]
    NoRoom,
    #[error("integers from {lo} to {hi} are exact only between -2^30 and 2^30")]
    WideIntegers { lo: i64, hi: i64 },
    #[error(
        "input `{input}` misses values in column {column}, and this operator computes with them"
    )]
    MissingValues { input: String, column: usize },
    #[error("trees behind this operator cannot be compared exactly")]
    TreeOperand,
}

impl Refusal {
    /// What to change, one sentence in the imperative.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ComputedKernel => "make the kernel a constant of the model",
            Self::ComputedTable => {
                "gather from a constant, or express the choice by a one-hot matrix product"
            }
            Self::NotAnIndex { .. } => "feed the gather with an integer input or an ArgMax",
            Self::Product => "write the product as multiplications of slices",
            Self::Function { .. } => "use an exponent or modulus that is a constant",
            Self::DivisorSign { .. } => {
                "add a small constant to the divisor, take its absolute value, or calibrate with real samples"
            }
            Self::Infinity => "use a large finite constant outside of softmax masks",
            Self::MaskedRow => "leave at least one position of every softmax row unmasked",
            Self::NotABoolean => "compare the operand with a constant first",
            Self::NotFinite { .. } => "clip the operand to the function's domain first",
            Self::NotALabel => "declare the output as floating point",
            Self::WideEquality => "compare with tolerance, or round both sides first",
            Self::NoRoom => "split the sum into smaller ones, or lower `activation_bits`",
            Self::WideIntegers { .. } => {
                "reduce the integers before they meet (a modulus, a coarser unit), or calibrate with a narrower range"
            }
            Self::MissingValues { .. } => {
                "replace missing values before this operator, in the model (an imputer) or before it"
            }
            Self::TreeOperand => "apply the trees to the model's input, or to scaled features",
        }
    }
}

impl QuantizeError {
    /// What to change, one sentence in the imperative, where there is advice.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Refused { reason, .. } => Some(reason.hint()),
            Self::Model { source, .. } if matches!(**source, ModelError::Overflow { .. }) => {
                Some("lower `activation_bits`, or split the sum into smaller ones")
            }
            Self::Model { .. } | Self::Finish(_) => None,
            Self::Setting(_) => Some("see `Settings` for the valid ranges"),
            Self::Calibration { .. } => Some("calibrate the graph that is quantized"),
        }
    }

    pub(super) fn model(node: &float::Node, source: ModelError) -> Self {
        Self::Model { node: node.name.clone(), op: node.origin.clone(), source: Box::new(source) }
    }

    pub(super) fn refused(node: &float::Node, reason: Refusal) -> Self {
        Self::Refused { node: node.name.clone(), op: node.origin.clone(), reason }
    }
}

/// Samples on which a graph cannot be calibrated or compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The float graph does not take the sample.
    #[error("sample {sample}")]
    Eval {
        /// Which sample.
        sample: usize,
        /// Why not.
        #[source]
        source: EvalError,
    },
    /// A node's value is not a number.
    #[error("sample {sample}: node `{node}` ({op}) gives {value}")]
    NotFinite {
        /// Which sample.
        sample: usize,
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// The value.
        value: f64,
    },
    /// An input cannot be encoded as integers.
    #[error("sample {sample}: input `{input}`")]
    Encoding {
        /// Which sample.
        sample: usize,
        /// The input's name.
        input: String,
        /// Why not.
        #[source]
        source: EncodingError,
    },
    /// Another number of inputs than the model takes.
    #[error("sample {sample} has {got} input(s), the model takes {expected}")]
    Inputs {
        /// Which sample.
        sample: usize,
        /// How many the model takes.
        expected: usize,
        /// How many came.
        got: usize,
    },
}
