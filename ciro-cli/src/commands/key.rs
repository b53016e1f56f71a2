//! `ciro key`

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::OutputFile;
use serde::Serialize;

use super::{Context, Status};
use crate::args::{ModelArgs, RouteArgs};
use crate::model::{CalibrationReport, Opened, Purpose};
use crate::ui::{BOLD, DIM};
use crate::{format, model};

/// Arguments of `ciro key`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The key file; without it only the key's digest is printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    route: RouteArgs,
    /// Inferences in one proof
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
}

#[derive(Serialize)]
struct Report<'a> {
    model_key: String,
    route: &'static str,
    preset: &'static str,
    batch: u32,
    security_bits: u32,
    proven_security_bits: u32,
    calibration: Option<CalibrationReport>,
    file: Option<&'a PathBuf>,
    key_bytes: usize,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = args.output.as_deref().map(OutputFile::create).transpose()?;
    let Opened { model, calibration } = model::open(&args.model, Purpose::Publish, &context.ui)?;
    let key = {
        let _stage = context.ui.stage("committing to the model");
        model.key(&args.route.settings(args.batch, context.max_memory))?
    };
    let bytes = key.to_bytes();
    if let Some(file) = file {
        file.finish(&bytes)?;
    }
    let (digest, security) = (key.digest(), key.security());
    let report = Report {
        model_key: digest.to_string(),
        route: key.route().name(),
        preset: key.preset().name(),
        batch: key.batch(),
        security_bits: security.whole_conjectured_bits(),
        proven_security_bits: security.whole_proven_bits(),
        calibration,
        file: args.output.as_ref(),
        key_bytes: bytes.len(),
    };
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

fn describe(report: &Report<'_>) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
    };
    line("key", report.model_key.clone());
    if let Some(path) = report.file {
        let size = format::bytes(report.key_bytes as u64);
        line("file", format!("{BOLD}{}{BOLD:#} ({size})", path.display()));
    }
    line(
        "security",
        format!(
            "{} bits conjectured, {} proven (route {}, preset {})",
            report.security_bits, report.proven_security_bits, report.route, report.preset
        ),
    );
    if let Some(calibration) = &report.calibration {
        line("calibrated", calibration.describe());
    }
    text
}
