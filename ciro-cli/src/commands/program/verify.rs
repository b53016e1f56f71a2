//! `ciro verify` with the key of a program.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use ciro_sdk::program::{ProgramProof, VerifiedProgram, verify_program};
use ciro_sdk::{Policy, failed_check};
use serde::Serialize;

use super::describe::{describe, felts};
use crate::context::{Context, Failure, Status};
use crate::format;
use crate::key_file::KeyFile;
use crate::ui::{DIM, GOOD};

#[derive(Serialize)]
struct Valid {
    valid: bool,
    /// A program, not a model.
    about: &'static str,
    program_key: String,
    program_hash: String,
    output: Vec<String>,
    security_bits: u32,
    proven_security_bits: u32,
    verify_ms: f64,
}

/// Verifies a proof about the program of a key; the inner error says that it does not convince, and
/// how long that took. More is `asked` where the proof is to be about an input, a context or the
/// like, which programs do not have.
pub(in crate::commands) fn run(
    (proof, key): (&Path, KeyFile),
    asked: bool,
    policy: &Policy,
    context: &Context,
) -> Result<Result<Status, (anyhow::Error, f64)>> {
    if asked {
        let what = format!(
            "`{}` is the key of a program, which has no such options",
            key.path().display()
        );
        let hint = "leave out `--input`, `--open`, `--context` and `--calldata`";
        return Err(Failure::new(what, hint).into());
    }
    let key = key.program()?;
    let proof = match ProgramProof::load(proof) {
        Ok(proof) => proof,
        Err(error) if failed_check(&error).is_some() => return Ok(Err((error.into(), 0.0))),
        Err(error) => return Err(error.into()),
    };
    let start = Instant::now();
    let verified = verify_program(&proof, &key, policy);
    let verify_ms = start.elapsed().as_secs_f64() * 1e3;
    let VerifiedProgram { key, program, output, security } = match verified {
        Ok(verified) => verified,
        Err(error) => return Ok(Err((error.into(), verify_ms))),
    };
    let report = Valid {
        valid: true,
        about: "program",
        program_key: key.to_string(),
        program_hash: program.to_string(),
        output: felts(&output),
        security_bits: security.whole_conjectured_bits(),
        proven_security_bits: security.whole_proven_bits(),
        verify_ms,
    };
    let text = format!(
        "{GOOD}valid{GOOD:#}: with some arguments, the program of this key printed\n{}\n\
         {DIM}says{DIM:#}       nothing of the arguments unless they are printed, and nothing of a model\n\
         {DIM}verified{DIM:#}   in {}\n\
         {DIM}security{DIM:#}   {} bits conjectured, {} proven\n\
         {DIM}program{DIM:#}    {}\n\
         {DIM}key{DIM:#}        {}\n",
        describe(&output),
        format::duration(verify_ms),
        report.security_bits,
        report.proven_security_bits,
        report.program_hash,
        report.program_key,
    );
    context.ui.result(&report, &text)?;
    Ok(Ok(Status::Done))
}
