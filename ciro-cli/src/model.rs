//! Opens models: ONNX files, compiled here or found in the cache, and compiled models as they are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_sdk::inputs::{Calibration, Inputs, Sample};
use ciro_sdk::{Cache, Cached, CompileSettings, Concern, FloatModel, Model, OnnxFile, printable};
use serde::Serialize;

use crate::args::{CompileArgs, ModelArgs, TrustedCompileArgs};
use crate::failure::Failure;
use crate::format;
use crate::ui::Ui;

/// What a compiled model is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// This run alone: its form may come from the cache.
    Use,
    /// Something that others rely on, such as a key: it is compiled here and now.
    Publish,
}

/// The samples that a model was calibrated with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CalibrationReport {
    file: String,
    /// BLAKE2s-256 of the samples.
    digest: String,
}

impl CalibrationReport {
    fn new(calibration: &Calibration) -> Self {
        Self { file: calibration.file.clone(), digest: calibration.digest() }
    }

    /// File and digest in one line.
    pub(crate) fn describe(&self) -> String {
        format!("{} ({})", printable(&self.file), self.digest)
    }
}

/// A model that is ready to run.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) model: Model,
    /// `None` for a compiled model, which does not say, and for one whose ranges are guessed.
    pub(crate) calibration: Option<CalibrationReport>,
}

/// Opens a model: loads its compiled form, or compiles it and says so.
pub(crate) fn open(args: &ModelArgs, purpose: Purpose, ui: &Ui) -> Result<Opened> {
    if Model::is_compiled_file(&args.path) {
        return Ok(Opened { model: load(args)?, calibration: None });
    }
    let (settings, calibration) = settings(args, ui)?;
    let name = args.path.display();
    let stage = ui.stage(format!("compiling {name}"));
    let cache = Cache::user().filter(|_| purpose == Purpose::Use);
    let compiled = match cache {
        Some(cache) => cache.compile_file(&args.path, &settings),
        None => Model::compile_file(&args.path, &settings).map(Cached::from),
    };
    let Cached { model, hit, .. } = compiled.with_context(|| format!("model `{name}`"))?;
    drop(stage);
    let samples = format::plural(model.accuracy().samples, "sample");
    let found = if hit { "found the compiled form of" } else { "compiled" };
    ui.note(format_args!("{found} `{name}`, calibrated with {samples}"));
    tell_concerns(&model.concerns(), &args.path, ui);
    Ok(Opened { model, calibration })
}

/// A model that its holder trusts and checks a proof against.
#[derive(Debug)]
pub(crate) struct Trusted {
    pub(crate) model: Model,
    pub(crate) calibration: Option<CalibrationReport>,
    /// The float model, where the ONNX file is at hand.
    pub(crate) float: Option<FloatModel>,
}

/// Opens a model to check a proof against: nothing is looked for beside it, and nothing is taken from the cache.
pub(crate) fn open_trusted(path: &Path, args: &TrustedCompileArgs, ui: &Ui) -> Result<Trusted> {
    let TrustedCompileArgs { calibration, uncalibrated, shape, activation_bits } = args;
    let compile = CompileArgs {
        shape: shape.clone(),
        calibration: calibration.clone(),
        activation_bits: *activation_bits,
    };
    let args = ModelArgs { path: path.to_owned(), compile };
    let name = path.display();
    if Model::is_compiled_file(path) {
        if *uncalibrated {
            return Err(compiled_already(path));
        }
        return Ok(Trusted { model: load(&args)?, calibration: None, float: None });
    }
    if calibration.is_none() && !uncalibrated {
        let message = format!("`{name}` has to be compiled, and no calibration is named");
        let hint = "pass the samples that you trust with `--calibration FILE`, or `--uncalibrated`; or verify against a key: `--key FILE`";
        return Err(Failure::new(message, hint).into());
    }
    let calibration = calibration.as_deref().map(read_calibration).transpose()?;
    let settings = with_calibration(&args.compile, calibration.as_ref())?;
    let _stage = ui.stage(format!("compiling {name}"));
    let compile = || -> Result<_, ciro_sdk::CompileError> {
        let onnx = OnnxFile::read(path, &settings.import)?;
        Ok((onnx.compile(&settings)?, onnx.float_model(&settings.import)?))
    };
    let (model, float) = compile().with_context(|| format!("model `{name}`"))?;
    tell_concerns(&model.concerns(), path, ui);
    let calibration = calibration.as_ref().map(CalibrationReport::new);
    Ok(Trusted { model, calibration, float: Some(float) })
}

