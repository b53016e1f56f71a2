//! Models: from ONNX to a quantized model that runs, is proven, and has a key.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blake2::{Blake2s256, Digest};
use ciro_graph::float::Graph;
use ciro_graph::import::{self, Description, ImportError};
use ciro_graph::integer::{
    AccuracyReport, CompiledModel, EncodedSample, FileError as ModelFileError, SampleMismatch,
    SourceInfo,
};
use ciro_graph::quantize::{self, QuantizeError, SampleError};
use ciro_graph::{IntegerModel, Interface, Tensor};

use crate::files::{self, FileError};
use crate::inputs::{InputError, InputSpec, Inputs, Sample};
use crate::output::Output;

/// How a model is compiled: what the user decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompileSettings {
    /// Shapes of inputs and limits of the import.
    pub import: import::Settings,
    /// Widths of integers.
    pub quantize: quantize::Settings,
    /// Representative inputs. Without them ranges are guessed from random numbers, which is seldom what a model is used on.
    pub calibration: Option<Inputs>,
}

/// A model that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The ONNX file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is no model that can be imported.
    #[error("cannot import the model")]
    Import(#[from] ImportError),
    /// The calibration samples do not fit the model.
    #[error("cannot use the calibration samples")]
    Calibration(#[from] InputError),
    /// The float model does not run on the calibration samples.
    #[error("cannot calibrate the model")]
    Sample(#[from] SampleError),
    /// The model has no integer form.
    #[error("cannot quantize the model")]
    Quantize(#[from] QuantizeError),
}

/// A quantized model, where it comes from, and how accurate it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    integer: Arc<IntegerModel>,
    source: SourceInfo,
    accuracy: AccuracyReport,
}

/// A model as a Cairo package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CairoPackage {
    /// Path relative to the package's root, and text, of every file.
    pub files: Vec<(String, String)>,
    /// The hash of the compiled program, in hexadecimal digits.
    pub program_hash: String,
}

impl Model {
    /// Compiles an ONNX file; external weights may be beside it.
    ///
    /// # Errors
    /// [`CompileError`]; an [`ImportError::Refused`] inside lists everything in the model that cannot be proven.
    pub fn compile_file(path: &Path, settings: &CompileSettings) -> Result<Self, CompileError> {
        OnnxFile::read(path, &settings.import)?.compile(settings)
    }

    /// Compiles the bytes of an ONNX file that has no external weights; `name` is for reports.
    ///
    /// # Errors
    /// As [`Model::compile_file`].
    pub fn compile_bytes(
        bytes: &[u8],
        name: &str,
        settings: &CompileSettings,
    ) -> Result<Self, CompileError> {
        let graph = import::import_bytes(bytes, &settings.import)?;
        compile(&graph, source(bytes, name)?, settings)
    }

    /// Reads a `.ciro-model` file and checks it by every rule of integer models.
    ///
    /// # Errors
    /// [`ModelFileError`] if it cannot be read or is no valid model of this version.
    pub fn load(path: &Path) -> Result<Self, ModelFileError> {
        CompiledModel::load(path).map(Self::from)
    }

    /// Decodes the bytes of a `.ciro-model` file.
    ///
    /// # Errors
    /// As [`Model::load`].
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
    /// [`SampleMismatch`] if the sample has another form than the model's inputs, or a value without an integer form.
    pub fn encode(&self, sample: &[Tensor<f64>]) -> Result<EncodedSample, SampleMismatch> {
        self.interface().encode(sample)
    }

    /// Runs the integer model: what a proof would state, without the proof.
    ///
    /// # Errors
    /// As [`Model::encode`].
    pub fn run(&self, sample: &[Tensor<f64>]) -> Result<Vec<Output>, SampleMismatch> {
        let integers = self.integer.run(&self.encode(sample)?.tensors)?;
        Ok(self.decode(integers))
    }

    /// Gives integer outputs their meaning.
    pub(crate) fn decode(&self, integers: Vec<Tensor<i32>>) -> Vec<Output> {
        let outputs = self.integer.outputs().iter().zip(integers);
        outputs
            .map(|(output, integers)| Output::new(&output.name, &output.decoding, integers))
            .collect()
    }
}

impl From<CompiledModel> for Model {
    fn from(compiled: CompiledModel) -> Self {
        let CompiledModel { model, source, accuracy } = compiled;
        Self { integer: Arc::new(model), source, accuracy }
    }
}

impl From<IntegerModel> for Model {
    /// A model without a past: nothing is known of its source and its accuracy.
    fn from(integer: IntegerModel) -> Self {
        let (source, accuracy) = (SourceInfo::default(), AccuracyReport::default());
        Self { integer: Arc::new(integer), source, accuracy }
    }
}

/// An ONNX file in memory, with the folder that its external weights are in.
#[derive(Debug)]
pub(crate) struct OnnxFile {
    pub(crate) bytes: Vec<u8>,
    path: PathBuf,
}

impl OnnxFile {
    pub(crate) fn read(path: &Path, settings: &import::Settings) -> Result<Self, FileError> {
        let bytes = files::read(path, settings.max_file_bytes)?;
        Ok(Self { bytes, path: path.to_owned() })
    }

    /// The file's name, without its folder.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    pub(crate) fn graph(&self, settings: &import::Settings) -> Result<Graph, ImportError> {
        import::import_bytes_in(&self.bytes, self.folder(), settings)
    }

    pub(crate) fn compile(&self, settings: &CompileSettings) -> Result<Model, CompileError> {
        let graph = self.graph(&settings.import)?;
        compile(&graph, source(&self.bytes, &self.name())?, settings)
    }
}

/// Calibrates, quantizes and measures.
fn compile(
    graph: &Graph,
    source: SourceInfo,
    settings: &CompileSettings,
) -> Result<Model, CompileError> {
    let samples = samples(graph, settings)?;
    let (model, calibration) = quantized(graph, &samples, settings)?;
    let accuracy = if calibration.random {
        let drawn: Vec<Sample> = (0..calibration.samples as u64)
            .map(|seed| quantize::random_sample(graph, seed))
            .collect();
        AccuracyReport { random: true, ..quantize::accuracy(graph, &model, &drawn)? }
    } else {
        quantize::accuracy(graph, &model, &samples)?
    };
    Ok(Model { integer: Arc::new(model), source, accuracy })
}

/// The calibration samples; none if there are none.
pub(crate) fn samples(
    graph: &Graph,
    settings: &CompileSettings,
) -> Result<Vec<Sample>, CompileError> {
    let Some(inputs) = &settings.calibration else { return Ok(Vec::new()) };
    let specs: Vec<InputSpec> = graph
        .inputs
        .iter()
        .map(|input| InputSpec { name: input.name.clone(), shape: input.shape.clone() })
        .collect();
    Ok(inputs.samples(&specs)?)
}

/// Calibrates and quantizes.
pub(crate) fn quantized(
    graph: &Graph,
    samples: &[Sample],
    settings: &CompileSettings,
) -> Result<(IntegerModel, quantize::Calibration), CompileError> {
    let _span = tracing::info_span!("quantize").entered();
    let calibration = quantize::calibrate(graph, samples)?;
    let model = quantize::quantize(graph, &calibration, &settings.quantize)?;
    Ok((model, calibration))
}

fn source(bytes: &[u8], name: &str) -> Result<SourceInfo, ImportError> {
    let Description { producer, .. } = import::describe(bytes)?;
    Ok(SourceInfo {
        file_name: name.to_owned(),
        onnx_digest: Blake2s256::digest(bytes).into(),
        producer,
        compiler: concat!("ciro ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}
