//! Openings: what a commitment of a proof is to.

use ciro_model::Tensor;
use ciro_model::integer::{ClaimError, StatedInput, StatedTensor};

use super::{Key, RealOutput, Verified};
use crate::blinding::Blinding;
use crate::verdict::Check;

/// Whether a tensor goes into a model or comes out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// An input.
    Input,
    /// An output.
    Output,
}

impl Side {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

/// What opens the commitment to one tensor of one inference. Whoever has it knows the tensor, and
/// nothing of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The inference's position in the proof.
    pub sample: usize,
    /// Whether the tensor is an input or an output.
    pub side: Side,
    /// Its name.
    pub name: String,
    /// The integers.
    pub integers: Tensor<i32>,
    /// The value that was hashed with them.
    pub blinding: Blinding,
}

/// A tensor that a verified proof commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedTensor {
    /// Whether it is an input or an output.
    pub side: Side,
    /// Its name.
    pub name: String,
    /// The commitment: equal ones are to equal integers, whatever proofs they stand in.
    pub commitment: [u8; 32],
}

/// An opening that opens nothing of a proof.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The key is another one than the proof was verified with.
    #[error("the key is another one than the proof was verified with")]
    OtherKey,
    /// The proof commits to no such tensor.
    #[error("the proof commits to no {} `{name}` of inference {sample}", .side.name())]
    NotCommitted {
        /// The inference's position.
        sample: usize,
        /// Input or output.
        side: Side,
        /// The name.
        name: String,
    },
    /// The integers are none that the tensor can hold.
    #[error("the opened integers are none of the model's")]
    Claim(#[from] ClaimError),
    /// The commitment is to other integers, or made with another blinding value.
    #[error(
        "the commitment to {} `{name}` is to other integers, or the blinding value is another one",
        .side.name()
    )]
    Commitment {
        /// Input or output.
        side: Side,
        /// The name.
        name: String,
    },
}

impl OpeningError {
    /// The check that fails; `None` if the key is another one, which says nothing of the proof.
    pub fn check(&self) -> Option<Check> {
        match self {
            Self::OtherKey => None,
            _ => Some(Check::Inputs),
        }
    }
}

impl Verified {
    /// Checks that a commitment of the proof is to these integers, and says what they mean: of an
    /// input the real numbers that its integers stand for.
    ///
    /// # Errors
    /// [`OpeningError`] if it is to others, or the proof commits to no such tensor.
    pub fn open(&self, key: &Key, opening: &Opening) -> Result<RealOutput, OpeningError> {
        if key.digest() != self.model_key {
            return Err(OpeningError::OtherKey);
        }
        let Opening { sample, side, name, integers, blinding } = opening;
        let committed = self.samples.get(*sample).map_or(&[][..], |sample| &sample.committed);
        let found = committed.iter().find(|tensor| tensor.side == *side && tensor.name == *name);
        let Some(CommittedTensor { commitment, .. }) = found else {
            let name = name.clone();
            return Err(OpeningError::NotCommitted { sample: *sample, side: *side, name });
        };
        let opened = key.real(*side, name, integers)?;
        if key.commit_tensor(integers, *blinding) != Some(*commitment) {
            return Err(OpeningError::Commitment { side: *side, name: name.clone() });
        }
        Ok(opened)
    }
}

impl Key {
    /// What the integers of a tensor mean.
    fn real(
        &self,
        side: Side,
        name: &str,
        integers: &Tensor<i32>,
    ) -> Result<RealOutput, ClaimError> {
        let interface = self.interface();
        if side == Side::Output
            && let Some(port) = interface.outputs.iter().find(|port| port.name == name)
        {
            port.check_tensor(integers)?;
            return Ok(RealOutput::new(name, &port.decoding, integers.clone()));
        }
        let port = interface.inputs.iter().find(|port| port.name == name);
        let values = match port {
            Some(port) => port.real(std::slice::from_ref(integers))?,
            None => None,
        };
        let values = values.unwrap_or_else(|| Tensor::vector(Vec::new()));
        Ok(RealOutput { name: name.to_owned(), integers: integers.clone(), values, labels: None })
    }

    /// The tensors of a claim that are committed, by name.
    pub(super) fn committed(
        &self,
        input: &StatedInput,
        outputs: &[StatedTensor],
    ) -> Vec<CommittedTensor> {
        let interface = self.interface();
        let inputs = match input {
            StatedInput::Mixed(tensors) => &tensors[..],
            StatedInput::Public(_) | StatedInput::Committed(_) => &[],
        };
        let inputs = interface.views().map(|(port, _)| (Side::Input, &port.name)).zip(inputs);
        let ports = interface.outputs.iter().map(|port| (Side::Output, &port.name));
        let all = inputs.chain(ports.zip(outputs));
        all.filter_map(|((side, name), tensor)| {
            let commitment = *tensor.commitment()?;
            Some(CommittedTensor { side, name: name.clone(), commitment })
        })
        .collect()
    }
}
