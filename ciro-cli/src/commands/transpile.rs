//! `ciro transpile`

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_sdk::{CairoPackage, OutputFile};
use serde::Serialize;

use super::{Context, Status};
use crate::args::ModelArgs;
use crate::failure::Failure;
use crate::format;
use crate::model::{self, Opened, Purpose};
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro transpile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The package compiles with Scarb as it does in `ciro prove --route cairo`. Weights beyond a few thousand are no part of the\n\
program: it knows a commitment to them and takes them as arguments, from weights.json.")]
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
    refuse_full(&args.output)?;
    let Opened { model, .. } = model::open(&args.model, Purpose::Publish, &context.ui)?;
    let package = {
        let _stage = context.ui.stage("writing and compiling the Cairo package");
        model.transpile(&name(&args.model.path))?
    };
    write(&package, &args.output)?;
    let report = Report {
        package: &args.output,
        files: package.files.iter().map(|(path, _)| path.as_str()).collect(),
        bytes: package.files.iter().map(|(_, text)| text.len()).sum(),
        program_hash: &package.program_hash,
    };
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

/// Files of another package would be compiled with this one.
fn refuse_full(folder: &Path) -> Result<()> {
    let full = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => folder.exists(),
    };
    if full {
        let message = format!("`{}` is not an empty folder", folder.display());
        return Err(Failure::new(message, "choose a new folder with `-o DIR`").into());
    }
    Ok(())
}

/// Writes the package beside its folder first, so that it appears whole or not at all.
fn write(package: &CairoPackage, folder: &Path) -> Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let failed = || format!("cannot write `{}`", folder.display());
    std::fs::create_dir_all(parent).with_context(failed)?;
    let scratch = tempfile::tempdir_in(parent).with_context(failed)?;
    for (path, text) in &package.files {
        let path = scratch.path().join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).with_context(failed)?;
        }
        OutputFile::create(&path)?.finish(text.as_bytes())?;
    }
    // An empty folder gives way to the new one.
    let _ = std::fs::remove_dir(folder);
    std::fs::rename(scratch.path(), folder).with_context(failed)?;
    // Nothing is left to remove under the old name.
    let _ = scratch.keep();
    Ok(())
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
