//! Programs that are no models, their keys and proofs.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;

use ciro_sdk::program::{
    self, ArgumentsError, Executable, Felt, LoadExecutableError, LoadProgramKeyError,
    LoadProgramProofError, ProgramProofError, RunProgramError, VerifyProgramError, parse_arguments,
};
use ciro_sdk::{FileError, Policy};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::job;

/// A proof, what the program printed in hexadecimal digits, its steps, and milliseconds.
type ProvenRun = (ProgramProof, Vec<String>, u64, f64);

/// A Cairo program.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct Program(Arc<Executable>);

#[pymethods]
impl Program {
    /// Decodes the bytes of an executable.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(Arc::new(
            Executable::from_bytes(data).map_err(Failure::from).map_err(Error::from)?,
        )))
    }

    /// Reads the file of an executable.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(Executable::load(&path).map_err(Failure::from).map_err(Error::from)?)))
    }

    /// What verifiers hold of it.
    #[getter]
    fn key(&self) -> ProgramKey {
        ProgramKey(self.0.key().clone())
    }

    /// Runs it on felts, in so many bytes of memory; what it prints, and its steps.
    #[pyo3(signature = (arguments, max_memory=None))]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn run(
        &self,
        py: Python<'_>,
        arguments: Vec<String>,
        max_memory: Option<u64>,
    ) -> PyResult<(Vec<String>, u64)> {
        let arguments = parse_arguments(&arguments).map_err(Failure::from).map_err(Error::from)?;
        let program = Arc::clone(&self.0);
        let run = job::run(py, None, move || {
            Ok(program.run(&arguments, max_memory).map_err(Failure::from)?)
        })?;
        Ok((digits(&run.output), run.steps))
    }

    /// Runs it on felts, in so many bytes of memory, and proves what it prints.
    #[pyo3(signature = (arguments, max_memory=None))]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn prove(
        &self,
        py: Python<'_>,
        arguments: Vec<String>,
        max_memory: Option<u64>,
    ) -> PyResult<ProvenRun> {
        let arguments = parse_arguments(&arguments).map_err(Failure::from).map_err(Error::from)?;
        let program = Arc::clone(&self.0);
        let proven = job::run(py, None, move || {
            Ok(program.prove(&arguments, max_memory).map_err(Failure::from)?)
        })?;
        let proof = ProgramProof(Arc::new(proven.proof));
        Ok((proof, digits(&proven.output), proven.steps, proven.prove_ms))
    }
}

/// What a verifier holds of a program.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct ProgramKey(program::ProgramKey);

#[pymethods]
impl ProgramKey {
    /// Decodes the bytes of a key file.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(program::ProgramKey::from_bytes(data).map_err(Failure::from).map_err(Error::from)?))
    }

    /// Reads a key file.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(program::ProgramKey::load(&path).map_err(Failure::from).map_err(Error::from)?))
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

    /// Its identity, in hexadecimal digits.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().to_string()
    }

    /// The hash of the program, in hexadecimal digits.
    #[getter]
    fn program_hash(&self) -> String {
        self.0.program_hash().to_string()
    }

    /// Names of the builtins that the program takes.
    #[getter]
    fn builtins(&self) -> Vec<&'static str> {
        self.0.builtins()
    }

    /// Bits of security of proofs: conjectured, proven.
    #[getter]
    fn security(&self) -> (u32, u32) {
        let security = self.0.security();
        (security.whole_conjectured_bits(), security.whole_proven_bits())
    }
}

/// A proof that a program printed an output.
#[pyclass(frozen, module = "ciro._ciro")]
#[derive(Debug)]
pub(crate) struct ProgramProof(Arc<program::ProgramProof>);

#[pymethods]
impl ProgramProof {
    /// Decodes the bytes of a file.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        Ok(Self(Arc::new(
            program::ProgramProof::from_bytes(data).map_err(Failure::from).map_err(Error::from)?,
        )))
    }

    /// Reads a file.
    #[staticmethod]
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn load(path: PathBuf) -> PyResult<Self> {
        Ok(Self(Arc::new(
            program::ProgramProof::load(&path).map_err(Failure::from).map_err(Error::from)?,
        )))
    }

    /// Writes a file, whole or not at all.
    #[expect(clippy::needless_pass_by_value, reason = "arguments from Python are owned")]
    fn save(&self, path: PathBuf) -> PyResult<()> {
        Ok(self.0.save(&path).map_err(Error::from)?)
    }

    /// The bytes of a file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// The identity of the key that the proof names, in hexadecimal digits.
    #[getter]
    fn key(&self) -> String {
        self.0.key.to_string()
    }
}

/// Verifies a proof against the key of a program; what it printed, in hexadecimal digits.
///
/// `min_security` are the bits that are asked for: conjectured, proven.
#[pyfunction]
pub(crate) fn verify_program(
    py: Python<'_>,
    proof: &ProgramProof,
    key: &ProgramKey,
    min_security: (u32, u32),
) -> PyResult<Vec<String>> {
    let (proof, key) = (Arc::clone(&proof.0), key.0.clone());
    let (min_security_bits, min_proven_bits) = min_security;
    let policy = Policy { min_security_bits, min_proven_bits };
    let verified = job::run(py, None, move || {
        Ok(program::verify_program(&proof, &key, &policy).map_err(Failure::from)?)
    })?;
    Ok(digits(&verified.output))
}

fn digits(felts: &[Felt]) -> Vec<String> {
    felts.iter().map(|felt| format!("{felt:#x}")).collect()
}

/// Why a call about programs fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    #[error(transparent)]
    Executable(#[from] LoadExecutableError),
    #[error(transparent)]
    Key(#[from] LoadProgramKeyError),
    #[error(transparent)]
    Proof(#[from] LoadProgramProofError),
    #[error(transparent)]
    Run(#[from] RunProgramError),
    #[error(transparent)]
    Verify(#[from] VerifyProgramError),
}

/// Which exception a failure is, unless it is that of a proof.
#[derive(Debug)]
pub(crate) enum Kind<'e> {
    File(&'e FileError),
    Value,
    Memory,
    Other,
}

impl From<ProgramProofError> for Failure {
    fn from(error: ProgramProofError) -> Self {
        Self::Proof(error.into())
    }
}

impl Failure {
    /// The library's error, which says what to do.
    pub(crate) fn inner(&self) -> &(dyn StdError + 'static) {
        match self {
            Self::Arguments(error) => error,
            Self::Executable(error) => error,
            Self::Key(error) => error,
            Self::Proof(error) => error,
            Self::Run(error) => error,
            Self::Verify(error) => error,
        }
    }

    pub(crate) fn kind(&self) -> Kind<'_> {
        match self {
            Self::Arguments(ArgumentsError::File(error))
            | Self::Executable(LoadExecutableError::File(error))
            | Self::Key(LoadProgramKeyError::File(error))
            | Self::Proof(LoadProgramProofError::File(error)) => Kind::File(error),
            Self::Arguments(_) => Kind::Value,
            Self::Run(RunProgramError::Memory(_)) => Kind::Memory,
            _ => Kind::Other,
        }
    }
}
