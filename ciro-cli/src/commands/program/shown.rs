//! `ciro inspect` of keys and proofs of programs.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use ciro_sdk::program::{ProgramKey, ProgramProof};
use serde::Serialize;

use super::describe::{describe, felts};
use crate::context::{Context, Status};
use crate::format;
use crate::ui::{BOLD, DIM};

/// The key of a program.
#[derive(Serialize)]
pub(super) struct KeyReport {
    program_key: String,
    program_hash: String,
    builtins: Vec<&'static str>,
    security_bits: u32,
    proven_security_bits: u32,
    key_bytes: usize,
}

impl KeyReport {
    pub(super) fn new(key: &ProgramKey) -> Self {
        let security = key.security();
        Self {
            program_key: key.digest().to_string(),
            program_hash: key.program_hash().to_string(),
            builtins: key.builtins(),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
            key_bytes: key.to_bytes().len(),
        }
    }

    /// The key for people, and the file that it is in.
    pub(super) fn describe(&self, file: Option<&Path>) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: String| {
            let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
        };
        line("key", self.program_key.clone());
        line("program", self.program_hash.clone());
        line("builtins", self.builtins.join(", "));
        let Self { security_bits, proven_security_bits, .. } = self;
        line(
            "security",
            format!("{security_bits} bits conjectured, {proven_security_bits} proven"),
        );
        if let Some(path) = file {
            let size = format::bytes(self.key_bytes as u64);
            line("file", format!("{BOLD}{}{BOLD:#} ({size})", path.display()));
        }
        text
    }
}

/// What a proof says of itself.
#[derive(Serialize)]
struct ProofReport {
    program_key: String,
    claimed_output: Vec<String>,
    proof_bytes: usize,
    verified: bool,
}

/// Shows the key of a program.
pub(in crate::commands) fn key(path: &Path, context: &Context) -> Result<Status> {
    let key = ProgramKey::load(path).with_context(|| format!("key `{}`", path.display()))?;
    let report = KeyReport::new(&key);
    let meaning = "that this program printed an output; nothing of arguments, or of any model";
    let text = format!("{}{DIM}proofs say{DIM:#}  {meaning}\n", report.describe(None));
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}

/// Shows what a proof about a program claims, which is not verified.
pub(in crate::commands) fn proof(path: &Path, context: &Context) -> Result<Status> {
    let named = || format!("proof `{}`", path.display());
    let proof = ProgramProof::load(path).with_context(named)?;
    let output = proof.claimed_output().with_context(named)?;
    let report = ProofReport {
        program_key: proof.key.to_string(),
        claimed_output: felts(&output),
        proof_bytes: proof.to_bytes().len(),
        verified: false,
    };
    let text = format!(
        "{DIM}claims{DIM:#}      that the program of this key printed, which is not verified here:\n{}\
         {DIM}key{DIM:#}         {}\n{DIM}proof{DIM:#}       {}\n",
        describe(&output),
        report.program_key,
        format::bytes(report.proof_bytes as u64),
    );
    context.ui.result(&report, &text)?;
    Ok(Status::Done)
}
