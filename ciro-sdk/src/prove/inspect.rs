//! What a model is made of.

use std::collections::BTreeMap;
use std::path::Path;

use ciro_compiler::import::{self, DeclaredTensor, Extent, ImportError};

use super::compile::{CompileError, OnnxFile};
use super::model::Model;

/// A model's operators, shapes and size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Who wrote the file.
    pub producer: String,
    /// Version of the operator set of each domain; empty for a compiled model.
    pub opsets: BTreeMap<String, i64>,
    /// How many nodes there are of each operator.
    pub ops: BTreeMap<String, usize>,
    /// Numbers that were learned, and the constants beside them.
    pub params: u64,
    /// Multiply-accumulate operations of one run; `None` if the model cannot be imported.
    pub macs: Option<u64>,
    /// Inputs.
    pub inputs: Vec<DeclaredTensor>,
    /// Outputs.
    pub outputs: Vec<DeclaredTensor>,
}

/// Inspects an ONNX file, also one that cannot be imported.
///
/// # Errors
/// [`CompileError`] if the file is no ONNX model.
pub(super) fn inspect_onnx(
    path: &Path,
    settings: &import::Settings,
) -> Result<Inspection, CompileError> {
    let onnx = OnnxFile::read(path, settings)?;
    let description = import::describe(&onnx.bytes)?;
    let graph = match onnx.graph(settings) {
        Ok(graph) => Some(graph),
        Err(ImportError::Refused(_) | ImportError::UnknownShapes(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let mut inspection = Inspection {
        producer: description.producer,
        opsets: description.opsets,
        ops: description.ops,
        params: description.parameters,
        macs: graph.as_ref().map(ciro_compiler::float::Graph::macs),
        inputs: description.inputs,
        outputs: description.outputs,
    };
    if let Some(graph) = graph {
        let shapes = graph.inputs.iter().map(|input| &input.shape);
        settle(&mut inspection.inputs, shapes);
        let shapes = graph.outputs.iter().map(|output| &graph.node(output.node).shape);
        settle(&mut inspection.outputs, shapes);
    }
    Ok(inspection)
}

/// Inspects a compiled model.
pub(super) fn inspect_model(model: &Model) -> Inspection {
    let integer = model.integer();
    let mut ops = BTreeMap::new();
    for node in integer.nodes() {
        *ops.entry(node.op.operator().name().to_owned()).or_default() += 1;
    }
    let tensor = |name: &str, shape: &[usize]| DeclaredTensor {
        name: name.to_owned(),
        element_type: "INT32".to_owned(),
        shape: Some(shape.iter().copied().map(Extent::Fixed).collect()),
    };
    let inputs = integer.inputs().iter().map(|input| tensor(&input.name, &input.shape));
    let outputs = integer.outputs().iter();
    Inspection {
        producer: model.source().producer.clone(),
        opsets: BTreeMap::new(),
        ops,
        params: integer.parameters() as u64,
        macs: Some(integer.macs()),
        inputs: inputs.collect(),
        outputs: outputs
            .map(|output| tensor(&output.name, &integer.node(output.node).shape))
            .collect(),
    }
}

/// Replaces declared shapes by those of the import.
fn settle<'s>(tensors: &mut [DeclaredTensor], shapes: impl Iterator<Item = &'s Vec<usize>>) {
    for (tensor, shape) in tensors.iter_mut().zip(shapes) {
        tensor.shape = Some(shape.iter().copied().map(Extent::Fixed).collect());
    }
}
