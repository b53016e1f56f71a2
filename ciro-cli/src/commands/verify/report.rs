//! What `ciro verify` says of a valid proof.

use std::fmt::Write as _;
use std::path::PathBuf;

use ciro_sdk::{RealInput, RealOutput, printable};
use serde::Serialize;

use super::Args;
use crate::commands::outputs;
use crate::commands::starknet::fact::OnChain;
use crate::format;
use crate::model::CalibrationReport;
use crate::ui::{DIM, GOOD};

/// What the proof was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Against {
    Key,
    Compiled,
    Onnx,
}

#[derive(Serialize)]
pub(super) struct Valid {
    pub(super) valid: bool,
    pub(super) route: &'static str,
    pub(super) model_key: String,
    pub(super) preset: &'static str,
    /// Whether the proof hides what it does not state of inputs and execution.
    pub(super) hides: bool,
    pub(super) security_bits: u32,
    pub(super) proven_security_bits: u32,
    #[serde(flatten)]
    pub(super) outputs: outputs::Lists,
    pub(super) samples: usize,
    /// What the proof is bound to; `null` if to nothing.
    pub(super) context: Option<String>,
    /// Whether the context was compared with `--context`.
    pub(super) context_checked: bool,
    /// The proven input as real numbers, one list for each input; `null` if the proof commits to
    /// it.
    pub(super) input: Option<Vec<Option<Vec<outputs::InputElement>>>>,
    pub(super) input_names: Vec<String>,
    /// What the proof commits to instead of showing it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) committed: Vec<Committed>,
    /// What `--open` opened, one entry for each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) opened: Vec<Opened>,
    /// Whether the input was compared with `--input`.
    pub(super) input_checked: bool,
    /// Values of `--input` that the model sees moved to the end of their range; `null` without
    /// `--input`.
    pub(super) clamped: Option<usize>,
    pub(super) against: Against,
    pub(super) calibration: Option<CalibrationReport>,
    /// Inferences that the integer model was run on again; `null` without a model.
    pub(super) recomputed: Option<usize>,
    /// Rows in which the float model decides otherwise; `null` where it is not at hand.
    pub(super) float_disagreements: Option<usize>,
    /// What `--calldata` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) calldata: Option<Calldata>,
    /// What `--onchain` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) onchain: Option<OnChain>,
    pub(super) verify_ms: f64,
}

/// The arguments of a call of the contract `Facts`, and what it proves.
#[derive(Serialize)]
pub(super) struct Calldata {
    /// The model's id there.
    pub(super) model: String,
    pub(super) fact: String,
    pub(super) input_hash: String,
    pub(super) output_hash: String,
    pub(super) felts: usize,
    pub(super) file: PathBuf,
}

impl Calldata {
    fn describe(&self) -> [(&'static str, String); 3] {
        let Self { model, fact, felts, file, .. } = self;
        let felts = format::plural(*felts, "felt");
        let written = format!("{} ({felts}) for `prove` of the contract", file.display());
        [("calldata", written), ("model id", model.clone()), ("fact", fact.clone())]
    }
}

/// A commitment of the proof.
#[derive(Serialize)]
pub(super) struct Committed {
    pub(super) side: &'static str,
    pub(super) name: String,
    pub(super) sample: usize,
    pub(super) commitment: String,
}

/// An opened commitment.
#[derive(Serialize)]
pub(super) struct Opened {
    pub(super) side: &'static str,
    pub(super) name: String,
    pub(super) sample: usize,
    pub(super) integers: Vec<i32>,
    pub(super) values: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) labels: Option<Vec<String>>,
}

impl Committed {
    fn describe(&self) -> String {
        let Self { side, name, sample, commitment } = self;
        format!("{side} `{}` of sample {sample}: {commitment}", printable(name))
    }
}

impl Opened {
    fn describe(&self) -> String {
        let Self { side, name, sample, values, labels, .. } = self;
        let shown = match labels {
            Some(labels) => printable(&labels.join(", ")).into_owned(),
            None => format::values(values),
        };
        format!("{side} `{}` of sample {sample}: {shown}", printable(name))
    }
}

/// What people read.
pub(super) fn describe(
    report: &Valid,
    args: &Args,
    inputs: Option<&[Vec<RealInput>]>,
    samples: &[Vec<RealOutput>],
) -> String {
    let mut text = format!(
        "{GOOD}valid{GOOD:#}: the model of this key gave these outputs\n{}\n",
        outputs::describe(samples)
    );
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{DIM}{label:11}{DIM:#}{value}");
    };
    match inputs {
        Some(inputs) => {
            outputs::describe_inputs(inputs).into_iter().for_each(|input| line("input", input))
        }
        None => line("input", "not shown: the proof commits to it".to_owned()),
    }
    report.committed.iter().for_each(|tensor| line("committed", tensor.describe()));
    report.opened.iter().for_each(|tensor| line("opened", tensor.describe()));
    let compared = match (&args.input, report.clamped) {
        (Some(path), Some(clamped)) => format!(
            "with {}: the same, {} outside the calibrated range",
            path.display(),
            format::plural(clamped, "value")
        ),
        _ => "with nothing: pass `--input` to check that it is yours".to_owned(),
    };
    line("compared", compared);
    match (&report.context, report.context_checked) {
        (Some(context), true) => line("context", format!("{context}, as asked for")),
        (Some(context), false) => {
            line("context", format!("{context}: pass `--context` to check that it is yours"));
        }
        (None, _) => {}
    }
    let inferences = format::plural(report.samples, "inference");
    line("verified", format!("{inferences} in {}", format::duration(report.verify_ms)));
    let Valid { security_bits: bits, proven_security_bits: proven, route, preset, .. } = report;
    let kind = format!("route {route}, preset {preset}{}", format::hiding(report.hides));
    line("security", format!("{bits} bits conjectured, {proven} proven ({kind})"));
    line("key", report.model_key.clone());
    let calibrated = report.calibration.as_ref().map(CalibrationReport::describe);
    match report.against {
        Against::Key => {}
        Against::Compiled => {
            line("model", "a compiled one, calibrated by whoever made it".to_owned())
        }
        Against::Onnx => {
            line("calibrated", calibrated.unwrap_or_else(|| "with random numbers".to_owned()));
        }
    }
    match report.recomputed {
        None => {}
        Some(0) => line("run again", "none: the inputs are committed to, not shown".to_owned()),
        Some(runs) => line(
            "run again",
            format!("{}, equal to the proven outputs", format::plural(runs, "inference")),
        ),
    }
    report.calldata.iter().flat_map(Calldata::describe).for_each(|(label, value)| {
        line(label, value);
    });
    if let Some(onchain) = &report.onchain {
        line("on chain", onchain.describe());
    }
    text
}
