//! `ciro prove`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_sdk::{Blinding, OutputFile, ProveSettings, Proven, Prover, peak_memory};
use serde::Serialize;

use super::outputs;
use crate::args::{ModelArgs, RouteArgs};
use crate::context::{Context, Status};
use crate::model::{CalibrationReport, InputFiles, Purpose};
use crate::ui::{BOLD, DIM};
use crate::{format, model};

/// Arguments of `ciro prove`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Input (JSON, .npy, .npz) with one or more samples; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
    /// The proof
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
    #[command(flatten)]
    route: RouteArgs,
    /// State a commitment to the input instead of the input (route cairo); prints the value that
    /// opens it
    #[arg(long)]
    commit_input: bool,
    /// Bind the proof to this number as well (a job, a caller, a contract): at most 64 hexadecimal
    /// digits, below the Stark prime (route tensor)
    #[arg(long, value_name = "HEX", default_value_t, hide_default_value = true)]
    context: ciro_sdk::Context,
}

#[derive(Serialize)]
struct Report<'a> {
    route: &'static str,
    model_key: String,
    preset: &'static str,
    security_bits: u32,
    proven_security_bits: u32,
    #[serde(flatten)]
    outputs: outputs::Lists,
    samples: usize,
    clamped: usize,
    calibration: Option<CalibrationReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cells: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<u64>,
    /// What the proof is bound to; left out if to nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blinding: Option<String>,
    prove_ms: f64,
    proof_bytes: usize,
    peak_memory_mb: Option<u64>,
    proof: &'a PathBuf,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = OutputFile::create(&args.output)?;
    let inputs = InputFiles::read(&args.input)?;
    let (model, calibration) = model::opened_for(&args.model, &inputs, Purpose::Use, &context.ui)?;
    let samples = inputs.samples(&model)?;
    // What the model cannot take, and what it loses, is told before anything is proven.
    let examined = model.examine(&samples)?;
    context.ui.warn_of(&examined.concerns);
    let batch = u32::try_from(samples.len()).context("too many samples for one proof")?;
    let settings = ProveSettings {
        commit_input: args.commit_input,
        context: args.context,
        ..args.route.settings(batch, context.max_memory)
    };
    let prover = {
        let _stage = context.ui.stage("committing to the model");
        Prover::new(&model, &settings)?
    };
    let Proven { bundle, outputs, blinding, steps, prove_ms, .. } = {
        let _stage = context.ui.stage("proving");
        prover.prove(&samples)?
    };
    let bytes = bundle.to_bytes();
    file.finish(&bytes)?;
    let security = prover.key().security();
    let report = Report {
        route: bundle.route.name(),
        model_key: bundle.model_key.to_string(),
        preset: bundle.preset.name(),
        security_bits: security.whole_conjectured_bits(),
        proven_security_bits: security.whole_proven_bits(),
        outputs: outputs::Lists::new(&outputs),
        samples: samples.len(),
        clamped: examined.clamped,
        calibration,
        cells: prover.cells(),
        steps,
        context: outputs::named(bundle.context),
        blinding: blinding.map(Blinding::to_hex),
        prove_ms,
        proof_bytes: bytes.len(),
        peak_memory_mb: peak_memory().map(|bytes| bytes.div_ceil(1_000_000)),
        proof: &args.output,
    };
    context.ui.result(&report, &describe(&report, &outputs::describe(&outputs)))?;
    Ok(Status::Done)
}

fn describe(report: &Report<'_>, outputs: &str) -> String {
    let memory = report.peak_memory_mb.map(|memory| format!("{DIM}memory{DIM:#}    {memory} MB\n"));
    let blinding = report.blinding.as_ref().map(|blinding| {
        format!("{DIM}blinding{DIM:#}  {blinding} (opens the commitment to the input; keep it)\n")
    });
    let context = report.context.as_ref();
    let context = context.map(|context| format!("{DIM}context{DIM:#}   {context}\n"));
    let work = report.cells.map(|cells| format!("{} cells", format::count(cells)));
    let work = work.or_else(|| Some(format!("{} steps", format::count(report.steps?))));
    format!(
        "{outputs}\n\
         {DIM}proof{DIM:#}     {BOLD}{}{BOLD:#} ({})\n\
         {DIM}proved{DIM:#}    {} in {}, {}\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven (route {}, preset {})\n\
         {DIM}key{DIM:#}       {}\n{}{}{}",
        report.proof.display(),
        format::bytes(report.proof_bytes as u64),
        format::plural(report.samples, "inference"),
        format::duration(report.prove_ms),
        work.unwrap_or_default(),
        report.security_bits,
        report.proven_security_bits,
        report.route,
        report.preset,
        report.model_key,
        context.unwrap_or_default(),
        memory.unwrap_or_default(),
        blinding.unwrap_or_default(),
    )
}
