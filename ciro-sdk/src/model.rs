//! Models: from ONNX to a quantized model that runs, is proven, and has a key.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use blake2::{Blake2s256, Digest};
use ciro_compiler::float::Graph;
use ciro_compiler::import::{self, Description, ExternalFiles, ImportError};
use ciro_compiler::quantize::{self, QuantizeError, SampleError};
use ciro_model::integer::{
    AccuracyReport, CompiledModel, EncodedSample, FileError as ModelFileError, SampleMismatch,
    SourceInfo,
};
use ciro_model::{IntegerModel, Interface, Tensor};

use crate::files::{self, FileError};
use crate::inputs::{InputError, InputSpec, Inputs, Sample};
use crate::output::Output;
use crate::printable::printable;
use crate::recompute::FloatModel;

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
    /// The cache holds another model under this file's name.
    #[error("the cache holds another model than `{0}` compiles to")]
    Cache(String),
    /// The file, its weights or the compiler changed after the model was found in the cache.
    #[error("`{0}` has changed since its compiled form was found in the cache")]
    Changed(String),
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

/// An ONNX file and its external weights in memory, each read once: what is identified is what is compiled.
#[derive(Clone, Debug)]
pub struct OnnxFile {
    pub(crate) bytes: Vec<u8>,
    name: String,
    external: ExternalFiles,
}

impl OnnxFile {
    /// Reads the file and the files of weights that it names, in its folder.
    ///
    /// # Errors
    /// [`CompileError`] if it cannot be read or is no ONNX file.
    pub fn read(path: &Path, settings: &import::Settings) -> Result<Self, CompileError> {
        let bytes = files::read(path, settings.max_file_bytes)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let folder = path.parent().unwrap_or(Path::new(""));
        let external = ExternalFiles::read(&bytes, folder, settings)?;
        Ok(Self { bytes, name, external })
    }

    /// The file's name, without its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Compiles the model.
    ///
    /// # Errors
    /// As [`Model::compile_file`].
    pub fn compile(&self, settings: &CompileSettings) -> Result<Model, CompileError> {
        compile(&self.graph(&settings.import)?, self.source()?, settings)
    }

    /// The float model, to compare its answers with proven ones.
    ///
    /// # Errors
    /// As [`Model::compile_file`].
    pub fn float_model(&self, settings: &import::Settings) -> Result<FloatModel, CompileError> {
        Ok(FloatModel(self.graph(settings)?))
    }

    pub(crate) fn external(&self) -> &ExternalFiles {
        &self.external
    }

    pub(crate) fn graph(&self, settings: &import::Settings) -> Result<Graph, ImportError> {
        import::import_bytes_with(&self.bytes, &self.external, settings)
    }

    /// What a model that is compiled from this file knows of its origin.
    pub(crate) fn source(&self) -> Result<SourceInfo, ImportError> {
        source(&self.bytes, &self.name)
    }
}

/// What the user should know of a model before relying on its integers.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Concern {
    /// The ranges of values are guessed from random numbers.
    Guessed,
    /// An output is further from the float model's than quantization explains.
    Inaccurate {
        /// The output's name.
        output: String,
        /// Mean relative error on the calibration samples.
        relative_error: f64,
        /// Share of rows with the same greatest element, or of equal labels.
        top1_agreement: f64,
    },
}

impl Model {
    /// The greatest mean relative error of an output that is no concern.
    const MAX_RELATIVE_ERROR: f64 = 0.02;
    /// The least agreement of an output that is no concern.
    const MIN_AGREEMENT: f64 = 0.95;

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

    /// What the user should know before relying on the model.
    pub fn concerns(&self) -> Vec<Concern> {
        Self::concerns_of(&self.accuracy)
    }

    /// What the user should know before relying on a model of this accuracy.
    pub(crate) fn concerns_of(accuracy: &AccuracyReport) -> Vec<Concern> {
        if accuracy.random {
            return vec![Concern::Guessed];
        }
        let outputs = accuracy.outputs.iter().filter(|output| {
            output.relative_error > Self::MAX_RELATIVE_ERROR
                || output.top1_agreement < Self::MIN_AGREEMENT
        });
        outputs
            .map(|output| Concern::Inaccurate {
                output: output.name.clone(),
                relative_error: output.relative_error,
                top1_agreement: output.top1_agreement,
            })
            .collect()
    }

