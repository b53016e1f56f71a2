//! Nodes, inputs and outputs of a float graph.

use std::sync::Arc;

use super::{BinaryFn, ScalarFn, TreeEnsemble};
use ciro_model::integer::Dictionary;
use ciro_model::movement::{Movement, MovementError, Source};
use ciro_model::tensor::Tensor;

/// A node of a [`Graph`], and with it the tensor that the node computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The position in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// An operator of the float graph. Operand shapes are written before the arrow, the result's after
/// it.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// Input number `index` of the graph.
    Input {
        /// Position in [`Graph::inputs`].
        index: usize,
    },
    /// A constant tensor; masks may hold infinities.
    Constant(Arc<Tensor<f64>>),
    /// `a: [batch.., M, K], b: [batch.., K, N] -> [batch.., M, N]`; equal batch axes, or none on
    /// `b`.
    MatMul,
    /// `x: [N, C, spatial..], w: [O, C / groups, kernel..], b: [O] -> [N, O, out..]`; the bias is
    /// optional.
    Conv {
        /// Distance of neighbouring outputs along each spatial axis.
        strides: Vec<usize>,
        /// Distance of neighbouring taps along each spatial axis.
        dilations: Vec<usize>,
        /// Zeros before and after each spatial axis.
        pads: Vec<(usize, usize)>,
        /// Groups of channels.
        groups: usize,
    },
    /// One function of one variable on every element.
    Unary(ScalarFn),
    /// One function of two variables on tensors of one shape.
    Binary(BinaryFn),
    /// `condition, a, b` of one shape: `a` where the condition is not 0, else `b`.
    Where,
    /// `x: [.., K] -> [..]`.
    Reduce(Reducer),
    /// Softmax over the last axis; the shape stays.
    Softmax,
    /// Moves elements.
    Move(Movement<f64>),
    /// `table: [V, D], indices: [..] -> [.., D]`; indices are computed.
    Gather,
    /// `x: [.., F] -> [.., outputs]`, sums of decision-tree leaves.
    TreeEnsemble(Arc<TreeEnsemble>),
}

/// What a reduction over the last axis computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reducer {
    /// Sum.
    Sum,
    /// Arithmetic mean.
    Mean,
    /// Product.
    Prod,
    /// Greatest element.
    Max,
    /// Least element.
    Min,
    /// Lowest position of the greatest element.
    ArgMax,
    /// Lowest position of the least element.
    ArgMin,
    /// Logarithm of the sum of the exponentials.
    LogSumExp,
}

/// One operator, the tensors it reads, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique name, derived from the ONNX node it comes from.
    pub name: String,
    /// The ONNX operator it comes from, for reports (`Gemm`, `LSTM`, ...).
    pub origin: String,
    /// The operator.
    pub op: Op,
    /// The nodes whose tensors are the operands, each before this one.
    pub operands: Vec<NodeId>,
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// The unrolled loop that the node is part of a turn of.
    pub unrolled: Option<u32>,
}

/// The element type of an ONNX input, as far as it matters for encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ElementType {
    /// Floating point.
    Float,
    /// Integers of any width.
    Integer,
    /// Truth values.
    Bool,
    /// Text, as the codes that its texts have in a dictionary.
    Text(Arc<Dictionary>),
}

/// An input of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The ONNX input's name.
    pub name: String,
    /// Its static shape.
    pub shape: Vec<usize>,
    /// Its element type.
    pub element_type: ElementType,
}

/// What the values of an output stand for.
#[derive(Clone, Debug, PartialEq)]
pub enum Labels {
    /// Real numbers.
    Real,
    /// Integers (positions, integer labels).
    Integer,
    /// Positions in a list of class names.
    Names(Vec<String>),
}

/// An output of the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// The ONNX output's name.
    pub name: String,
    /// The node that computes it.
    pub node: NodeId,
    /// What its values stand for.
    pub labels: Labels,
}

/// A float model with static shapes, nodes in topological order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// Operators; each reads only nodes before it.
    pub nodes: Vec<Node>,
    /// Inputs in ONNX order.
    pub inputs: Vec<Input>,
    /// Outputs in ONNX order.
    pub outputs: Vec<Output>,
}

/// A node that does not fit its operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// Shapes that do not fit the operator.
    #[error("node `{node}` ({op}): {what}, operand shapes are {shapes:?}")]
    Shape {
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// The rule that is broken.
        what: &'static str,
        /// The operands' shapes.
        shapes: Vec<Vec<usize>>,
    },
    /// A movement that does not fit.
    #[error("node `{node}` ({op})")]
    Movement {
        /// The node's name.
        node: String,
        /// The ONNX operator.
        op: String,
        /// What does not fit.
        #[source]
        source: MovementError,
    },
    /// Two nodes of one name.
    #[error("two nodes are named `{node}`")]
    Name {
        /// The name.
        node: String,
    },
    /// A node that reads itself or a later node.
    #[error("node `{node}` reads node {operand}, which does not come before it")]
    Order {
        /// The node's name.
        node: String,
        /// The position of the operand.
        operand: u32,
    },
    /// An output that no node computes.
    #[error("no node computes output `{name}`")]
    Output {
        /// The output's name.
        name: String,
    },
}

impl Graph {
    /// The node of an id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Every node with its id, in topological order.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        (0..).map(NodeId).zip(&self.nodes)
    }

    /// The number of multiply-accumulate operations of one run: matrix products and convolutions.
    pub fn macs(&self) -> u64 {
        let macs = |node: &Node| {
            let reduced = match (&node.op, &node.operands[..]) {
                (Op::MatMul, [a, _]) => self.node(*a).shape.last().copied().unwrap_or(1),
                (Op::Conv { .. }, [_, kernel, ..]) => {
                    self.node(*kernel).shape[1..].iter().product()
                }
                _ => 0,
            };
            let results: usize = node.shape.iter().product();
            (results as u64).saturating_mul(reduced as u64)
        };
        self.nodes.iter().map(macs).fold(0, u64::saturating_add)
    }

    /// Where each element of a movement comes from; `None` for what is no movement.
    pub(crate) fn sources(&self, node: &Node) -> Option<Vec<Source>> {
        let Op::Move(movement) = &node.op else { return None };
        let operands = node.operands.iter();
        let shapes: Vec<&[usize]> = operands.map(|&id| &self.node(id).shape[..]).collect();
        movement.plan(&shapes).ok().map(|plan| plan.sources)
    }

    /// The value of a node if it is a constant.
    pub fn constant(&self, id: NodeId) -> Option<&Arc<Tensor<f64>>> {
        match &self.node(id).op {
            Op::Constant(value) => Some(value),
            _ => None,
        }
    }
}
