//! `ciro bench`

mod accuracy;
mod child;
mod network;
mod ratios;
mod table;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{CostEstimate, Secrecy};
use serde::{Deserialize, Serialize};

use crate::args::{CompileArgs, ModelArgs, RouteArgs};
use crate::context::Failure;
use crate::context::{Context, Status};
use crate::machine::{self, Machine};
use crate::model::{self, Purpose};
pub(crate) use accuracy::Accuracy;
use ratios::Ratios;

/// Arguments of `ciro bench`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Every model is proven in a process of its own, with inputs.npz (or input_0.json) beside it; where expected.npz lies there too,\n\
outputs are compared with it. Times are the best of all runs: proving includes the run of the model, the key is made before.\n\
With --private, plain proofs are measured too, in one more process for each model, and compared."
)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// ONNX files, compiled models, or folders that hold model.onnx [default: the folders of
    /// examples/models]
    #[arg(value_name = "MODEL")]
    models: Vec<PathBuf>,
    #[command(flatten)]
    compile: CompileArgs,
    #[command(flatten)]
    route: RouteArgs,
    /// Runs of each measurement
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measure one compiled model in this process, on this input
    #[arg(long, value_name = "INPUT", hide = true)]
    in_process: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Measure a network: how many jobs, how fast, how evenly
    Network(network::Args),
}

/// The measurements of all models.
#[derive(Debug, Serialize)]
struct Report {
    rows: Vec<Row>,
    failed: Vec<Failed>,
    machine: Machine,
    commit: Option<String>,
    version: &'static str,
    command: String,
}

/// One model.
#[derive(Debug, Serialize)]
struct Row {
    model: String,
    params: usize,
    macs: u64,
    #[serde(flatten)]
    measured: Measured,
    /// The same for plain proofs, beside those that hide.
    #[serde(skip_serializing_if = "Option::is_none")]
    plain: Option<Measured>,
    /// What hiding takes, as multiples of `plain`.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratios: Option<Ratios>,
    accuracy: Option<Accuracy>,
    predicted: Option<Prediction>,
}

/// A model that could not be measured.
#[derive(Debug, Serialize)]
struct Failed {
    model: String,
    error: String,
}

/// What one process measured.
#[derive(Debug, Serialize, Deserialize)]
struct Measured {
    route: String,
    preset: String,
    /// Whether the proofs hide what they do not state of inputs and execution.
    #[serde(default)]
    hides: bool,
    security_bits: u32,
    runs: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    cells: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    steps: Option<u64>,
    prepare_ms: f64,
    prove_ms: f64,
    verify_ms: f64,
    proof_bytes: usize,
    key_bytes: usize,
    peak_memory_mb: Option<u64>,
}

/// What was predicted before proving.
#[derive(Debug, Serialize)]
struct Prediction {
    prove_ms: f64,
    memory_mb: u64,
    proof_bytes: u64,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    if let Some(What::Network(args)) = &args.what {
        return network::run(args, context);
    }
    if let Some(input) = &args.in_process {
        return child::run(args, input, context);
    }
    let models = models(&args.models)?;
    let scratch = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    let bar = context.ui.bar(models.len());
    for path in &models {
        let name = name(path);
        bar.set_message(name.clone());
        match row(&name, path, args, context, scratch.path()) {
            Ok(row) => rows.push(row),
            Err(error) => failed.push(Failed { model: name, error: format!("{error:#}") }),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let report = Report {
        rows,
        failed,
        machine: Machine::this(),
        commit: machine::commit(),
        version: env!("CARGO_PKG_VERSION"),
        command: command(),
    };
    context.ui.result(&report, &table::describe(&report))?;
    Ok(if report.failed.is_empty() { Status::Done } else { Status::Failed })
}

/// Measures one model in a process of its own.
fn row(name: &str, path: &Path, args: &Args, context: &Context, scratch: &Path) -> Result<Row> {
    let model_args = ModelArgs { path: path.to_owned(), compile: args.compile.clone() };
    let (model, _) = model::opened(&model_args, Purpose::Use, &context.ui)?;
    let input = input(path)?;
    let settings = args.route.settings(1, context.max_memory);
    let predicted = CostEstimate::of(&model, &settings)?;
    let compiled = scratch.join(name).with_extension("ciro-model");
    model.save(&compiled)?;
    let measure = |secrecy| child::spawn(&compiled, &input, (args, secrecy), context);
    let plain = args.route.private.then(|| measure(Secrecy::Plain)).transpose()?;
    let measured = measure(settings.secrecy)?;
    let ratios = plain.as_ref().map(|plain| Ratios::new(&measured, plain));
    let expected = path.with_file_name("expected.npz");
    let accuracy = match expected.is_file() {
        true => Some(Accuracy::measure(&model, &input, &expected)?),
        false => None,
    };
    Ok(Row {
        model: name.to_owned(),
        params: model.integer().parameters(),
        macs: model.integer().macs(),
        measured,
        plain,
        ratios,
        accuracy,
        predicted: Some(Prediction {
            prove_ms: predicted.prove_ms,
            memory_mb: predicted.memory_bytes.div_ceil(1_000_000),
            proof_bytes: predicted.proof_bytes,
        }),
    })
}

/// The models to measure: those named, or all of `examples/models` that are not there to be
/// refused.
fn models(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    if !named.is_empty() {
        return Ok(named.iter().map(|path| inside(path)).collect());
    }
    let folder = Path::new("examples/models");
    let entries = std::fs::read_dir(folder).map_err(|_| {
        Failure::new(
            "no model is named, and there is no folder `examples/models`",
            "ciro bench MODEL",
        )
    })?;
    let mut models = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let bad = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"bad_"));
        if path.join("model.onnx").is_file() && !bad {
            models.push(path.join("model.onnx"));
        }
    }
    models.sort();
    if models.is_empty() {
        bail!("`{}` holds no models", folder.display());
    }
    Ok(models)
}

/// The model of a folder.
pub(crate) fn inside(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => path.join("model.onnx"),
        false => path.to_owned(),
    }
}

/// The name of a model: its folder's for `model.onnx`, else its file's.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = path.parent().and_then(Path::file_name);
    match folder {
        Some(folder) if stem == "model" => folder.to_string_lossy().into_owned(),
        _ => stem,
    }
}

/// The input beside a model.
pub(crate) fn input(model: &Path) -> Result<PathBuf> {
    let names = ["inputs.npz", "input_0.json", "input.json", "input.npz", "input.npy"];
    let mut beside = names.iter().map(|name| model.with_file_name(name));
    let found = beside.find(|path| path.is_file());
    found.with_context(|| {
        format!("no input beside `{}`: expected {}", model.display(), names.join(", "))
    })
}

pub(crate) fn command() -> String {
    let arguments = std::env::args_os().skip(1);
    let arguments: Vec<String> =
        arguments.map(|argument| argument.to_string_lossy().into_owned()).collect();
    format!("ciro {}", arguments.join(" "))
}

/// The samples of an input file.
pub(crate) fn read_inputs(path: &Path) -> Result<Inputs> {
    Inputs::read(path).with_context(|| format!("input `{}`", path.display()))
}
