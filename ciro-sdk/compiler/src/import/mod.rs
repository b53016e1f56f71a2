//! Import of ONNX models.
//!
//! The file is decoded with tract's protobuf types and translated, node by node, into a [`Graph`]
//! with static shapes. Every operator is translated by a function of its own (see `ops`), which
//! reads attributes and operands and builds float operators; whatever can be computed from
//! constants is computed on the way, so that the shape arithmetic of exporters, constant branches
//! and dequantized weights leave no trace. Operators without an integer meaning are refused, all at
//! once, each with its node's name.
//!
//! - The first axis of an input is the batch and becomes 1 where the model leaves it open; other
//!   open axes have to be set ([`Settings::shapes`]).
//! - Strings are positions in a list of names ([`Labels::Names`]) where they are labels, and
//!   refused where they are data.
//! - Loops with a constant number of turns are unrolled, and so are recurrent layers; weights are
//!   shared by the steps.
//! - An additive mask, a constant that is 0 at visible positions and at most -10^4 (or minus
//!   infinity) at masked ones, becomes an [`Op::Where`](crate::float::Op::Where) whose other branch
//!   is that constant. The two differ if a whole row is masked: its own values no longer count.
//! - An optional output that a translation does not give is refused where something reads it.
//! - Quantized models (`QuantizeLinear`, `QLinearConv`, ...) become float operators that compute
//!   the same integers, saturation included.

mod algebra;
mod builder;
mod context;
mod data_type;
mod describe;
mod error;
mod external;
mod functions;
mod inputs;
mod literal;
mod ops;
mod settings;
mod simplify;
mod text;
mod translate;
mod value;

use std::fs::File;
use std::io::Read;
use std::path::Path;

pub use describe::{DeclaredTensor, Description, Extent, describe};
pub use error::{ImportError, Reason, Refused, UnknownAxis};
pub use external::ExternalFiles;
pub use settings::{
    GivenArray, InvalidInputSetting, InvalidShapeSetting, Number, Settings, ShapeSetting, Weights,
};

use prost::Message;
use tract_onnx::pb::{GraphProto, ModelProto};

use builder::{Builder, Limits, Site};
use data_type::DataType;
use translate::Translator;
use value::Binding;

use crate::float::{Graph, Labels, Output};

/// An operator that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnnxOperator {
    /// The name, as nodes spell it.
    pub name: &'static str,
    /// The domain; empty for the operators of ONNX itself.
    pub domain: &'static str,
    /// The version of the domain's operator set that brought it.
    pub since: u16,
    /// The source file of its translation, below `import/ops` and without its ending.
    pub family: &'static str,
}

impl OnnxOperator {
    /// The name with its domain, unless that is the default one.
    pub fn qualified(&self) -> String {
        match self.domain {
            "" => self.name.to_owned(),
            domain => format!("{domain}.{}", self.name),
        }
    }
}

/// Every operator that can be imported; `docs/operators.md` is made of them.
pub fn operators() -> impl Iterator<Item = OnnxOperator> {
    ops::all()
}

/// Imports an ONNX file; external weights may be beside it.
///
/// # Errors
/// [`ImportError`]; [`ImportError::Refused`] lists everything in the model that has no meaning
/// here.
pub fn import_file(path: &Path, settings: &Settings) -> Result<Graph, ImportError> {
    let read = |source| ImportError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read)?;
    let length = file.metadata().map_err(read)?.len().min(settings.max_file_bytes);
    // One more, so that nothing grows at the end.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0).saturating_add(1));
    file.take(settings.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(read)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > settings.max_file_bytes) {
        let limit = settings.max_file_bytes;
        return Err(ImportError::FileTooLarge { path: path.to_owned(), limit });
    }
    import_bytes_in(&bytes, path.parent().unwrap_or(Path::new(".")), settings)
}

/// Imports the bytes of an ONNX file that has no external weights.
///
/// # Errors
/// [`ImportError`]; [`ImportError::Refused`] lists everything in the model that has no meaning
/// here.
pub fn import_bytes(bytes: &[u8], settings: &Settings) -> Result<Graph, ImportError> {
    import_bytes_with(bytes, &ExternalFiles::default(), settings)
}

/// Imports the bytes of an ONNX file whose external weights are inside `folder`.
///
/// # Errors
/// [`ImportError`]; [`ImportError::Refused`] lists everything in the model that has no meaning
/// here.
pub fn import_bytes_in(
    bytes: &[u8],
    folder: &Path,
    settings: &Settings,
) -> Result<Graph, ImportError> {
    let model = ModelProto::decode(bytes)?;
    import_model((&model, bytes), &ExternalFiles::of(&model, folder, settings)?, settings)
}

