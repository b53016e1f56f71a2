//! Can a model be proven, and at what cost.

use std::path::Path;

use ciro_compiler::float::Graph;
use ciro_compiler::import::{ImportError, Reason, Settings, Weights, import_bytes, import_file};

use super::compile::{self, CompileError, CompileSettings};
use super::concern::Concern;
use super::model::Model;
use crate::routes::{CostEstimate, ProveError, ProveSettings, RefusedNode, backend};

/// What stands between a model and its proof, and what the proof costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Everything that cannot be proven; empty if the model is supported.
    pub refused: Vec<RefusedNode>,
    /// The cost of a proof, if the model is supported.
    pub estimate: Option<CostEstimate>,
    /// What the user should know before relying on the model, if it could be quantized; not that
    /// its ranges are guessed, which is no news to whoever asks what can be proven.
    pub concerns: Vec<Concern>,
}

impl Report {
    /// The report of what is refused alone.
    pub fn refused(refused: Vec<RefusedNode>) -> Self {
        Self { refused, estimate: None, concerns: Vec::new() }
    }
}

impl CostEstimate {
    /// Predicts the cost of proving a model.
    ///
    /// # Errors
    /// [`ProveError`] if the model cannot be proven on this route.
    pub fn of(model: &Model, settings: &ProveSettings) -> Result<Self, ProveError> {
        backend(settings.route)?.estimate(model.integer(), settings)
    }
}

/// Checks an ONNX file, without proving anything.
pub(super) fn check_onnx(
    path: &Path,
    settings: &CompileSettings,
    prove: &ProveSettings,
) -> Result<Report, CompileError> {
    report(|| Ok(import_file(path, &settings.import)?), settings, prove)
}

/// Checks the bytes of an ONNX file without external weights.
pub(super) fn check_onnx_bytes(
    bytes: &[u8],
    settings: &CompileSettings,
    prove: &ProveSettings,
) -> Result<Report, CompileError> {
    report(|| Ok(import_bytes(bytes, &settings.import)?), settings, prove)
}

/// What an ONNX file has that has no meaning here, without its weights: neither ranges nor the cost
/// of a proof are asked for.
pub(super) fn refusals_onnx(
    path: &Path,
    settings: &Settings,
) -> Result<Vec<RefusedNode>, CompileError> {
    let import = |weights| import_file(path, &Settings { weights, ..settings.clone() }).map(drop);
    refused_by(match import(Weights::Skipped) {
        Err(error) if asks_for_weights(&error) => import(Weights::Read),
        imported => imported,
    })
}

/// What the bytes of an ONNX file without external weights have that has no meaning here.
pub(super) fn refusals_onnx_bytes(
    bytes: &[u8],
    settings: &Settings,
) -> Result<Vec<RefusedNode>, CompileError> {
    refused_by(import_bytes(bytes, settings).map(drop))
}

fn refused_by(imported: Result<(), ImportError>) -> Result<Vec<RefusedNode>, CompileError> {
    let Err(error) = imported else { return Ok(Vec::new()) };
    let error = CompileError::from(error);
    error.refused().ok_or(error)
}

/// Whether something was refused that weights may have a part in.
fn asks_for_weights(error: &ImportError) -> bool {
    let weighs = |reason: &Reason| {
        !matches!(
            reason,
            Reason::Unsupported(_) | Reason::UnknownOperator | Reason::UnknownDomain(_)
        )
    };
    matches!(error, ImportError::Refused(refused) if refused.iter().any(|r| weighs(&r.reason)))
}

fn report(
    import: impl FnOnce() -> Result<Graph, CompileError>,
    settings: &CompileSettings,
    prove: &ProveSettings,
) -> Result<Report, CompileError> {
    let checked = || -> Result<Report, CompileError> {
        let (integer, accuracy) = compile::measured(&import()?, settings)?;
        let report = check_model(&Model::from(integer), prove);
        Ok(Report { concerns: without_guesses(Model::concerns_of(&accuracy)), ..report })
    };
    checked().or_else(|error| match error.refused() {
        Some(refused) => Ok(Report::refused(refused)),
        None => Err(error),
    })
}

/// Checks a compiled model.
pub fn check_model(model: &Model, prove: &ProveSettings) -> Report {
    match CostEstimate::of(model, prove) {
        Ok(estimate) => Report {
            refused: Vec::new(),
            estimate: Some(estimate),
            concerns: without_guesses(model.concerns()),
        },
        Err(error) => Report::refused(refusals(error)),
    }
}

fn without_guesses(mut concerns: Vec<Concern>) -> Vec<Concern> {
    concerns.retain(|concern| *concern != Concern::Guessed);
    concerns
}

/// What stands in the way.
fn refusals(error: ProveError) -> Vec<RefusedNode> {
    if let ProveError::Refused { refused, .. } = error {
        return refused;
    }
    let advice = error.advice();
    let (node, op, reason) = ("model".to_owned(), String::new(), crate::error_chain(&error));
    vec![RefusedNode { node, op, reason, advice }]
}
