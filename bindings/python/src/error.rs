//! Every error of the library as a Python exception.
//!
//! | what failed | exception |
//! |---|---|
//! | the operating system | the subclass of `OSError` that Python itself would raise |
//! | an argument: arrays, shapes, settings, names | `ValueError` |
//! | a model that has no proof | `ciro.UnsupportedModelError`, with what is refused |
//! | a proof that does not convince | `ciro.InvalidProofError`, with the check that failed |
//! | a proof that would not fit into memory | `MemoryError` |
//! | anything else | `ciro.CiroError` |

mod check;

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use ciro_sdk::import::ImportError;
use ciro_sdk::inputs::InputError;
use ciro_sdk::integer::FileError as ModelFileError;
use ciro_sdk::quantize::{QuantizeError, SampleError};
use ciro_sdk::{
    CompileError, FileError, InputMismatch, InvalidBlinding, KeyError, LoadBundleError,
    LoadKeyError, ProveError, RecomputeError, Refusal, SampleMismatch, UnknownPreset, UnknownRoute,
    VerifyError, printable, printable_message,
};
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::prelude::*;

pub(crate) use check::{Refused, reported};

/// The exceptions that the package defines.
mod exceptions {
    pyo3::import_exception!(ciro.errors, CiroError);
    pyo3::import_exception!(ciro.errors, InvalidProofError);
    pyo3::import_exception!(ciro.errors, UnsupportedModelError);
}

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Blinding(#[from] InvalidBlinding),
    #[error(transparent)]
    Bundle(#[from] LoadBundleError),
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Key(#[from] LoadKeyError),
    #[error(transparent)]
    Mismatch(#[from] InputMismatch),
    #[error(transparent)]
    ModelFile(#[from] ModelFileError),
    #[error(transparent)]
    Preset(UnknownPreset),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    #[error(transparent)]
    Route(UnknownRoute),
    #[error(transparent)]
    Sample(#[from] SampleMismatch),
    #[error("the model cannot be proven")]
    Unprovable {
        #[source]
        source: Box<ProveError>,
        refused: Vec<Refusal>,
    },
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Self::Key(error.into())
    }
}

impl From<ciro_sdk::DecodeError> for Error {
    fn from(error: ciro_sdk::DecodeError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let text = chain(&error);
        match error {
            Error::Bundle(LoadBundleError::File(FileError::TooLarge { .. })) => {
                invalid(text, "format", None)
            }
            Error::Bundle(LoadBundleError::File(error)) | Error::File(error) => file(&error, text),
            Error::Key(LoadKeyError::File(error)) => file(&error, text),
            Error::Bundle(_) => invalid(text, "format", None),
            Error::Compile(error) => compile(&error, text),
            Error::Input(error) => input(&error, text),
            Error::Key(_) => failed(text, Some("make a key from the model: `model.key`")),
            Error::Sample(_) => PyValueError::new_err(text),
            Error::Mismatch(error) => mismatch(error.reason(), text),
            Error::Recompute(_) => {
                let hint = "report it: a proof verified that should not exist";
                invalid(text, "model_output", Some(hint))
            }
            Error::ModelFile(ModelFileError::Io { path, source, .. }) => os(&path, &source),
            Error::ModelFile(_) => failed(text, Some("compile the model again: `ciro.compile`")),
            Error::Blinding(_) | Error::Preset(_) | Error::Route(_) => PyValueError::new_err(text),
            Error::Prove(error) => prove(&error, text),
            Error::Unprovable { refused, .. } => {
                unsupported(text, refused.into_iter().map(reported).collect())
            }
            Error::Verify(error) => invalid(text, check::name(&error), check::hint(&error)),
        }
    }
}

fn mismatch(error: &InputMismatch, text: String) -> PyErr {
    match error {
        InputMismatch::NotTaken(_) => PyValueError::new_err(text),
        InputMismatch::Committed => {
            let hint = "open the commitment with `blinding`, which the prover has";
            invalid(text, "inputs", Some(hint))
        }
        InputMismatch::Clamped { .. } => {
            let hint = "the model moves such values to the end of their range, so the proof is equally about others; `allow_clamped=True` accepts that";
            invalid(text, "clamped", Some(hint))
        }
        _ => invalid(text, "inputs", None),
    }
}

fn compile(error: &CompileError, text: String) -> PyErr {
    match error {
        CompileError::Cache(_) => failed(
            text,
            Some("delete the cache (`$CIRO_CACHE_DIR`), and find out who writes into it"),
        ),
        CompileError::Changed(_) => failed(text, Some("compile the model again: `ciro.compile`")),
        CompileError::File(error) => file(error, text),
        CompileError::Import(error) => import(error, text),
        CompileError::Calibration(error) => input(error, text),
        CompileError::Sample(SampleError::Eval { .. }) => PyValueError::new_err(text),
        CompileError::Quantize(QuantizeError::Setting(_)) => PyValueError::new_err(text),
        CompileError::Quantize(error) => match check::unquantizable(error) {
            Some(refused) => unsupported(text, vec![refused]),
            None => failed(text, error.hint()),
        },
        _ => failed(text, None),
    }
}

fn import(error: &ImportError, text: String) -> PyErr {
    match error {
        ImportError::Read { path, source } => os(path, source),
        ImportError::Refused(refused) => {
            unsupported(text, refused.iter().map(check::refused).collect())
        }
        ImportError::UnknownShapes(axes) => {
            let name = |axis: &ciro_sdk::import::UnknownAxis| match &axis.symbol {
                Some(symbol) => format!("shapes={{\"{symbol}\": VALUE}}"),
                None => format!("shapes={{\"{}\": (1, 3, 32, 32)}}, the whole shape", axis.input),
            };
            let advice = axes.first().map(name).unwrap_or_default();
            let advice = printable(&advice);
            PyValueError::new_err(format!("{text}\nhint: pass {advice}"))
        }
        ImportError::FileTooLarge { .. }
        | ImportError::UnknownName { .. }
        | ImportError::ShapeConflict { .. } => PyValueError::new_err(text),
        error => failed(text, error.hint().as_deref()),
    }
}

fn input(error: &InputError, text: String) -> PyErr {
    match error {
        InputError::File(error) => file(error, text),
        InputError::NonFiniteLiteral { .. } | InputError::NotFinite { .. } => {
            let hint = "replace missing values before the model, as was done for its training";
            PyValueError::new_err(format!("{text}\nhint: {hint}"))
        }
        _ => PyValueError::new_err(text),
    }
}

fn prove(error: &ProveError, text: String) -> PyErr {
    match error {
        ProveError::Memory { .. } => {
            let hint = "prove fewer samples at once, or raise `max_memory` if there is more";
            PyMemoryError::new_err(format!("{text}\nhint: {hint}"))
        }
        ProveError::Sample { .. }
        | ProveError::Batch(_)
        | ProveError::TooMany { .. }
        | ProveError::Preset(_)
        | ProveError::CommitInput => PyValueError::new_err(text),
        ProveError::Statement => invalid(text, "statement", None),
        ProveError::OtherRoute { found, .. } => {
            let hint = format!("ask for a proof of the other route, or pass `route=\"{found}\"`");
            invalid(text, "route", Some(&hint))
        }
        _ => failed(text, None),
    }
}

fn file(error: &FileError, text: String) -> PyErr {
    match error {
        FileError::Read { path, source } | FileError::Write { path, source } => os(path, source),
        _ => PyValueError::new_err(text),
    }
}

/// The exception that Python's own functions would raise: `OSError(errno, text, path)` picks the subclass.
fn os(path: &Path, error: &io::Error) -> PyErr {
    let Some(number) = error.raw_os_error() else {
        return io::Error::new(error.kind(), format!("{error}: `{}`", path.display())).into();
    };
    Python::attach(|py| {
        let os = py.import("os")?;
        let text = os.call_method1("strerror", (number,))?;
        py.get_type::<PyOSError>()
            .call1((number, text, path.as_os_str()))
            .map(|exception| PyErr::from_value(exception))
    })
    .unwrap_or_else(|error| error)
}

fn failed(text: String, hint: Option<&str>) -> PyErr {
    exceptions::CiroError::new_err((text, hint.map(printable_message)))
}

fn invalid(text: String, check: &'static str, hint: Option<&str>) -> PyErr {
    exceptions::InvalidProofError::new_err((text, hint.map(str::to_owned), check))
}

fn unsupported(text: String, refused: Vec<Refused>) -> PyErr {
    exceptions::UnsupportedModelError::new_err((text, refused))
}

/// An error and its causes in one line.
fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    // Names from models, keys and proofs are in it, and tracebacks go to terminals.
    printable_message(&text)
}
