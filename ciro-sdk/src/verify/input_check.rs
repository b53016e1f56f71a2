//! Whether proven inputs are the ones that were asked about.

use ciro_model::Tensor;
use ciro_model::integer::{SampleMismatch, StatedInput, StatedTensor};

use super::{Key, Verified, VerifiedSample};
use crate::advice::Advice;
use crate::blinding::Blinding;
use crate::verdict::Check;

/// An input of a verified inference is not the one that was asked about.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputMismatch {
    /// A sample that the model does not take.
    #[error(transparent)]
    NotTaken(#[from] SampleMismatch),
    /// Values outside of the calibrated range: the model sees them moved to its end, so the proof
    /// is equally about other inputs.
    #[error("{count} value(s) of input `{name}` lie outside of the calibrated range")]
    Clamped {
        /// The input.
        name: String,
        /// How many values.
        count: usize,
    },
    /// The key is another one than the proof was verified with.
    #[error("the key is another one than the proof was verified with")]
    OtherKey,
    /// The proof shows a commitment only.
    #[error("the proof is about a committed input")]
    Committed,
    /// The proof shows the input itself.
    #[error("the proof shows its input, there is no commitment to open")]
    Public,
    /// The commitment is to another input, or made with another blinding value.
    #[error("the proof is about another input, or the blinding value is another one")]
    Commitment,
    /// Another number of samples than the proof has inferences.
    #[error("the proof is about {proven} inference(s), the inputs hold {given}")]
    Samples {
        /// Inferences of the proof.
        proven: usize,
        /// Samples that came.
        given: usize,
    },
    /// One of several samples is another one.
    #[error("sample {sample}")]
    Sample {
        /// Its position.
        sample: usize,
        /// How it differs.
        #[source]
        source: Box<Self>,
    },
    /// Other integers than the proven ones.
    #[error("the proof is about another value of input `{name}`")]
    Value {
        /// The input.
        name: String,
    },
}

/// How inputs are compared with proven ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputCheck {
    /// What opens the commitment to the input, for proofs that do not show it; where several inputs
    /// are committed one by one, each has its own, and [`Verified::open`] compares them. Default:
    /// none.
    pub blinding: Option<Blinding>,
    /// Whether values outside of the calibrated range count as the end of the range that the model
    /// moves them to. Default: no, since the same proof is then about all inputs out there.
    pub allow_clamped: bool,
}

impl InputMismatch {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Committed => Some(Advice::OpenCommitment),
            Self::Value { .. } => Some(Advice::OtherInput),
            Self::Clamped { .. } => Some(Advice::AllowClamped),
            Self::Sample { .. }
            | Self::NotTaken(_)
            | Self::OtherKey
            | Self::Public
            | Self::Commitment
            | Self::Samples { .. } => None,
        }
    }

    /// The check that fails; `None` if what was given is no input of the model, or another key,
    /// which says nothing of the proof.
    pub fn check(&self) -> Option<Check> {
        match self.reason() {
            Self::NotTaken(_) | Self::OtherKey => None,
            Self::Clamped { .. } => Some(Check::Clamped),
            _ => Some(Check::Inputs),
        }
    }

    /// The mismatch itself, without the position of its sample.
    pub fn reason(&self) -> &Self {
        match self {
            Self::Sample { source, .. } => source.reason(),
            reason => reason,
        }
    }
}

impl Verified {
    /// Compares the inputs of all inferences with samples, and says how many of their values were
    /// moved to the end of their range.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first sample that is another one.
    pub fn compare_inputs(
        &self,
        key: &Key,
        samples: &[Vec<Tensor<f64>>],
        check: &InputCheck,
    ) -> Result<usize, InputMismatch> {
        if key.digest() != self.model_key {
            return Err(InputMismatch::OtherKey);
        }
        let (proven, given) = (self.samples.len(), samples.len());
        if proven != given {
            return Err(InputMismatch::Samples { proven, given });
        }
        let mut clamped = 0;
        for (sample, (verified, inputs)) in self.samples.iter().zip(samples).enumerate() {
            let compared = verified.compare_inputs(key, inputs, check);
            clamped += compared.map_err(|source| match proven {
                1 => source,
                _ => InputMismatch::Sample { sample, source: Box::new(source) },
            })?;
        }
        Ok(clamped)
    }
}

