//! `ciro verify`

mod report;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::{
    Check, Disagreement, InputCheck, Key, Opening, Policy, ProofBundle, ProveError, RealInput,
    RealOutput, Route, Trusted, Verified, failed_check, files, verify_with,
};
use serde::Serialize;

use self::report::{Against, Calldata, Committed, Opened, Valid, describe};
use super::outputs;
#[cfg(feature = "cairo")]
use super::program;
use super::starknet::fact::OnChain;
use crate::args::{self, TrustedCompileArgs};
use crate::context::{Context, ErrorReport, Status};
use crate::key_file::KeyFile;
use crate::model::{self, CalibrationReport};
use crate::openings;
use crate::ui::{BAD, Warning};

/// Arguments of `ciro verify`.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("against").required(true),
    after_help = "A proof says that the model of the key gave these outputs to the input that is shown. Whether that is the input you \
                  asked about is compared with `--input` alone.\nWith the key of a program (`ciro program`), it says that this program printed this output.\nExit code 3: the proof is invalid, or about another input. Exit code 1 with `--onchain`: it is valid, and its fact was not proven there."
)]
pub(crate) struct Args {
    /// The proof
    proof: PathBuf,
    /// The key of the model that you trust, or of the program
    #[arg(long, value_name = "FILE", group = "against")]
    key: Option<PathBuf>,
    /// The model that you trust, instead of its key: a `.ciro-model`, or an ONNX file with its
    /// `--calibration`
    #[arg(long, value_name = "MODEL", group = "against")]
    model: Option<PathBuf>,
    /// The route whose proofs are accepted; with a model as `cairo`, its program is compiled and
    /// run, which takes seconds
    #[arg(long, value_name = "ROUTE", default_value = "tensor", value_parser = args::routes(), conflicts_with = "key")]
    route: Route,
    /// Also check that the proof is about this input
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Take values of the input that lie outside of the calibrated range for the end of the range,
    /// as the model does
    #[arg(long, requires = "input")]
    allow_clamped: bool,
    /// The value that opens the commitment to the input, as `ciro prove --commit-input` printed it
    #[arg(long, value_name = "HEX", requires = "input")]
    blinding: Option<ciro_sdk::Blinding>,
    /// Also open commitments of the proof: entries of the file that `ciro prove --openings` wrote,
    /// in a list
    #[arg(long, value_name = "FILE")]
    open: Option<PathBuf>,
    /// Also check that the proof is bound to this number, as `ciro prove --context` had it; 0 asks
    /// for a proof that is bound to nothing
    #[arg(long, value_name = "HEX")]
    context: Option<ciro_sdk::Context>,
    /// Bits of security that the proof must have, by the conjecture behind most STARKs
    #[arg(long, value_name = "BITS", default_value_t = Policy::default().min_security_bits)]
    min_security_bits: u32,
    /// Ask for this many bits that hold without any conjecture; `--preset proven` has 100
    #[arg(long, value_name = "BITS", default_value_t = Policy::default().min_proven_bits)]
    min_proven_bits: u32,
    /// Also write the proof as the arguments of `prove` of the contract `Facts` on Starknet, one
    /// felt a line; the key has to be one of the preset `chain`
    #[arg(long, value_name = "FILE")]
    calldata: Option<PathBuf>,
    /// Also ask whether the contract `Facts` on Starknet knows what the proof shows: the name of a
    /// file in `starknet` of the user's folder, or a path that ends in `.toml`
    #[arg(long, value_name = "NETWORK")]
    onchain: Option<String>,
    #[command(flatten)]
    compile: TrustedCompileArgs,
}

impl Args {
    fn policy(&self) -> Policy {
        let &Self { min_security_bits, min_proven_bits, .. } = self;
        Policy { min_security_bits, min_proven_bits }
    }
}

/// What a check of a proof finds.
struct Checked {
    verified: Verified,
    /// How many given values lie outside of their range.
    clamped: Option<usize>,
    /// How many inferences were run again.
    recomputed: Option<usize>,
    opened: Vec<Opened>,
}

#[derive(Serialize)]
struct Invalid {
    valid: bool,
    /// The check that fails, in one word.
    check: &'static str,
    verify_ms: f64,
    #[serde(flatten)]
    error: ErrorReport,
}

pub(crate) fn run(args: &Args, context: &Context) -> Result<Status> {
    let key = args.key.as_deref().map(KeyFile::read);
    // The key decides what a proof is about, never the proof.
    #[cfg(feature = "cairo")]
    if key.as_ref().is_some_and(KeyFile::is_of_program)
        && let Some(key) = key
    {
        return of_program(args, key, context);
    }
    of_model(args, key, context)
}

