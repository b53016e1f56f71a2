//! Compiled models.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ciro_sdk::{Blinding, Cache, Cached, Concern, Prover, Route, check_model};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::job;
use crate::key::Key;
use crate::proof::Proof;
use crate::settings::{CompileSettings, ProveSettings};
use crate::tensor::{Inputs, Output};

/// Proof, outputs, key, blinding value, milliseconds.
type Proven = (Proof, Vec<Vec<Output>>, Key, Option<String>, f64);

/// A compiled model.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) model: Arc<ciro_sdk::Model>,
    provers: Arc<Provers>,
    /// What to compile again before others rely on the model, if it comes from the cache.
    unconfirmed: Arc<Mutex<Option<(Cached, ciro_sdk::CompileSettings)>>>,
}

/// The provers of a model that were used last; making one takes as long as some proofs.
#[derive(Debug, Default)]
struct Provers(Mutex<VecDeque<(ciro_sdk::ProveSettings, Arc<Prover>)>>);

impl Provers {
    /// How many are kept: a model is rarely proven in more ways at once.
    const KEPT: usize = 4;

    /// The prover for these settings, a new one if there is none.
    ///
    /// # Errors
    /// As [`Prover::new`], with everything that cannot be proven.
    fn get(
        &self,
        model: &ciro_sdk::Model,
        settings: &ciro_sdk::ProveSettings,
    ) -> Result<Arc<Prover>, Error> {
        // The limit decides whether to begin, not how to prove.
        let wanted = ciro_sdk::ProveSettings { max_memory_bytes: None, ..*settings };
        if let Some(prover) = self.known(&wanted) {
            return Ok(prover);
        }
        let prover = Prover::new(model, settings).map_err(|source| match source {
            ciro_sdk::ProveError::Layout(_) => unprovable(source, model, settings),
            #[cfg(feature = "cairo")]
            ciro_sdk::ProveError::Emit(_) => unprovable(source, model, settings),
            source => source.into(),
        })?;
        let prover = Arc::new(prover);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.truncate(Self::KEPT - 1);
        known.push_front((wanted, Arc::clone(&prover)));
        Ok(prover)
    }

    fn known(&self, wanted: &ciro_sdk::ProveSettings) -> Option<Arc<Prover>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = known.iter().position(|(settings, _)| settings == wanted)?;
        let found = known.remove(position)?;
        known.push_front(found);
        known.front().map(|(_, prover)| Arc::clone(prover))
    }
}

/// An error with everything that the model is refused for.
fn unprovable(
    source: ciro_sdk::ProveError,
    model: &ciro_sdk::Model,
    settings: &ciro_sdk::ProveSettings,
) -> Error {
    Error::Unprovable { source: Box::new(source), refused: check_model(model, settings).refused }
}

impl From<ciro_sdk::Model> for Model {
    fn from(model: ciro_sdk::Model) -> Self {
        Self { model: Arc::new(model), provers: Arc::default(), unconfirmed: Arc::default() }
    }
}

#[pymethods]
impl Model {
    /// Compiles an ONNX file, or finds its compiled form in the user's cache.
    #[staticmethod]
    #[pyo3(signature = (path, settings, cached, observer=None))]
    fn compile_file(
        py: Python<'_>,
        path: PathBuf,
        settings: &CompileSettings,
        cached: bool,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let settings = settings.0.clone();
        let compile = move || match Cache::user().filter(|_| cached) {
            Some(cache) => Ok((cache.compile_file(&path, &settings)?, settings)),
            None => Ok((ciro_sdk::Model::compile_file(&path, &settings)?.into(), settings)),
        };
        let (found, settings) = job::run(py, observer, compile)?;
        let model = Self::from(found.model.clone());
        let unconfirmed = found.hit.then_some((found, settings));
        Ok(Self { unconfirmed: Arc::new(Mutex::new(unconfirmed)), ..model })
    }

