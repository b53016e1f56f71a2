//! Can a model be proven, and at what cost.

use std::path::Path;
use std::sync::Arc;

use ciro_compiler::import::{self, ImportError};
use ciro_compiler::quantize::QuantizeError;
use ciro_stark::LayoutError;

#[cfg(feature = "cairo")]
use crate::cairo::{CairoProver, Work};
use crate::model::{self, CompileError, CompileSettings, Concern, Model};
use crate::prover::{ProveError, ProveSettings};
use crate::route::Route;
#[cfg(not(feature = "cairo"))]
use crate::route::RouteNotBuilt;

/// What stands between a model and its proof, and what the proof costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Everything that cannot be proven; empty if the model is supported.
    pub refused: Vec<Refusal>,
    /// The cost of a proof, if the model is supported.
    pub estimate: Option<Estimate>,
    /// What the user should know before relying on the model, if it could be quantized.
    pub concerns: Vec<Concern>,
}

impl Report {
    fn refused(refused: Vec<Refusal>) -> Self {
        Self { refused, estimate: None, concerns: Vec::new() }
    }
}

/// One node that cannot be proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name.
    pub node: String,
    /// Its operator.
    pub op: String,
    /// Why it is refused.
    pub reason: String,
    /// What to change, if there is advice.
    pub hint: Option<String>,
}

/// The predicted cost of a proof.
///
/// On the tensor route, the model is laid out and its columns are counted: see [`ciro_stark::Estimate`].
///
/// On the Cairo route, with `s` steps (the program is compiled and run to count them) and `w` words of committed weights:
///
/// | figure | formula |
/// |---|---|
/// | time | 3.5 s + s / 188 000 steps a second + 0.083 ms w |
/// | memory | 1.78 GB + 1.25 kB s + 30 kB w |
/// | proof | 900 kB, from 660 kB to 1.2 MB |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Committed cells, the model's own columns not counted; `None` on the Cairo route.
    pub cells: Option<u64>,
    /// Steps of the Cairo program; `None` on the tensor route.
    pub steps: Option<u64>,
    /// Milliseconds from input to proof.
    pub prove_ms: f64,
    /// Peak memory in bytes.
    pub memory_bytes: u64,
    /// Size of the proof in bytes.
    pub proof_bytes: u64,
    /// Bits of security of the proof, by the conjecture behind most deployed STARKs, rounded down.
    pub security_bits: u32,
    /// Bits of security that hold without a conjecture, rounded down.
    pub proven_security_bits: u32,
}

impl Estimate {
    /// Predicts the cost of proving a model.
    ///
    /// # Errors
    /// [`ProveError`] if the model cannot be proven on this route.
    pub fn of(model: &Model, settings: &ProveSettings) -> Result<Self, ProveError> {
        match settings.route {
            Route::Tensor => {
                let (preset, batch) = (settings.preset, settings.batch);
                let plan = ciro_stark::Plan::new(Arc::clone(model.integer()), preset, batch);
                let plan = plan.map_err(ProveError::Layout)?;
                Ok(Self::from_columns(plan.estimate()))
            }
            #[cfg(feature = "cairo")]
            Route::Cairo => Ok(Self::from_work(CairoProver::new(model, settings)?.work())),
            #[cfg(not(feature = "cairo"))]
            Route::Cairo => Err(RouteNotBuilt(Route::Cairo).into()),
        }
    }

    #[cfg(feature = "cairo")]
    #[expect(clippy::cast_precision_loss, reason = "a prediction is rounded")]
    fn from_work(work: Work) -> Self {
        let security = crate::cairo::security();
        Self {
            cells: None,
            steps: Some(work.steps),
            prove_ms: 3500.0 + work.steps as f64 / 188.0 + 0.083 * work.words as f64,
            memory_bytes: work.memory_bytes(),
            proof_bytes: 900_000,
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a prediction is rounded, and never negative"
    )]
    pub(crate) fn from_columns(estimate: ciro_stark::Estimate) -> Self {
        Self {
            cells: Some(estimate.cells),
            steps: None,
            prove_ms: estimate.prove_ms,
            memory_bytes: (estimate.memory_mb * 1_048_576.0) as u64,
            proof_bytes: estimate.proof_bytes,
            security_bits: estimate.security_bits,
            proven_security_bits: estimate.proven_security_bits,
        }
    }
}

