//! What a model's program is run with.

use ciro_model::Tensor;
use starknet_types_core::felt::Felt;

use crate::package::Package;
use crate::statement::{InputMode, to_felts};

/// The arguments of a model's program: input, blinding value, weights.
pub fn arguments(package: &Package, input: &[Tensor<i32>], mode: InputMode) -> Vec<Felt> {
    let span = |felts: &mut dyn Iterator<Item = Felt>| {
        let felts: Vec<Felt> = felts.collect();
        std::iter::once(Felt::from(felts.len())).chain(felts).collect::<Vec<_>>()
    };
    let mut arguments = span(&mut to_felts(input));
    match mode {
        // The variants of Cairo's `Option`: `Some`, then `None`.
        InputMode::Committed(blinding) => arguments.extend([Felt::ZERO, blinding]),
        InputMode::Public => arguments.push(Felt::ONE),
    }
    if !package.weights.is_empty() {
        arguments.extend(span(&mut package.weights.iter().copied()));
    }
    arguments
}
