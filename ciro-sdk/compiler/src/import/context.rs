//! One ONNX node during translation: its attributes and operands.

use std::sync::Arc;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto};

use super::Reason;
use super::builder::Builder;
use super::data_type::DataType;
use super::literal::{Literal, literal, usize_from};
use super::translate::Translator;
use super::value::{Binding, Outputs, Stop, Value, one};
use crate::float::NodeId;
use ciro_model::tensor::Tensor;

/// Translates one node.
pub(super) type Translate = fn(&mut Cx<'_, '_>) -> Outputs;

/// The operators of one file: name with its domain (`Relu`, `com.microsoft.FusedConv`), the version
/// of the operator set that brought it, translation.
pub(super) type Family = &'static [(&'static str, u16, Translate)];

/// The short name of [`Context`], which every translation takes.
pub(super) type Cx<'a, 'm> = Context<'a, 'm>;

/// A node that is being translated.
pub(super) struct Context<'a, 'm> {
    /// The graph in the making.
    pub(super) g: &'a mut Builder,
    /// The names in scope, for subgraphs.
    pub(super) translator: &'a mut Translator<'m>,
    /// The ONNX node.
    pub(super) node: &'a NodeProto,
    /// What its inputs stand for.
    pub(super) inputs: Vec<Binding>,
    /// The version of the operator set it belongs to.
    pub(super) opset: i64,
}

/// Operands.
impl Context<'_, '_> {
    /// The tensor of an input, or `None` if it is left out.
    pub(super) fn optional(&self, index: usize) -> Result<Option<Value>, Reason> {
        match self.inputs.get(index) {
            None | Some(Binding::Absent) => Ok(None),
            Some(Binding::Tensor(value)) => Ok(Some(value.clone())),
            Some(Binding::Sequence(_)) => Err(Reason::NotATensor("a sequence")),
            Some(Binding::Poisoned | Binding::NotGiven) => Err(Reason::MissingInput(index)),
        }
    }

    /// The tensor of an input.
    pub(super) fn tensor(&self, index: usize) -> Result<Value, Reason> {
        self.optional(index)?.ok_or(Reason::MissingInput(index))
    }

    /// The node of an input.
    pub(super) fn id(&self, index: usize) -> Result<NodeId, Reason> {
        Ok(self.tensor(index)?.id)
    }

    /// The node of an input that holds numbers.
    pub(super) fn number(&self, index: usize) -> Result<Value, Reason> {
        let value = self.tensor(index)?;
        if value.kind == DataType::String { Err(Reason::Strings) } else { Ok(value) }
    }

    /// Every input as a tensor.
    pub(super) fn tensors(&self) -> Result<Vec<Value>, Reason> {
        (0..self.inputs.len()).map(|index| self.tensor(index)).collect()
    }

    /// The list of tensors of an input.
    pub(super) fn sequence(&self, index: usize) -> Result<Vec<Value>, Reason> {
        match self.inputs.get(index) {
            Some(Binding::Sequence(values)) => Ok(values.clone()),
            Some(Binding::Tensor(_)) => Err(Reason::Unsupported("a sequence is expected")),
            _ => Err(Reason::MissingInput(index)),
        }
    }

    pub(super) fn has(&self, index: usize) -> bool {
        matches!(self.inputs.get(index), Some(Binding::Tensor(_) | Binding::Sequence(_)))
    }

    /// The value of an input that the result's shape depends on.
    pub(super) fn constant(&self, index: usize) -> Result<Arc<Tensor<f64>>, Reason> {
        let value = self.tensor(index)?;
        self.g.value(value.id).cloned().ok_or_else(|| Reason::DataDependent {
            what: format!("input `{}`", self.node.input[index]),
        })
    }

    /// A constant input as integers.
    pub(super) fn const_ints(&self, index: usize) -> Result<Vec<i64>, Reason> {
        Ok(self.constant(index)?.data().iter().map(|&x| integer(x)).collect())
    }

    /// A constant input of one integer.
    pub(super) fn const_int(&self, index: usize) -> Result<i64, Reason> {
        match self.const_ints(index)?.as_slice() {
            [value] => Ok(*value),
            _ => Err(Reason::Shape {
                what: "one integer is expected",
                shapes: vec![self.g.shape(self.id(index)?).to_vec()],
            }),
        }
    }

    /// A constant input of one number, if there is one.
    pub(super) fn const_scalar(&self, index: usize) -> Result<Option<f64>, Reason> {
        if !self.has(index) {
            return Ok(None);
        }
        Ok(self.constant(index)?.data().first().copied())
    }

    pub(super) fn rank(&self, index: usize) -> Result<usize, Reason> {
        Ok(self.g.rank(self.id(index)?))
    }

    pub(super) fn shape(&self, index: usize) -> Result<Vec<usize>, Reason> {
        Ok(self.g.shape(self.id(index)?).to_vec())
    }
}

