//! `ciro verify`

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{
    LoadBundleError, ModelKey, Output, Policy, ProofBundle, ProveError, Verified, verify_with,
};
use serde::Serialize;

use super::{Context, ErrorReport, Status, outputs};
use crate::args::{CompileArgs, ModelArgs};
use crate::failure::Failure;
use crate::ui::{BAD, DIM, GOOD};
use crate::{format, model};

/// Arguments of `ciro verify`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("against").required(true))]
pub(crate) struct Args {
    /// The proof
    proof: PathBuf,
    /// The key of the model that you trust
    #[arg(long, value_name = "FILE", group = "against")]
    key: Option<PathBuf>,
    /// The model that you trust, instead of its key
    #[arg(long, value_name = "MODEL", group = "against")]
    model: Option<PathBuf>,
    /// Also check that the proof is about this input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The value that opens the commitment to the input, as `ciro prove --commit-input` printed it
    #[arg(long, value_name = "HEX", requires = "input")]
    blinding: Option<ciro_sdk::Blinding>,
    /// Bits of security that the proof must have, by the conjecture behind most STARKs
    #[arg(long, value_name = "BITS", default_value_t = Policy::default().min_security_bits)]
    min_security_bits: u32,
    /// Ask for this many bits that hold without any conjecture; `--preset proven` has 100
    #[arg(long, value_name = "BITS", default_value_t = Policy::default().min_proven_bits)]
    min_proven_bits: u32,
    #[command(flatten)]
    compile: CompileArgs,
}

#[derive(Serialize)]
struct Valid {
    valid: bool,
    route: &'static str,
    model_key: String,
    preset: &'static str,
    security_bits: u32,
    proven_security_bits: u32,
    #[serde(flatten)]
    outputs: outputs::Lists,
    samples: usize,
    verify_ms: f64,
}

#[derive(Serialize)]
struct Invalid {
    valid: bool,
    verify_ms: f64,
    #[serde(flatten)]
    error: ErrorReport,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let read = ProofBundle::load(&args.proof);
    let bundle = match read {
        Ok(bundle) => bundle,
        Err(error @ LoadBundleError::Decode(_)) => {
            return invalid(error.into(), 0.0, args, context);
        }
        Err(error) => return Err(error.into()),
    };
    let key = match key(args, &bundle, context)? {
        Ok(key) => key,
        Err(error) => return invalid(error, 0.0, args, context),
    };
    let policy =
        Policy { min_security_bits: args.min_security_bits, min_proven_bits: args.min_proven_bits };
    let start = Instant::now();
    let verified = verify_with(&bundle, &key, &policy);
    let verify_ms = start.elapsed().as_secs_f64() * 1e3;
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return invalid(error.into(), verify_ms, args, context),
    };
    if let Some(path) = &args.input
        && let Err(error) = check_input(&verified, &key, path, args)?
    {
        return invalid(error, verify_ms, args, context);
    }
    let samples: Vec<Vec<Output>> =
        verified.samples.iter().map(|sample| sample.outputs.clone()).collect();
    let report = Valid {
        valid: true,
        route: verified.route.name(),
        model_key: verified.model_key.to_string(),
        preset: verified.preset.name(),
        security_bits: verified.security_bits(),
        proven_security_bits: verified.proven_security_bits(),
        outputs: outputs::Lists::new(&samples),
        samples: samples.len(),
        verify_ms,
    };
    context.ui.result(&report, &describe(&report, &outputs::describe(&samples)))?;
    Ok(Status::Done)
}

/// The key to verify against; the inner error says that the proof cannot be about the model.
fn key(args: &Args, bundle: &ProofBundle, context: &Context) -> Result<Result<ModelKey>> {
    if let Some(path) = &args.key {
        let CompileArgs { shape, calibration, activation_bits } = &args.compile;
        if !shape.is_empty() || calibration.is_some() || activation_bits.is_some() {
            let hint = "leave out `--shape`, `--calibration` and `--activation-bits`";
            return Err(Failure::new("a key needs no settings of a compilation", hint).into());
        }
        let key = ModelKey::load(path).with_context(|| format!("key `{}`", path.display()))?;
        return Ok(Ok(key));
    }
    let path = args.model.clone().context("neither a key nor a model is given")?;
    let model = model::open(&ModelArgs { path, compile: args.compile.clone() }, &context.ui)?;
    let _stage = context.ui.stage("committing to the model");
    match model.key_for(bundle, context.max_memory) {
        Err(error @ ProveError::Statement) => Ok(Err(error.into())),
        key => Ok(Ok(key?)),
    }
}

/// Compares the proven inputs with a file; the inner error says that they differ.
fn check_input(
    verified: &Verified,
    key: &ModelKey,
    path: &Path,
    args: &Args,
) -> Result<Result<()>> {
    let samples = Inputs::read(path).and_then(|inputs| inputs.samples(&key.input_specs()));
    let samples = samples.with_context(|| format!("input `{}`", path.display()))?;
    let (proven, given) = (verified.samples.len(), samples.len());
    if proven != given {
        let given = format::plural(given, "sample");
        return Ok(Err(anyhow::anyhow!("the proof is about {proven}, the input holds {given}")));
    }
    for (index, (sample, inputs)) in verified.samples.iter().zip(&samples).enumerate() {
        let checked = match args.blinding {
            Some(blinding) => sample.check_committed_inputs(key, inputs, blinding),
            None => sample.check_inputs(key, inputs),
        };
        if let Err(error) = checked {
            return Ok(Err(anyhow::Error::from(error).context(format!("sample {index}"))));
        }
    }
    Ok(Ok(()))
}

/// Says that a proof is invalid, and why.
fn invalid(error: anyhow::Error, verify_ms: f64, args: &Args, context: &Context) -> Result<Status> {
    let error = error.context(format!("`{}` is not a valid proof", args.proof.display()));
    let report = Invalid { valid: false, verify_ms, error: ErrorReport::new(&error) };
    context.ui.error(&error, report.error.hint.as_deref());
    context.ui.result(&report, &format!("{BAD}invalid{BAD:#}\n"))?;
    Ok(Status::Invalid)
}

fn describe(report: &Valid, outputs: &str) -> String {
    format!(
        "{GOOD}valid{GOOD:#}: the model of this key gave these outputs\n{outputs}\n\
         {DIM}verified{DIM:#}  {} in {}\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven (route {}, preset {})\n\
         {DIM}key{DIM:#}       {}\n",
        format::plural(report.samples, "inference"),
        format::duration(report.verify_ms),
        report.security_bits,
        report.proven_security_bits,
        report.route,
        report.preset,
        report.model_key,
    )
}
