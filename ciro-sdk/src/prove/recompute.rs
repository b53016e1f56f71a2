//! What whoever holds the model can check beside the proof: that the integer model says the same,
//! and that the float model does.

use ciro_compiler::float::{EvalError, Graph, Labels};
use ciro_model::Tensor;
use ciro_model::integer::RunError;

use super::model::Model;
use crate::advice::Advice;
use crate::verify::{RealOutput, Side, Verified};

/// The integer model does not compute what was proven: the proof system is broken, or the model is
/// another one than the key's.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RecomputeError {
    /// The model does not take the proven input.
    #[error("inference {inference}: the model does not take the proven input")]
    Run {
        /// Its position in the proof.
        inference: usize,
        /// Why it is not taken.
        #[source]
        source: RunError,
    },
    /// The model computes the proven integers, but is another one than the key's.
    #[error("the proof is about another model")]
    OtherModel,
    /// The model gives another output than the proven one.
    #[error("inference {inference}: the model gives another output `{output}` than the proven one")]
    Output {
        /// Its position in the proof.
        inference: usize,
        /// The output's name.
        output: String,
    },
}

impl RecomputeError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::OtherModel => Some(Advice::CompareKeys),
            Self::Run { .. } | Self::Output { .. } => Some(Advice::Report),
        }
    }
}

impl Model {
    /// Runs the integer model again on the inputs that a proof shows, compares every integer of its
    /// outputs, and says how many inferences that were; those with a committed input cannot be run,
    /// and committed outputs are not compared.
    ///
    /// A verified proof needs no second run as long as the proof system holds. Whoever has the
    /// model may want to depend on less.
    ///
    /// # Errors
    /// [`RecomputeError`] with the first difference.
    pub fn recompute(&self, verified: &Verified) -> Result<usize, RecomputeError> {
        let mut runs = 0;
        for (inference, sample) in verified.samples.iter().enumerate() {
            let Some(input) = sample.input.public() else { continue };
            let outputs = self.integer().run(input);
            let outputs = outputs.map_err(|source| RecomputeError::Run { inference, source })?;
            let committed = |name: &str| {
                let mut outputs = sample.committed.iter();
                outputs.any(|tensor| tensor.side == Side::Output && tensor.name == name)
            };
            let mut proven = sample.outputs.iter().map(|output| &output.integers);
            let computed = self.integer().outputs().iter().zip(&outputs);
            for (output, computed) in computed.filter(|(output, _)| !committed(&output.name)) {
                if proven.next() != Some(computed) {
                    let output = output.name.clone();
                    return Err(RecomputeError::Output { inference, output });
                }
            }
            runs += 1;
        }
        if self.integer().digest() != verified.model_digest {
            return Err(RecomputeError::OtherModel);
        }
        Ok(runs)
    }
}

/// The float model that an integer model is made from.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatModel(pub(crate) Graph);

/// An output in which the float model decides otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The output's name.
    pub output: String,
    /// The row (all axes but the last).
    pub row: usize,
    /// What was proven: a label, or the position of the greatest score.
    pub proven: String,
    /// What the float model says.
    pub float: String,
}

impl FloatModel {
    /// The rows in which the float model, on a real input, gives another label or another greatest
    /// score than these outputs.
    ///
    /// Outputs that are single real numbers decide nothing and are left out.
    ///
    /// # Errors
    /// [`EvalError`] if the float model does not take the input.
    pub fn disagreements(
        &self,
        input: &[Tensor<f64>],
        outputs: &[RealOutput],
    ) -> Result<Vec<Disagreement>, EvalError> {
        let values = self.0.eval(input)?;
        let mut found = Vec::new();
        for proven in outputs {
            let named = self.0.outputs.iter().find(|float| float.name == proven.name);
            let Some(float) = named else { continue };
            let Some(value) = values.get(float.node.index()) else { continue };
            let columns = match float.labels {
                Labels::Real => value.last_dim(),
                Labels::Integer | Labels::Names(_) => 1,
            };
            if columns == 0 || (columns == 1 && float.labels == Labels::Real) {
                continue;
            }
            let rows = proven.values.data().chunks(columns).zip(value.data().chunks(columns));
            for (row, (proven, value)) in rows.enumerate() {
                let decision = |row: &[f64]| decision(row, &float.labels);
                let (proven, value) = (decision(proven), decision(value));
                if proven != value {
                    let output = float.name.clone();
                    found.push(Disagreement { output, row, proven, float: value });
                }
            }
        }
        Ok(found)
    }
}

/// What a row of an output decides.
pub(super) fn decision(row: &[f64], labels: &Labels) -> String {
    let greatest =
        || (0..row.len()).reduce(|best, next| if row[next] > row[best] { next } else { best });
    let first = row.first().copied().unwrap_or(0.0).round();
    match labels {
        Labels::Real => greatest().map_or_else(String::new, |place| place.to_string()),
        Labels::Integer => format!("{first}"),
        Labels::Names(names) => {
            let place =
                names.iter().enumerate().find(|(place, _)| (*place as f64 - first).abs() < 0.5);
            place.map_or_else(|| format!("{first}"), |(_, name)| name.clone())
        }
    }
}
