//! What is proven: this model, on these inputs, gave these outputs.

#[cfg(test)]
use ciro_model::Tensor;
use ciro_model::integer::{Claim, StatedInput, StatedTensor, Statement};

use crate::commitment::{elements, integer};

/// What `ModelKey::of_chips` is about.
#[cfg(test)]
pub(crate) fn empty() -> Statement {
    let claim = Claim::public(vec![], vec![Tensor::vector(vec![])]);
    Statement::of(vec![claim])
}

/// All public values in the order of the trace: shown inputs of all samples, then shown outputs of
/// all samples, then for every sample what stands for its committed tensors, inputs before outputs.
///
/// For a commitment these are the negated elements, which is what the trace hands out. Bytes that
/// are no commitment, and commitments to whole inputs, have none: the verifier refuses them before
/// it asks.
pub(crate) fn public_values(statement: &Statement) -> impl DoubleEndedIterator<Item = i32> + use<> {
    let mut values = vec![];
    let claims = || statement.claims.iter();
    for claim in claims() {
        match &claim.input {
            StatedInput::Public(tensors) => {
                tensors.iter().for_each(|tensor| values.extend(tensor.data()));
            }
            StatedInput::Mixed(tensors) => {
                let shown = tensors.iter().filter_map(StatedTensor::public);
                shown.for_each(|tensor| values.extend(tensor.data()));
            }
            StatedInput::Committed(_) => {}
        }
    }
    for tensor in claims().flat_map(Claim::public_outputs) {
        values.extend(tensor.data());
    }
    for claim in claims() {
        let inputs = match &claim.input {
            StatedInput::Mixed(tensors) => &tensors[..],
            StatedInput::Public(_) | StatedInput::Committed(_) => &[],
        };
        let commitments = inputs.iter().chain(&claim.outputs).filter_map(StatedTensor::commitment);
        for elements in commitments.filter_map(elements) {
            values.extend(elements.map(|element| integer(-element)));
        }
    }
    values.into_iter()
}
