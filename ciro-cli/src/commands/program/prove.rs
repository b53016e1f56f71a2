//! `ciro program prove`

use std::path::PathBuf;

use anyhow::Result;
use ciro_sdk::program::ProvenProgram;
use ciro_sdk::{OutputFile, peak_memory};
use serde::Serialize;

use super::RunArgs;
use super::describe::{describe, felts};
use crate::context::{Context, Status};
use crate::format;
use crate::ui::{BOLD, DIM};

/// Arguments of `ciro program prove`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
What the program is given stays out of the statement, but the proof hides nothing by design: it is\n\
no zero-knowledge proof.")]
pub(super) struct Args {
    #[command(flatten)]
    run: RunArgs,
    /// The proof
    #[arg(short, long, value_name = "PROOF")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    program_key: String,
    program_hash: String,
    output: Vec<String>,
    steps: u64,
    security_bits: u32,
    proven_security_bits: u32,
    prove_ms: f64,
    proof_bytes: usize,
    peak_memory_mb: Option<u64>,
    proof: &'a PathBuf,
}

pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let file = OutputFile::create(&args.output)?;
    let (program, arguments) = args.run.read()?;
    let ProvenProgram { proof, output, steps, prove_ms } = {
        let _stage = context.ui.stage("proving");
        program.prove(&arguments, context.max_memory)?
    };
    let bytes = proof.to_bytes();
    file.finish(&bytes)?;
    let (key, security) = (program.key(), program.key().security());
    let report = Report {
        program_key: key.digest().to_string(),
        program_hash: key.program_hash().to_string(),
        output: felts(&output),
        steps,
        security_bits: security.whole_conjectured_bits(),
        proven_security_bits: security.whole_proven_bits(),
        prove_ms,
        proof_bytes: bytes.len(),
        peak_memory_mb: peak_memory().map(|bytes| bytes.div_ceil(1_000_000)),
        proof: &args.output,
    };
    let text = format!(
        "{BOLD}output{BOLD:#}\n{}\n\
         {DIM}proof{DIM:#}     {BOLD}{}{BOLD:#} ({})\n\
         {DIM}proved{DIM:#}    {} steps in {}\n\
         {DIM}security{DIM:#}  {} bits conjectured, {} proven\n\
         {DIM}key{DIM:#}       {}\n",
        describe(&output),
        args.output.display(),
        format::bytes(bytes.len() as u64),
        format::count(steps),
        format::duration(prove_ms),
        report.security_bits,
        report.proven_security_bits,
        report.program_key,
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
