//! `ciro key`

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ciro_sdk::{Key, OutputFile};
use serde::Serialize;

use crate::args::{CommitArgs, KindArgs, ModelArgs};
use crate::context::{Context, Status};
use crate::model::{CalibrationReport, Purpose};
use crate::ui::{BOLD, DIM};
use crate::{format, model};

/// Arguments of `ciro key`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The file holds a key for every combination of --route, --preset, --batch and --private that the\n\
routes have, such as `--route tensor,cairo --batch 1,8,64`; `ciro verify` finds the one that a\n\
proof needs.")]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The key file; without it only digests are printed
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    kinds: KindArgs,
    #[command(flatten)]
    commit: CommitArgs,
}

#[derive(Serialize)]
struct Report<'a> {
    /// The first key, for those who ask for one.
    #[serde(flatten)]
    first: KeyReport,
    keys: Vec<KeyReport>,
    calibration: Option<CalibrationReport>,
    file: Option<&'a PathBuf>,
    key_bytes: usize,
}

/// One key of a key file.
#[derive(Clone, Serialize)]
pub(super) struct KeyReport {
    pub(super) model_key: String,
    pub(super) route: &'static str,
    pub(super) preset: &'static str,
    pub(super) batch: u32,
    /// Whether the key's proofs hide inputs and execution.
    pub(super) hides: bool,
    pub(super) security_bits: u32,
    pub(super) proven_security_bits: u32,
}

impl KeyReport {
    pub(super) fn new(key: &Key) -> Self {
        let security = key.security();
        Self {
            model_key: key.digest().to_string(),
            route: key.route().name(),
            preset: key.preset().name(),
            batch: key.batch(),
            hides: key.secrecy().hides(),
            security_bits: security.whole_conjectured_bits(),
            proven_security_bits: security.whole_proven_bits(),
        }
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let kinds = args.kinds.kinds()?;
    let file = args.output.as_deref().map(OutputFile::create).transpose()?;
    let (model, calibration) = model::opened(&args.model, Purpose::Publish, &context.ui)?;
    let ring = {
        let _stage = context.ui.stage("committing to the model");
        let [inputs, outputs] = args.commit.committing();
        model.key_ring(kinds, [&inputs, &outputs], context.max_memory)?
    };
    let bytes = ring.to_bytes();
    if let Some(file) = file {
        file.finish(&bytes)?;
    }
    let keys: Vec<KeyReport> = ring.keys().map(KeyReport::new).collect();
    let report = Report {
        first: keys.first().cloned().context("no key was made")?,
        keys,
        calibration,
        file: args.output.as_ref(),
        key_bytes: bytes.len(),
    };
    context.ui.result(&report, &describe(&report))?;
    Ok(Status::Done)
}

fn describe(report: &Report<'_>) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{DIM}{label:12}{DIM:#}{value}");
    };
    for key in &report.keys {
        line("key", key.model_key.clone());
        line(
            "security",
            format!(
                "{} bits conjectured, {} proven (route {}, preset {}, batch {}{})",
                key.security_bits,
                key.proven_security_bits,
                key.route,
                key.preset,
                key.batch,
                format::hiding(key.hides)
            ),
        );
    }
    if let Some(path) = report.file {
        let size = format::bytes(report.key_bytes as u64);
        line("file", format!("{BOLD}{}{BOLD:#} ({size})", path.display()));
    }
    if let Some(calibration) = &report.calibration {
        line("calibrated", calibration.describe());
    }
    text
}
