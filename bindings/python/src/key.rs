//! Model keys.

use std::path::PathBuf;

use ciro_sdk::ModelKey;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;

/// What a verifier holds instead of the model.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Key(pub(crate) ModelKey);

#[pymethods]
impl Key {
    /// Decodes the bytes of a key file.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(ModelKey::from_bytes(data).map_err(Error::from)?))
    }

    /// Reads a key file.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(ModelKey::load(&path).map_err(Error::from)?))
    }

    /// Writes a key file, whole or not at all.
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn save(&self, path: PathBuf) -> PyResult<()> {
        Ok(self.0.save(&path).map_err(Error::from)?)
    }

    /// The bytes of a key file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// The identity of the key, in hexadecimal digits.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().to_string()
    }

    /// Name of the route.
    #[getter]
    fn route(&self) -> &'static str {
        self.0.route().name()
    }

    /// Name of the security parameters.
    #[getter]
    fn preset(&self) -> &'static str {
        self.0.preset().name()
    }

    /// Inferences in one proof.
    #[getter]
    fn batch(&self) -> u32 {
        self.0.batch()
    }

    /// Bits of security: conjectured, proven.
    #[getter]
    fn security(&self) -> (u32, u32) {
        let security = self.0.security();
        (security.whole_conjectured_bits(), security.whole_proven_bits())
    }

    /// Names and shapes of the inputs.
    #[getter]
    fn inputs(&self) -> Vec<(String, Vec<usize>)> {
        let inputs = self.0.interface().inputs.iter();
        inputs.map(|input| (input.name.clone(), input.shape.clone())).collect()
    }

    /// Names and shapes of the outputs.
    #[getter]
    fn outputs(&self) -> Vec<(String, Vec<usize>)> {
        let outputs = self.0.interface().outputs.iter();
        outputs.map(|output| (output.name.clone(), output.shape.clone())).collect()
    }
}
