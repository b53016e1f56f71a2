//! Operators of classical machine learning (`ai.onnx.ml`).
//!
//! ONNX leaves much of their meaning open: which class wins a tie, what a single score says about
//! two classes. The translations follow onnxruntime, whose answers users compare with.

pub(super) mod encode;
pub(super) mod features;
mod labels;
pub(super) mod linear;
mod post;
pub(super) mod svm;
mod svm_probability;
pub(super) mod tree_ensemble;
mod tree_lists;
mod trees;
