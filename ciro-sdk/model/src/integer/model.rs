//! The integer model itself: nodes in topological order, constants, inputs and outputs.

use serde::{Deserialize, Serialize};

use super::{Decoding, Encoding, Guard, Interval, Op, OperatorError};
use crate::name::{escape, is_plain};
use crate::tensor::{Tensor, element_count};

/// A node of an [`IntegerModel`], and with it the tensor that the node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`IntegerModel::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A constant tensor of an [`IntegerModel`]; nodes that use equal constants share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConstId(pub u32);

/// The constants of a model: weights, biases, tables.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Constants(pub(super) Vec<Tensor<i32>>);

impl Constants {
    /// Looks a constant up.
    ///
    /// # Errors
    /// [`OperatorError::Constant`] if there is none of that id.
    pub fn get(&self, id: ConstId) -> Result<&Tensor<i32>, OperatorError> {
        self.0.get(id.0 as usize).ok_or(OperatorError::Constant(id.0))
    }

    /// All constants in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = (ConstId, &Tensor<i32>)> {
        (0..).map(ConstId).zip(&self.0)
    }

    /// Adds a constant, or finds an equal one.
    pub(super) fn intern(&mut self, tensor: Tensor<i32>) -> ConstId {
        let position = self.0.iter().position(|known| *known == tensor).unwrap_or_else(|| {
            self.0.push(tensor);
            self.0.len() - 1
        });
        ConstId(u32::try_from(position).expect("fewer than 2^32 constants"))
    }
}

impl std::ops::Index<ConstId> for Constants {
    type Output = Tensor<i32>;

    fn index(&self, id: ConstId) -> &Tensor<i32> {
        &self.0[id.0 as usize]
    }
}

/// One operator, the tensors it reads, and what is known of the tensor it writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique name, derived from the ONNX node it comes from.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// The nodes whose tensors are the operands, each before this one.
    pub operands: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// What every element of the result stays inside.
    pub interval: Interval,
    /// The real value of one integer unit: `real = scale * integer`. Informative inside the model,
    /// decisive at outputs.
    pub scale: f64,
}

impl Node {
    /// The number of elements of the result.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the result has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An input of the model: one ONNX input and the integer tensors that are derived from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The ONNX input's name.
    pub name: String,
    /// The shape of the real-valued tensor.
    pub shape: Vec<usize>,
    /// How the real-valued tensor becomes integers; one entry for each [`Op::Input`] node that
    /// reads it.
    pub views: Vec<(NodeId, Encoding)>,
}

/// An output of the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The ONNX output's name.
    pub name: String,
    /// The node that computes it.
    pub node: NodeId,
    /// What its integers mean.
    pub decoding: Decoding,
}

/// A quantized model: what is proven is that this list of operators maps the inputs to the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntegerModel {
    pub(super) nodes: Vec<Node>,
    pub(super) constants: Constants,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<Output>,
    pub(super) guards: Vec<Guard>,
}

/// An integer model that breaks a rule, with the node where it does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An operator does not fit its operands.
    #[error("node `{node}` ({op})")]
    Operator {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What does not fit.
        #[source]
        source: OperatorError,
    },
    /// A result could reach 2^30.
    #[error("node `{node}` ({op}): values may reach {interval}, outside (-2^30, 2^30)")]
    Overflow {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// What interval analysis found.
        interval: Interval,
    },
    /// A result has more than [`MAX_ELEMENTS`] elements.
    #[error("node `{node}` ({op}): a tensor of shape {shape:?} has more than 2^28 elements")]
    TooLarge {
        /// The node's name.
        node: String,
        /// Its operator.
        op: &'static str,
        /// The shape.
        shape: Vec<usize>,
    },
    /// A node reads a tensor that does not come before it.
    #[error("node `{node}` reads node {operand}, which does not come before it")]
    Order {
        /// The reading node's name.
        node: String,
        /// The id it reads.
        operand: u32,
    },
    /// Inputs, outputs or annotations that contradict the nodes.
    #[error("node `{node}`: {what}")]
    Inconsistent {
        /// The node's or tensor's name.
        node: String,
        /// The rule that is broken.
        what: &'static str,
    },
}

