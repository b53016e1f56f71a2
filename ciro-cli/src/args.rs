//! Arguments that commands share.

use std::path::PathBuf;

use ciro_sdk::{
    Committing, Preset, ProofKind, ProveError, ProveSettings, Route, Secrecy, proof_kinds,
};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ColorChoice};

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Print one JSON object on stdout; everything else goes to stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print results, warnings and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print what happens inside; twice for more
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// When to colour the output
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Threads of the prover [default: one for each core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Refuse work that would take more memory, such as 8GB [default: what the machine has free]
    #[arg(long, global = true, value_name = "SIZE", value_parser = crate::format::parse_size)]
    pub(crate) max_memory: Option<u64>,
}

/// Which model, and how an ONNX file is compiled.
#[derive(Clone, Debug, Args)]
pub(crate) struct ModelArgs {
    /// ONNX file, or a `.ciro-model` from `ciro compile`
    #[arg(value_name = "MODEL")]
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) compile: CompileArgs,
}

/// How an ONNX file is compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct CompileArgs {
    /// Shape of an input (x=1x3x32x32) or value of a symbol (seq=128)
    #[arg(long, value_name = "NAME=SHAPE")]
    pub(crate) shape: Vec<String>,
    /// Fix an input to a number, which becomes part of the model (sr=16000)
    #[arg(long, value_name = "INPUT=NUMBER")]
    pub(crate) set: Vec<String>,
    /// Representative inputs (JSON, .npy, .npz) [default: calibration.* or inputs.* beside the
    /// model; without such, `run` and `prove` take the inputs themselves, if those are stated]
    #[arg(long, value_name = "FILE")]
    pub(crate) calibration: Option<PathBuf>,
    /// Inputs (JSON, .npy, .npz) that judge accuracy and do not calibrate [default: a third of the
    /// calibration]
    #[arg(long, value_name = "FILE")]
    pub(crate) test: Option<PathBuf>,
    /// Bits of the integers between layers, 4 to 16: fewer prove faster, more are more accurate
    #[arg(long, value_name = "BITS")]
    pub(crate) activation_bits: Option<u32>,
}

/// How an ONNX file is compiled by whoever checks a proof against it: nothing is taken from where
/// the file lies.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "With an ONNX file as the model")]
pub(crate) struct TrustedCompileArgs {
    /// The inputs (JSON, .npy, .npz) that the model is calibrated with; they decide its integers,
    /// so none are looked for
    #[arg(long, value_name = "FILE", conflicts_with_all = ["uncalibrated", "key"])]
    pub(crate) calibration: Option<PathBuf>,
    /// The model is compiled without calibration
    #[arg(long, conflicts_with = "key")]
    pub(crate) uncalibrated: bool,
    /// Shape of an input (x=1x3x32x32) or value of a symbol (seq=128)
    #[arg(long, value_name = "NAME=SHAPE", conflicts_with = "key")]
    pub(crate) shape: Vec<String>,
    /// Fix an input to a number, as for `ciro prove`
    #[arg(long, value_name = "INPUT=NUMBER", conflicts_with = "key")]
    pub(crate) set: Vec<String>,
    /// Bits of the integers between layers, as for `ciro prove`
    #[arg(long, value_name = "BITS", conflicts_with = "key")]
    pub(crate) activation_bits: Option<u32>,
}

/// How a model is proven.
#[derive(Clone, Debug, Args)]
pub(crate) struct RouteArgs {
    /// How to prove: with the tensor STARK or as a Cairo program
    #[arg(long, value_name = "ROUTE", default_value = "tensor", value_parser = routes())]
    pub(crate) route: Route,
    /// Security parameters
    #[arg(long, value_name = "PRESET", default_value = "standard", value_parser = presets())]
    pub(crate) preset: Preset,
    /// Hide the execution, and inputs and outputs that are committed to: the proof shows nothing
    /// beside the key and what it states (route tensor); the model stays public
    #[arg(long)]
    pub(crate) private: bool,
}

