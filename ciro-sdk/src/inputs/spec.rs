//! What a model takes.

use std::sync::Arc;

use ciro_model::Interface;
use ciro_model::integer::InputPort;

use super::elements::Takes;

/// What a model takes as one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputSpec {
    /// The ONNX input's name.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// What its elements are.
    pub takes: Takes,
}

impl InputSpec {
    /// What a model with this interface takes.
    pub fn all(interface: &Interface) -> Vec<Self> {
        let ports = interface.inputs.iter();
        let spec = |port: &InputPort| Self {
            name: port.name.clone(),
            shape: port.shape.clone(),
            takes: match port.dictionary() {
                Some(dictionary) => Takes::Text(Arc::new(dictionary.clone())),
                None if port.views.is_empty() => Takes::Anything,
                None => Takes::Numbers,
            },
        };
        ports.map(spec).collect()
    }
}