/// Imports the bytes of an ONNX file whose external weights are read already.
///
/// # Errors
/// [`ImportError`]; [`ImportError::Refused`] lists everything in the model that has no meaning
/// here.
pub fn import_bytes_with(
    bytes: &[u8],
    external: &ExternalFiles,
    settings: &Settings,
) -> Result<Graph, ImportError> {
    import_model((&ModelProto::decode(bytes)?, bytes), external, settings)
}

/// Imports a model that was decoded from `bytes`.
fn import_model(
    (model, bytes): (&ModelProto, &[u8]),
    external: &ExternalFiles,
    settings: &Settings,
) -> Result<Graph, ImportError> {
    let proto = model.graph.as_ref().ok_or(ImportError::NoGraph)?;
    if proto.node.is_empty() && proto.output.is_empty() {
        return Err(ImportError::NoGraph);
    }
    known_versions(model)?;
    let limits = Limits { elements: settings.max_elements, nodes: settings.max_nodes };
    let mut builder = Builder::new(limits);
    let mut translator = Translator::new(ops::find, model, bytes, settings, external)?;
    let inputs = inputs::resolve(proto, settings, &mut translator)?;
    translator.initializers(&mut builder, proto);
    inputs::declare(proto, &inputs, &mut builder, &mut translator);
    translator.nodes(&mut builder, &proto.node);
    let outputs = outputs(proto, &mut builder, &mut translator);
    let graph = Graph { nodes: builder.nodes, inputs: builder.inputs, outputs };
    let mut graph = simplify::simplify(graph);
    if translator.refused.is_empty() {
        simplify::non_finite(&graph, &mut translator);
    }
    if !translator.refused.is_empty() {
        return Err(ImportError::Refused(translator.refused));
    }
    simplify::name(&mut graph);
    graph.check()?;
    Ok(graph)
}

/// The newest version of the file format, and of each set of operators, whose meaning is known.
const IR_VERSION: i64 = 14;
const OPSETS: &[(&str, i64)] = &[("", 28), ("ai.onnx", 28), ("ai.onnx.ml", 5)];

/// Refuses versions whose operators may mean something else.
fn known_versions(model: &ModelProto) -> Result<(), ImportError> {
    let newer = |what: String, got, known| Err(ImportError::Newer { what, got, known });
    if model.ir_version > IR_VERSION {
        return newer("version of the file format (IR)".to_owned(), model.ir_version, IR_VERSION);
    }
    for import in &model.opset_import {
        let known = OPSETS.iter().find(|(domain, _)| *domain == import.domain);
        if let Some(&(domain, known)) = known.filter(|(_, known)| import.version > *known) {
            let domain = if domain.is_empty() { "ai.onnx" } else { domain };
            return newer(format!("opset of `{domain}`"), import.version, known);
        }
    }
    Ok(())
}

fn outputs(
    proto: &GraphProto,
    builder: &mut Builder,
    translator: &mut Translator<'_>,
) -> Vec<Output> {
    builder.enter(Site { name: "output".to_owned(), origin: "output".to_owned() });
    let (mut outputs, mut lost) = (Vec::new(), Vec::new());
    for output in &proto.output {
        let name = output.name.clone();
        let value = match translator.lookup(&name) {
            Some(Binding::Tensor(value)) => value.clone(),
            Some(Binding::Poisoned) => {
                lost.push(name);
                continue;
            }
            Some(Binding::NotGiven) => {
                translator.refuse(&name, "output", Reason::NotComputed(name.clone()));
                continue;
            }
            Some(Binding::Sequence(_)) => {
                translator.refuse(&name, "output", Reason::NotATensor("a sequence"));
                continue;
            }
            Some(Binding::Absent) => {
                translator.refuse(&name, "output", Reason::NotATensor("an empty optional"));
                continue;
            }
            None => {
                translator.refuse(&name, "output", Reason::Undefined(name.clone()));
                continue;
            }
        };
        if value.names.as_ref().is_some_and(|names| text::is_open(names)) {
            translator.refuse(&name, "output", Reason::TextLeaves);
            continue;
        }
        let labels = match (value.names, value.kind) {
            (Some(names), _) => Labels::Names(names.to_vec()),
            (None, DataType::Bool) => Labels::Integer,
            (None, kind) if data_type::is_float(kind) => Labels::Real,
            (None, _) => Labels::Integer,
        };
        outputs.push(Output { name, node: value.id, labels });
    }
    // What is passed over hangs on something that is refused; without that it would vanish.
    if translator.refused.is_empty() {
        for name in lost {
            translator.refuse(&name, "output", Reason::NotComputed(name.clone()));
        }
    }
    outputs
}