/// Checks a model, an ONNX file or its compiled form, without proving anything.
///
/// # Errors
/// [`CompileError`] if the file is no model at all, leaves shapes open, or does not fit the calibration samples.
pub fn check_file(
    path: &Path,
    compile: &CompileSettings,
    prove: &ProveSettings,
) -> Result<Report, CompileError> {
    let graph = match import::import_file(path, &compile.import) {
        Ok(graph) => graph,
        Err(ImportError::Refused(refused)) => {
            let refused = refused.into_iter().map(|refused| Refusal {
                hint: refused.reason.hint().map(str::to_owned),
                reason: refused.reason.to_string(),
                node: refused.node,
                op: refused.op,
            });
            return Ok(Report::refused(refused.collect()));
        }
        Err(error) => return Err(error.into()),
    };
    match model::measured(&graph, compile) {
        Ok((integer, accuracy)) => {
            let concerns = Model::concerns_of(&accuracy);
            Ok(Report { concerns, ..check_model(&Model::from(integer), prove) })
        }
        Err(CompileError::Quantize(error)) => match unquantizable(&error) {
            Some(refusal) => Ok(Report::refused(vec![refusal])),
            None => Err(error.into()),
        },
        Err(error) => Err(error),
    }
}

/// Checks a compiled model.
pub fn check_model(model: &Model, prove: &ProveSettings) -> Report {
    match Estimate::of(model, prove) {
        Ok(estimate) => {
            let concerns = model.concerns();
            Report { refused: Vec::new(), estimate: Some(estimate), concerns }
        }
        Err(error) => Report::refused(vec![unprovable(&error)]),
    }
}

fn unquantizable(error: &QuantizeError) -> Option<Refusal> {
    let (node, op, reason) = match error {
        QuantizeError::Refused { node, op, reason } => (node, op, reason.to_string()),
        QuantizeError::Model { node, op, source } => (node, op, source.to_string()),
        _ => return None,
    };
    let hint = error.hint().map(str::to_owned);
    Some(Refusal { node: node.clone(), op: op.clone(), reason, hint })
}

fn unprovable(error: &ProveError) -> Refusal {
    let (node, op, reason) = match error {
        ProveError::Layout(LayoutError::NoRoom { node, op, source }) => {
            (node.as_str(), *op, source.to_string())
        }
        ProveError::Layout(
            error @ (LayoutError::WideDivision { node, op, .. }
            | LayoutError::WideSpread { node, op, .. }),
        ) => (node.as_str(), *op, error.to_string()),
        ProveError::Layout(
            error @ (LayoutError::WideRanks { node, .. } | LayoutError::Images { node, .. }),
        ) => (node.as_str(), "Bucketize", error.to_string()),
        ProveError::Layout(error @ LayoutError::Ranks { node }) => {
            (node.as_str(), "TreeEnsemble", error.to_string())
        }
        ProveError::Layout(error) => ("model", "", error.to_string()),
        #[cfg(feature = "cairo")]
        ProveError::Emit(ciro_cairo::EmitError::Refused { node, op, reason }) => {
            (node.as_str(), *op, reason.clone())
        }
        #[cfg(feature = "cairo")]
        ProveError::Cairo(source) => ("model", "", source.to_string()),
        error => ("model", "", error.to_string()),
    };
    #[cfg(feature = "cairo")]
    let is_cairo =
        matches!(error, ProveError::Cairo(_) | ProveError::Emit(_) | ProveError::Program(_));
    #[cfg(not(feature = "cairo"))]
    let is_cairo = false;
    let hint = (!is_cairo && Route::Cairo.is_built()).then(|| "try `--route cairo`".to_owned());
    Refusal { node: node.to_owned(), op: op.to_owned(), reason, hint }
}
