//! What an ONNX file says of itself, whether or not it can be imported.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use tract_onnx::pb::tensor_proto::DataLocation;
use tract_onnx::pb::tensor_shape_proto::dimension::Value as Dim;
use tract_onnx::pb::type_proto::Value as TypeValue;
use tract_onnx::pb::{
    GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, ValueInfoProto,
};

use super::ImportError;
use super::data_type::data_type;
use super::translate::operator;

/// An ONNX file as it describes itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// `producer_name` and `producer_version`.
    pub producer: String,
    /// Version of the file format.
    pub ir_version: i64,
    /// Version of the operator set of each domain; the default domain is `ai.onnx`.
    pub opsets: BTreeMap<String, i64>,
    /// How many nodes there are of each operator, those of subgraphs and functions included.
    pub ops: BTreeMap<String, usize>,
    /// Numbers in initializers, constant tensors and lists of coefficients and tree nodes.
    pub parameters: u64,
    /// Inputs that are not initializers.
    pub inputs: Vec<DeclaredTensor>,
    /// Outputs.
    pub outputs: Vec<DeclaredTensor>,
    /// Files of weights beside the model, as the model names them.
    pub external_files: BTreeSet<String>,
}

/// An input or output as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredTensor {
    /// Its name.
    pub name: String,
    /// Its element type in ONNX's words (`FLOAT`, `INT64`, ...); empty if it is no tensor.
    pub element_type: String,
    /// Its axes; `None` if the file does not even say how many there are.
    pub shape: Option<Vec<Extent>>,
}

/// The extent of an axis as the file declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extent {
    /// A number.
    Fixed(usize),
    /// A symbol; empty if the axis is simply open.
    Symbol(String),
}

/// Reads what an ONNX file says of itself.
///
/// # Errors
/// [`ImportError::Decode`] or [`ImportError::NoGraph`] if the bytes are no ONNX model.
pub fn describe(bytes: &[u8]) -> Result<Description, ImportError> {
    described(&ModelProto::decode(bytes)?)
}

/// What a model says of itself.
pub(super) fn described(model: &ModelProto) -> Result<Description, ImportError> {
    let graph = model.graph.as_ref().ok_or(ImportError::NoGraph)?;
    let domain = |domain: &str| if domain.is_empty() { "ai.onnx" } else { domain }.to_owned();
    let opsets = model.opset_import.iter();
    let initializers: BTreeSet<&str> =
        graph.initializer.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut description = Description {
        producer: format!("{} {}", model.producer_name, model.producer_version).trim().to_owned(),
        ir_version: model.ir_version,
        opsets: opsets.map(|opset| (domain(&opset.domain), opset.version)).collect(),
        inputs: graph
            .input
            .iter()
            .filter(|input| !initializers.contains(input.name.as_str()))
            .map(declared)
            .collect(),
        outputs: graph.output.iter().map(declared).collect(),
        ..Description::default()
    };
    description.graph(graph);
    model.functions.iter().for_each(|function| description.nodes(&function.node));
    Ok(description)
}

impl Description {
    fn graph(&mut self, graph: &GraphProto) {
        graph.initializer.iter().for_each(|tensor| self.tensor(tensor));
        graph.sparse_initializer.iter().for_each(|sparse| self.sparse(sparse));
        self.nodes(&graph.node);
    }

    fn nodes(&mut self, nodes: &[NodeProto]) {
        /// Lists of numbers that are parameters of `ai.onnx.ml` operators.
        const LISTS: [&str; 9] = [
            "coefficients",
            "intercepts",
            "nodes_values",
            "class_weights",
            "target_weights",
            "support_vectors",
            "rho",
            "scale",
            "offset",
        ];
        for node in nodes {
            *self.ops.entry(operator(node)).or_default() += 1;
            for attribute in &node.attribute {
                attribute.t.iter().chain(&attribute.tensors).for_each(|t| self.tensor(t));
                let sparse = attribute.sparse_tensor.iter().chain(&attribute.sparse_tensors);
                sparse.for_each(|sparse| self.sparse(sparse));
                attribute.g.iter().chain(&attribute.graphs).for_each(|g| self.graph(g));
                if LISTS.contains(&attribute.name.as_str()) {
                    self.parameters += attribute.floats.len() as u64;
                }
            }
        }
    }

    /// Counts the values of a sparse tensor; its positions are no parameters, but may be external.
    fn sparse(&mut self, sparse: &SparseTensorProto) {
        sparse.values.iter().for_each(|tensor| self.tensor(tensor));
        sparse.indices.iter().for_each(|tensor| self.external(tensor));
    }

    fn tensor(&mut self, tensor: &TensorProto) {
        self.external(tensor);
        let extents = tensor.dims.iter().map(|&extent| u64::try_from(extent).unwrap_or(0));
        let count = extents.fold(1, u64::saturating_mul);
        self.parameters = self.parameters.saturating_add(count);
    }

    fn external(&mut self, tensor: &TensorProto) {
        if tensor.data_location == Some(DataLocation::External.into()) {
            let location = tensor.external_data.iter().find(|entry| entry.key == "location");
            self.external_files.extend(location.map(|entry| entry.value.clone()));
        }
    }
}

fn declared(info: &ValueInfoProto) -> DeclaredTensor {
    let value = info.r#type.as_ref().and_then(|kind| kind.value.as_ref());
    let Some(TypeValue::TensorType(tensor)) = value else {
        let (element_type, shape) = (String::new(), None);
        return DeclaredTensor { name: info.name.clone(), element_type, shape };
    };
    let element_type = data_type(tensor.elem_type).map(|kind| kind.as_str_name().to_owned());
    let extent = |dim: &Option<Dim>| match dim {
        Some(Dim::DimValue(value)) => {
            usize::try_from(*value).map_or(Extent::Symbol(String::new()), Extent::Fixed)
        }
        Some(Dim::DimParam(symbol)) => Extent::Symbol(symbol.clone()),
        None => Extent::Symbol(String::new()),
    };
    DeclaredTensor {
        name: info.name.clone(),
        element_type: element_type.unwrap_or_default(),
        shape: tensor
            .shape
            .as_ref()
            .map(|shape| shape.dim.iter().map(|dim| extent(&dim.value)).collect()),
    }
}