impl IntegerModel {
    /// The nodes in topological order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Every node with its id, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(&self.nodes)
    }

    /// Weights, biases and tables.
    pub fn constants(&self) -> &Constants {
        &self.constants
    }

    /// The inputs in ONNX order.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// The outputs in ONNX order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The clamps that only the calibration asked for. They are no part of what is proven, nor of
    /// the digest.
    pub fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// The [`Op::Input`] nodes in the order in which the interpreter takes their tensors.
    pub fn input_nodes(&self) -> impl Iterator<Item = (NodeId, &Encoding)> {
        self.inputs.iter().flat_map(|input| &input.views).map(|(id, encoding)| (*id, encoding))
    }

    /// Everything that gives the model's integers their meaning: all but the guards.
    pub(super) fn meaning(&self) -> impl Serialize + '_ {
        (&self.nodes, &self.constants, &self.inputs, &self.outputs)
    }

    /// The number of multiply-accumulate operations of one run: matrix products and convolutions.
    pub fn macs(&self) -> u64 {
        let macs = |node: &Node| {
            let shapes: Vec<&[usize]> =
                node.operands.iter().map(|&operand| &self.node(operand).shape[..]).collect();
            node.op.operator().macs(&shapes, &self.constants)
        };
        self.nodes.iter().map(macs).fold(0, u64::saturating_add)
    }

    /// The number of weights: matrices, kernels, biases, embeddings, constant operands, tree nodes.
    /// Tables of functions do not count, and what nodes share counts once.
    pub fn parameters(&self) -> usize {
        let operators = || self.nodes.iter().map(|node| node.op.operator());
        let shared: std::collections::BTreeSet<ConstId> =
            operators().flat_map(|op| op.weights()).collect();
        shared.iter().map(|&id| self.constants[id].len()).sum::<usize>()
            + operators().map(|op| op.own_parameters()).sum::<usize>()
    }

    /// Checks every rule of the integer model anew; what comes from a file is not trusted.
    ///
    /// # Errors
    /// [`ModelError`] with the first node that breaks a rule.
    pub fn check(&self) -> Result<(), ModelError> {
        for (id, node) in self.iter() {
            let (shape, interval) = infer(&self.nodes[..id.index()], &self.constants, node)?;
            let wrong = |what| ModelError::Inconsistent { node: node.name.clone(), what };
            if shape != node.shape {
                return Err(wrong("the stored shape is not the operator's"));
            }
            if interval != node.interval {
                return Err(wrong("the stored interval is not the operator's"));
            }
            if !(node.scale.is_finite() && node.scale > 0.0) {
                return Err(wrong("the scale is not a positive number"));
            }
        }
        self.check_interface()?;
        self.check_names()?;
        super::images::check(self)
    }

    /// Checks that every name can be shown as it is.
    fn check_names(&self) -> Result<(), ModelError> {
        let wrong = |what, name: &str| {
            Err(ModelError::Inconsistent { node: escape(name).into_owned(), what })
        };
        let nodes = self.nodes.iter().map(|node| &node.name);
        let mut names = nodes
            .chain(self.inputs.iter().map(|input| &input.name))
            .chain(self.outputs.iter().map(|output| &output.name));
        if let Some(name) = names.find(|name| !is_plain(name)) {
            return wrong("the name holds characters that cannot be shown", name);
        }
        for output in &self.outputs {
            if !output.decoding.is_plain() {
                let what = "a class name holds characters that cannot be shown";
                return wrong(what, &output.name);
            }
        }
        Ok(())
    }

    fn check_interface(&self) -> Result<(), ModelError> {
        let mut unclaimed: std::collections::BTreeSet<NodeId> = self
            .iter()
            .filter(|(_, node)| matches!(node.op, Op::Input(_)))
            .map(|(id, _)| id)
            .collect();
        for input in &self.inputs {
            let wrong = |what| ModelError::Inconsistent { node: input.name.clone(), what };
            if element_count(&input.shape).is_none_or(|count| count > MAX_ELEMENTS) {
                return Err(wrong("an input has more than 2^28 elements"));
            }
            for (id, encoding) in &input.views {
                encoding.check(&input.shape).map_err(wrong)?;
                if !unclaimed.remove(id) {
                    return Err(wrong("an input view is no input node, or is claimed twice"));
                }
                let node = self.node(*id);
                if node.shape != encoding.integer_shape(&input.shape) {
                    return Err(wrong("an input view has another shape than its node"));
                }
                if node.interval != encoding.interval() {
                    return Err(wrong("an input view has another interval than its node"));
                }
            }
        }
        if let Some(id) = unclaimed.first() {
            let node = self.node(*id).name.clone();
            return Err(ModelError::Inconsistent { node, what: "no input feeds this node" });
        }
        for guard in &self.guards {
            super::guard::check(guard, &self.nodes).map_err(|what| ModelError::Inconsistent {
                node: guard.node.0.to_string(),
                what,
            })?;
        }
        for output in &self.outputs {
            let wrong = |what| ModelError::Inconsistent { node: output.name.clone(), what };
            let node =
                self.nodes.get(output.node.index()).ok_or_else(|| wrong("no such output node"))?;
            output.decoding.check(node.interval).map_err(wrong)?;
        }
        Ok(())
    }
}

/// The most elements that one tensor of a model may have.
pub const MAX_ELEMENTS: usize = 1 << 28;

pub(super) fn infer(
    before: &[Node],
    constants: &Constants,
    node: &Node,
) -> Result<(Vec<usize>, Interval), ModelError> {
    let op = node.op.operator();
    let mut operands = Vec::with_capacity(node.operands.len());
    for id in &node.operands {
        let operand = before
            .get(id.index())
            .ok_or_else(|| ModelError::Order { node: node.name.clone(), operand: id.0 })?;
        operands.push((operand.interval, &operand.shape[..]));
    }
    let shapes: Vec<&[usize]> = operands.iter().map(|(_, shape)| *shape).collect();
    let refuse = |source| ModelError::Operator { node: node.name.clone(), op: op.name(), source };
    let shape = op.shape(&shapes, constants).map_err(refuse)?;
    if element_count(&shape).is_none_or(|count| count > MAX_ELEMENTS) {
        return Err(ModelError::TooLarge { node: node.name.clone(), op: op.name(), shape });
    }
    let mut interval = op.interval(&operands, constants).map_err(refuse)?;
    if matches!((&node.op, &node.operands[..]), (Op::Mul(_), [a, b]) if a == b) {
        // A tensor times itself is never negative, which intervals of two operands cannot know.
        interval = interval.clamp(0, i64::MAX);
    }
    if !interval.in_bound() {
        return Err(ModelError::Overflow { node: node.name.clone(), op: op.name(), interval });
    }
    Ok((shape, interval))
}
