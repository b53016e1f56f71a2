//! Opens models: ONNX files through the cache, compiled models as they are.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::integer::AccuracyReport;
use ciro_sdk::{Cache, Cached, CompileSettings, Model};

use crate::args::{CompileArgs, ModelArgs};
use crate::failure::Failure;
use crate::format;
use crate::ui::Ui;

/// Names of calibration files beside a model, the first found is taken.
const NEIGHBOURS: [&str; 6] = [
    "calibration.npz",
    "calibration.npy",
    "calibration.json",
    "inputs.npz",
    "inputs.npy",
    "inputs.json",
];

/// Opens a model: loads its compiled form, or compiles it and says so.
pub(crate) fn open(args: &ModelArgs, ui: &Ui) -> Result<Model> {
    if is_compiled(&args.path) {
        return load(args);
    }
    let settings = settings(args, ui)?;
    let name = args.path.display();
    let stage = ui.stage(format!("compiling {name}"));
    let compile = || match Cache::user() {
        Some(cache) => cache.compile_file(&args.path, &settings),
        None => Ok(Cached { model: Model::compile_file(&args.path, &settings)?, hit: false }),
    };
    let Cached { model, hit } = compile().with_context(|| format!("model `{name}`"))?;
    drop(stage);
    let accuracy = model.accuracy();
    let samples = format::plural(accuracy.samples, "sample");
    let found = if hit { "found the compiled form of" } else { "compiled" };
    ui.note(format_args!("{found} `{name}`, calibrated with {samples}"));
    if accuracy.random {
        ui.warn(format_args!(
            "`{name}` was calibrated with random numbers; pass real inputs with `--calibration`"
        ));
    } else {
        warn_of_inaccuracy(accuracy, &name.to_string(), ui);
    }
    Ok(model)
}

/// Warns of outputs that are further from the float model's than quantization explains.
fn warn_of_inaccuracy(accuracy: &AccuracyReport, model: &str, ui: &Ui) {
    const MAX_RELATIVE_ERROR: f64 = 0.02;
    const MIN_AGREEMENT: f64 = 0.95;
    for output in &accuracy.outputs {
        let (error, agreement) = (output.relative_error, output.top1_agreement);
        if error > MAX_RELATIVE_ERROR || agreement < MIN_AGREEMENT {
            ui.warn(format_args!(
                "output `{}` of `{model}` is not close to the float model: {:.1}% mean relative error, {:.1}% top-1 agreement",
                output.name,
                error * 100.0,
                agreement * 100.0,
            ));
        }
    }
}

/// Whether a file is a compiled model, by its content or its name.
pub(crate) fn is_compiled(path: &Path) -> bool {
    let mut magic = [0; 8];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    (read.is_ok() && &magic == b"CIROMODL") || path.extension().is_some_and(|e| e == "ciro-model")
}

fn load(args: &ModelArgs) -> Result<Model> {
    let CompileArgs { shape, calibration, activation_bits } = &args.compile;
    if !shape.is_empty() || calibration.is_some() || activation_bits.is_some() {
        let message = format!("`{}` is compiled already", args.path.display());
        let hint =
            "leave out `--shape`, `--calibration` and `--activation-bits`, or pass the ONNX file";
        return Err(Failure::new(message, hint).into());
    }
    Model::load(&args.path).with_context(|| format!("model `{}`", args.path.display()))
}

/// How an ONNX file is compiled; reads the calibration samples.
pub(crate) fn settings(args: &ModelArgs, ui: &Ui) -> Result<CompileSettings> {
    let mut settings = CompileSettings::default();
    for shape in &args.compile.shape {
        settings.import.add_shape(shape).map_err(|error| {
            Failure::new(error.to_string(), "`ciro inspect MODEL` shows inputs and symbols")
        })?;
    }
    if let Some(bits) = args.compile.activation_bits {
        settings.quantize.activation_bits = bits;
    }
    let calibration = match &args.compile.calibration {
        Some(path) => Some(path.clone()),
        None => neighbour(&args.path),
    };
    if let Some(path) = calibration {
        let inputs = Inputs::read(&path);
        let inputs = inputs.with_context(|| format!("calibration file `{}`", path.display()))?;
        if args.compile.calibration.is_none() {
            ui.note(format_args!("calibrating with `{}`", path.display()));
        }
        settings.calibration = Some(inputs);
    }
    Ok(settings)
}

/// The calibration file beside a model.
fn neighbour(model: &Path) -> Option<PathBuf> {
    let beside = NEIGHBOURS.iter().map(|name| model.with_file_name(name));
    beside.into_iter().find(|path| path.is_file())
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
            if model.accuracy().random {
                return Err(Failure::new(what, hint).into());
            }
            ui.warn(format_args!("{what}, moved to its end; {hint}"));
        }
    }
    Ok(())
}
