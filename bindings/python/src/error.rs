//! Every error of the library as a Python exception.
//!
//! | what failed | exception |
//! |---|---|
//! | the operating system | the subclass of `OSError` that Python itself would raise |
//! | an argument: arrays, shapes, settings, names | `ValueError` |
//! | a model that has no proof | `ciro.UnsupportedModelError`, with what is refused |
//! | a proof that does not convince | `ciro.InvalidProofError`, with the check that failed |
//! | a proof that would not fit into memory | `MemoryError` |
//! | the connection to a node | `ConnectionError`, `TimeoutError` |
//! | what a network or Starknet refuses | `ciro.NetworkError`, with its code |
//! | anything else | `ciro.CiroError` |

use std::error::Error as StdError;
use std::io;
use std::path::Path;

use ciro_protocol::amount::AmountError;
use ciro_sdk::client::{CertificateError, ClientError, HomeError, KeystoreError, SessionError};
use ciro_sdk::import::ImportError;
use ciro_sdk::inputs::InputError;
use ciro_sdk::integer::ModelFileError;
use ciro_sdk::network;
use ciro_sdk::quantize::{QuantizeError, SampleError};
use ciro_sdk::starknet::{KeyFileError, SettingsError, StarknetError};
use ciro_sdk::{
    CalldataError, CompileError, ContextError, FileError, InputMismatch, InputRefusal,
    InputStatementError, InvalidBlinding, KeyRingError, LoadBundleError, LoadKeyError,
    LoadModelError, MakeKeysError, OpenError, ProveError, RecomputeError, RefusedNode,
    UnknownPreset, UnknownRoute, VerifyError, error_chain, failed_check, printable_message,
};
use pyo3::exceptions::{
    PyConnectionError, PyFileExistsError, PyMemoryError, PyOSError, PyTimeoutError, PyValueError,
};
use pyo3::prelude::*;

use crate::advice;

/// The exceptions that the package defines.
mod exceptions {
    pyo3::import_exception!(ciro.errors, CiroError);
    pyo3::import_exception!(ciro.errors, InvalidProofError);
    pyo3::import_exception!(ciro.errors, NetworkError);
    pyo3::import_exception!(ciro.errors, UnsupportedModelError);
}

