//! What every command works with, and how it ends.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use serde::Serialize;

use crate::advice;
use crate::ui::{Ui, causes};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It did what it was asked.
    Done,
    /// It said why it could not.
    Failed,
    /// The proof is invalid.
    Invalid,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::SUCCESS,
            Status::Failed => Self::from(1),
            Status::Invalid => Self::from(3),
        }
    }
}

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    /// The memory that work may be expected to take; `None` for what the machine has free.
    pub(crate) max_memory: Option<u64>,
}

/// An error of the command itself, with what to do about it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    message: String,
    hint: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// An error as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl ErrorReport {
    pub(crate) fn new(error: &anyhow::Error) -> Self {
        Self { error: error.to_string(), causes: causes(error), hint: hint(error) }
    }
}

/// What to do about an error: its own advice, or that of its causes.
fn hint(error: &anyhow::Error) -> Option<String> {
    let failure = error.chain().find_map(|error| error.downcast_ref::<Failure>());
    let advised = || ciro_sdk::advice(error.as_ref()).map(|advice| advice::spell(&advice));
    failure.map(|failure| failure.hint.clone()).or_else(advised)
}
