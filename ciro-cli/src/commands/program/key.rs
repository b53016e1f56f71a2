//! `ciro program key`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::OutputFile;
use serde::Serialize;

use super::shown::KeyReport;
use crate::context::{Context, Status};

/// Arguments of `ciro program key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Whoever trusts a program makes its key, from an executable that they compiled: a key says nothing of\n\
what the program does.")]
pub(super) struct Args {
    /// The executable: JSON, as `scarb build` writes it for a target `executable`
    #[arg(value_name = "EXECUTABLE")]
    path: PathBuf,
    /// The key file; without it only digests are printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    key: KeyReport,
    /// Felts of bytecode.
    program_felts: usize,
    file: Option<&'a PathBuf>,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = args.output.as_deref().map(OutputFile::create).transpose()?;
    let program = super::load(&args.path)?;
    if let Some(file) = file {
        file.finish(&program.key().to_bytes())?;
    }
    let report = Report {
        key: KeyReport::new(program.key()),
        program_felts: program.felts(),
        file: args.output.as_ref(),
    };
    context.ui.result(&report, &report.key.describe(args.output.as_deref()))?;
    Ok(Status::Done)
}
