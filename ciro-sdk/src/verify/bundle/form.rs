//! What a claim of a model looks like: the bounds within which a statement is decoded.

use ciro_model::Interface;
use ciro_model::tensor::element_count;

use super::{MAX_STATEMENT_BYTES, MAX_TENSORS};

/// The shapes of the tensors of one claim, in the order in which a bundle holds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClaimForm {
    /// Integer tensors of a public input.
    pub(super) inputs: Vec<Vec<usize>>,
    /// Integer outputs.
    pub(super) outputs: Vec<Vec<usize>>,
}

impl ClaimForm {
    /// The claims that a proof of a model with this interface is about.
    pub(crate) fn of(interface: &Interface) -> Self {
        let (inputs, outputs) = (interface.views(), interface.outputs.iter());
        Self {
            inputs: inputs.map(|(port, view)| view.integer_shape(&port.shape)).collect(),
            outputs: outputs.map(|port| port.shape.clone()).collect(),
        }
    }

    /// Tensors of one claim.
    pub(super) fn tensors(&self) -> usize {
        self.inputs.len() + self.outputs.len()
    }

    /// Bytes of one claim in a bundle, its input public; saturates.
    fn claim_bytes(&self) -> usize {
        let tensor = |shape: &Vec<usize>| {
            let elements = element_count(shape).unwrap_or(usize::MAX);
            elements.saturating_mul(4).saturating_add(1 + 4 * shape.len())
        };
        let tensors = self.inputs.iter().chain(&self.outputs).map(tensor);
        tensors.fold(1 + 2 + 2, usize::saturating_add)
    }

    /// The most claims that one bundle can hold.
    pub(crate) fn max_claims(&self) -> usize {
        (MAX_STATEMENT_BYTES / self.claim_bytes()).min(MAX_TENSORS / self.tensors().max(1))
    }
}
