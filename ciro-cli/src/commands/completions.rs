//! `ciro completions`

use anyhow::Result;
use clap::CommandFactory as _;
use clap_complete::Shell;
use serde::Serialize;

use super::{Context, Status};
use crate::args::Cli;

/// Arguments of `ciro completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example: ciro completions bash > ~/.local/share/bash-completion/completions/ciro"
)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Serialize)]
struct Script {
    shell: String,
    script: String,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "ciro", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    context
        .ui
        .result(&Script { shell: args.shell.to_string(), script: script.clone() }, &script)?;
    Ok(Status::Done)
}
