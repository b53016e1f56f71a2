//! Inputs of text: columns of categories, which encoders in the model look up in lists of their
//! own.
//!
//! Such an input holds the codes of one dictionary: every text that a list of the model names, in
//! the order of the file, and one code for all other texts. Where all that a model does with a text
//! is to look it up, that loses nothing; what does more is refused.

use std::collections::BTreeSet;
use std::sync::Arc;

use tract_onnx::pb::{AttributeProto, GraphProto, NodeProto, TensorProto};

use super::Reason;
use super::builder::Builder;
use crate::float::{ElementType, NodeId, Op, ops};
use ciro_model::integer::Dictionary;
use ciro_model::tensor::Tensor;

/// What stands for every text that is not in the dictionary, in a list of names: a character that
/// Unicode reserves for the inside of programs, and that no dictionary holds.
const OTHER: &str = "\u{ffff}";

/// The texts of a model's lists of categories.
pub(super) struct Text(Dictionary);

impl Text {
    /// The lists of a graph and of those inside of it; `None` if there are none.
    pub(super) fn of(graph: &GraphProto) -> Option<Self> {
        let mut texts = Vec::new();
        collect(graph, &mut texts);
        let usable = |text: &&[u8]| text.len() <= MAX_TEXT_BYTES;
        let texts = texts.into_iter().filter(usable).map(String::from_utf8_lossy);
        let plain = texts.filter(|text| ciro_model::is_plain(text) && text != OTHER);
        let dictionary = Dictionary::new(plain.map(std::borrow::Cow::into_owned));
        (!dictionary.words().is_empty()).then_some(Self(dictionary))
    }

    /// What the encoder of inputs has to know.
    pub(super) fn element_type(&self) -> ElementType {
        ElementType::Text(Arc::new(self.0.clone()))
    }

    /// The names of all codes.
    pub(super) fn names(&self) -> Arc<Vec<String>> {
        Arc::new(self.0.words().iter().cloned().chain([OTHER.to_owned()]).collect())
    }
}

/// The longest text of a dictionary; a model with longer ones is refused where it looks them up.
const MAX_TEXT_BYTES: usize = 1 << 12;

/// Every list of strings in a graph that texts may be compared with.
fn collect<'g>(graph: &'g GraphProto, texts: &mut Vec<&'g [u8]>) {
    let strings = |tensor: &'g TensorProto| tensor.string_data.iter().map(Vec::as_slice);
    texts.extend(graph.initializer.iter().flat_map(strings));
    let attributes = |node: &'g NodeProto| node.attribute.iter().map(move |a| (node, a));
    for (node, attribute) in graph.node.iter().flat_map(attributes) {
        if compares(node, attribute) {
            texts.extend(attribute.strings.iter().map(Vec::as_slice));
            texts.extend(attribute.t.iter().flat_map(strings));
            if node.op_type == "Constant" {
                texts.extend((!attribute.s.is_empty()).then_some(attribute.s.as_slice()));
            }
        }
        attribute.g.iter().chain(&attribute.graphs).for_each(|inner| collect(inner, texts));
    }
}

/// Whether an attribute holds what texts are compared with, and not what replaces them.
fn compares(node: &NodeProto, attribute: &AttributeProto) -> bool {
    match node.op_type.as_str() {
        "OneHotEncoder" | "CategoryMapper" => attribute.name == "cats_strings",
        "LabelEncoder" => {
            matches!(&*attribute.name, "keys_strings" | "keys_tensor" | "classes_strings")
        }
        "Constant" => matches!(&*attribute.name, "value" | "value_string" | "value_strings"),
        _ => false,
    }
}

/// Whether positions in a list may stand for texts that are not in it.
pub(super) fn is_open(names: &[String]) -> bool {
    names.last().is_some_and(|last| last == OTHER) || names.iter().any(|name| name == OTHER)
}

/// Checks that texts may be looked up among the given ones: each has a position of its own.
pub(super) fn look_up(names: &[String], texts: &[String]) -> Result<(), Reason> {
    if !is_open(names) {
        return Ok(());
    }
    let names: BTreeSet<&String> = names.iter().collect();
    match texts.iter().all(|text| text != OTHER && names.contains(text)) {
        true => Ok(()),
        false => Err(Reason::Strings),
    }
}

/// Demands of every element of an input that reaches a tensor of texts that it is one of some
/// texts: the operator fails for others.
pub(super) fn require(
    builder: &mut Builder,
    id: NodeId,
    names: &[String],
    texts: &[String],
) -> Result<(), Reason> {
    let Some(elements) = elements(builder, id)? else { return Err(Reason::TextLeaves) };
    let texts: BTreeSet<&String> = texts.iter().collect();
    let codes = (0u32..).zip(names).filter(|(_, name)| texts.contains(name));
    let codes: BTreeSet<u32> = codes.map(|(code, _)| code).collect();
    let mut before = 0;
    for input in &mut builder.inputs {
        let count: usize = input.shape.iter().product();
        if let ElementType::Text(dictionary) = &mut input.element_type {
            let dictionary = Arc::make_mut(dictionary);
            for element in elements.range(before..before + count) {
                let element = u32::try_from(element - before).unwrap_or(u32::MAX);
                if !dictionary.restrict(element, &codes) {
                    return Err(Reason::NoCategory);
                }
            }
        }
        before += count;
    }
    Ok(())
}

/// The elements of inputs that make up a tensor, all inputs one behind the other; `None` if more
/// than movement makes it.
fn elements(builder: &Builder, id: NodeId) -> Result<Option<BTreeSet<usize>>, Reason> {
    let counts = builder.inputs.iter().map(|input| input.shape.iter().product::<usize>());
    let starts: Vec<usize> = counts
        .scan(0, |before, count| {
            *before += count;
            Some(*before - count)
        })
        .collect();
    let mut values: Vec<Option<Tensor<f64>>> = Vec::with_capacity(id.index() + 1);
    for node in &builder.nodes[..=id.index()] {
        let operands: Option<Vec<&Tensor<f64>>> =
            node.operands.iter().map(|operand| values[operand.index()].as_ref()).collect();
        let value = match (&node.op, operands) {
            (Op::Input { index }, _) => {
                let is_text = matches!(builder.inputs[*index].element_type, ElementType::Text(_));
                let count: usize = node.shape.iter().product();
                let from = starts[*index];
                let data = (from..from + count).map(|element| element as f64).collect();
                Tensor::new(node.shape.clone(), data).ok().filter(|_| is_text)
            }
            (op @ Op::Move(_), Some(operands)) => Some(ops::eval(op, &operands).map_err(Box::new)?),
            _ => None,
        };
        values.push(value);
    }
    let Some(Some(value)) = values.pop() else { return Ok(None) };
    Ok(value.data().iter().map(|&at| super::literal::usize_from(at)).collect())
}
