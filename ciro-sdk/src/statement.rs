//! What a bundle claims.

use ciro_graph::Tensor;
use ciro_stark::{Inference, Statement as TensorStatement};

/// What a proof states, for a model key: every one of these claims is what the model computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// One claim for each inference of the proof.
    pub claims: Vec<Claim>,
}

/// One inference: this input gives these outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The input, or a commitment to it.
    pub input: StatedInput,
    /// The integer outputs, in the model's order.
    pub outputs: Vec<Tensor<i32>>,
}

/// How a claim shows its input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatedInput {
    /// As it is: one integer tensor for each input view of the model.
    Public(Vec<Tensor<i32>>),
    /// As a commitment: the input is fixed, but not shown. The proof around it hides nothing by design.
    Committed([u8; 32]),
}

impl StatedInput {
    /// The integers of a public input.
    pub fn public(&self) -> Option<&[Tensor<i32>]> {
        match self {
            Self::Public(tensors) => Some(tensors),
            Self::Committed(_) => None,
        }
    }
}

impl Statement {
    /// The statement of a tensor proof.
    pub(crate) fn from_tensor(statement: TensorStatement) -> Self {
        let claim = |sample: Inference| Claim {
            input: StatedInput::Public(sample.inputs),
            outputs: sample.outputs,
        };
        Self { claims: statement.samples.into_iter().map(claim).collect() }
    }

    /// The statement as the tensor route knows it; `None` if an input is committed, which that route does not prove.
    pub(crate) fn to_tensor(&self) -> Option<TensorStatement> {
        let sample = |claim: &Claim| {
            let inputs = claim.input.public()?.to_vec();
            Some(Inference { inputs, outputs: claim.outputs.clone() })
        };
        let samples = self.claims.iter().map(sample).collect::<Option<_>>()?;
        Some(TensorStatement { samples })
    }
}
