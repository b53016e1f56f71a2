//! `ciro program run`

use anyhow::Result;
use ciro_sdk::program::ProgramRun;
use serde::Serialize;

use super::RunArgs;
use super::describe::{describe, felts};
use crate::context::{Context, Status};
use crate::format;
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro program run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Serialize)]
struct Report {
    output: Vec<String>,
    steps: u64,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let (program, arguments) = args.run.read()?;
    let ProgramRun { output, steps } = {
        let _stage = context.ui.stage("running");
        program.run(&arguments, context.max_memory)?
    };
    let text = format!(
        "{BOLD}output{BOLD:#}\n{}\n{DIM}steps{DIM:#}     {}\n",
        describe(&output),
        format::count(steps)
    );
    context.ui.result(&Report { output: felts(&output), steps }, &text)?;
    Ok(Status::Done)
}
