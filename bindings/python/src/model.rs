//! Compiled models.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use ciro_sdk::{
    Blinding, CalibrationOrigin, CompileError, Concern, KeyRing, Opened, OutputFolder, Provers,
    proof_kinds,
};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::advice;
use crate::error::Error;
use crate::job;
use crate::key::Key;
use crate::proof::Proof;
use crate::settings::{OpenSettings, ProveSettings, secrecy};
use crate::tensor::{Inputs, Output};

/// Proof, outputs, key, blinding value, milliseconds, openings.
type Proven = (Proof, Vec<Vec<Output>>, Key, Option<String>, f64, Vec<Opening>);

/// What opens the commitment to one input or output: inference, `input` or `output`, name, blinding
/// value.
type Opening = (usize, &'static str, String, String);

/// What the user should know: a word for it, and a sentence with what to do.
type Told = (&'static str, String);

/// File, digest, and whether it was found beside the model.
type Calibration = (Option<String>, String, bool);

/// A compiled model.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) model: Arc<ciro_sdk::Model>,
    pub(crate) provers: Arc<Provers>,
    calibration: Option<Calibration>,
    /// What the user should know before relying on it.
    concerns: Vec<Concern>,
    /// What to compile again before others rely on the model, if it comes from the cache.
    unconfirmed: Arc<Mutex<Option<Opened>>>,
}

impl From<ciro_sdk::Model> for Model {
    fn from(model: ciro_sdk::Model) -> Self {
        let (provers, unconfirmed) = Default::default();
        let concerns = model.concerns();
        Self { model: Arc::new(model), provers, calibration: None, concerns, unconfirmed }
    }
}

impl From<Opened> for Model {
    fn from(opened: Opened) -> Self {
        let samples = opened.calibration.as_ref();
        let discovered = opened.calibrated_by == Some(CalibrationOrigin::Neighbour);
        let calibration =
            samples.map(|samples| (samples.file.clone(), samples.digest(), discovered));
        let concerns = opened.concerns();
        let model = Self::from(opened.model.clone());
        let unconfirmed = (opened.origin == ciro_sdk::OpenedFrom::Cache).then_some(opened);
        Self { calibration, concerns, unconfirmed: Arc::new(Mutex::new(unconfirmed)), ..model }
    }
}

/// Names of the inputs that an ONNX file declares.
#[pyfunction]
pub(crate) fn input_names(data: &[u8]) -> PyResult<Vec<String>> {
    let described = ciro_sdk::import::describe(data).map_err(CompileError::from);
    let inputs = described.map_err(Error::from)?.inputs;
    Ok(inputs.into_iter().map(|input| input.name).collect())
}

fn told(concerns: &[Concern]) -> Vec<Told> {
    let text = |concern: &Concern| {
        ciro_sdk::printable_message(&format!("{concern}; {}", advice::spell(&concern.advice())))
    };
    concerns.iter().map(|concern| (concern.code(), text(concern))).collect()
}

#[pymethods]
impl Model {
    /// Opens a file: a compiled model, or an ONNX file, which is compiled or found in the user's
    /// cache.
    #[staticmethod]
    #[pyo3(signature = (path, settings, observer=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        settings: &OpenSettings,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let settings = settings.0.clone();
        job::run(py, observer, move || Ok(ciro_sdk::open(&path, &settings)?)).map(Self::from)
    }

    /// Opens the bytes of a compiled model or of an ONNX file without external weights; `name` is
    /// for reports.
    #[staticmethod]
    #[pyo3(signature = (data, name, settings, observer=None))]
    fn open_bytes(
        py: Python<'_>,
        data: &[u8],
        name: String,
        settings: &OpenSettings,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (data, settings) = (data.to_vec(), settings.0.clone());
        let open = move || Ok(ciro_sdk::open_bytes(&data, &name, &settings)?);
        job::run(py, observer, open).map(Self::from)
    }

    /// Compiles a model from the cache anew and compares, once, before others rely on it: whoever
    /// can write into the cache decides what lies there.
    fn confirm(&self, py: Python<'_>) -> PyResult<()> {
        let unconfirmed = Arc::clone(&self.unconfirmed);
        job::run(py, None, move || {
            let mut unconfirmed = unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(opened) = &*unconfirmed {
                opened.confirm()?;
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

    /// What the model was calibrated with: the file's name, if it was one, the samples' digest, and
    /// whether they were found beside the model. `None` for guessed ranges, and for a compiled
    /// model, which does not say.
    #[getter]
    fn calibration(&self) -> Option<Calibration> {
        self.calibration.clone()
    }

    /// What the user should know before relying on the model: for each concern its word, and a
    /// sentence with what to do.
    #[getter]
    fn concerns(&self) -> Vec<Told> {
        told(&self.concerns)
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

    /// Numbers that were learned, and the constants beside them; multiply-accumulate operations of
    /// one run.
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

    /// How many samples these inputs are.
    fn count(&self, inputs: &Inputs) -> PyResult<usize> {
        Ok(inputs.samples(&self.model.input_specs())?.len())
    }

    /// What is lost when samples are proven, as `concerns`; raises if the model does not take one
    /// of them.
    fn examine(&self, py: Python<'_>, inputs: &Inputs) -> PyResult<Vec<Told>> {
        let model = Arc::clone(&self.model);
        let samples = inputs.samples(&model.input_specs())?;
        let examined = job::run(py, None, move || Ok(model.examine(&samples)?))?;
        Ok(told(&examined.concerns))
    }

    /// Runs the integer model on samples, without a proof: outputs, and what was lost, as
    /// `concerns`.
    #[pyo3(signature = (inputs, observer=None))]
    fn run(
        &self,
        py: Python<'_>,
        inputs: &Inputs,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Vec<Vec<Output>>, Vec<Told>)> {
        let model = Arc::clone(&self.model);
        let samples = inputs.samples(&model.input_specs())?;
        let ran = job::run(py, observer, move || Ok(model.run_all(&samples)?))?;
        Ok((Output::all(ran.outputs), told(&ran.concerns)))
    }

    /// The keys of this model's proofs: of every combination of routes, presets, batch sizes and
    /// whether they hide that a route has, for proofs that commit to inputs or outputs if `commit`
    /// says so.
    #[pyo3(signature = (kinds, commit=(false, false), max_memory=None, observer=None))]
    fn key(
        &self,
        py: Python<'_>,
        kinds: (Vec<String>, Vec<String>, Vec<u32>, Vec<bool>),
        commit: (bool, bool),
        max_memory: Option<u64>,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Key> {
        let (routes, presets, batches, private) = kinds;
        let secrecies: Vec<_> = private.into_iter().map(secrecy).collect();
        let (commit_input, commit_output) = commit;
        let parsed = routes.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
        let routes = parsed.map_err(Error::Route)?;
        let parsed = presets.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>();
        let presets = parsed.map_err(Error::Preset)?;
        let kinds = proof_kinds(&routes, &presets, &batches, &secrecies).map_err(Error::from)?;
        let (model, provers) = (Arc::clone(&self.model), Arc::clone(&self.provers));
        let keys = move || {
            let key = |kind| {
                let max_memory_bytes = max_memory;
                let settings = ciro_sdk::ProveSettings {
                    commit_input,
                    commit_output,
                    max_memory_bytes,
                    ..ciro_sdk::ProveSettings::of(kind)
                };
                Ok::<_, Error>(provers.get(&model, &settings)?.key())
            };
            let keys = kinds.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
            ciro_sdk::KeyRing::new(keys).map_err(Error::Ring)
        };
        job::run(py, observer, keys).map(Key)
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
        let work = move || Ok(KeyRing::new([model.key_for(&bundle, route, max_memory)?])?);
        job::run(py, observer, work).map(Key)
    }

    /// Proves what the model says about samples, all in one proof: the proof, the outputs, the key,
    /// what opens the commitment to the input if there is one, the milliseconds that it took, and
    /// what opens the commitments to single inputs and outputs.
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
            let proven = prover.prove_in(&samples, settings.context, settings.max_memory_bytes)?;
            Ok((proven, KeyRing::new([prover.key()])?))
        };
        let (proven, key) = job::run(py, observer, work)?;
        let ciro_sdk::Proven { bundle, outputs, blinding, prove_ms, openings, .. } = proven;
        let blinding = blinding.map(Blinding::to_hex);
        let openings = openings.into_iter();
        let openings = openings.map(|o| (o.sample, o.side.name(), o.name, o.blinding.to_hex()));
        let (proof, openings) = (Proof(Arc::new(bundle)), openings.collect());
        Ok((proof, Output::all(outputs), Key(key), blinding, prove_ms, openings))
    }

    /// Writes the model as a Cairo package into a new or an empty folder, whole or not at all;
    /// gives the hash of its program.
    #[pyo3(signature = (folder, name, observer=None))]
    fn transpile(
        &self,
        py: Python<'_>,
        folder: PathBuf,
        name: String,
        observer: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<String> {
        let output = OutputFolder::create(&folder).map_err(Error::from)?;
        self.confirm(py)?;
        let model = Arc::clone(&self.model);
        let transpile = move || {
            let package = model.transpile(&name)?;
            let files = package.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
            output.finish(files)?;
            Ok(package.program_hash)
        };
        job::run(py, observer, transpile)
    }
}
