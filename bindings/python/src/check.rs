//! Can a model be proven, and at what cost.

use std::path::PathBuf;

use ciro_sdk::Report;
use pyo3::prelude::*;

use crate::error::{Error, Refused, reported};
use crate::job;
use crate::settings::{CompileSettings, ProveSettings};

/// What is refused; if nothing, committed cells or steps (of the Cairo route), milliseconds, bytes of memory and bytes of the proof.
type Checked = (Vec<Refused>, Option<(u64, f64, u64, u64)>);

/// Checks an ONNX file.
#[pyfunction]
#[pyo3(signature = (path, compile, prove, observer=None))]
pub(crate) fn check_file(
    py: Python<'_>,
    path: PathBuf,
    compile: &CompileSettings,
    prove: &ProveSettings,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Checked> {
    let (compile, prove) = (compile.0.clone(), prove.0);
    let check = move || Ok(ciro_sdk::check_file(&path, &compile, &prove)?);
    job::run(py, observer, check).map(checked)
}

/// Checks a `.ciro-model` file.
#[pyfunction]
#[pyo3(signature = (path, prove, observer=None))]
pub(crate) fn check_compiled(
    py: Python<'_>,
    path: PathBuf,
    prove: &ProveSettings,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Checked> {
    let prove = prove.0;
    let check = move || {
        let model = ciro_sdk::Model::load(&path).map_err(Error::from)?;
        Ok(ciro_sdk::check_model(&model, &prove))
    };
    job::run(py, observer, check).map(checked)
}

fn checked(report: Report) -> Checked {
    let refused = report.refused.into_iter().map(reported).collect();
    let cost = report.estimate;
    let cost = cost.map(|cost| {
        let work = cost.cells.or(cost.steps).unwrap_or(0);
        (work, cost.prove_ms, cost.memory_bytes, cost.proof_bytes)
    });
    (refused, cost)
}
