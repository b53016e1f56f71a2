//! Can a model be proven, and at what cost.

use std::path::PathBuf;
use std::sync::Arc;

use ciro_sdk::{CostEstimate, Report};
use pyo3::prelude::*;

use crate::error::{Refused, reported};
use crate::job;
use crate::model::Model;
use crate::settings::{OpenSettings, ProveSettings};

/// Committed cells, steps of the Cairo program, milliseconds, bytes of memory, bytes of the proof,
/// and its bits of security: conjectured, proven.
type Cost = (Option<u64>, Option<u64>, f64, u64, u64, u32, u32);

/// What is refused; if nothing, what a proof costs.
type Checked = (Vec<Refused>, Option<Cost>);

/// Checks a model, an ONNX file or its compiled form; without settings of proofs only what the
/// import refuses.
#[pyfunction]
#[pyo3(signature = (path, compile, prove, observer=None))]
pub(crate) fn check_file(
    py: Python<'_>,
    path: PathBuf,
    compile: &OpenSettings,
    prove: Option<&ProveSettings>,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Checked> {
    let (compile, prove) = (compile.0.clone(), prove.map(|prove| prove.0));
    let check = move || match prove {
        Some(prove) => Ok(ciro_sdk::check(&path, &compile, &prove)?),
        None => Ok(Report::refused(ciro_sdk::refusals(&path, &compile)?)),
    };
    job::run(py, observer, check).map(checked)
}

/// Checks the bytes of a model, an ONNX file without external weights or its compiled form; `name`
/// is for reports. Without settings of proofs only what the import refuses.
#[pyfunction]
#[pyo3(signature = (data, name, compile, prove, observer=None))]
pub(crate) fn check_bytes(
    py: Python<'_>,
    data: &[u8],
    name: String,
    compile: &OpenSettings,
    prove: Option<&ProveSettings>,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Checked> {
    let (data, compile) = (data.to_vec(), compile.0.clone());
    let prove = prove.map(|prove| prove.0);
    let check = move || match prove {
        Some(prove) => Ok(ciro_sdk::check_bytes(&data, &name, &compile, &prove)?),
        None => Ok(Report::refused(ciro_sdk::refusals_bytes(&data, &name, &compile)?)),
    };
    job::run(py, observer, check).map(checked)
}

/// Checks a model that is compiled already.
#[pyfunction]
#[pyo3(signature = (model, prove, observer=None))]
pub(crate) fn check_model(
    py: Python<'_>,
    model: &Model,
    prove: &ProveSettings,
    observer: Option<&Bound<'_, PyAny>>,
) -> PyResult<Checked> {
    let (model, prove) = (Arc::clone(&model.model), prove.0);
    job::run(py, observer, move || Ok(ciro_sdk::check_model(&model, &prove))).map(checked)
}

fn checked(report: Report) -> Checked {
    let refused = report.refused.into_iter().map(reported).collect();
    let Some(cost) = report.estimate else { return (refused, None) };
    let CostEstimate { cells, steps, prove_ms, memory_bytes, proof_bytes, .. } = cost;
    let (bits, proven) = (cost.security_bits, cost.proven_security_bits);
    (refused, Some((cells, steps, prove_ms, memory_bytes, proof_bytes, bits, proven)))
}