    /// Compiles a model from the cache anew and compares, once, before others rely on it: whoever can write into the cache decides what
    /// lies there.
    fn confirm(&self, py: Python<'_>) -> PyResult<()> {
        let unconfirmed = Arc::clone(&self.unconfirmed);
        job::run(py, None, move || {
            let mut unconfirmed = unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((cached, settings)) = &*unconfirmed {
                cached.confirm(settings)?;
            }
            *unconfirmed = None;
            Ok(())
        })
    }

    /// Whether the model comes from the cache and is not compared yet.
    #[getter]
    fn unconfirmed(&self) -> bool {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// What the user should know before relying on the model: output, mean relative error and top-1 agreement of each one that is not
    /// close to the float model; one without a name if the ranges are guessed.
    #[getter]
    fn concerns(&self) -> Vec<(Option<String>, f64, f64)> {
        let concern = |concern| match concern {
            Concern::Inaccurate { output, relative_error, top1_agreement } => {
                (Some(output), relative_error, top1_agreement)
            }
            _ => (None, 0.0, 0.0),
        };
        self.model.concerns().into_iter().map(concern).collect()
    }

    /// Whether inputs outside of the calibrated range are refused, because the range is a guess.
    #[getter]
    fn refuses_clamped(&self) -> bool {
        self.model.refuses_clamped()
    }

    /// Compiles the bytes of an ONNX file without external weights; `name` is for reports.
    #[staticmethod]
    #[pyo3(signature = (data, name, settings, observer=None))]
    fn compile_bytes(
        py: Python<'_>,
        data: &[u8],
        name: String,
        settings: &CompileSettings,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (data, settings) = (data.to_vec(), settings.0.clone());
        let compile = move || Ok(ciro_sdk::Model::compile_bytes(&data, &name, &settings)?);
        job::run(py, observer, compile).map(Self::from)
    }

    /// Decodes the bytes of a `.ciro-model` file.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let data = data.to_vec();
        job::run(py, None, move || Ok(ciro_sdk::Model::from_bytes(&data)?)).map(Self::from)
    }

