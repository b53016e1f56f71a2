//! The float graph: what an ONNX file means, before quantization.
//!
//! Every node computes one tensor. Shapes are static, broadcasting is explicit ([`Movement::Expand`]), reductions run over the
//! last axis, and nothing here knows protobuf.

mod graph;
mod scalar;
mod tree;

pub use graph::{ElementType, Graph, GraphError, Input, Labels, Node, NodeId, Op, Output, Reducer};
pub use scalar::{BinaryFn, ScalarFn, UnaryFn};
pub use tree::{Aggregate, BranchMode, Tree, TreeEnsemble, TreeNode};

#[doc(no_inline)]
pub use crate::movement::Movement;