/// Verifies a proof about the model of a key, or about a model at hand.
fn of_model(args: &Args, key_file: Option<KeyFile>, context: &Context) -> Result<Status> {
    let bundle = match ProofBundle::load(&args.proof) {
        Ok(bundle) => bundle,
        Err(error) if failed_check(&error).is_some() => {
            return invalid(error.into(), 0.0, args, context);
        }
        Err(error) => return Err(error.into()),
    };
    let trusted = match &args.model {
        Some(path) => Some(model::trusted(path, &args.compile, &context.ui)?),
        None => None,
    };
    let key = match key(args, (key_file, trusted.as_ref()), &bundle, context)? {
        Ok(key) => key,
        Err(error) => return invalid(error, 0.0, args, context),
    };
    let given = args.input.as_deref().map(|path| given(path, &key)).transpose()?;
    let start = Instant::now();
    let openings = args.open.as_deref().map(openings::read).transpose()?.unwrap_or_default();
    let asked = (given.as_deref(), &openings[..]);
    let checked = check(args, trusted.as_ref(), (&bundle, &key), asked);
    let verify_ms = start.elapsed().as_secs_f64() * 1e3;
    let Checked { verified, clamped, recomputed, opened } = match checked {
        Ok(checked) => checked,
        Err(error) => return invalid(error, verify_ms, args, context),
    };
    let inputs = real_inputs(&verified);
    let float_disagreements = compare_with_float(
        trusted.as_ref(),
        &verified,
        given.as_deref(),
        inputs.as_deref(),
        context,
    )?;
    let samples: Vec<Vec<RealOutput>> =
        verified.samples.iter().map(|sample| sample.outputs.clone()).collect();
    let report = Valid {
        valid: true,
        route: verified.route.name(),
        model_key: verified.model_key.to_string(),
        preset: verified.preset.name(),
        hides: verified.secrecy.hides(),
        security_bits: verified.security_bits(),
        proven_security_bits: verified.proven_security_bits(),
        outputs: outputs::Lists::new(&samples),
        samples: samples.len(),
        context: outputs::named(verified.context),
        context_checked: args.context.is_some(),
        input: inputs.as_deref().map(outputs::input_lists),
        committed: committed(&verified),
        opened,
        input_names: key.interface().inputs.iter().map(|port| port.name.clone()).collect(),
        input_checked: given.is_some(),
        clamped,
        against: match &trusted {
            None => Against::Key,
            Some(Trusted { float: None, .. }) => Against::Compiled,
            Some(_) => Against::Onnx,
        },
        calibration: trusted
            .and_then(|trusted| trusted.calibration)
            .map(|calibration| CalibrationReport::new(&calibration)),
        recomputed,
        float_disagreements,
        calldata: args.calldata.as_deref().map(|to| calldata((&bundle, &key), to)).transpose()?,
        onchain: on_chain(args, (&bundle, &key))?,
        verify_ms,
    };
    context.ui.result(&report, &describe(&report, args, inputs.as_deref(), &samples))?;
    let missing = report.onchain.is_some_and(|onchain| !onchain.is_proven());
    Ok(if missing { Status::Failed } else { Status::Done })
}

/// Verifies a proof about the program of a key.
#[cfg(feature = "cairo")]
fn of_program(args: &Args, key: KeyFile, context: &Context) -> Result<Status> {
    let Args { input, open, context: bound, calldata, onchain, .. } = args;
    let on_starknet = calldata.is_some() || onchain.is_some();
    let asked = input.is_some() || open.is_some() || bound.is_some() || on_starknet;
    match program::verify::run((&args.proof, key), asked, &args.policy(), context)? {
        Ok(status) => Ok(status),
        Err((error, verify_ms)) => invalid(error, verify_ms, args, context),
    }
}

/// The key to verify against; the inner error says that the proof cannot be about the model.
fn key(
    args: &Args,
    (key_file, trusted): (Option<KeyFile>, Option<&Trusted>),
    bundle: &ProofBundle,
    context: &Context,
) -> Result<Result<Key>> {
    let Some(trusted) = trusted else {
        let ring = key_file.context("neither a key nor a model is given")?.ring()?;
        return Ok(ring.find(bundle).cloned().map_err(Into::into));
    };
    let _stage = context.ui.stage("committing to the model");
    match trusted.model.key_for(bundle, args.route, context.max_memory) {
        Err(error @ (ProveError::Statement | ProveError::OtherRoute { .. })) => {
            Ok(Err(error.into()))
        }
        key => Ok(Ok(key?)),
    }
}

