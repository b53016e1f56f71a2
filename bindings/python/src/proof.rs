//! Proofs and what they establish.

use std::path::PathBuf;
use std::sync::Arc;

use ciro_sdk::inputs::Sample;
use ciro_sdk::{Blinding, ModelKey, Policy, ProofBundle, verify_with};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::job;
use crate::key::Key;
use crate::tensor::{Inputs, Output, integer_bytes};

/// Shape and little-endian int32 elements of a tensor.
type Integers<'py> = (Vec<usize>, Bound<'py, PyBytes>);

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
    fn batch(&self) -> usize {
        self.0.statement.claims.len()
    }

    /// The claimed outputs of every inference: shapes, and little-endian int32 in row-major order.
    #[getter]
    fn integers<'py>(&self, py: Python<'py>) -> PyResult<Vec<Vec<Integers<'py>>>> {
        let claims = self.0.statement.claims.iter();
        let outputs = |claim: &ciro_sdk::Claim| {
            let tensors = claim.outputs.iter();
            tensors
                .map(|tensor| Ok((tensor.shape().to_vec(), integer_bytes(py, tensor)?)))
                .collect()
        };
        claims.map(outputs).collect()
    }
}

/// What a verified proof establishes.
#[pyclass(frozen, get_all, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Verified {
    /// Outputs of every inference.
    outputs: Vec<Vec<Py<Output>>>,
    /// Bits of security: conjectured, proven.
    security: (u32, u32),
}

/// Verifies a proof, and that it is about these inputs if there are any: the inputs, and what opens a commitment to them.
///
/// `min_security` are the bits that are asked for: conjectured, proven.
#[pyfunction]
#[pyo3(signature = (proof, key, min_security, inputs=(None, None), observer=None))]
pub(crate) fn verify(
    py: Python<'_>,
    proof: &Proof,
    key: &Key,
    min_security: (u32, u32),
    inputs: (Option<PyRef<'_, Inputs>>, Option<String>),
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Verified> {
    let (bundle, key) = (Arc::clone(&proof.0), key.0.clone());
    let (min_security_bits, min_proven_bits) = min_security;
    let policy = Policy { min_security_bits, min_proven_bits };
    let (inputs, blinding) = inputs;
    let given = inputs.map(|inputs| inputs.samples(&key.input_specs())).transpose()?;
    let blinding: Option<Blinding> =
        blinding.map(|digits| digits.parse()).transpose().map_err(Error::Blinding)?;
    let verified = job::run(py, observer, move || {
        let verified = verify_with(&bundle, &key, &policy)?;
        check_inputs(&verified, &key, given.as_deref(), blinding)?;
        Ok(verified)
    })?;
    let security = (verified.security_bits(), verified.proven_security_bits());
    let outputs = Output::all(verified.samples.into_iter().map(|sample| sample.outputs).collect());
    let outputs = outputs.into_iter().map(|outputs| {
        outputs.into_iter().map(|output| Py::new(py, output)).collect::<PyResult<_>>()
    });
    Ok(Verified { outputs: outputs.collect::<PyResult<_>>()?, security })
}

fn check_inputs(
    verified: &ciro_sdk::Verified,
    key: &ModelKey,
    given: Option<&[Sample]>,
    blinding: Option<Blinding>,
) -> Result<(), Error> {
    let Some(given) = given else { return Ok(()) };
    if given.len() != verified.samples.len() {
        return Err(Error::Samples { proven: verified.samples.len(), given: given.len() });
    }
    for (sample, inputs) in verified.samples.iter().zip(given) {
        match blinding {
            Some(blinding) => sample.check_committed_inputs(key, inputs, blinding)?,
            None => sample.check_inputs(key, inputs)?,
        }
    }
    Ok(())
}
