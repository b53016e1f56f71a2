//! `ciro man`

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::context::{Context, Status};

/// Arguments of `ciro man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: ciro man ~/.local/share/man/man1 && man ciro-prove")]
pub(crate) struct Args {
    /// The folder, which is made if it is missing
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    folder: &'a PathBuf,
}

/// Writes a page for each command of a command line.
pub(crate) fn run(args: &Args, cli: clap::Command, context: &Context) -> Result<Status> {
    let folder = &args.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(cli, folder))
        .with_context(|| format!("cannot write manual pages to `{}`", folder.display()))?;
    context.ui.result(&Report { folder }, &format!("{}\n", folder.display()))?;
    Ok(Status::Done)
}
