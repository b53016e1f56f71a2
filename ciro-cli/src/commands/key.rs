//! `ciro key`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::OutputFile;
use serde::Serialize;

use super::{Context, Status};
use crate::args::{ModelArgs, RouteArgs};
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
    file: Option<&'a PathBuf>,
    key_bytes: usize,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = args.output.as_deref().map(OutputFile::create).transpose()?;
    let model = model::open(&args.model, &context.ui)?;
    let key = {
        let _stage = context.ui.stage("committing to the model");
        model.key(&args.route.settings(args.batch, context.max_memory))?
    };
    let bytes = key.to_bytes();
    if let Some(file) = file {
        file.finish(&bytes)?;
    }
    let digest = key.digest();
    let report = Report {
        model_key: digest.to_string(),
        route: key.route().name(),
        preset: key.preset().name(),
        batch: key.batch(),
        file: args.output.as_ref(),
        key_bytes: bytes.len(),
    };
    let file = args.output.as_ref().map(|path| {
        let size = format::bytes(bytes.len() as u64);
        format!("{DIM}file{DIM:#}  {BOLD}{}{BOLD:#} ({size})\n", path.display())
    });
    let text = format!("{DIM}key{DIM:#}   {digest}\n{}", file.unwrap_or_default());
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
