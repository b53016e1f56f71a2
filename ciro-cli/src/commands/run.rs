//! `ciro run`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Context, Status, outputs};
use crate::args::ModelArgs;
use crate::model::{self, Opened, Purpose};

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
    let Opened { model, .. } = model::open(&args.model, Purpose::Use, &context.ui)?;
    let samples = model::samples(&model, &args.input)?;
    let mut clamped = Vec::new();
    let mut results = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        let encoded = model.encode(sample).with_context(|| format!("sample {index}"))?;
        clamped.push(encoded.clamped);
        results.push(model.run(sample).with_context(|| format!("sample {index}"))?);
    }
    model::check_clamped(&model, &clamped, &context.ui)?;
    let report = Report {
        outputs: outputs::Lists::new(&results),
        samples: samples.len(),
        clamped: outputs::clamped(&clamped),
    };
    context.ui.result(&report, &outputs::describe(&results))?;
    Ok(Status::Done)
}
