//! What a name of the ONNX graph stands for during translation.

use std::sync::Arc;

use super::Reason;
use super::data_type::DataType;
use crate::float::NodeId;

/// A tensor: the node that computes it and its ONNX element type.
#[derive(Clone, Debug)]
pub(super) struct Value {
    pub(super) id: NodeId,
    pub(super) kind: DataType,
    /// For strings: the tensor holds positions in this list.
    pub(super) names: Option<Arc<Vec<String>>>,
}

impl Value {
    pub(super) fn new(id: NodeId, kind: DataType) -> Self {
        Self { id, kind, names: None }
    }

    /// Another node of the same type.
    pub(super) fn with(&self, id: NodeId) -> Self {
        Self { id, ..self.clone() }
    }
}

/// A name's meaning.
#[derive(Clone, Debug)]
pub(super) enum Binding {
    /// A tensor.
    Tensor(Value),
    /// A list of tensors; its length is known at import.
    Sequence(Vec<Value>),
    /// An optional without a value, or an input that is left out.
    Absent,
    /// The result of a refused node; what depends on it is passed over.
    Poisoned,
    /// An output that the translation of its operator does not give; what reads it is refused.
    NotGiven,
}

/// Why a node has no translation.
#[derive(Debug)]
pub(super) enum Stop {
    /// The node is refused.
    Refuse(Reason),
    /// Nodes inside it are refused, and reported already.
    Reported,
}

impl<E: Into<Reason>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Refuse(error.into())
    }
}

/// What a translation gives: one binding for each output.
pub(super) type Outputs = Result<Vec<Binding>, Stop>;

/// One output.
pub(super) fn one(value: Value) -> Outputs {
    Ok(vec![Binding::Tensor(value)])
}