/// Attributes.
impl<'a> Context<'a, '_> {
    pub(super) fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).map_or(default, |a| a.i)
    }

    /// An attribute that is 0 or 1.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.attribute(name).map_or(default, |a| a.i != 0)
    }

    pub(super) fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).map_or(default, |a| f64::from(a.f))
    }

    pub(super) fn text(&self, name: &str, default: &'static str) -> &'a str {
        let text = self.attribute(name).map(|a| std::str::from_utf8(&a.s).unwrap_or_default());
        text.unwrap_or(default)
    }

    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|a| a.ints.as_slice())
    }

    /// A list of counts (kernel, strides, ...) of a given length.
    pub(super) fn counts(
        &self,
        name: &str,
        len: usize,
        default: usize,
    ) -> Result<Vec<usize>, Reason> {
        let Some(values) = self.ints(name).filter(|values| !values.is_empty()) else {
            return Ok(vec![default; len]);
        };
        let counts: Result<Vec<usize>, _> = values.iter().map(|&v| usize::try_from(v)).collect();
        match counts {
            Ok(counts) if counts.len() == len => Ok(counts),
            Ok(_) => Err(bad(name, "has the wrong number of elements")),
            Err(_) => Err(bad(name, "has a negative element")),
        }
    }

    pub(super) fn floats(&self, name: &str) -> Vec<f64> {
        let values = self.attribute(name).map(|a| a.floats.as_slice()).unwrap_or_default();
        values.iter().map(|&x| f64::from(x)).collect()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let values = self.attribute(name).map(|a| a.strings.as_slice()).unwrap_or_default();
        values.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()
    }

    pub(super) fn literal(&self, name: &str) -> Result<Option<Literal>, Reason> {
        let tensor = self.attribute(name).and_then(|a| a.t.as_ref());
        tensor.map(|tensor| literal(tensor, self.translator.external)).transpose()
    }

    pub(super) fn graph(&self, name: &str) -> Result<&'a GraphProto, Reason> {
        let graph = self.attribute(name).and_then(|a| a.g.as_ref());
        graph.ok_or_else(|| bad(name, "is missing"))
    }

    /// The axes of a reduction or squeeze: an attribute at first, input `index` later.
    pub(super) fn axes(&self, index: usize, rank: usize) -> Result<Option<Vec<usize>>, Reason> {
        let raw = if self.has(index) {
            self.const_ints(index)?
        } else if let Some(axes) = self.ints("axes") {
            axes.to_vec()
        } else {
            return Ok(None);
        };
        let mut axes: Vec<usize> =
            raw.iter().map(|&axis| axis_of(axis, rank)).collect::<Result<_, _>>()?;
        axes.sort_unstable();
        axes.dedup();
        Ok(Some(axes))
    }

    /// The attribute `axis`, counted from the end where it is negative.
    pub(super) fn axis(&self, default: i64, rank: usize) -> Result<usize, Reason> {
        axis_of(self.int("axis", default), rank)
    }

    /// An axis attribute of another name.
    pub(super) fn axis_named(
        &self,
        name: &str,
        default: i64,
        rank: usize,
    ) -> Result<usize, Reason> {
        axis_of(self.int(name, default), rank)
    }
}

/// Results.
impl Context<'_, '_> {
    pub(super) fn give(id: NodeId, kind: DataType) -> Outputs {
        one(Value::new(id, kind))
    }

    /// A literal as a constant of the graph.
    pub(super) fn constant_of(&mut self, literal: Literal) -> Result<Value, Reason> {
        let literal = literal.without_nan()?;
        let id = self.g.constant(literal.value)?;
        Ok(Value { id, kind: literal.kind, names: literal.names })
    }

    /// Translates a subgraph; `arguments` are its inputs.
    pub(super) fn run(
        &mut self,
        graph: &GraphProto,
        arguments: Vec<Binding>,
    ) -> Result<Vec<Binding>, Stop> {
        self.translator.subgraph(self.g, (self.node, graph), arguments)
    }
}

/// The refusal of an attribute.
pub(super) fn bad(name: &str, problem: &'static str) -> Reason {
    Reason::Attribute { name: name.to_owned(), problem }
}

/// An axis, counted from the end where it is negative.
pub(super) fn axis_of(axis: i64, rank: usize) -> Result<usize, Reason> {
    let rank_signed = i64::try_from(rank).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(rank_signed) } else { axis };
    let inside = usize::try_from(counted).ok().filter(|&axis| axis < rank);
    inside.ok_or_else(|| bad("axis", "is outside the operand's axes"))
}

/// The integer nearest to a constant's element; constants of integer type are integers.
#[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate")]
pub(super) fn integer(x: f64) -> i64 {
    x as i64
}

/// A constant's element as a count.
pub(super) fn count(x: f64) -> Result<usize, Reason> {
    usize_from(x).ok_or(Reason::Unsupported("a count must be a non-negative integer"))
}
