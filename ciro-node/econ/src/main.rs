//! `ciro-econ`: plays the economy and writes what became of it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use ciro_econ::{report, run, scenario};
use clap::Parser;

/// Play Ciro's economy for years, by the ledger's own rules
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// What is assumed: baseline, stagnation, shock or exodus
    #[arg(long, default_value = "baseline")]
    scenario: String,
    /// Years, of 365 days each
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    years: u32,
    /// Equal seeds give equal runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the results go: FILE.csv and FILE.html
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn main() -> ExitCode {
    match play(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the one place that tells what went wrong")]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn play(args: &Args) -> Result<()> {
    let known = scenario::ALL.into_iter().find(|it| it.name == args.scenario);
    let scenario = known.with_context(|| {
        let names: Vec<&str> = scenario::ALL.iter().map(|it| it.name).collect();
        format!("there is no scenario `{}`: choose one of {}", args.scenario, names.join(", "))
    })?;
    let run = run(scenario, args.seed, args.years * 365)?;
    for (extension, text) in [("csv", report::csv(&run)), ("html", report::html(&run))] {
        let path = args.output.with_extension(extension);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
