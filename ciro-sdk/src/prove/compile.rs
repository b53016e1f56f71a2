//! From ONNX to a quantized model.

use std::path::Path;
use std::sync::Arc;

use blake2::{Blake2s256, Digest};
use ciro_compiler::float::{ElementType, Graph};
use ciro_compiler::import::{self, Description, ExternalFiles, ImportError, Weights};
use ciro_compiler::quantize::{self, QuantizeError, Quantized, SampleError};
use ciro_model::IntegerModel;
use ciro_model::integer::{AccuracyReport, SourceInfo};

use super::model::Model;
use super::recompute::FloatModel;
use crate::advice::Advice;
use crate::error_chain::error_chain;
use crate::files::{self, FileError};
use crate::inputs::{InputError, InputSpec, Inputs, Sample, Takes};
use crate::routes::RefusedNode;

/// How a model is compiled: what the user decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CompileSettings {
    /// Shapes of inputs and limits of the import.
    pub import: import::Settings,
    /// Widths of integers.
    pub quantize: quantize::Settings,
    /// Representative inputs. Without them ranges are guessed from random numbers, which is seldom
    /// what a model is used on.
    pub calibration: Option<Inputs>,
    /// Inputs that judge accuracy and do not calibrate. Without them about a third of the
    /// calibration samples judge a model that the others calibrate.
    pub test: Option<Inputs>,
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
    /// The settings of the import leave weights unread, which is for whoever looks for refusals.
    #[error("a model has no form without its weights: the import has to read them")]
    Unread,
    /// The calibration samples do not fit the model.
    #[error("cannot use the calibration samples")]
    Calibration(#[from] InputError),
    /// The samples that judge do not fit the model.
    #[error("cannot use the test samples")]
    Test(#[source] InputError),
    /// The float model does not run on the samples that judge, or the integer model does not take
    /// them.
    #[error("cannot judge the model by the test samples")]
    Judge(#[source] SampleError),
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

impl CompileError {
    /// What to do about it, where that is not for its cause to say.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::Cache(_) => Some(Advice::DeleteCache),
            Self::Changed(_) => Some(Advice::CompileAgain),
            Self::File(error) => error.advice(),
            _ => None,
        }
    }

    /// Everything in the model that has no proof; `None` if something else went wrong.
    pub fn refused(&self) -> Option<Vec<RefusedNode>> {
        match self {
            Self::Import(ImportError::Refused(refused)) => Some(
                refused
                    .iter()
                    .map(|refused| RefusedNode {
                        node: refused.node.clone(),
                        op: refused.op.clone(),
                        reason: refused.reason.to_string(),
                        advice: refused.reason.hint().map(Advice::of),
                    })
                    .collect(),
            ),
            Self::Quantize(error) => {
                let (node, op, reason) = match error {
                    QuantizeError::Refused { node, op, reason } => (node, op, reason.to_string()),
                    QuantizeError::Model { node, op, source } => (node, op, error_chain(&**source)),
                    _ => return None,
                };
                let advice = error.hint().map(Advice::of);
                Some(vec![RefusedNode { node: node.clone(), op: op.clone(), reason, advice }])
            }
            _ => None,
        }
    }
}

impl Model {
    /// Compiles an ONNX file; external weights may be beside it.
    ///
    /// # Errors
    /// [`CompileError`]; an [`ImportError::Refused`] inside lists everything in the model that
    /// cannot be proven.
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
        compile(graph, source(bytes, name)?, settings)
    }
}

/// An ONNX file and its external weights in memory, each read once: what is identified is what is
/// compiled.
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
        compile(self.graph(&settings.import)?, self.source()?, settings)
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

/// Calibrates, quantizes and measures.
pub(super) fn compile(
    graph: Graph,
    source: SourceInfo,
    settings: &CompileSettings,
) -> Result<Model, CompileError> {
    let (integer, accuracy) = measured(&graph, settings)?;
    let float = Some(Arc::new(FloatModel(graph)));
    Ok(Model { integer: Arc::new(integer), source, accuracy, float })
}

/// Quantizes a model and measures how close it stays to the float model.
pub(super) fn measured(
    graph: &Graph,
    settings: &CompileSettings,
) -> Result<(IntegerModel, AccuracyReport), CompileError> {
    if settings.import.weights != Weights::Read {
        return Err(CompileError::Unread);
    }
    let samples = samples(graph, settings.calibration.as_ref())?;
    let test = samples_of_test(graph, settings)?;
    let held_out = quantize::hold_out(&samples);
    let _span = tracing::info_span!("quantize").entered();
    let calibration = quantize::calibrate(graph, &samples)?;
    let fewer = (held_out.apart && test.is_empty())
        .then(|| quantize::calibrate(graph, &held_out.calibrate))
        .transpose()?;
    let Quantized { model, twin } =
        quantize::quantize_with_twin(graph, &calibration, fewer.as_ref(), &settings.quantize)?;
    if calibration.random {
        let drawn: Vec<Sample> = (0..calibration.samples as u64)
            .map(|seed| quantize::random_sample(graph, seed))
            .collect();
        let accuracy = quantize::accuracy(graph, &model, &drawn)?;
        return Ok((model, AccuracyReport { random: true, ..accuracy }));
    }
    let accuracy = quantize::accuracy(graph, &model, &samples)?;
    let accuracy = match (twin, &test[..]) {
        (_, [_, ..]) => {
            let judged = quantize::accuracy(graph, &model, &test);
            accuracy.judged_by(judged.map_err(CompileError::Judge)?)
        }
        (Some(twin), _) => accuracy.judged_by(quantize::accuracy(graph, &twin, &held_out.judge)?),
        (None, []) => accuracy,
    };
    Ok((model, accuracy))
}

/// The samples that judge; none if none are given.
fn samples_of_test(graph: &Graph, settings: &CompileSettings) -> Result<Vec<Sample>, CompileError> {
    match samples(graph, settings.test.as_ref()) {
        Err(CompileError::Calibration(error)) => Err(CompileError::Test(error)),
        other => other,
    }
}

/// The samples of a file; none if there is none.
fn samples(graph: &Graph, inputs: Option<&Inputs>) -> Result<Vec<Sample>, CompileError> {
    let Some(inputs) = inputs else { return Ok(Vec::new()) };
    let specs: Vec<InputSpec> = graph
        .inputs
        .iter()
        .map(|input| InputSpec {
            name: input.name.clone(),
            shape: input.shape.clone(),
            takes: match &input.element_type {
                ElementType::Text(dictionary) => Takes::Text(dictionary.clone()),
                _ => Takes::Numbers,
            },
        })
        .collect();
    Ok(inputs.samples(&specs)?)
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
    use super::*;

    #[test]
    fn nothing_is_compiled_without_its_weights() {
        let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models");
        let path = examples.join("logreg_iris/model.onnx");
        let mut settings = CompileSettings::default();
        settings.import.weights = Weights::Skipped;
        let error = Model::compile_file(&path, &settings).unwrap_err();
        assert!(matches!(error, CompileError::Unread), "{error}");
        assert!(error.refused().is_none());
    }
}
