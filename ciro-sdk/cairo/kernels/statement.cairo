//! What the program states.

use core::poseidon::poseidon_hash_span;
use super::Tensor;

/// This output belongs to this input; the input is shown, or committed to.
#[derive(Drop, Serde)]
pub struct Statement {
    /// The model, and what its inputs and outputs mean.
    pub identity: felt252,
    /// Whether `input` is a commitment.
    pub committed: bool,
    /// The input's values, or the one felt of the commitment.
    pub input: Tensor,
    /// The output's values.
    pub output: Tensor,
}

/// States the output for an input: under a blinding value, the input is stated as
/// `poseidon_hash_span([identity, blinding, input..])`.
pub fn state(
    identity: felt252, input: Tensor, blinding: Option<felt252>, output: Tensor,
) -> Statement {
    match blinding {
        None => Statement { identity, committed: false, input, output },
        Some(blinding) => {
            let mut preimage = array![identity, blinding];
            preimage.append_span(input);
            let commitment = poseidon_hash_span(preimage.span());
            Statement { identity, committed: true, input: array![commitment].span(), output }
        },
    }
}
