//! What is proven: this model, on these inputs, gave these outputs.

use ciro_model::Tensor;
use serde::{Deserialize, Serialize};

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