    /// Reads a `.ciro-model` file.
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        job::run(py, None, move || Ok(ciro_sdk::Model::load(&path)?)).map(Self::from)
    }

    /// Writes a `.ciro-model` file, whole or not at all.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let model = Arc::clone(&self.model);
        job::run(py, None, move || Ok(model.save(&path)?))
    }

    /// The bytes of a `.ciro-model` file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = py.detach(|| self.model.to_bytes());
        PyBytes::new(py, &bytes)
    }

    /// Names and shapes of the inputs.
    #[getter]
    fn inputs(&self) -> Vec<(String, Vec<usize>)> {
        let specs = self.model.input_specs().into_iter();
        specs.map(|spec| (spec.name, spec.shape)).collect()
    }

    /// Names and shapes of the outputs.
    #[getter]
    fn outputs(&self) -> Vec<(String, Vec<usize>)> {
        let integer = self.model.integer();
        let outputs = integer.outputs().iter();
        outputs
            .map(|output| (output.name.clone(), integer.node(output.node).shape.clone()))
            .collect()
    }

    /// File name of the ONNX model, who wrote it, and who compiled it.
    #[getter]
    fn source(&self) -> (String, String, String) {
        let source = self.model.source();
        (source.file_name.clone(), source.producer.clone(), source.compiler.clone())
    }

    /// Numbers that were learned, and the constants beside them; multiply-accumulate operations of one run.
    #[getter]
    fn size(&self) -> (usize, u64) {
        (self.model.integer().parameters(), self.model.integer().macs())
    }

    /// The accuracy report as JSON and as a table.
    #[getter]
    fn accuracy(&self) -> (String, String) {
        let report = self.model.accuracy();
        // Numbers, names and lists always have a JSON form.
        (serde_json::to_string(report).unwrap_or_default(), self.model.accuracy_table())
    }

    /// For every sample, the inputs with elements outside the calibrated range, and how many.
    fn clamped(&self, py: Python<'_>, inputs: &Inputs) -> PyResult<Vec<Vec<(String, usize)>>> {
        let samples = inputs.samples(&self.model.input_specs())?;
        let encoded = py.detach(|| {
            let samples = samples.iter().map(|sample| self.model.encode(sample));
            samples.map(|encoded| Ok(encoded?.clamped)).collect::<Result<_, Error>>()
        });
        Ok(encoded?)
    }

    /// Runs the integer model on samples, without a proof.
    #[pyo3(signature = (inputs, observer=None))]
    fn run(
        &self,
        py: Python<'_>,
        inputs: &Inputs,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Vec<Output>>> {
        let model = Arc::clone(&self.model);
        let samples = inputs.samples(&model.input_specs())?;
        let run = move || samples.iter().map(|sample| Ok(model.run(sample)?)).collect();
        job::run(py, observer, run).map(Output::all)
    }

    /// The key of this model's proofs.
    #[pyo3(signature = (settings, observer=None))]
    fn key(
        &self,
        py: Python<'_>,
        settings: &ProveSettings,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Key> {
        let (model, provers, settings) =
            (Arc::clone(&self.model), Arc::clone(&self.provers), settings.0);
        job::run(py, observer, move || Ok(provers.get(&model, &settings)?.key())).map(Key)
    }

    /// The key to verify a proof against, for whoever trusts this model.
    #[pyo3(signature = (proof, route, max_memory=None, observer=None))]
    fn key_for(
        &self,
        py: Python<'_>,
        proof: &Proof,
        route: &str,
        max_memory: Option<u64>,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Key> {
        let route = route.parse().map_err(Error::Route)?;
        let (model, bundle) = (Arc::clone(&self.model), Arc::clone(&proof.0));
        job::run(py, observer, move || Ok(model.key_for(&bundle, route, max_memory)?)).map(Key)
    }

    /// Proves what the model says about samples, all in one proof: the proof, the outputs, the key, what opens the
    /// commitment to the input if there is one, and the milliseconds that it took.
    #[pyo3(signature = (inputs, settings, observer=None))]
    fn prove(
        &self,
        py: Python<'_>,
        inputs: &Inputs,
        settings: &ProveSettings,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Proven> {
        let (model, provers) = (Arc::clone(&self.model), Arc::clone(&self.provers));
        let samples = inputs.samples(&model.input_specs())?;
        let batch = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let settings = ciro_sdk::ProveSettings { batch, ..settings.0 };
        let work = move || {
            let prover = provers.get(&model, &settings)?;
            let proven = prover.prove_within(&samples, settings.max_memory_bytes)?;
            Ok((proven, prover.key()))
        };
        let (proven, key) = job::run(py, observer, work)?;
        let ciro_sdk::Proven { bundle, outputs, blinding, prove_ms, .. } = proven;
        let blinding = blinding.map(Blinding::to_hex);
        Ok((Proof(Arc::new(bundle)), Output::all(outputs), Key(key), blinding, prove_ms))
    }

    /// The model as a Cairo package: paths and texts of its files, and the hash of its program.
    #[pyo3(signature = (name, observer=None))]
    fn transpile(
        &self,
        py: Python<'_>,
        name: String,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Vec<(String, String)>, String)> {
        let model = Arc::clone(&self.model);
        let settings = ciro_sdk::ProveSettings { route: Route::Cairo, ..Default::default() };
        let transpile = move || {
            model.transpile(&name).map_err(|source| match source {
                #[cfg(feature = "cairo")]
                ciro_sdk::ProveError::Emit(_) => unprovable(source, &model, &settings),
                source => source.into(),
            })
        };
        let package = job::run(py, observer, transpile)?;
        Ok((package.files, package.program_hash))
    }
}
