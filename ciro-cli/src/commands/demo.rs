//! `ciro demo`

use std::fmt::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use ciro_sdk::inputs::Inputs;
use ciro_sdk::{
    CompileSettings, Key, Model, ProofBundle, ProveSettings, Prover, VerifyError, verify,
};
use serde::Serialize;

use crate::context::{Context, Status};
use crate::format;
use crate::ui::{BOLD, DIM, GOOD, causes};

/// Arguments of `ciro demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

const MODEL: &[u8] = include_bytes!("../../../examples/models/lenet5_mnist/model.onnx");
const SAMPLES: &[u8] = include_bytes!("../../../examples/models/lenet5_mnist/inputs.npz");
const IMAGE: &[u8] = include_bytes!("../../../examples/models/lenet5_mnist/input_0.json");

/// Pixels along each side of the image.
const SIDE: usize = 28;

#[derive(Serialize)]
struct Report {
    valid: bool,
    prediction: usize,
    compile_ms: f64,
    prepare_ms: f64,
    prove_ms: f64,
    verify_ms: f64,
    proof_bytes: usize,
    key_bytes: usize,
    security_bits: u32,
    model_key: String,
    forgery: Forgery,
}

/// What became of the altered copy.
#[derive(Serialize)]
struct Forgery {
    claimed: usize,
    rejected: bool,
    reason: String,
}

pub(crate) fn run(_: &Args, context: &Context) -> Result<Status> {
    let mut clock = Clock(Instant::now());
    let model = {
        let _stage = context.ui.stage("compiling the model");
        let calibration = Some(Inputs::from_bytes(SAMPLES, "inputs.npz")?);
        let settings = CompileSettings { calibration, ..CompileSettings::default() };
        Model::compile_bytes(MODEL, "lenet5_mnist", &settings)?
    };
    let compile_ms = clock.lap();
    let samples = Inputs::from_bytes(IMAGE, "input_0.json")?.samples(&model.input_specs())?;
    let stage = context.ui.stage("committing to the model");
    let settings =
        ProveSettings { max_memory_bytes: context.max_memory, ..ProveSettings::default() };
    let prover = Prover::new(&model, &settings)?;
    let key = prover.key();
    drop(stage);
    let prepare_ms = clock.lap();
    let proven = {
        let _stage = context.ui.stage("proving");
        prover.prove(&samples)?
    };
    clock.lap();
    let verified = verify(&proven.bundle, &key).context("the proof of the demo does not hold")?;
    let verify_ms = clock.lap();
    let scores = verified.samples.first().and_then(|sample| sample.outputs.first());
    let prediction = scores.and_then(|scores| scores.top1()).context("no scores")?;

    let claimed = (prediction + 3) % 10;
    let forged = forge(&proven.bundle, &key, (prediction, claimed))?;
    let reason = match verify(&forged, &key) {
        Ok(_) => bail!("the altered proof was accepted: do not use this build"),
        Err(error) => last_cause(error),
    };
    let report = Report {
        valid: true,
        prediction,
        compile_ms,
        prepare_ms,
        prove_ms: proven.prove_ms,
        verify_ms,
        proof_bytes: proven.bundle.to_bytes().len(),
        key_bytes: key.to_bytes().len(),
        security_bits: verified.security_bits(),
        model_key: key.digest().to_string(),
        forgery: Forgery { claimed, rejected: true, reason },
    };
    let image = samples[0].first().map_or(&[][..], |image| image.data());
    context.ui.result(&report, &describe(&report, &model, image))?;
    Ok(Status::Done)
}

/// Measures the steps between its laps.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self) -> f64 {
        let lap = self.0.elapsed().as_secs_f64() * 1e3;
        self.0 = Instant::now();
        lap
    }
}

/// A copy that claims another digit: two scores are swapped.
fn forge(bundle: &ProofBundle, key: &Key, (digit, claimed): (usize, usize)) -> Result<ProofBundle> {
    let mut statement = bundle.statement(key)?;
    let claim = statement.claims.first_mut().context("no claim")?;
    let scores =
        claim.outputs.first_mut().and_then(|output| output.public_mut()).context("no scores")?;
    scores.data_mut().swap(digit, claimed);
    Ok(bundle.clone().with_statement(&statement))
}

fn last_cause(error: VerifyError) -> String {
    let error = anyhow::Error::from(error);
    causes(&error).pop().unwrap_or_else(|| error.to_string())
}

fn describe(report: &Report, model: &Model, image: &[f64]) -> String {
    let mut text = String::new();
    for line in picture(image) {
        let _ = writeln!(text, "    {line}");
    }
    let mut step = |name: &str, time: Option<f64>, what: String| {
        let time = time.map(format::duration).unwrap_or_default();
        let _ = writeln!(text, "{BOLD}{name:9}{BOLD:#}{time:>8}  {what}");
    };
    let integer = model.integer();
    step(
        "compile",
        Some(report.compile_ms),
        format!(
            "{DIM}LeNet-5, {} parameters, {} multiplications, from ONNX to integers{DIM:#}",
            format::count(integer.parameters() as u64),
            format::count(integer.macs()),
        ),
    );
    let key = format!("{DIM}the key that verifiers need has {} bytes{DIM:#}", report.key_bytes);
    step("commit", Some(report.prepare_ms), key);
    step(
        "prove",
        Some(report.prove_ms),
        format!(
            "{DIM}\"this model sees a{DIM:#} {BOLD}{}{BOLD:#}{DIM} in this image\": a proof of {}{DIM:#}",
            report.prediction,
            format::bytes(report.proof_bytes as u64),
        ),
    );
    step(
        "verify",
        Some(report.verify_ms),
        format!("{GOOD}valid{GOOD:#} {DIM}at {} bits of security{DIM:#}", report.security_bits),
    );
    step(
        "forge",
        None,
        format!(
            "{DIM}a copy that claims a {}:{DIM:#} {GOOD}rejected{GOOD:#}{DIM}, {}{DIM:#}",
            report.forgery.claimed, report.forgery.reason,
        ),
    );
    let _ = writeln!(
        text,
        "\n{DIM}next{DIM:#}  ciro init my-model   {DIM}or{DIM:#}   ciro check model.onnx"
    );
    text
}

/// Draws the image with two pixels to a character.
fn picture(image: &[f64]) -> Vec<String> {
    let inked =
        |row: usize, column: usize| image.get(row * SIDE + column).is_some_and(|&v| v > 0.4);
    let rows = (0..SIDE).step_by(2).map(|row| {
        let line: String = (0..SIDE)
            .map(|column| match (inked(row, column), inked(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect();
        line.trim_end().to_owned()
    });
    let mut lines: Vec<String> = rows.collect();
    let blank = |line: &String| line.is_empty();
    lines.truncate(lines.len() - lines.iter().rev().take_while(|line| blank(line)).count());
    let first = lines.iter().take_while(|line| blank(line)).count();
    lines.split_off(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_cut_to_their_ink() {
        let mut image = vec![0.0; SIDE * SIDE];
        for (row, column) in [(4, 2), (5, 2), (5, 3), (6, 4)] {
            image[row * SIDE + column] = 1.0;
        }
        assert_eq!(picture(&image), ["  █▄", "    ▀"]);
        assert_eq!(picture(&[]), [""; 0]);
    }
}