/// Warns of what the user should know before relying on a model.
pub(crate) fn tell_concerns(concerns: &[Concern], path: &Path, ui: &Ui) {
    let name = path.display();
    for concern in concerns {
        match concern {
            Concern::Inaccurate { output, relative_error, top1_agreement } => {
                ui.warn(format_args!(
                    "output `{output}` of `{name}` is not close to the float model: {:.1}% mean relative error, {:.1}% top-1 agreement",
                    relative_error * 100.0,
                    top1_agreement * 100.0,
                ));
            }
            _ => ui.warn(format_args!(
                "`{name}` was calibrated with random numbers; pass real inputs with `--calibration`"
            )),
        }
    }
}

fn compiled_already(path: &Path) -> anyhow::Error {
    let message = format!("`{}` is compiled already", path.display());
    let hint =
        "leave out `--shape`, `--calibration` and `--activation-bits`, or pass the ONNX file";
    Failure::new(message, hint).into()
}

fn load(args: &ModelArgs) -> Result<Model> {
    let CompileArgs { shape, calibration, activation_bits } = &args.compile;
    if !shape.is_empty() || calibration.is_some() || activation_bits.is_some() {
        return Err(compiled_already(&args.path));
    }
    Model::load(&args.path).with_context(|| format!("model `{}`", args.path.display()))
}

/// How an ONNX file is compiled; reads the calibration samples that are named, or those beside the model.
pub(crate) fn settings(
    args: &ModelArgs,
    ui: &Ui,
) -> Result<(CompileSettings, Option<CalibrationReport>)> {
    let path = args.compile.calibration.clone().or_else(|| Calibration::beside(&args.path));
    let calibration = path.as_deref().map(read_calibration).transpose()?;
    let report = calibration.as_ref().map(CalibrationReport::new);
    if let (Some(path), Some(report), None) = (&path, &report, &args.compile.calibration) {
        ui.note(format_args!("calibrating with `{}` ({})", path.display(), report.digest));
    }
    Ok((with_calibration(&args.compile, calibration.as_ref())?, report))
}

fn with_calibration(
    args: &CompileArgs,
    calibration: Option<&Calibration>,
) -> Result<CompileSettings> {
    let mut settings = CompileSettings::default();
    for shape in &args.shape {
        settings.import.add_shape(shape).map_err(|error| {
            Failure::new(error.to_string(), "`ciro inspect MODEL` shows inputs and symbols")
        })?;
    }
    if let Some(bits) = args.activation_bits {
        settings.quantize.activation_bits = bits;
    }
    settings.calibration = calibration.map(|calibration| calibration.inputs.clone());
    Ok(settings)
}

fn read_calibration(path: &Path) -> Result<Calibration> {
    Calibration::read(path).with_context(|| format!("calibration file `{}`", path.display()))
}

/// Reads the samples of one or more input files.
pub(crate) fn samples(model: &Model, files: &[PathBuf]) -> Result<Vec<Sample>> {
    let specs = model.input_specs();
    let mut samples = Vec::new();
    for file in files {
        let read = Inputs::read(file).and_then(|inputs| inputs.samples(&specs));
        samples.extend(read.with_context(|| format!("input `{}`", file.display()))?);
    }
    Ok(samples)
}

/// Warns of inputs that the calibrated range does not hold; refuses them if the range is a guess.
pub(crate) fn check_clamped(
    model: &Model,
    clamped: &[Vec<(String, usize)>],
    ui: &Ui,
) -> Result<()> {
    for (sample, inputs) in clamped.iter().enumerate() {
        for (name, count) in inputs {
            let what = format!(
                "input `{name}` of sample {sample}: {} outside the calibrated range",
                format::plural(*count, "value")
            );
            let hint = "calibrate with inputs like this one: `--calibration FILE`";
            if model.refuses_clamped() {
                return Err(Failure::new(what, hint).into());
            }
            ui.warn(format_args!("{what}, moved to its end; {hint}"));
        }
    }
    Ok(())
}
