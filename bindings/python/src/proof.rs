//! Proofs and what they establish.

use std::path::PathBuf;
use std::sync::Arc;

use ciro_sdk::inputs::Sample;
use ciro_sdk::{Blinding, Context, InputCheck, Policy, ProofBundle, verify_with};
use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::job;
use crate::key::Key;
use crate::model::Model;
use crate::tensor::{Inputs, Output, RealInput, integer_bytes};

/// Shape and little-endian int32 elements of a tensor.
type Integers<'py> = (Vec<usize>, Bound<'py, PyBytes>);

/// Model, fact, hashes of inputs and of outputs, arguments: felts in hexadecimal digits.
type Calldata = (String, String, String, String, Vec<String>);

/// A statement and its proof.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Proof(pub(crate) Arc<ProofBundle>);

#[pymethods]
impl Proof {
    /// Decodes the bytes of a `.ciro` file.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(Arc::new(ProofBundle::from_bytes(data).map_err(Error::from)?)))
    }

    /// Reads a `.ciro` file.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(ProofBundle::load(&path).map_err(Error::from)?)))
    }

    /// Writes a `.ciro` file, whole or not at all.
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn save(&self, path: PathBuf) -> PyResult<()> {
        Ok(self.0.save(&path).map_err(Error::from)?)
    }

    /// The bytes of a `.ciro` file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// The identity of the key that the proof names, in hexadecimal digits.
    #[getter]
    fn model_key(&self) -> String {
        self.0.model_key.to_string()
    }

    /// Name of the route.
    #[getter]
    fn route(&self) -> &'static str {
        self.0.route.name()
    }

    /// Name of the security parameters.
    #[getter]
    fn preset(&self) -> &'static str {
        self.0.preset.name()
    }

    /// Inferences that the proof is about.
    #[getter]
    fn batch(&self) -> u32 {
        self.0.claims()
    }

    /// Whether the proof says that it hides what it does not state of inputs and execution.
    #[getter]
    fn hides(&self) -> bool {
        self.0.secrecy().hides()
    }

    /// What the proof is bound to beside its key, inputs and outputs, in hexadecimal digits; `None`
    /// if to nothing.
    #[getter]
    fn context(&self) -> Option<String> {
        let context = self.0.context;
        (!context.is_none()).then(|| context.to_string())
    }

    /// The claimed outputs of every inference, for this key: shapes, and little-endian int32 in
    /// row-major order.
    fn integers<'py>(&self, py: Python<'py>, key: &Key) -> PyResult<Vec<Vec<Integers<'py>>>> {
        let key = key.0.find(&self.0).map_err(Error::from)?;
        let statement = self.0.statement(key).map_err(Error::from)?;
        let outputs = |claim: &ciro_sdk::Claim| {
            let tensors = claim.public_outputs();
            tensors
                .map(|tensor| Ok((tensor.shape().to_vec(), integer_bytes(py, tensor)?)))
                .collect()
        };
        statement.claims.iter().map(outputs).collect()
    }

    /// The proof as the contract on Starknet takes it: the model's id, the fact, the hashes of
    /// inputs and of outputs, and the arguments, all in hexadecimal digits.
    fn calldata(&self, key: &Key) -> PyResult<Calldata> {
        let key = key.0.find(&self.0).map_err(Error::from)?;
        let calldata = self.0.calldata(key).map_err(Error::from)?;
        let felts = calldata.felts.iter().map(ToString::to_string).collect();
        let [model, fact, inputs, outputs] =
            [calldata.model, calldata.fact, calldata.input_hash, calldata.output_hash]
                .map(|felt| felt.to_string());
        Ok((model, fact, inputs, outputs, felts))
    }
}

/// What a verified proof establishes.
#[pyclass(frozen, get_all, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Verified {
    /// Outputs of every inference.
    outputs: Vec<Vec<Py<Output>>>,
    /// Inputs of every inference; `None` if the proof commits to them.
    inputs: Option<Vec<Vec<Py<RealInput>>>>,
    /// Values of the given inputs that lie outside of the calibrated range; `None` if none were
    /// given.
    clamped: Option<usize>,
    /// Inferences that the model was run on again; `None` without a model.
    recomputed: Option<usize>,
    /// Bits of security: conjectured, proven.
    security: (u32, u32),
}

/// What a proof is verified against: the key, and the model if there is one.
type Against<'py> = (PyRef<'py, Key>, Option<PyRef<'py, Model>>);

/// What the proof has to be about: the inputs, what opens a commitment to them, whether values
/// outside of the calibrated range count as its end, and the context.
type Asked<'py> = (Option<PyRef<'py, Inputs>>, Option<String>, bool, Option<String>);

/// Verifies a proof, that it is about these inputs and bound to this context if there are any, and
/// that the model says the same if there is one.
///
/// `min_security` are the bits that are asked for: conjectured, proven.
#[pyfunction]
#[pyo3(signature = (proof, against, min_security, asked=(None, None, false, None), observer=None))]
pub(crate) fn verify(
    py: Python<'_>,
    proof: &Proof,
    against: Against<'_>,
    min_security: (u32, u32),
    asked: Asked<'_>,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Verified> {
    let (key, model) = against;
    let (bundle, key) = (Arc::clone(&proof.0), key.0.clone());
    let model = model.map(|model| Arc::clone(&model.model));
    let (min_security_bits, min_proven_bits) = min_security;
    let policy = Policy { min_security_bits, min_proven_bits };
    let (inputs, blinding, allow_clamped, context) = asked;
    let context: Option<Context> =
        context.map(|digits| digits.parse()).transpose().map_err(Error::from)?;
    let given = inputs.map(|inputs| inputs.samples(&key.input_specs())).transpose()?;
    let blinding: Option<Blinding> =
        blinding.map(|digits| digits.parse()).transpose().map_err(Error::from)?;
    let check = InputCheck { blinding, allow_clamped };
    let (verified, shown, clamped, recomputed) = job::run(py, observer, move || {
        let key = key.find(&bundle)?;
        context.map(|context| bundle.check_context(context)).transpose()?;
        let verified = verify_with(&bundle, key, &policy)?;
        let compare = |given: Vec<Sample>| verified.compare_inputs(key, &given, &check);
        let clamped = given.map(compare).transpose()?;
        let recomputed = model.map(|model| model.recompute(&verified)).transpose()?;
        let shown = verified.samples.iter().map(|sample| sample.real_inputs.clone()).collect();
        Ok((verified, shown, clamped, recomputed))
    })?;
    let security = (verified.security_bits(), verified.proven_security_bits());
    let outputs = Output::all(verified.samples.into_iter().map(|sample| sample.outputs).collect());
    let shown: Option<Vec<Vec<ciro_sdk::RealInput>>> = shown;
    let shown = shown.map(RealInput::all);
    Ok(Verified {
        outputs: objects(py, outputs)?,
        inputs: shown.map(|inputs| objects(py, inputs)).transpose()?,
        clamped,
        recomputed,
        security,
    })
}

/// Python objects of every sample.
fn objects<T: PyClass + Into<pyo3::PyClassInitializer<T>>>(
    py: Python<'_>,
    samples: Vec<Vec<T>>,
) -> PyResult<Vec<Vec<Py<T>>>> {
    let sample = |objects: Vec<T>| objects.into_iter().map(|object| Py::new(py, object)).collect();
    samples.into_iter().map(sample).collect()
}