/// Verifies the proof, compares its input with the given one, opens commitments, and runs the model
/// again.
fn check(
    args: &Args,
    trusted: Option<&Trusted>,
    (bundle, key): (&ProofBundle, &Key),
    (given, openings): (Option<&[Sample]>, &[Opening]),
) -> Result<Checked> {
    let policy = args.policy();
    args.context.map(|context| bundle.check_context(context)).transpose()?;
    let verified = verify_with(bundle, key, &policy)?;
    let check = InputCheck { blinding: args.blinding, allow_clamped: args.allow_clamped };
    let compare = |given| verified.compare_inputs(key, given, &check);
    let clamped = given.map(compare).transpose()?;
    let recomputed = trusted.map(|trusted| trusted.model.recompute(&verified)).transpose()?;
    let open = |opening: &Opening| {
        let RealOutput { name, integers, values, labels } = verified.open(key, opening)?;
        let (integers, values) = (integers.data().to_vec(), values.data().to_vec());
        let (side, sample) = (opening.side.name(), opening.sample);
        Ok(Opened { side, name, sample, integers, values, labels })
    };
    let opened = openings.iter().map(open).collect::<Result<Vec<_>>>()?;
    Ok(Checked { verified, clamped, recomputed, opened })
}

/// Writes the proof as the arguments of a call.
fn calldata((bundle, key): (&ProofBundle, &Key), to: &Path) -> Result<Calldata> {
    let calldata = bundle.calldata(key)?;
    files::write(to, calldata.to_text().as_bytes())?;
    Ok(Calldata {
        model: calldata.model.to_string(),
        fact: calldata.fact.to_string(),
        input_hash: calldata.input_hash.to_string(),
        output_hash: calldata.output_hash.to_string(),
        felts: calldata.felts.len(),
        file: to.to_owned(),
    })
}

/// What the contract says of the fact that the proof shows, if it is to be asked.
fn on_chain(args: &Args, proof: (&ProofBundle, &Key)) -> Result<Option<OnChain>> {
    args.onchain.as_deref().map(|network| OnChain::of_proof(proof, network)).transpose()
}

/// What a proof commits to, sample by sample.
fn committed(verified: &Verified) -> Vec<Committed> {
    let samples = verified.samples.iter().enumerate();
    let tensors = samples.flat_map(|(at, sample)| sample.committed.iter().map(move |it| (at, it)));
    tensors
        .map(|(sample, tensor)| Committed {
            side: tensor.side.name(),
            name: tensor.name.clone(),
            sample,
            commitment: hex::encode(tensor.commitment),
        })
        .collect()
}

/// The samples of `--input`.
fn given(path: &Path, key: &Key) -> Result<Vec<Sample>> {
    let samples = Inputs::read(path).and_then(|inputs| inputs.samples(&key.input_specs()));
    samples.with_context(|| format!("input `{}`", path.display()))
}

/// The proven inputs of all inferences; `None` if one of them is committed.
fn real_inputs(verified: &Verified) -> Option<Vec<Vec<RealInput>>> {
    verified.samples.iter().map(|sample| sample.real_inputs.clone()).collect()
}

/// Warns where the float model decides otherwise, and counts the rows; `None` where the float model
/// or the input is not at hand.
fn compare_with_float(
    trusted: Option<&Trusted>,
    verified: &Verified,
    given: Option<&[Sample]>,
    proven: Option<&[Vec<RealInput>]>,
    context: &Context,
) -> Result<Option<usize>> {
    let Some(Trusted { model, float: Some(float), .. }) = trusted else { return Ok(None) };
    let real = |inputs: &Vec<RealInput>| inputs.iter().map(RealInput::values_or_zeros).collect();
    let samples: Vec<Sample> = match (given, proven) {
        (Some(given), _) => given.to_vec(),
        (None, Some(proven)) => proven.iter().map(real).collect(),
        (None, None) => return Ok(None),
    };
    let mut count = 0;
    for (index, (sample, verified)) in samples.iter().zip(&verified.samples).enumerate() {
        let found = float.disagreements(sample, &verified.outputs);
        let found = found.with_context(|| format!("the float model, sample {index}"))?;
        count += found.len();
        if let Some(Disagreement { output, row, proven, float }) = found.first() {
            let message = format!(
                "sample {index}, output `{output}`, row {row}: proven is `{proven}`, the float model says `{float}`"
            );
            let (code, node) = ("float_disagreement", Some(output.clone()));
            context.ui.warn(Warning { code, message, node });
        }
    }
    context.ui.warn_of(&model.differences(&samples)?);
    Ok(Some(count))
}

/// Says that a proof is invalid, and why.
fn invalid(error: anyhow::Error, verify_ms: f64, args: &Args, context: &Context) -> Result<Status> {
    let check = failed_check(error.as_ref()).map_or("inputs", Check::name);
    let error = error.context(format!("`{}` is not a valid proof", args.proof.display()));
    let report = Invalid { valid: false, check, verify_ms, error: ErrorReport::new(&error) };
    context.ui.error(&error, report.error.hint.as_deref());
    context.ui.result(&report, &format!("{BAD}invalid{BAD:#}\n"))?;
    Ok(Status::Invalid)
}
