//! What is proven: this model, on these inputs, gave these outputs.

use blake2::{Blake2s256, Digest};
#[cfg(test)]
use ciro_model::Tensor;
#[cfg(test)]
use ciro_model::integer::Claim;
use ciro_model::integer::Statement;
use stwo::core::channel::Channel;
use stwo::core::fields::qm31::SecureField;

use crate::field::embed;
use crate::key::ModelKey;

/// What [`ModelKey::of_chips`] is about.
#[cfg(test)]
pub(crate) fn empty() -> Statement {
    let claim = Claim::public(vec![], vec![Tensor::vector(vec![])]);
    Statement { claims: vec![claim] }
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

/// Starts the transcript: protocol, model key, statement. Everything that follows is bound to them.
pub(crate) fn open_transcript(channel: &mut impl Channel, key: &ModelKey, statement: &Statement) {
    let protocol = Blake2s256::digest(b"ciro tensor stark v2");
    for digest in [protocol.into(), key.digest()] {
        let digest: [u8; 32] = digest;
        let words: Vec<u32> = digest
            .chunks_exact(4)
            .map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
            .collect();
        channel.mix_u32s(&words);
    }
    let values: Vec<i32> = public_values(statement).collect();
    channel.mix_u64(values.len() as u64);
    let felts: Vec<SecureField> = values
        .chunks(4)
        .map(|values| {
            let at = |i: usize| embed(values.get(i).copied().unwrap_or(0));
            SecureField::from_m31_array([at(0), at(1), at(2), at(3)])
        })
        .collect();
    channel.mix_felts(&felts);
}
