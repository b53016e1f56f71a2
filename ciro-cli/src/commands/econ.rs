//! `ciro econ`

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::network::program;
use crate::context::{Context, Failure, Status};
use crate::ui::DIM;

/// Arguments of `ciro econ`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Play the economy for years, by the ledger's own rules
    Sim {
        /// What is assumed
        #[arg(long, default_value = "baseline", value_parser = ["baseline", "stagnation", "shock", "exodus"])]
        scenario: String,
        /// Years, of 365 days each
        #[arg(long, default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100))]
        years: u32,
        /// Equal seeds give equal runs
        #[arg(long, default_value = "1")]
        seed: u64,
        /// Where the results go: FILE.csv and FILE.html
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

#[derive(Serialize)]
struct Report {
    scenario: String,
    years: u32,
    seed: u64,
    table: PathBuf,
    page: PathBuf,
}

/// Runs the simulator, a program of its own: it holds the ledger, which the command line does not
/// know.
pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let Action::Sim { scenario, years, seed, output } = &args.action;
    let simulator = program("ciro-econ")?;
    let done = {
        let _stage = context.ui.stage(format!("playing {years} years of `{scenario}`"));
        let arguments = ["--scenario", scenario, "--years", &years.to_string()];
        let command = Command::new(&simulator)
            .args(arguments)
            .args(["--seed", &seed.to_string(), "--output"])
            .arg(output)
            .output();
        command.with_context(|| format!("cannot start `{}`", simulator.display()))?
    };
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let said = said.trim().trim_start_matches("error: ").to_owned();
        return Err(Failure::new(said, "name a file in a folder that exists: `-o FILE`").into());
    }
    let report = Report {
        scenario: scenario.clone(),
        years: *years,
        seed: *seed,
        table: output.with_extension("csv"),
        page: output.with_extension("html"),
    };
    let text = format!(
        "{DIM}table{DIM:#}  {}\n{DIM}page{DIM:#}   {}\n",
        report.table.display(),
        report.page.display()
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
