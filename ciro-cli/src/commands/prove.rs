//! `ciro prove`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_sdk::{
    Blinding, Key, Opening, OutputFile, ProveSettings, Proven, Prover, Side, peak_memory, printable,
};
use serde::Serialize;

use super::outputs;
use crate::args::{CommitArgs, ModelArgs, RouteArgs};
use crate::context::{Context, Status};
use crate::model::{CalibrationReport, InputFiles, Purpose};
use crate::ui::{BOLD, DIM};
use crate::{format, model, openings};

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
    #[command(flatten)]
    commit: CommitArgs,
    /// Write what opens the commitments to single inputs and outputs: JSON, one entry for each;
    /// keep it secret, and hand entries on to whoever may know what they open
    #[arg(long, value_name = "FILE")]
    openings: Option<PathBuf>,
    /// Commit to this input with the blinding value of an earlier commitment instead of a new one,
    /// so that both are the same: an input of another proof, or an output of another model
    #[arg(long, value_name = "NAME=HEX", value_parser = named_blinding)]
    blinding: Vec<(String, Blinding)>,
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
    /// Whether the proof hides what it does not state of inputs and execution.
    hides: bool,
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commitments: Vec<Committed>,
    prove_ms: f64,
    proof_bytes: usize,
    peak_memory_mb: Option<u64>,
    proof: &'a PathBuf,
}

/// What opens the commitment to one input or output.
#[derive(Serialize)]
struct Committed {
    side: &'static str,
    name: String,
    sample: usize,
    commitment: String,
    blinding: String,
}

impl Committed {
    fn new(key: &Key, opening: &Opening) -> Self {
        let Opening { sample, side, name, integers, blinding } = opening;
        let commitment = key.commit_tensor(integers, *blinding).map(hex::encode);
        Self {
            side: side.name(),
            name: name.clone(),
            sample: *sample,
            commitment: commitment.unwrap_or_default(),
            blinding: blinding.to_hex(),
        }
    }
}

/// A name and a blinding value.
fn named_blinding(text: &str) -> Result<(String, Blinding)> {
    let (name, digits) = text.rsplit_once('=').context("expected NAME=HEX")?;
    Ok((name.to_owned(), digits.parse()?))
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = OutputFile::create(&args.output)?;
    let inputs = InputFiles::read(&args.input)?;
    // A model that a secret input calibrates would show it to whoever has its key.
    let secret = args.commit.inputs_stay_secret();
    let given = if secret { inputs.given_secretly() } else { inputs.given() };
    let (model, calibration) = model::opened_for(&args.model, given, Purpose::Use, &context.ui)?;
    let samples = inputs.samples(&model)?;
    // What the model cannot take, and what it loses, is told before anything is proven.
    let examined = model.examine(&samples)?;
    context.ui.warn_of(&examined.concerns);
    let batch = u32::try_from(samples.len()).context("too many samples for one proof")?;
    let settings =
        ProveSettings { context: args.context, ..args.route.settings(batch, context.max_memory) };
    let [inputs, outputs] = args.commit.committing();
    let prover = {
        let _stage = context.ui.stage("committing to the model");
        Prover::committing(&model, &settings, [&inputs, &outputs])?
    };
    let Proven { bundle, outputs, blinding, openings, steps, prove_ms, .. } = {
        let _stage = context.ui.stage("proving");
        let blindings = args.blinding.iter();
        let blindings: Vec<_> =
            blindings.map(|(name, value)| (Side::Input, name.clone(), *value)).collect();
        prover.prove_blinded(&samples, &blindings, (args.context, context.max_memory))?
    };
    // What opens the commitments is kept before there is a proof that needs it.
    if let Some(path) = &args.openings {
        openings::write(path, &openings)?;
    }
    let key = prover.key();
    let commitments = openings.iter().map(|opening| Committed::new(&key, opening)).collect();
    let bytes = bundle.to_bytes();
    file.finish(&bytes)?;
    let security = key.security();
    let report = Report {
        route: bundle.route.name(),
        model_key: bundle.model_key.to_string(),
        preset: bundle.preset.name(),
        hides: key.secrecy().hides(),
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
        commitments,
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
    let committed = report.commitments.iter().map(|committed| {
        let Committed { side, name, sample, commitment, .. } = committed;
        let name = printable(name);
        format!("{DIM}committed{DIM:#} {side} `{name}` of sample {sample}: {commitment}\n")
    });
    let committed: String = committed.collect();
    let context = report.context.as_ref();
    let context = context.map(|context| format!("{DIM}context{DIM:#}   {context}\n"));
    let work = report.cells.map(|cells| format!("{} cells", format::count(cells)));
    let work = work.or_else(|| Some(format!("{} steps", format::count(report.steps?))));
    format!(
        "{outputs}\n\
         {DIM}proof{DIM:#}     {BOLD}{}{BOLD:#} ({})\n\
         {DIM}proved{DIM:#}    {} in {}, {}\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven (route {}, preset {}{})\n\
         {DIM}key{DIM:#}       {}\n{}{}{committed}{}",
        report.proof.display(),
        format::bytes(report.proof_bytes as u64),
        format::plural(report.samples, "inference"),
        format::duration(report.prove_ms),
        work.unwrap_or_default(),
        report.security_bits,
        report.proven_security_bits,
        report.route,
        report.preset,
        format::hiding(report.hides),
        report.model_key,
        context.unwrap_or_default(),
        memory.unwrap_or_default(),
        blinding.unwrap_or_default(),
    )
}
