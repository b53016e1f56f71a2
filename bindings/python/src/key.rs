//! Key files.

use std::path::PathBuf;

use ciro_sdk::KeyRing;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::proof::Proof;

/// Digest, route, preset, batch, bits of security (conjectured, proven), and whether proofs hide.
type Entry = (String, &'static str, &'static str, u32, (u32, u32), bool);

/// What a verifier holds instead of the model: keys, one for each kind of proof.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Key(pub(crate) KeyRing);

#[pymethods]
impl Key {
    /// Decodes the bytes of a key file.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(KeyRing::from_bytes(data).map_err(Error::from)?))
    }

    /// Reads a key file.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(KeyRing::load(&path).map_err(Error::from)?))
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

    /// The keys of this one and of another of the same model.
    fn joined(&self, other: &Self) -> PyResult<Self> {
        Ok(Self(self.0.clone().with(other.0.clone()).map_err(Error::Ring)?))
    }

    /// The key for such proofs alone.
    fn select(&self, proof: &Proof) -> PyResult<Self> {
        let key = self.0.find(&proof.0).map_err(Error::from)?.clone();
        Ok(Self(KeyRing::new([key]).map_err(Error::Ring)?))
    }

    /// For every entry its digest, route, preset, batch, bits of security (conjectured, proven),
    /// and whether proofs hide.
    #[getter]
    fn entries(&self) -> Vec<Entry> {
        let entry = |key: &ciro_sdk::Key| {
            let security = key.security();
            let bits = (security.whole_conjectured_bits(), security.whole_proven_bits());
            let (route, preset) = (key.route().name(), key.preset().name());
            let hides = key.secrecy().hides();
            (key.digest().to_string(), route, preset, key.batch(), bits, hides)
        };
        self.0.keys().map(entry).collect()
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

/// The only key of a ring, which is asked for since `why`.
///
/// # Errors
/// [`Error::Argument`] if there are several.
pub(crate) fn only<'k>(keys: &'k KeyRing, why: &str) -> Result<&'k ciro_sdk::Key, Error> {
    let mut all = keys.keys();
    match (all.next(), all.next()) {
        (Some(key), None) => Ok(key),
        _ => Err(Error::Argument(format!("{why}: pass a key with one entry"))),
    }
}