    /// Whether the model refuses inputs outside of its range, because the range itself is a guess.
    pub fn refuses_clamped(&self) -> bool {
        self.accuracy.random
    }

    /// Whether a file holds a compiled model, by its content or its name.
    pub fn is_compiled_file(path: &Path) -> bool {
        let mut magic = [0; 8];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        (read.is_ok() && Self::is_compiled(&magic))
            || path.extension().is_some_and(|extension| extension == "ciro-model")
    }

    /// Whether bytes begin as a compiled model does.
    pub fn is_compiled(bytes: &[u8]) -> bool {
        bytes.starts_with(b"CIROMODL")
    }
}

/// Calibrates, quantizes and measures.
fn compile(
    graph: &Graph,
    source: SourceInfo,
    settings: &CompileSettings,
) -> Result<Model, CompileError> {
    let (integer, accuracy) = measured(graph, settings)?;
    Ok(Model { integer: Arc::new(integer), source, accuracy })
}

/// Quantizes a model and measures how close it stays to the float model.
pub(crate) fn measured(
    graph: &Graph,
    settings: &CompileSettings,
) -> Result<(IntegerModel, AccuracyReport), CompileError> {
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
    Ok((model, accuracy))
}

/// The calibration samples; none if there are none.
fn samples(graph: &Graph, settings: &CompileSettings) -> Result<Vec<Sample>, CompileError> {
    let Some(inputs) = &settings.calibration else { return Ok(Vec::new()) };
    let specs: Vec<InputSpec> = graph
        .inputs
        .iter()
        .map(|input| InputSpec { name: input.name.clone(), shape: input.shape.clone() })
        .collect();
    Ok(inputs.samples(&specs)?)
}

/// Calibrates and quantizes.
fn quantized(
    graph: &Graph,
    samples: &[Sample],
    settings: &CompileSettings,
) -> Result<(IntegerModel, quantize::Calibration), CompileError> {
    let _span = tracing::info_span!("quantize").entered();
    let calibration = quantize::calibrate(graph, samples)?;
    let model = quantize::quantize(graph, &calibration, &settings.quantize)?;
    Ok((model, calibration))
}

/// The program that compiles, with its version.
pub(crate) const COMPILER: &str = concat!("ciro ", env!("CARGO_PKG_VERSION"));

fn source(bytes: &[u8], name: &str) -> Result<SourceInfo, ImportError> {
    let Description { producer, .. } = import::describe(bytes)?;
    Ok(SourceInfo {
        file_name: name.to_owned(),
        onnx_digest: Blake2s256::digest(bytes).into(),
        producer,
        compiler: COMPILER.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use ciro_model::integer::{Decoding, Encoding, ModelBuilder, OutputAccuracy};

    use super::*;

    fn with_accuracy(random: bool, (agreement, error): (f64, f64)) -> Model {
        let mut builder = ModelBuilder::new();
        let input = builder.input("x", vec![1]);
        let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
        builder.output("y", x, Decoding::Real { scale: 1.0 });
        let output = OutputAccuracy {
            name: "y".to_owned(),
            top1_agreement: agreement,
            relative_error: error,
            ..OutputAccuracy::default()
        };
        let accuracy = AccuracyReport { random, outputs: vec![output], ..Default::default() };
        Model { accuracy, ..Model::from(builder.finish().unwrap()) }
    }

    #[test]
    fn what_the_user_should_know_of_the_accuracy_is_told() {
        assert_eq!(with_accuracy(false, (0.96, 0.01)).concerns(), []);
        for (agreement, error) in [(0.9, 0.01), (1.0, 0.5)] {
            let concern = Concern::Inaccurate {
                output: "y".to_owned(),
                relative_error: error,
                top1_agreement: agreement,
            };
            assert_eq!(with_accuracy(false, (agreement, error)).concerns(), [concern]);
        }
        let guessed = with_accuracy(true, (1.0, 0.0));
        assert_eq!((guessed.concerns(), guessed.refuses_clamped()), (vec![Concern::Guessed], true));
    }
}
