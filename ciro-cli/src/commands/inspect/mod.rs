//! `ciro inspect`

mod keys;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::import::{DeclaredTensor, Extent};
#[cfg(feature = "cairo")]
use ciro_sdk::program::{ProgramKey, ProgramProof};
use ciro_sdk::{Inspection, KeyRing, inspect, printable};
use serde::Serialize;

use crate::args::CompileArgs;
#[cfg(feature = "cairo")]
use crate::commands::program;
use crate::context::{Context, Failure, Status};
use crate::ui::{BOLD, DIM};
use crate::{format, model};

/// Arguments of `ciro inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// ONNX file, a `.ciro-model` from `ciro compile`, a key file from `ciro key` or `ciro program
    /// key`, or a proof about a program
    #[arg(value_name = "FILE")]
    path: PathBuf,
    #[command(flatten)]
    compile: CompileArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    producer: &'a str,
    opset: &'a BTreeMap<String, i64>,
    ops: &'a BTreeMap<String, usize>,
    params: u64,
    macs: Option<u64>,
    inputs: Vec<TensorReport<'a>>,
    outputs: Vec<TensorReport<'a>>,
}

#[derive(Serialize)]
struct TensorReport<'a> {
    name: &'a str,
    shape: Option<Vec<Axis<'a>>>,
    #[serde(rename = "type")]
    element_type: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Axis<'a> {
    Fixed(usize),
    Symbol(&'a str),
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let not_compiled = |what: &str| {
        if args.compile == CompileArgs::default() {
            return Ok(());
        }
        let what = format!("`{}` is a {what}, which is not compiled", args.path.display());
        Err(Failure::new(what, "leave the settings of the compilation out"))
    };
    if KeyRing::is_key_file(&args.path) {
        not_compiled("key file")?;
        return keys::run(&args.path, context);
    }
    #[cfg(feature = "cairo")]
    if ProgramKey::is_key_file(&args.path) {
        not_compiled("key file")?;
        return program::shown::key(&args.path, context);
    }
    #[cfg(feature = "cairo")]
    if ProgramProof::is_proof_file(&args.path) {
        not_compiled("proof")?;
        return program::shown::proof(&args.path, context);
    }
    let inspection = inspect(&args.path, &model::settings(&args.compile)?)?;
    let Inspection { producer, opsets, ops, params, macs, inputs, outputs } = &inspection;
    let report = Report {
        producer,
        opset: opsets,
        ops,
        params: *params,
        macs: *macs,
        inputs: inputs.iter().map(tensor).collect(),
        outputs: outputs.iter().map(tensor).collect(),
    };
    context.ui.result(&report, &describe(&inspection))?;
    Ok(Status::Done)
}

fn tensor(tensor: &DeclaredTensor) -> TensorReport<'_> {
    let axis = |extent| match extent {
        &Extent::Fixed(extent) => Axis::Fixed(extent),
        Extent::Symbol(symbol) if symbol.is_empty() => Axis::Symbol("?"),
        Extent::Symbol(symbol) => Axis::Symbol(symbol),
    };
    TensorReport {
        name: &tensor.name,
        shape: tensor.shape.as_ref().map(|shape| shape.iter().map(axis).collect()),
        element_type: tensor.element_type.to_lowercase(),
    }
}

fn describe(inspection: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
    };
    if !inspection.producer.is_empty() {
        line("producer", printable(&inspection.producer).into_owned());
    }
    let opsets = inspection.opsets.iter().map(|(domain, version)| format!("{domain} {version}"));
    let opsets: Vec<String> = opsets.collect();
    if !opsets.is_empty() {
        line("opset", printable(&opsets.join(", ")).into_owned());
    }
    line("parameters", format::count(inspection.params));
    let macs = inspection.macs.map_or_else(
        || "unknown: the model cannot be imported as it stands; see `ciro check`".to_owned(),
        |macs| format!("{} multiplications", format::count(macs)),
    );
    line("work", macs);
    for (label, tensors) in [("inputs", &inspection.inputs), ("outputs", &inspection.outputs)] {
        for (position, tensor) in tensors.iter().enumerate() {
            let label = if position == 0 { label } else { "" };
            let (name, shape) = (printable(&tensor.name), extents(tensor));
            let kind = tensor.element_type.to_lowercase();
            let kind = printable(&kind);
            line(label, format!("{BOLD}{name}{BOLD:#} {shape} {kind}"));
        }
    }
    let mut ops: Vec<_> = inspection.ops.iter().collect();
    ops.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    for (position, (name, count)) in ops.into_iter().enumerate() {
        let label = if position == 0 { "operators" } else { "" };
        line(label, format!("{count:>4} {}", printable(name)));
    }
    text
}

fn extents(tensor: &DeclaredTensor) -> String {
    let Some(shape) = &tensor.shape else { return "of unknown shape".to_owned() };
    let extent = |extent: &Extent| match extent {
        Extent::Fixed(extent) => extent.to_string(),
        Extent::Symbol(symbol) if symbol.is_empty() => "?".to_owned(),
        Extent::Symbol(symbol) => printable(symbol).into_owned(),
    };
    if shape.is_empty() {
        return "scalar".to_owned();
    }
    shape.iter().map(extent).collect::<Vec<_>>().join("x")
}
