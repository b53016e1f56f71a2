//! The Cairo function of one node while it is being written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use ciro_model::integer::{Constants, Interval, Node};

use super::EmitError;
use super::data::Data;
use super::layouts::Layouts;
use super::names::Namespace;
use super::weights::{Block, Use, Weights};

/// A function of `layers.cairo`: takes tensors, returns a tensor.
pub(super) struct Layer<'e> {
    /// The node.
    pub(super) node: &'e Node,
    /// The operands' nodes.
    pub(super) operands: Vec<&'e Node>,
    /// The model's constants.
    pub(super) constants: &'e Constants,
    /// The package's constants; the layer may add its own.
    pub(super) data: &'e mut Data,
    /// The package's layouts; the layer may ask for more.
    pub(super) layouts: &'e mut Layouts,
    /// The package's names; the layer claims those of its constants.
    pub(super) namespace: &'e mut Namespace,
    /// Where the model's constants are.
    pub(super) weights: &'e Weights,
    /// The identifier that the node's own constants begin with.
    pub(super) prefix: String,
    /// Items that the function uses, by module of `ops`.
    pub(super) uses: &'e mut BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// Blocks of weights that the function takes as parameters, by parameter name.
    pub(super) parameters: Vec<(String, Use)>,
    body: String,
}

/// What a layer is made from.
pub(super) struct Parts<'e> {
    pub(super) node: &'e Node,
    pub(super) operands: Vec<&'e Node>,
    pub(super) constants: &'e Constants,
    pub(super) data: &'e mut Data,
    pub(super) layouts: &'e mut Layouts,
    pub(super) namespace: &'e mut Namespace,
    pub(super) weights: &'e Weights,
    pub(super) prefix: String,
    pub(super) uses: &'e mut BTreeMap<&'static str, BTreeSet<&'static str>>,
}

impl<'e> Layer<'e> {
    pub(super) fn new(parts: Parts<'e>) -> Self {
        let Parts { node, operands, constants, data, layouts, namespace, weights, prefix, uses } =
            parts;
        Self {
            node,
            operands,
            constants,
            data,
            layouts,
            namespace,
            weights,
            prefix,
            uses,
            parameters: vec![],
            body: String::new(),
        }
    }

    /// The name of operand `index` inside the function.
    pub(super) fn operand(&self, index: usize) -> String {
        match (self.operands.len(), index) {
            (1, _) => "x".to_owned(),
            (2, 0) => "a".to_owned(),
            (2, 1) => "b".to_owned(),
            _ => format!("x{index}"),
        }
    }

    /// The shape of operand `index`.
    pub(super) fn shape(&self, index: usize) -> &'e [usize] {
        &self.operands[index].shape
    }

    /// The interval of operand `index`.
    pub(super) fn interval(&self, index: usize) -> Interval {
        self.operands[index].interval
    }

    /// Brings an item of `ops` into scope and returns its name.
    pub(super) fn item(&mut self, module: &'static str, item: &'static str) -> &'static str {
        self.uses.entry(module).or_default().insert(item);
        item
    }

    /// Adds a line to the function's body.
    pub(super) fn line(&mut self, line: impl std::fmt::Display) {
        writeln!(self.body, "    {line}").expect("writing to a string");
    }

    /// The expression for a block of weights: a constant, or a parameter of the function.
    pub(super) fn block(&mut self, usage: Use) -> (&'e Block, String) {
        let block = self.weights.block(usage);
        if block.inline {
            return (block, format!("{}.span()", block.constant()));
        }
        let parameter = block.name.clone();
        if !self.parameters.iter().any(|(_, known)| *known == usage) {
            self.parameters.push((parameter.clone(), usage));
        }
        (block, parameter)
    }

    /// Adds a constant array for this node alone and returns an expression for its span.
    ///
    /// # Errors
    /// [`EmitError::Constant`] if the array is longer than a Cairo program can hold in one piece.
    pub(super) fn array(
        &mut self,
        suffix: &str,
        ty: &str,
        items: impl IntoIterator<Item = impl std::fmt::Display>,
    ) -> Result<String, EmitError> {
        let name = self.namespace.claim(&format!("{}_{suffix}", self.prefix)).to_uppercase();
        let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
        if items.len() > super::data::LENGTH_MAX {
            return Err(
                self.refuse(format!("constant {name} of {} elements is too long", items.len()))
            );
        }
        self.data.array(&name, ty, &items);
        Ok(format!("{name}.span()"))
    }

    /// An error about this node.
    pub(super) fn refuse(&self, reason: String) -> EmitError {
        EmitError::Refused {
            node: self.node.name.clone(),
            op: self.node.op.operator().name(),
            reason,
        }
    }

    /// The finished function.
    pub(super) fn finish(self, name: &str) -> String {
        let node = self.node;
        let op = node.op.operator().name();
        let shapes: Vec<String> =
            self.operands.iter().map(|operand| format!("{:?}", operand.shape)).collect();
        let mut parameters: Vec<String> = (0..self.operands.len())
            .map(|index| format!("{}: Tensor", self.operand(index)))
            .collect();
        parameters.extend(self.parameters.iter().map(|(name, _)| format!("{name}: Tensor")));
        let mut code = String::new();
        writeln!(
            code,
            "/// `{}` ({op}): {} -> {:?}, values in {}.",
            super::comment(&node.name),
            shapes.join(", "),
            node.shape,
            node.interval,
        )
        .expect("writing to a string");
        writeln!(code, "pub fn {name}({}) -> Tensor {{\n{}}}", parameters.join(", "), self.body)
            .expect("writing to a string");
        code
    }
}
