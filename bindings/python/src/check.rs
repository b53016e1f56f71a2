//! Can a model be proven, and at what cost.

use std::path::PathBuf;

use ciro_sdk::{Estimate, Report};
use pyo3::prelude::*;

use crate::error::{Error, Refused, reported};
use crate::job;
use crate::settings::{CompileSettings, ProveSettings};

/// Committed cells, steps of the Cairo program, milliseconds, bytes of memory and bytes of the proof.
type Cost = (Option<u64>, Option<u64>, f64, u64, u64);

/// What is refused; if nothing, what a proof costs.
type Checked = (Vec<Refused>, Option<Cost>);

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
    let Some(cost) = report.estimate else { return (refused, None) };
    let Estimate { cells, steps, prove_ms, memory_bytes, proof_bytes, .. } = cost;
    (refused, Some((cells, steps, prove_ms, memory_bytes, proof_bytes)))
}
