//! What a bundle claims.

use ciro_model::Tensor;
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

/// What hides a committed input from whoever guesses it: the commitment is opened by the input and this value together.
///
/// Secret until then; 31 random bytes behind a zero byte, so that it is a number below Cairo's prime.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Blinding(pub [u8; 32]);

impl std::fmt::Debug for Blinding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Blinding(..)")
    }
}

/// The text is not 64 hexadecimal digits of which the first two are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a blinding value has 64 hexadecimal digits, the first two of them 0")]
pub struct InvalidBlinding;

impl std::str::FromStr for Blinding {
    type Err = InvalidBlinding;

    fn from_str(digits: &str) -> Result<Self, InvalidBlinding> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| InvalidBlinding)?;
        if bytes[0] == 0 { Ok(Self(bytes)) } else { Err(InvalidBlinding) }
    }
}

impl Blinding {
    /// The value as hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

#[cfg(feature = "cairo")]
impl Blinding {
    /// Draws a value from the operating system's random numbers.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes[1..])?;
        Ok(Self(bytes))
    }
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
    pub(crate) fn into_tensor(self) -> Option<TensorStatement> {
        let sample = |claim: Claim| match claim.input {
            StatedInput::Public(inputs) => Some(Inference { inputs, outputs: claim.outputs }),
            StatedInput::Committed(_) => None,
        };
        let samples = self.claims.into_iter().map(sample).collect::<Option<_>>()?;
        Some(TensorStatement { samples })
    }
}
