//! What is proven: this model, on these inputs, gave these outputs.

#[cfg(test)]
use ciro_model::Tensor;
#[cfg(test)]
use ciro_model::integer::Claim;
use ciro_model::integer::Statement;

/// What `ModelKey::of_chips` is about.
#[cfg(test)]
pub(crate) fn empty() -> Statement {
    let claim = Claim::public(vec![], vec![Tensor::vector(vec![])]);
    Statement::of(vec![claim])
}

/// All public values in the order of the trace: inputs of all samples, then outputs of all samples.
///
/// Committed inputs have none; the verifier refuses them before it asks.
pub(crate) fn public_values(statement: &Statement) -> impl DoubleEndedIterator<Item = i32> {
    let inputs = statement.claims.iter();
    let inputs = inputs.flat_map(|claim| claim.input.public().unwrap_or_default());
    let outputs = statement.claims.iter().flat_map(|claim| &claim.outputs);
    inputs.chain(outputs).flat_map(|tensor| tensor.data().iter().copied())
}
