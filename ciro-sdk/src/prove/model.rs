//! Compiled models: run, saved, read.

use std::path::Path;
use std::sync::Arc;

use ciro_model::integer::{
    AccuracyReport, CompiledModel, EncodedSample, MAX_FILE_BYTES, ModelFileError, SampleMismatch,
    SourceInfo,
};
use ciro_model::{IntegerModel, Interface, Tensor};

use super::recompute::FloatModel;
use crate::advice::Advice;
use crate::files::{self, FileError};
use crate::inputs::InputSpec;
use crate::printable::printable;
use crate::verify::RealOutput;

/// A quantized model, where it comes from, and how accurate it is.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) integer: Arc<IntegerModel>,
    pub(super) source: SourceInfo,
    pub(super) accuracy: AccuracyReport,
    /// What it was made from, which answers are held against; `None` for a compiled model that was
    /// read from a file.
    pub(super) float: Option<Arc<FloatModel>>,
}

/// Two models are one if their compiled forms are.
impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        let Self { integer, source, accuracy, float: _ } = self;
        (integer, source, accuracy) == (&other.integer, &other.source, &other.accuracy)
    }
}

/// A `.ciro-model` file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadModelError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes are no compiled model.
    #[error(transparent)]
    Decode(#[from] ModelFileError),
}

impl LoadModelError {
    /// What to do about it.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::File(error) => error.advice(),
            Self::Decode(_) => Some(Advice::CompileAgain),
        }
    }
}

impl Model {
    /// Reads a `.ciro-model` file and checks it by every rule of integer models.
    ///
    /// # Errors
    /// [`LoadModelError`] if it cannot be read or is no valid model of this version.
    pub fn load(path: &Path) -> Result<Self, LoadModelError> {
        Ok(Self::from_bytes(&files::read(path, MAX_FILE_BYTES)?)?)
    }

    /// Decodes the bytes of a `.ciro-model` file.
    ///
    /// # Errors
    /// [`ModelFileError`] if they are no valid model of this version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelFileError> {
        CompiledModel::from_bytes(bytes).map(Self::from)
    }

    /// The bytes of a `.ciro-model` file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let compiled = CompiledModel {
            model: IntegerModel::clone(&self.integer),
            source: self.source.clone(),
            accuracy: self.accuracy.clone(),
        };
        compiled.to_bytes()
    }

    /// Writes a `.ciro-model` file, whole or not at all.
    ///
    /// # Errors
    /// [`FileError`] if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), FileError> {
        files::write(path, &self.to_bytes())
    }

    /// The integer model.
    pub fn integer(&self) -> &Arc<IntegerModel> {
        &self.integer
    }

    /// Where the model comes from.
    pub fn source(&self) -> &SourceInfo {
        &self.source
    }

    /// How close the integer model comes to the float model.
    pub fn accuracy(&self) -> &AccuracyReport {
        &self.accuracy
    }

    /// The accuracy report as a table, its names [printable](crate::printable()).
    pub fn accuracy_table(&self) -> String {
        let mut report = self.accuracy.clone();
        let names = report.outputs.iter_mut().map(|output| &mut output.name);
        let layers = report.layers.iter_mut().flat_map(|layer| [&mut layer.node, &mut layer.op]);
        for name in names.chain(layers) {
            *name = printable(name).into_owned();
        }
        report.to_string()
    }

    /// What the model takes and gives.
    pub fn interface(&self) -> Interface {
        Interface::of(&self.integer)
    }

    /// Names and shapes of the model's inputs.
    pub fn input_specs(&self) -> Vec<InputSpec> {
        InputSpec::all(&self.interface())
    }

    /// Turns a sample into integers.
    ///
    /// # Errors
    /// [`SampleMismatch`] if the sample has another form than the model's inputs, or a value
    /// without an integer form.
    pub fn encode(&self, sample: &[Tensor<f64>]) -> Result<EncodedSample, SampleMismatch> {
        self.interface().encode(sample)
    }

    /// Runs the integer model: what a proof would state, without the proof.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn run(&self, sample: &[Tensor<f64>]) -> Result<Vec<RealOutput>, SampleMismatch> {
        let integers = self.integer.run(&self.encode(sample)?.tensors)?;
        Ok(self.decode(integers))
    }

    /// Gives integer outputs their meaning.
    pub(crate) fn decode(&self, integers: Vec<Tensor<i32>>) -> Vec<RealOutput> {
        let outputs = self.integer.outputs().iter().zip(integers);
        outputs
            .map(|(output, integers)| RealOutput::new(&output.name, &output.decoding, integers))
            .collect()
    }
}

impl From<CompiledModel> for Model {
    fn from(compiled: CompiledModel) -> Self {
        let CompiledModel { model, source, accuracy } = compiled;
        Self { integer: Arc::new(model), source, accuracy, float: None }
    }
}

impl From<IntegerModel> for Model {
    /// A model whose source and accuracy are not known.
    fn from(integer: IntegerModel) -> Self {
        let (source, accuracy) = (SourceInfo::default(), AccuracyReport::default());
        Self { integer: Arc::new(integer), source, accuracy, float: None }
    }
}
