//! Why a call has no answer.

use std::error::Error;

use ciro_sdk::inputs::InputError;
use ciro_sdk::{
    BundleError, ContextError, InputMismatch, InputStatementError, InvalidBlinding, KeyRingError,
    LoadBundleError, LoadKeyError, VerifyError, advice, failed_check,
};
use serde::Serialize;

use crate::advice::spell;
use crate::ask::Room;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("no {} is given", .0.name())]
    Missing(Room),
    #[error("the {} has more than {} bytes", .0.name(), .0.limit())]
    TooLong(Room),
    #[error("bad options")]
    Asked(#[from] serde_json::Error),
    #[error(transparent)]
    Context(#[from] ContextError),
    #[error(transparent)]
    Blinding(#[from] InvalidBlinding),
    #[error(transparent)]
    Bundle(#[from] LoadBundleError),
    #[error(transparent)]
    Key(#[from] LoadKeyError),
    #[error(transparent)]
    Verify(#[from] VerifyError),
    #[error(transparent)]
    Mismatch(#[from] InputMismatch),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Statement(#[from] InputStatementError),
    #[error("{0}")]
    Entry(String),
    #[cfg(feature = "receipts")]
    #[error(transparent)]
    Receipt(#[from] crate::receipt::ReceiptFailure),
}

/// A failure as the host reads it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// What the failure is about, in one word.
    code: &'static str,
    /// The check that the proof fails, in the word of the command line and of Python.
    check: Option<&'static str>,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl From<BundleError> for Failure {
    fn from(error: BundleError) -> Self {
        Self::Bundle(error.into())
    }
}

impl From<KeyRingError> for Failure {
    fn from(error: KeyRingError) -> Self {
        Self::Key(error.into())
    }
}

impl Failure {
    /// The library's error, whose place in a chain a transparent one takes.
    fn inner(&self) -> &(dyn Error + 'static) {
        match self {
            Self::Bundle(error) => error,
            Self::Key(error) => error,
            Self::Verify(error) => error,
            Self::Mismatch(error) => error,
            Self::Input(error) => error,
            Self::Statement(error) => error,
            #[cfg(feature = "receipts")]
            Self::Receipt(error) => error.inner(),
            other => other,
        }
    }

    pub(crate) fn report(&self) -> Report {
        let inner = self.inner();
        let check = match self {
            // As a file of that length is.
            Self::TooLong(Room::Proof) => Some(ciro_sdk::Check::Format),
            _ => failed_check(inner),
        };
        let causes = std::iter::successors(inner.source(), |&error| error.source());
        Report {
            code: if check.is_some() { "invalid_proof" } else { self.code() },
            check: check.map(ciro_sdk::Check::name),
            message: inner.to_string(),
            causes: causes.map(ToString::to_string).collect(),
            hint: advice(inner).map(|advice| spell(&advice)),
        }
    }

    /// What it is about, where no check of a proof says so.
    fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) | Self::Asked(_) | Self::Context(_) | Self::Blinding(_) => "argument",
            Self::TooLong(Room::Asked) => "argument",
            Self::TooLong(room) => room.name(),
            Self::Bundle(_) | Self::Verify(_) => "invalid_proof",
            Self::Key(_) | Self::Entry(_) => "key",
            Self::Mismatch(_) | Self::Input(_) | Self::Statement(_) => "input",
            #[cfg(feature = "receipts")]
            Self::Receipt(error) => error.code(),
        }
    }
}
