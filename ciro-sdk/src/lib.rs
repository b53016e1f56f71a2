//! Placeholder.
pub use ciro_graph;
