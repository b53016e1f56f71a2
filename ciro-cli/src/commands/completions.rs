//! `ciro completions`

use anyhow::Result;
use clap_complete::Shell;
use serde::Serialize;

use crate::context::{Context, Status};

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

/// Prints completions of a command line.
pub(crate) fn run(args: &Args, cli: &mut clap::Command, context: &Context) -> Result<Status> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, cli, "ciro", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    context
        .ui
        .result(&Script { shell: args.shell.to_string(), script: script.clone() }, &script)?;
    Ok(Status::Done)
}
