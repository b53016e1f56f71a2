//! `ciro program`: Cairo programs of one's own.

pub(super) mod describe;
mod key;
mod prove;
mod run;
pub(super) mod shown;
pub(super) mod verify;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_sdk::program::{Executable, Felt, read_arguments};

use crate::context::{Context, Status};

/// Arguments of `ciro program`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A proof says: there are arguments with which this program ran to its end and printed this output.\n\
Which arguments is not part of it, unless the program prints them, and nothing is said about any\n\
model. `ciro verify PROOF --key FILE` verifies it, `ciro inspect` shows keys and proofs.")]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make the key that verifiers of a program's proofs need
    Key(key::Args),
    /// Run a program, without a proof
    Run(run::Args),
    /// Run a program and prove what it prints
    Prove(prove::Args),
}

/// A program and what it is given.
#[derive(Debug, clap::Args)]
struct RunArgs {
    /// The executable: JSON, as `scarb build` writes it for a target `executable`
    #[arg(value_name = "EXECUTABLE")]
    path: PathBuf,
    /// The arguments: a JSON list of felts, from which the program's parameters are deserialized
    /// (an array is its length, then its elements); no part of the proof. Without it there are none
    #[arg(long = "arguments", visible_alias = "args", value_name = "FILE")]
    arguments: Option<PathBuf>,
}

impl RunArgs {
    fn read(&self) -> Result<(Executable, Vec<Felt>)> {
        let arguments = self.arguments.as_deref().map(|path| {
            read_arguments(path).with_context(|| format!("arguments `{}`", path.display()))
        });
        Ok((load(&self.path)?, arguments.transpose()?.unwrap_or_default()))
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    match &args.action {
        Action::Key(args) => key::run(args, context),
        Action::Run(args) => run::run(args, context),
        Action::Prove(args) => prove::run(args, context),
    }
}

pub(super) fn load(path: &std::path::Path) -> Result<Executable> {
    Executable::load(path).with_context(|| format!("program `{}`", path.display()))
}
