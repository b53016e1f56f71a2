//! `ciro run`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::{CostEstimate, ProveSettings, Ran};
use serde::Serialize;

use super::outputs;
use crate::args::ModelArgs;
use crate::context::{Context, Status};
use crate::model::{self, InputFiles, Purpose};

/// Arguments of `ciro run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Input (JSON, .npy, .npz) with one or more samples; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    input: Vec<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    outputs: outputs::Lists,
    samples: usize,
    clamped: usize,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let inputs = InputFiles::read(&args.input)?;
    let (model, _) = model::opened_for(&args.model, inputs.given(), Purpose::Use, &context.ui)?;
    let samples = inputs.samples(&model)?;
    // What no proof can state is refused here as it is by `ciro prove`.
    CostEstimate::of(&model, &ProveSettings::default())?;
    let Ran { outputs, clamped, concerns } = model.run_all(&samples)?;
    context.ui.warn_of(&concerns);
    let report = Report { outputs: outputs::Lists::new(&outputs), samples: samples.len(), clamped };
    context.ui.result(&report, &outputs::describe(&outputs))?;
    Ok(Status::Done)
}