/// Node, operator, reason, hint.
pub(crate) type Refused = (String, String, String, Option<String>);

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// An argument that is not what it should be.
    #[error("{0}")]
    Argument(String),
    #[error(transparent)]
    Blinding(#[from] InvalidBlinding),
    #[error(transparent)]
    Bundle(#[from] LoadBundleError),
    #[error(transparent)]
    Calldata(CalldataError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Compile(Box<CompileError>),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    InputRefusal(#[from] InputRefusal),
    #[error(transparent)]
    InputStatement(#[from] InputStatementError),
    #[error(transparent)]
    Key(#[from] LoadKeyError),
    #[error(transparent)]
    Mismatch(#[from] InputMismatch),
    #[error(transparent)]
    Model(#[from] LoadModelError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Preset(#[from] UnknownPreset),
    #[cfg(feature = "cairo")]
    #[error(transparent)]
    Program(#[from] crate::program::Failure),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
    /// Keys that make no ring: the caller's arguments.
    #[error(transparent)]
    Ring(KeyRingError),
    #[error(transparent)]
    Route(#[from] UnknownRoute),
    #[error(transparent)]
    Session(Box<SessionError>),
    #[error(transparent)]
    Settings(Box<SettingsError>),
    #[error(transparent)]
    Starknet(Box<StarknetError>),
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl From<CompileError> for Error {
    fn from(error: CompileError) -> Self {
        Self::Compile(Box::new(error))
    }
}

impl From<SessionError> for Error {
    fn from(error: SessionError) -> Self {
        Self::Session(Box::new(error))
    }
}

impl From<CalldataError> for Error {
    fn from(error: CalldataError) -> Self {
        match error {
            CalldataError::Verify(error) => Self::Verify(error),
            other => Self::Calldata(other),
        }
    }
}

impl From<SettingsError> for Error {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::File(network::SettingsError::File(error)) => Self::File(error),
            SettingsError::Home(error) => SessionError::from(error).into(),
            other => Self::Settings(Box::new(other)),
        }
    }
}

impl From<StarknetError> for Error {
    fn from(error: StarknetError) -> Self {
        match error {
            StarknetError::Settings(error) => error.into(),
            StarknetError::Key(
                KeyFileError::File(error) | KeyFileError::Passphrase(KeystoreError::File(error)),
            ) => Self::File(error),
            other => Self::Starknet(Box::new(other)),
        }
    }
}

impl Error {
    /// The library's error, which says what to do.
    fn inner(&self) -> &(dyn StdError + 'static) {
        match self {
            Self::Amount(error) => error,
            Self::Argument(_) => self,
            Self::Blinding(error) => error,
            Self::Bundle(error) => error,
            Self::Calldata(error) => error,
            Self::Certificate(error) => error,
            Self::Client(error) => error,
            Self::Compile(error) => &**error,
            Self::Context(error) => error,
            Self::File(error) => error,
            Self::Input(error) => error,
            Self::InputRefusal(error) => error,
            Self::InputStatement(error) => error,
            Self::Key(error) => error,
            Self::Mismatch(error) => error,
            Self::Model(error) => error,
            Self::Open(error) => error,
            Self::Preset(error) => error,
            #[cfg(feature = "cairo")]
            Self::Program(error) => error.inner(),
            Self::Prove(error) => error,
            Self::Recompute(error) => error,
            Self::Ring(error) => error,
            Self::Route(error) => error,
            Self::Session(error) => &**error,
            Self::Settings(error) => &**error,
            Self::Starknet(error) => &**error,
            Self::Verify(error) => error,
        }
    }
}

impl From<ModelFileError> for Error {
    fn from(error: ModelFileError) -> Self {
        Self::Model(error.into())
    }
}

impl From<KeyRingError> for Error {
    /// Bytes that are no key file.
    fn from(error: KeyRingError) -> Self {
        Self::Key(error.into())
    }
}

impl From<MakeKeysError> for Error {
    fn from(error: MakeKeysError) -> Self {
        match error {
            MakeKeysError::Prove(error) => Self::Prove(error),
            MakeKeysError::Ring(error) => Self::Ring(error),
        }
    }
}

impl From<ciro_sdk::BundleError> for Error {
    fn from(error: ciro_sdk::BundleError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        let inner = error.inner();
        let text = chain(inner);
        let hint = ciro_sdk::advice(inner).map(|advice| advice::spell(&advice));
        if let Some(check) = failed_check(inner) {
            return invalid(text, check.name(), hint);
        }
        match error {
            Error::Bundle(LoadBundleError::File(error))
            | Error::Key(LoadKeyError::File(error))
            | Error::File(error) => file(&error, text),
            Error::Open(error) => open(error, text, hint),
            Error::Compile(error) => compile(&error, text, hint),
            Error::Input(error) => input(&error, text, hint),
            Error::Model(error) => model(&error, text, hint),
            Error::InputRefusal(_) | Error::InputStatement(_) => value(text, hint),
            Error::Calldata(CalldataError::Refused(_)) => failed(text, hint),
            Error::Calldata(_) => value(text, hint),
            Error::Certificate(_) => invalid(text, "receipt", hint),
            Error::Client(error) => client(&error, text, hint),
            Error::Session(error) => session(*error, text, hint),
            Error::Starknet(error) => starknet(&error, text, hint),
            #[cfg(feature = "cairo")]
            Error::Program(error) => program(&error, text, hint),
            Error::Amount(_)
            | Error::Argument(_)
            | Error::Mismatch(_)
            | Error::Blinding(_)
            | Error::Context(_)
            | Error::Preset(_)
            | Error::Ring(_)
            | Error::Route(_)
            | Error::Settings(_) => PyValueError::new_err(text),
            Error::Prove(error) => prove(error, text, hint),
            Error::Bundle(_) | Error::Key(_) | Error::Recompute(_) | Error::Verify(_) => {
                failed(text, hint)
            }
        }
    }
}

fn open(error: OpenError, text: String, hint: Option<String>) -> PyErr {
    match error {
        OpenError::Compile { source, .. } => compile(&source, chain(&*source), hint),
        OpenError::Calibration { source, .. } => input(&source, chain(&source), hint),
        OpenError::Model { source, .. } => model(&source, chain(&source), hint),
        OpenError::IsCompiled(_) => value(text, hint),
        _ => failed(text, hint),
    }
}

fn model(error: &LoadModelError, text: String, hint: Option<String>) -> PyErr {
    match error {
        LoadModelError::File(error) => file(error, text),
        _ => failed(text, hint),
    }
}

fn compile(error: &CompileError, text: String, hint: Option<String>) -> PyErr {
    if let Some(refused) = error.refused() {
        return unsupported(text, refused);
    }
    match error {
        CompileError::File(error) => file(error, text),
        CompileError::Import(error) => import(error, text, hint),
        CompileError::Calibration(error) => input(error, text, hint),
        CompileError::Sample(SampleError::Eval { .. })
        | CompileError::Quantize(QuantizeError::Setting(_)) => PyValueError::new_err(text),
        _ => failed(text, hint),
    }
}

fn import(error: &ImportError, text: String, hint: Option<String>) -> PyErr {
    match error {
        ImportError::Read { path, source } => os(path, source),
        ImportError::UnknownShapes(_) => value(text, hint),
        ImportError::FileTooLarge { .. }
        | ImportError::UnknownName { .. }
        | ImportError::ShapeConflict { .. } => PyValueError::new_err(text),
        _ => failed(text, hint),
    }
}

fn input(error: &InputError, text: String, hint: Option<String>) -> PyErr {
    match error {
        InputError::File(error) => file(error, text),
        _ => value(text, hint),
    }
}

fn session(error: SessionError, text: String, hint: Option<String>) -> PyErr {
    match error {
        SessionError::Client(error) => client(&error, text, hint),
        SessionError::Home(HomeError::File(error)) => file(&error, text),
        _ => failed(text, hint),
    }
}

fn client(error: &ClientError, text: String, hint: Option<String>) -> PyErr {
    let code = match error {
        ClientError::Transport { .. } => return PyConnectionError::new_err(hinted(text, hint)),
        ClientError::Silent { .. } | ClientError::TimedOut { .. } => {
            return PyTimeoutError::new_err(hinted(text, hint));
        }
        ClientError::Url(_)
        | ClientError::TooLong { .. }
        | ClientError::Text { .. }
        | ClientError::Keys { .. } => return value(text, hint),
        ClientError::Result { .. } => return invalid(text, "result", hint),
        ClientError::Receipt { .. } => return invalid(text, "receipt", hint),
        ClientError::Problem(problem) => problem.code.clone(),
        ClientError::Refused { refusal, .. } => refusal.name().to_owned(),
        ClientError::Refunded { .. } => "refunded".to_owned(),
        ClientError::Expired(_) => "expired".to_owned(),
        ClientError::NotThere { .. } => "not_found".to_owned(),
        ClientError::Airdrop(_) => "no_share".to_owned(),
        ClientError::NoModel(_) => "model_unknown".to_owned(),
        ClientError::Restricted(_) => "model_restricted".to_owned(),
        ClientError::OtherChain { .. } => "wrong_chain".to_owned(),
        _ => "answer".to_owned(),
    };
    refused(text, hint, code)
}

fn starknet(error: &StarknetError, text: String, hint: Option<String>) -> PyErr {
    let code = match error {
        StarknetError::Node { .. } => return PyConnectionError::new_err(hinted(text, hint)),
        StarknetError::Pending { .. } => return PyTimeoutError::new_err(hinted(text, hint)),
        StarknetError::NoAccount | StarknetError::Unnamed(_) | StarknetError::Uri(_) => {
            return value(text, hint);
        }
        StarknetError::Key(_) | StarknetError::Unmade(_) => return failed(text, hint),
        StarknetError::Balance(_) => "fee_unaffordable",
        StarknetError::Chain { .. } => "wrong_chain",
        StarknetError::Fee { .. } => "fee_above_max",
        StarknetError::NoContract { .. } => "not_found",
        StarknetError::OtherClass { .. } => "other_class",
        StarknetError::Overtaken => "overtaken",
        StarknetError::Reverted { .. } => "reverted",
        StarknetError::WouldFail(_) => "would_fail",
        _ => "answer",
    };
    refused(text, hint, code.to_owned())
}

#[cfg(feature = "cairo")]
fn program(error: &crate::program::Failure, text: String, hint: Option<String>) -> PyErr {
    use crate::program::Kind;

    match error.kind() {
        Kind::File(error) => file(error, text),
        Kind::Value => value(text, hint),
        Kind::Memory => PyMemoryError::new_err(hinted(text, hint)),
        Kind::Other => failed(text, hint),
    }
}

fn prove(error: ProveError, text: String, hint: Option<String>) -> PyErr {
    match error {
        ProveError::Refused { refused, .. } => unsupported(text, refused),
        ProveError::Memory(_) => PyMemoryError::new_err(hinted(text, hint)),
        ProveError::Sample { .. }
        | ProveError::Batch { .. }
        | ProveError::TooMany { .. }
        | ProveError::Preset { .. }
        | ProveError::CommitOutput(_)
        | ProveError::HidingRoute(_)
        | ProveError::HidingPreset(_)
        | ProveError::Visibility(_)
        | ProveError::Blinding { .. } => value(text, hint),
        _ => failed(text, hint),
    }
}

fn file(error: &FileError, text: String) -> PyErr {
    match error {
        FileError::Read { path, source } | FileError::Write { path, source } => os(path, source),
        FileError::NotEmpty { path } => {
            // The number of "file exists", on every system that Python knows.
            const EEXIST: i32 = 17;
            PyFileExistsError::new_err((EEXIST, "not an empty folder", path.clone()))
        }
        _ => PyValueError::new_err(text),
    }
}

/// The exception that Python's own functions would raise: `OSError(errno, text, path)` picks the
/// subclass.
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

fn value(text: String, hint: Option<String>) -> PyErr {
    PyValueError::new_err(hinted(text, hint))
}

/// For exceptions of Python itself, which have no place for advice of their own.
fn hinted(text: String, hint: Option<String>) -> String {
    match hint {
        Some(hint) => format!("{text}\nhint: {}", printable_message(&hint)),
        None => text,
    }
}

fn failed(text: String, hint: Option<String>) -> PyErr {
    exceptions::CiroError::new_err((text, hint.as_deref().map(printable_message)))
}

fn refused(text: String, hint: Option<String>, code: String) -> PyErr {
    let hint = hint.as_deref().map(printable_message);
    exceptions::NetworkError::new_err((text, hint, code))
}

fn invalid(text: String, check: &'static str, hint: Option<String>) -> PyErr {
    let hint = hint.as_deref().map(printable_message);
    exceptions::InvalidProofError::new_err((text, hint, check))
}

fn unsupported(text: String, refused: Vec<RefusedNode>) -> PyErr {
    let refused: Vec<Refused> = refused.into_iter().map(reported).collect();
    exceptions::UnsupportedModelError::new_err((text, refused))
}

/// A refusal as Python takes it.
pub(crate) fn reported(refusal: RefusedNode) -> Refused {
    let RefusedNode { node, op, reason, advice } = refusal;
    (node, op, reason, advice.as_ref().map(advice::spell))
}

/// An error and its causes in one line.
fn chain(error: &(dyn StdError + 'static)) -> String {
    // Names from models, keys and proofs are in it, and tracebacks go to terminals.
    printable_message(&error_chain(error))
}