/// Compares tensors that are shown or committed with given ones, the committed ones all under one
/// blinding value.
fn compare_stated(
    key: &Key,
    stated: &[StatedTensor],
    given: &[Tensor<i32>],
    blinding: Blinding,
) -> Result<(), InputMismatch> {
    if stated.len() != given.len() {
        return Err(InputMismatch::OtherKey);
    }
    for ((port, _), (stated, given)) in key.interface().views().zip(stated.iter().zip(given)) {
        match stated {
            StatedTensor::Public(proven) if proven != given => {
                return Err(InputMismatch::Value { name: port.name.clone() });
            }
            StatedTensor::Committed(commitment)
                if key.commit_tensor(given, blinding) != Some(*commitment) =>
            {
                return Err(InputMismatch::Commitment);
            }
            _ => {}
        }
    }
    Ok(())
}

impl VerifiedSample {
    /// Checks that the inference was made on these real inputs: `inputs` holds one tensor for each
    /// input of the model.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first input that is another one, or lies outside of the range
    /// that the model can tell apart.
    pub fn check_inputs(&self, key: &Key, inputs: &[Tensor<f64>]) -> Result<(), InputMismatch> {
        self.compare_inputs(key, inputs, &InputCheck::default()).map(drop)
    }

    /// Checks that the inference was made on these real inputs, to which the proof commits under
    /// this blinding value.
    ///
    /// # Errors
    /// [`InputMismatch`] if the commitment is to other inputs, or the proof shows its input as it
    /// is.
    pub fn check_committed_inputs(
        &self,
        key: &Key,
        inputs: &[Tensor<f64>],
        blinding: Blinding,
    ) -> Result<(), InputMismatch> {
        let check = InputCheck { blinding: Some(blinding), ..InputCheck::default() };
        self.compare_inputs(key, inputs, &check).map(drop)
    }

    /// Compares the inference's input with real inputs, and says how many of their values were
    /// moved to the end of their range. The key has to be the one that the proof was verified with,
    /// as [`Verified::compare_inputs`] checks.
    ///
    /// # Errors
    /// [`InputMismatch`] with the first input that is another one.
    pub fn compare_inputs(
        &self,
        key: &Key,
        inputs: &[Tensor<f64>],
        check: &InputCheck,
    ) -> Result<usize, InputMismatch> {
        let encoded = key.interface().encode(inputs)?;
        match (&self.input, check.blinding) {
            (StatedInput::Public(_), Some(_)) => return Err(InputMismatch::Public),
            (StatedInput::Committed(_) | StatedInput::Mixed(_), None) => {
                return Err(InputMismatch::Committed);
            }
            (StatedInput::Mixed(stated), Some(blinding)) => {
                compare_stated(key, stated, &encoded.tensors, blinding)?;
            }
            (StatedInput::Public(proven), None) if proven.len() != encoded.tensors.len() => {
                return Err(InputMismatch::OtherKey);
            }
            (StatedInput::Public(proven), None) => {
                let mut views = key.interface().views().zip(proven.iter().zip(&encoded.tensors));
                if let Some(((port, _), _)) = views.find(|(_, (proven, given))| proven != given) {
                    return Err(InputMismatch::Value { name: port.name.clone() });
                }
            }
            (StatedInput::Committed(commitment), Some(blinding)) => {
                if key.commit(&encoded.tensors, blinding) != Some(*commitment) {
                    return Err(InputMismatch::Commitment);
                }
            }
        }
        match encoded.clamped.first() {
            Some((name, count)) if !check.allow_clamped => {
                Err(InputMismatch::Clamped { name: name.clone(), count: *count })
            }
            _ => Ok(encoded.clamped.iter().map(|(_, count)| count).sum()),
        }
    }
}
