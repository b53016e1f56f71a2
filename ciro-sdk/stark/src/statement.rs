//! What is proven: this model, on these inputs, gave these outputs.

use blake2::{Blake2s256, Digest};
use ciro_model::Tensor;
use serde::{Deserialize, Serialize};
use stwo::core::channel::Channel;
use stwo::core::fields::qm31::SecureField;

use crate::field::embed;
use crate::key::ModelKey;

/// The integers of one inference: one tensor for each input view and one for each output, in the model's order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inference {
    /// Integer inputs.
    pub inputs: Vec<Tensor<i32>>,
    /// Integer outputs.
    pub outputs: Vec<Tensor<i32>>,
}

impl Inference {
    /// What [`ModelKey::of_chips`] is about.
    #[cfg(test)]
    pub(crate) fn empty() -> Self {
        Self { inputs: vec![], outputs: vec![Tensor::vector(vec![])] }
    }
}

/// What a proof states, for a model key: every one of these inferences is what the model computes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// One entry for each sample of the batch.
    pub samples: Vec<Inference>,
}

impl Statement {
    /// All public values in the order of the trace: inputs of all samples, then outputs of all samples.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = i32> {
        let inputs = self.samples.iter().flat_map(|sample| &sample.inputs);
        let outputs = self.samples.iter().flat_map(|sample| &sample.outputs);
        inputs.chain(outputs).flat_map(|tensor| tensor.data().iter().copied())
    }
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
    let values: Vec<i32> = statement.values().collect();
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
