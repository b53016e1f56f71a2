//! The float graph: what an ONNX file means, before quantization.
//!
//! Every node computes one tensor. Shapes are static, broadcasting is explicit
//! ([`Movement::Expand`]), reductions run over the last axis, and nothing here knows protobuf.

mod check;
mod eval;
mod graph;
pub(crate) mod ops;
pub(crate) mod scalar;
mod tree;

pub use eval::EvalError;
pub use graph::{ElementType, Graph, GraphError, Input, Labels, Node, NodeId, Op, Output, Reducer};
pub use scalar::{BinaryFn, ScalarFn, UnaryFn};
pub use tree::{Aggregate, BranchMode, Tree, TreeEnsemble, TreeNode};

#[doc(no_inline)]
pub use ciro_model::movement::Movement;