impl RouteArgs {
    /// The settings for proofs of `batch` inferences.
    pub(crate) fn settings(&self, batch: u32, max_memory_bytes: Option<u64>) -> ProveSettings {
        let (route, preset, secrecy) = (self.route, self.preset, secrecy(self.private));
        let kind = ProofKind { route, preset, batch, secrecy };
        ProveSettings { max_memory_bytes, ..ProveSettings::of(kind) }
    }
}

/// Which inputs and outputs proofs commit to instead of showing them.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommitArgs {
    /// State commitments to the inputs instead of the inputs, to all or to those named (route
    /// cairo: to all); binds, and hides nothing by itself
    #[arg(long, value_name = "NAME,...", num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    pub(crate) commit_input: Option<Vec<String>>,
    /// State commitments to the outputs instead of the outputs, to all or to those named (route
    /// tensor)
    #[arg(long, value_name = "NAME,...", num_args = 0..=1, require_equals = true, default_missing_value = "", value_delimiter = ',')]
    pub(crate) commit_output: Option<Vec<String>>,
}

impl CommitArgs {
    /// What is committed of inputs and of outputs.
    pub(crate) fn committing(&self) -> [Committing; 2] {
        [&self.commit_input, &self.commit_output].map(committing)
    }

    /// Whether an input is committed to in place of being stated.
    pub(crate) fn inputs_stay_secret(&self) -> bool {
        self.commit_input.is_some()
    }
}

/// What a flag asks for: an empty name stands for all.
fn committing(names: &Option<Vec<String>>) -> Committing {
    match names {
        None => Committing::Nothing,
        Some(names) if names.iter().all(String::is_empty) => Committing::All,
        Some(names) => Committing::Named(names.clone()),
    }
}

/// For which proofs keys are made: every combination that a route has.
#[derive(Clone, Debug, Args)]
pub(crate) struct KindArgs {
    /// How proofs are made: with the tensor STARK, as a Cairo program, or both
    #[arg(long, value_name = "ROUTE,...", default_value = "tensor", value_delimiter = ',', value_parser = routes())]
    pub(crate) route: Vec<Route>,
    /// Security parameters
    #[arg(long, value_name = "PRESET,...", default_value = "standard", value_delimiter = ',', value_parser = presets())]
    pub(crate) preset: Vec<Preset>,
    /// Inferences in one proof
    #[arg(long, value_name = "N,...", default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) batch: Vec<u32>,
    /// Whether proofs hide the execution, and inputs and outputs that are committed to (route
    /// tensor): `--private` for keys of such proofs, `--private=no,yes` for keys of both kinds
    #[arg(long, value_name = "YES,...", num_args = 0..=1, require_equals = true, default_missing_value = "yes", default_value = "no", hide_default_value = true, value_delimiter = ',', value_parser = secrecies())]
    pub(crate) private: Vec<Secrecy>,
}

impl KindArgs {
    /// Every combination that a route has.
    ///
    /// # Errors
    /// `ProveError` if a route has none, or is not part of this build.
    pub(crate) fn kinds(&self) -> Result<Vec<ProofKind>, ProveError> {
        proof_kinds(&self.route, &self.preset, &self.batch, &self.private)
    }
}

fn secrecies() -> impl TypedValueParser<Value = Secrecy> {
    PossibleValuesParser::new(["no", "yes"]).map(|word| secrecy(word == "yes"))
}

fn secrecy(private: bool) -> Secrecy {
    if private { Secrecy::Hiding } else { Secrecy::Plain }
}

/// The names of routes on the command line.
pub(crate) fn routes() -> impl TypedValueParser<Value = Route> {
    let values = [
        PossibleValue::new("tensor").help("the tensor STARK: milliseconds"),
        PossibleValue::new("cairo").help("a Cairo program, proven with stwo-cairo: seconds"),
    ];
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Route>())
}

fn presets() -> impl TypedValueParser<Value = Preset> {
    let values = [
        PossibleValue::new("standard").help("100 conjectured bits, fast"),
        PossibleValue::new("compact").help("100 conjectured bits, smallest proofs"),
        PossibleValue::new("proven").help("100 bits without a conjecture, larger proofs"),
        PossibleValue::new("chain").help("100 conjectured bits, for the verifier on Starknet"),
        PossibleValue::new("fast-test").hide(true),
    ];
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Preset>())
}
