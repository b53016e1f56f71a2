//! `ciro transpile`

use std::path::{Path, PathBuf};

use anyhow::Result;
use ciro_sdk::OutputFolder;
use serde::Serialize;

use crate::args::ModelArgs;
use crate::context::{Context, Status};
use crate::format;
use crate::model::{self, Purpose};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro transpile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The package compiles with Scarb as it does in `ciro prove --route cairo`. Weights beyond a few\n\
thousand are no part of the program: it knows a commitment to them and takes them as arguments,\n\
from weights.json.")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The folder of the package: a new or an empty one
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    package: &'a PathBuf,
    files: Vec<&'a str>,
    bytes: usize,
    program_hash: &'a str,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let folder = OutputFolder::create(&args.output)?;
    let (model, _) = model::opened(&args.model, Purpose::Publish, &context.ui)?;
    let package = {
        let _stage = context.ui.stage("writing and compiling the Cairo package");
        model.transpile(&name(&args.model.path))?
    };
    folder.finish(package.files.iter().map(|(path, text)| (path.as_str(), text.as_str())))?;
    let report = Report {
        package: &args.output,
        files: package.files.iter().map(|(path, _)| path.as_str()).collect(),
        bytes: package.files.iter().map(|(_, text)| text.len()).sum(),
        program_hash: &package.program_hash,
    };
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

/// A name for the package: that of the file, or of its folder for `model.onnx`.
fn name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy());
    match folder {
        Some(folder) if stem == "model" => folder.into_owned(),
        _ => stem.into_owned(),
    }
}

fn describe(report: &Report<'_>) -> String {
    format!(
        "{DIM}package{DIM:#}  {BOLD}{}{BOLD:#} ({}, {})\n{DIM}program{DIM:#}  {}\n",
        report.package.display(),
        format::plural(report.files.len(), "file"),
        format::bytes(report.bytes as u64),
        report.program_hash,
    )
}
