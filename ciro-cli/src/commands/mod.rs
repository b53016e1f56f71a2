//! The commands, one module each.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compile;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
mod outputs;
pub(crate) mod prove;
pub(crate) mod run;
pub(crate) mod transpile;
pub(crate) mod verify;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::args::{Cli, Command, Global};
use crate::failure;
use crate::ui::{Ui, causes};

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// It did what it was asked.
    Done,
    /// It said why it could not.
    Failed,
    /// The proof is invalid.
    Invalid,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        match status {
            Status::Done => Self::SUCCESS,
            Status::Failed => Self::from(1),
            Status::Invalid => Self::from(3),
        }
    }
}

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ui: Ui,
    /// The memory that work may be expected to take; `None` for what the machine has free.
    pub(crate) max_memory: Option<u64>,
}

/// An error as `--json` prints it.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) error: String,
    pub(crate) causes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

impl ErrorReport {
    pub(crate) fn new(error: &anyhow::Error) -> Self {
        Self { error: error.to_string(), causes: causes(error), hint: failure::hint(error) }
    }
}

/// Runs a command line and gives the process its exit code.
pub(crate) fn main(cli: Cli) -> ExitCode {
    let ui = Ui::new(&cli.global);
    let status = prepare(&cli.global)
        .and_then(|()| run(cli.command, &Context { ui, max_memory: cli.global.max_memory }));
    let status = status.unwrap_or_else(|error| {
        let report = ErrorReport::new(&error);
        ui.error(&error, report.hint.as_deref());
        if ui.json() {
            // If stdout is closed too, there is nobody left to tell.
            let _ = ui.result(&report, "");
        }
        Status::Failed
    });
    status.into()
}

fn run(command: Command, context: &Context) -> Result<Status> {
    match command {
        Command::Demo(args) => demo::run(&args, context),
        Command::Init(args) => init::run(&args, context),
        Command::Inspect(args) => inspect::run(&args, context),
        Command::Check(args) => check::run(&args, context),
        Command::Compile(args) => compile::run(&args, context),
        Command::Key(args) => key::run(&args, context),
        Command::Transpile(args) => transpile::run(&args, context),
        Command::Run(args) => run::run(&args, context),
        Command::Prove(args) => prove::run(&args, context),
        Command::Verify(args) => verify::run(&args, context),
        Command::Bench(args) => bench::run(&args, context),
        Command::Completions(args) => completions::run(&args, context),
    }
}

/// Sets up the log and the threads.
fn prepare(global: &Global) -> Result<()> {
    let level = match (global.quiet, global.verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "info",
        (false, _) => "debug",
    };
    let crates = ["ciro", "ciro_sdk", "ciro_model", "ciro_stark", "ciro_cairo"];
    let directives = crates.map(|name| format!("{name}={level}")).join(",");
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("CIRO_LOG")
        .try_from_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(directives));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(Ui::new(global).colours_stderr())
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::CLOSE)
        .init();
    if let Some(threads) = global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("cannot start the prover's threads")?;
    }
    Ok(())
}
