//! `ciro compile`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::OutputFile;
use ciro_sdk::integer::AccuracyReport;
use serde::Serialize;

use crate::args::{ModelArgs, RouteArgs};
use crate::context::{Context, Status};
use crate::model::{CalibrationReport, Purpose};
use crate::ui::{BOLD, DIM};
use crate::{format, model};

/// Arguments of `ciro compile`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The compiled model
    #[arg(short, long, value_name = "OUT.ciro-model")]
    output: PathBuf,
    #[command(flatten)]
    route: RouteArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    model_key: String,
    accuracy: &'a AccuracyReport,
    calibration: Option<CalibrationReport>,
    file: &'a PathBuf,
    file_bytes: usize,
    params: usize,
    macs: u64,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = OutputFile::create(&args.output)?;
    let (model, calibration) = model::opened(&args.model, Purpose::Publish, &context.ui)?;
    let key = {
        let _stage = context.ui.stage("committing to the model");
        model.key(&args.route.settings(1, context.max_memory))?.digest()
    };
    let bytes = model.to_bytes();
    file.finish(&bytes)?;
    let report = Report {
        model_key: key.to_string(),
        accuracy: model.accuracy(),
        calibration,
        file: &args.output,
        file_bytes: bytes.len(),
        params: model.integer().parameters(),
        macs: model.integer().macs(),
    };
    let calibrated = report
        .calibration
        .as_ref()
        .map(|calibration| format!("{DIM}calibrated{DIM:#}  {}\n", calibration.describe()));
    let text = format!(
        "{DIM}model{DIM:#}       {BOLD}{}{BOLD:#} ({}, {} parameters)\n{DIM}key{DIM:#}         {key}\n{}\n{}",
        args.output.display(),
        format::bytes(bytes.len() as u64),
        format::count(report.params as u64),
        calibrated.unwrap_or_default(),
        model.accuracy_table(),
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
