//! Measures one model; its process has done nothing else, so its peak memory is the model's.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ciro_sdk::{Model, Prover, Secrecy, peak_memory, verify_with};

use super::{Args, Measured, read_inputs};
use crate::context::{Context, Status};

/// Runs this program again on one compiled model, for proofs that hide or for plain ones.
pub(super) fn spawn(
    compiled: &Path,
    input: &Path,
    (args, secrecy): (&Args, Secrecy),
    context: &Context,
) -> Result<Measured> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut command = Command::new(program);
    command.args(["bench", "--json", "--quiet", "--in-process"]).arg(input).arg(compiled);
    command.args(["--route", args.route.route.name(), "--preset", args.route.preset.name()]);
    if secrecy.hides() {
        command.arg("--private");
    }
    command.args(["--runs", &args.runs.to_string()]);
    command.args(["--threads", &rayon::current_num_threads().to_string()]);
    if let Some(limit) = context.max_memory {
        command.args(["--max-memory", &limit.to_string()]);
    }
    let output = command.stdin(Stdio::null()).output().context("cannot start this program")?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{} ({})", error.trim(), output.status);
    }
    serde_json::from_slice(&output.stdout).context("the measuring process printed something else")
}

/// Measures and prints the figures.
pub(super) fn run(args: &Args, input: &Path, context: &Context) -> Result<Status> {
    let [path] = &args.models[..] else { bail!("one model at a time") };
    let model = Model::load(path)?;
    let mut samples = read_inputs(input)?.samples(&model.input_specs())?;
    samples.truncate(1);
    let start = Instant::now();
    let prover = Prover::new(&model, &args.route.settings(1, context.max_memory))?;
    let prepare_ms = start.elapsed().as_secs_f64() * 1e3;
    let key = prover.key();
    let policy = ciro_sdk::Policy { min_security_bits: 0, min_proven_bits: 0 };
    let (mut prove_ms, mut verify_ms) = (f64::INFINITY, f64::INFINITY);
    let (mut proof_bytes, mut steps) = (0, None);
    for _ in 0..args.runs {
        let proven = prover.prove(&samples)?;
        prove_ms = prove_ms.min(proven.prove_ms);
        steps = proven.steps;
        let bytes = proven.bundle.to_bytes();
        proof_bytes = bytes.len();
        let start = Instant::now();
        let bundle = ciro_sdk::ProofBundle::from_bytes(&bytes)?;
        verify_with(&bundle, &key, &policy)?;
        verify_ms = verify_ms.min(start.elapsed().as_secs_f64() * 1e3);
    }
    let measured = Measured {
        route: key.route().name().to_owned(),
        preset: key.preset().name().to_owned(),
        hides: key.secrecy().hides(),
        security_bits: key.security().whole_conjectured_bits(),
        runs: args.runs,
        cells: prover.cells(),
        steps,
        prepare_ms,
        prove_ms,
        verify_ms,
        proof_bytes,
        key_bytes: key.to_bytes().len(),
        peak_memory_mb: peak_memory().map(|bytes| bytes.div_ceil(1_000_000)),
    };
    context.ui.result(&measured, "")?;
    Ok(Status::Done)
}
