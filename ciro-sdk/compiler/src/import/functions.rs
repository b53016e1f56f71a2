//! Model-local functions: operators that the file defines by other operators.

use std::collections::BTreeMap;

use prost::Message;
use tract_onnx::pb::{AttributeProto, FunctionProto, ModelProto, NodeProto};

/// A function of the model.
#[derive(Clone, Debug)]
pub(super) struct Function<'m> {
    pub(super) proto: &'m FunctionProto,
    defaults: Vec<AttributeProto>,
}

/// Domain and name.
pub(super) type FunctionKey = (String, String);

/// The part of `ModelProto` that tract's protobuf types leave out.
#[derive(Clone, PartialEq, Message)]
struct ModelDefaults {
    #[prost(message, repeated, tag = "25")]
    functions: Vec<FunctionDefaults>,
}

/// Default values of a function's attributes.
#[derive(Clone, PartialEq, Message)]
struct FunctionDefaults {
    #[prost(message, repeated, tag = "11")]
    attributes: Vec<AttributeProto>,
}

/// The functions of a model; `bytes` is the file that `model` was decoded from.
pub(super) fn functions<'m>(
    model: &'m ModelProto,
    bytes: &[u8],
) -> Result<BTreeMap<FunctionKey, Function<'m>>, prost::DecodeError> {
    let defaults = match model.functions.is_empty() {
        true => ModelDefaults::default(),
        false => ModelDefaults::decode(bytes)?,
    };
    let defaults = defaults.functions.into_iter().map(|function| function.attributes);
    let functions = model.functions.iter().zip(defaults);
    let key = |f: &FunctionProto| (text(f.domain.as_ref()), text(f.name.as_ref()));
    Ok(functions.map(|(proto, defaults)| (key(proto), Function { proto, defaults })).collect())
}

/// The body of a function with the attributes of one call in place of references to them.
pub(super) fn specialise(function: &Function<'_>, call: &NodeProto) -> Vec<NodeProto> {
    let mut nodes = function.proto.node.clone();
    let lookup = |name: &str| {
        let given = call.attribute.iter().chain(&function.defaults);
        given.into_iter().find(|attribute| attribute.name == name).cloned()
    };
    nodes.iter_mut().for_each(|node| resolve(node, &lookup));
    nodes
}

fn resolve(node: &mut NodeProto, lookup: &dyn Fn(&str) -> Option<AttributeProto>) {
    let attributes = std::mem::take(&mut node.attribute);
    node.attribute = attributes
        .into_iter()
        .filter_map(|mut attribute| {
            if !attribute.ref_attr_name.is_empty() {
                let value = lookup(&attribute.ref_attr_name)?;
                return Some(AttributeProto { name: attribute.name, ..value });
            }
            let graphs = attribute.g.iter_mut().chain(&mut attribute.graphs);
            graphs.flat_map(|graph| &mut graph.node).for_each(|node| resolve(node, lookup));
            Some(attribute)
        })
        .collect();
}

fn text(field: Option<&String>) -> String {
    field.cloned().unwrap_or_default()
}
