//! Opens models as the command line asks for it, and says what there is to say of them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ciro_sdk::inputs::{CalibrationSamples, Inputs, Sample};
use ciro_sdk::{
    CalibrateWith, CalibrationOrigin, CompileSettings, Given, Model, OpenSettings, Opened,
    OpenedFrom, Trusted, open, open_trusted, printable,
};
use serde::Serialize;

use crate::args::{CompileArgs, ModelArgs, TrustedCompileArgs};
use crate::context::Failure;
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
    file: Option<String>,
    /// BLAKE2s-256 of the samples.
    digest: String,
}

impl CalibrationReport {
    pub(crate) fn new(calibration: &CalibrationSamples) -> Self {
        Self { file: calibration.file.clone(), digest: calibration.digest() }
    }

    /// File and digest in one line.
    pub(crate) fn describe(&self) -> String {
        let file = self.file.as_deref().unwrap_or("given samples");
        format!("{} ({})", printable(file), self.digest)
    }
}

/// Opens a model, and says what was found and what to know of it.
pub(crate) fn opened(
    args: &ModelArgs,
    purpose: Purpose,
    ui: &Ui,
) -> Result<(Model, Option<CalibrationReport>)> {
    opened_for(args, Given::Nothing, purpose, ui)
}

/// As [`opened`], for what the model will be given.
pub(crate) fn opened_for(
    args: &ModelArgs,
    given: Given,
    purpose: Purpose,
    ui: &Ui,
) -> Result<(Model, Option<CalibrationReport>)> {
    let name = args.path.display();
    let cache = purpose == Purpose::Use;
    let with_samples = given != Given::Nothing;
    let settings = OpenSettings { cache, given, ..settings(&args.compile)? };
    let stage = ui.stage(format!("compiling {name}"));
    let opened = open(&args.path, &settings)?;
    drop(stage);
    let concerns = if with_samples { opened.concerns_before_samples() } else { opened.concerns() };
    let Opened { model, origin, calibration, calibrated_by, .. } = opened;
    let calibration = calibration.as_ref().map(CalibrationReport::new);
    if let (Some(CalibrationOrigin::Neighbour), Some(calibration)) = (calibrated_by, &calibration) {
        ui.note(format_args!("calibrated with what lies beside it: {}", calibration.describe()));
    }
    let samples = format::plural(model.accuracy().samples, "sample");
    match origin {
        OpenedFrom::File => {}
        OpenedFrom::Cache => {
            ui.note(format_args!("found the compiled form of `{name}`, calibrated with {samples}"))
        }
        OpenedFrom::Compiled => {
            ui.note(format_args!("compiled `{name}`, calibrated with {samples}"))
        }
    }
    if origin != OpenedFrom::File {
        ui.warn_of(&concerns);
    }
    Ok((model, calibration))
}

/// Opens a model to check a proof against.
pub(crate) fn trusted(path: &Path, args: &TrustedCompileArgs, ui: &Ui) -> Result<Trusted> {
    let TrustedCompileArgs { calibration, uncalibrated, shape, set, activation_bits } = args;
    let compile = CompileArgs {
        shape: shape.clone(),
        set: set.clone(),
        calibration: calibration.clone(),
        test: None,
        activation_bits: *activation_bits,
    };
    let mut settings = settings(&compile)?;
    if *uncalibrated {
        settings.calibrate = CalibrateWith::Nothing;
    }
    let _stage = ui.stage(format!("compiling {}", path.display()));
    let trusted = open_trusted(path, &settings)?;
    if trusted.float.is_some() {
        ui.warn_of(&trusted.model.concerns());
    }
    Ok(trusted)
}

/// How an ONNX file is compiled.
pub(crate) fn settings(args: &CompileArgs) -> Result<OpenSettings> {
    let mut compile = CompileSettings::default();
    for shape in &args.shape {
        compile.import.add_shape(shape).map_err(|error| {
            Failure::new(error.to_string(), "`ciro inspect MODEL` shows inputs and symbols")
        })?;
    }
    for fixed in &args.set {
        compile.import.fix_input(fixed).map_err(|error| {
            Failure::new(error.to_string(), "`ciro inspect MODEL` shows the inputs")
        })?;
    }
    if let Some(bits) = args.activation_bits {
        compile.quantize.activation_bits = bits;
    }
    if let Some(file) = &args.test {
        let read = Inputs::read(file);
        compile.test = Some(read.with_context(|| format!("test file `{}`", file.display()))?);
    }
    let calibrate = args.calibration.clone().map_or(CalibrateWith::Neighbour, CalibrateWith::File);
    Ok(OpenSettings { compile, calibrate, ..OpenSettings::default() })
}

/// Input files that were read, each once: one may be a pipe.
#[derive(Debug)]
pub(crate) struct InputFiles(Vec<(PathBuf, Inputs)>);

impl InputFiles {
    pub(crate) fn read(files: &[PathBuf]) -> Result<Self> {
        let read = |file: &PathBuf| {
            let arrays = Inputs::read(file);
            let arrays = arrays.with_context(|| format!("input `{}`", file.display()))?;
            Ok((file.clone(), arrays))
        };
        files.iter().map(read).collect::<Result<_>>().map(Self)
    }

    /// What a model is given by them.
    pub(crate) fn given(&self) -> Given {
        Given::Samples(self.joined())
    }

    /// What a model is given by them if they must not decide what it is, as they are secret.
    pub(crate) fn given_secretly(&self) -> Given {
        Given::Secret(self.joined())
    }

    /// What a model is given by them if it is what it is without them.
    pub(crate) fn given_shapes(&self) -> Given {
        Given::shapes_of(&self.joined())
    }

    fn joined(&self) -> Inputs {
        Inputs::joined(self.0.iter().map(|(_, arrays)| arrays.clone()))
    }

    /// The samples that they hold for a model, in their order.
    pub(crate) fn samples(&self, model: &Model) -> Result<Vec<Sample>> {
        let specs = model.input_specs();
        let mut samples = Vec::new();
        for (file, arrays) in &self.0 {
            let read = arrays.samples(&specs);
            samples.extend(read.with_context(|| format!("input `{}`", file.display()))?);
        }
        Ok(samples)
    }
}
