//! Opens models in the forms that users have them: ONNX files, compiled here or found in the cache,
//! and compiled models.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use ciro_model::integer::CompiledModel;

use super::cache::{Cache, Cached};
use super::check::{self, Report};
use super::compile::{CompileError, CompileSettings, OnnxFile};
use super::concern::Concern;
use super::given::Given;
use super::inspect::{self, Inspection};
use super::model::{LoadModelError, Model};
use super::recompute::FloatModel;
use crate::advice::Advice;
use crate::inputs::{CalibrationSamples, InputError};
use crate::routes::{ProveSettings, RefusedNode};

/// What an ONNX file is calibrated with.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum CalibrateWith {
    /// The samples of a file that lies beside the model, for whoever owns the folder; as
    /// [`Self::Given`] if there is none.
    #[default]
    Neighbour,
    /// The samples of this file.
    File(PathBuf),
    /// These samples.
    Samples(CalibrationSamples),
    /// What the model will be given ([`OpenSettings::given`]); ranges are guessed if that is not
    /// known.
    Given,
    /// None: ranges are guessed from random numbers.
    Nothing,
}

/// Where calibration samples come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationOrigin {
    /// The caller names them.
    Named,
    /// They lie beside the model.
    Neighbour,
    /// They are what the model is given: there are no others.
    Given,
}

/// How a model is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenSettings {
    /// How an ONNX file is compiled; its calibration is chosen by the field below. Default: the
    /// defaults.
    pub compile: CompileSettings,
    /// What it is calibrated with. Default: what lies beside it.
    pub calibrate: CalibrateWith,
    /// What the model will be given. Default: nothing is known. Axes that the ONNX file and
    /// `compile` leave open are those of the calibration samples, and without such those of these
    /// arrays.
    pub given: Given,
    /// Whether its compiled form may come from the user's cache. Default: no; for this run alone,
    /// never for what others rely on, such as a key, unless it is [confirmed](Opened::confirm).
    pub cache: bool,
}

/// Where the compiled form of a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenedFrom {
    /// The file is a compiled model.
    File,
    /// It was compiled now.
    Compiled,
    /// It was found in the cache.
    Cache,
}

/// A model that is ready to run and to be proven.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The model.
    pub model: Model,
    /// Where its compiled form comes from.
    pub origin: OpenedFrom,
    /// What it was calibrated with; `None` for a compiled model, which does not say, and for one
    /// whose ranges are guessed.
    pub calibration: Option<CalibrationSamples>,
    /// Where the calibration samples come from; `None` if there are none.
    pub calibrated_by: Option<CalibrationOrigin>,
    /// Whether what is to stay secret calibrated it.
    shows_secret: bool,
    cached: Option<Cached>,
}

/// A model that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// A compiled model, and settings of a compilation.
    #[error("`{}` is compiled already", .0.display())]
    IsCompiled(PathBuf),
    /// A compiled model that cannot be read.
    #[error("model `{}`", path.display())]
    Model {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<LoadModelError>,
    },
    /// Calibration samples that cannot be read.
    #[error("calibration file `{}`", path.display())]
    Calibration {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: InputError,
    },
    /// An ONNX file that cannot be compiled.
    #[error("model `{}`", path.display())]
    Compile {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<CompileError>,
    },
    /// The given inputs, which should calibrate the model, are none for it.
    #[error("the inputs do not fit model `{}`", path.display())]
    Inputs {
        /// The file of the model.
        path: PathBuf,
        /// What does not fit.
        #[source]
        source: Box<InputError>,
    },
    /// Whoever checks a proof against an ONNX file has to say what calibrates it.
    #[error("`{}` has to be compiled, and no calibration is named", .0.display())]
    NoCalibration(PathBuf),
}

impl OpenError {
    /// What to do about it, where that is not for its cause to say. A cause in a box stands in the
    /// chain as the box, under whose type nobody looks for it, so its advice is given here.
    pub fn advice(&self) -> Option<Advice> {
        match self {
            Self::IsCompiled(_) => Some(Advice::IsCompiled),
            Self::NoCalibration(_) => Some(Advice::NameCalibration),
            Self::Model { source, .. } => source.advice(),
            Self::Compile { source, .. } => source.advice(),
            Self::Inputs { source, .. } => source.advice(),
            Self::Calibration { .. } => None,
        }
    }
}

/// A model that its holder trusts and checks a proof against.
#[derive(Clone, Debug, PartialEq)]
pub struct Trusted {
    /// The model.
    pub model: Model,
    /// What it was calibrated with; as in [`Opened`].
    pub calibration: Option<CalibrationSamples>,
    /// The float model, where the ONNX file is at hand.
    pub float: Option<FloatModel>,
}

impl Model {
    /// Whether a file holds a compiled model, by its content or its name.
    pub fn is_compiled_file(path: &Path) -> bool {
        let mut magic = [0; 8];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        (read.is_ok() && Self::is_compiled(&magic))
            || path.extension().is_some_and(|extension| extension == "ciro-model")
    }

    /// Whether bytes begin as a compiled model does.
    pub fn is_compiled(bytes: &[u8]) -> bool {
        CompiledModel::is_begun_by(bytes)
    }
}

impl Opened {
    fn of(
        model: Model,
        (origin, cached): (OpenedFrom, Option<Cached>),
        Resolved { calibration, calibrated_by, .. }: Resolved,
        settings: &OpenSettings,
    ) -> Self {
        let shows_secret = settings.given.has_calibrated(&model, calibration.as_ref());
        Self { model, origin, calibration, calibrated_by, shows_secret, cached }
    }

    /// Compiles a model from the cache anew and compares, before others rely on it: whoever can
    /// write into the cache decides what lies there.
    ///
    /// # Errors
    /// As [`Cached::confirm`].
    pub fn confirm(&self) -> Result<(), CompileError> {
        self.cached.as_ref().map_or(Ok(()), Cached::confirm)
    }

    /// What the user should know before relying on the model.
    pub fn concerns(&self) -> Vec<Concern> {
        self.with_origin(self.model.concerns())
    }

    /// What the user should know before samples are run or examined, as
    /// [`Model::concerns_before_samples`].
    pub fn concerns_before_samples(&self) -> Vec<Concern> {
        self.with_origin(self.model.concerns_before_samples())
    }

    fn with_origin(&self, mut concerns: Vec<Concern>) -> Vec<Concern> {
        let given = self.calibrated_by == Some(CalibrationOrigin::Given);
        if given {
            // It says the same of fewer.
            concerns.retain(|concern| !matches!(concern, Concern::FewSamples { .. }));
        }
        let given = given.then_some(Concern::CalibratedByInputs);
        let secret = self.shows_secret.then_some(Concern::CalibratedBySecret);
        given.into_iter().chain(secret).chain(concerns).collect()
    }
}

impl OpenSettings {
    /// Whether they ask for something that only an ONNX file has.
    fn compiles(&self) -> bool {
        self.compile != CompileSettings::default()
            || !matches!(self.calibrate, CalibrateWith::Neighbour)
    }

    /// The settings for bytes, beside which nothing lies.
    fn without_neighbour(&self) -> Self {
        let mut settings = self.clone();
        if settings.calibrate == CalibrateWith::Neighbour {
            settings.calibrate = CalibrateWith::Given;
        }
        settings
    }

    /// The settings with the calibration samples of a model.
    ///
    /// # Errors
    /// [`OpenError::Calibration`] if they cannot be read.
    fn resolve(&self, model: &Path) -> Result<Resolved, OpenError> {
        let read = |path: &Path| {
            CalibrationSamples::read(path)
                .map_err(|source| OpenError::Calibration { path: path.to_owned(), source })
        };
        let beside = || CalibrationSamples::beside(model).as_deref().map(read).transpose();
        let samples = match &self.calibrate {
            CalibrateWith::Neighbour => match beside()? {
                Some(samples) => Some((samples, CalibrationOrigin::Neighbour)),
                None => self.given.samples(),
            },
            CalibrateWith::Given => self.given.samples(),
            CalibrateWith::File(path) => Some((read(path)?, CalibrationOrigin::Named)),
            CalibrateWith::Samples(samples) => Some((samples.clone(), CalibrationOrigin::Named)),
            CalibrateWith::Nothing => None,
        };
        let (calibration, calibrated_by) = samples.unzip();
        let mut compile = self.compile.clone();
        compile.calibration =
            calibration.as_ref().map(|samples: &CalibrationSamples| samples.inputs.clone());
        compile.import.given = match &compile.calibration {
            Some(calibration) => calibration.given().collect(),
            None => self.given.shapes(),
        };
        Ok(Resolved { compile, calibration, calibrated_by })
    }
}

#[derive(Default)]
struct Resolved {
    compile: CompileSettings,
    calibration: Option<CalibrationSamples>,
    calibrated_by: Option<CalibrationOrigin>,
}

impl Resolved {
    /// Why the file of a model is not compiled. Where it was the given inputs that should calibrate
    /// it, nobody named any calibration that an error could be about.
    fn failed(&self, path: &Path, source: CompileError) -> OpenError {
        let path = path.to_owned();
        match source {
            CompileError::Calibration(source)
                if self.calibrated_by == Some(CalibrationOrigin::Given) =>
            {
                OpenError::Inputs { path, source: Box::new(source) }
            }
            source => OpenError::Compile { path, source: Box::new(source) },
        }
    }
}

/// Opens a model: loads its compiled form, finds it in the cache, or compiles it.
///
/// # Errors
/// [`OpenError`] if the file cannot be opened.
pub fn open(path: &Path, settings: &OpenSettings) -> Result<Opened, OpenError> {
    if Model::is_compiled_file(path) {
        let model = load(path, settings)?;
        return Ok(Opened::of(model, (OpenedFrom::File, None), Resolved::default(), settings));
    }
    let resolved = settings.resolve(path)?;
    let failed = |source| resolved.failed(path, source);
    let compile = &resolved.compile;
    let Some(cache) = Cache::user().filter(|_| settings.cache) else {
        let model = Model::compile_file(path, compile).map_err(failed)?;
        return Ok(Opened::of(model, (OpenedFrom::Compiled, None), resolved, settings));
    };
    let cached = cache.compile_file(path, compile).map_err(failed)?;
    let origin = if cached.hit { OpenedFrom::Cache } else { OpenedFrom::Compiled };
    let model = cached.model.clone();
    Ok(Opened::of(model, (origin, Some(cached)), resolved, settings))
}

/// Opens the bytes of a model, an ONNX file without external weights or its compiled form; `name`
/// is for reports. Nothing lies beside bytes, and no cache is asked.
///
/// # Errors
/// As [`open`].
pub fn open_bytes(bytes: &[u8], name: &str, settings: &OpenSettings) -> Result<Opened, OpenError> {
    let path = PathBuf::from(name);
    let opened =
        |model, origin, resolved| Ok(Opened::of(model, (origin, None), resolved, settings));
    if Model::is_compiled(bytes) {
        if settings.compiles() {
            return Err(OpenError::IsCompiled(path));
        }
        return match Model::from_bytes(bytes) {
            Ok(model) => opened(model, OpenedFrom::File, Resolved::default()),
            Err(source) => Err(OpenError::Model { path, source: Box::new(source.into()) }),
        };
    }
    let resolved = settings.without_neighbour().resolve(&path)?;
    match Model::compile_bytes(bytes, name, &resolved.compile) {
        Ok(model) => opened(model, OpenedFrom::Compiled, resolved),
        Err(source) => Err(resolved.failed(&path, source)),
    }
}

/// Opens a model to check a proof against: nothing is looked for beside it, and nothing is taken
/// from the cache.
///
/// # Errors
/// [`OpenError::NoCalibration`] for an ONNX file whose calibration is left to what lies beside it
/// or is given, otherwise as [`open`].
pub fn open_trusted(path: &Path, settings: &OpenSettings) -> Result<Trusted, OpenError> {
    if Model::is_compiled_file(path) {
        return Ok(Trusted { model: load(path, settings)?, calibration: None, float: None });
    }
    if matches!(settings.calibrate, CalibrateWith::Neighbour | CalibrateWith::Given) {
        return Err(OpenError::NoCalibration(path.to_owned()));
    }
    let Resolved { compile, calibration, .. } = settings.resolve(path)?;
    let both = || -> Result<_, CompileError> {
        let onnx = OnnxFile::read(path, &compile.import)?;
        Ok((onnx.compile(&compile)?, onnx.float_model(&compile.import)?))
    };
    let failed = |source| OpenError::Compile { path: path.to_owned(), source: Box::new(source) };
    let (model, float) = both().map_err(failed)?;
    Ok(Trusted { model, calibration, float: Some(float) })
}

/// Checks a model, an ONNX file or its compiled form, without proving anything.
///
/// # Errors
/// [`OpenError`] if the file is no model at all, leaves shapes open, or does not fit the
/// calibration samples.
pub fn check(
    path: &Path,
    settings: &OpenSettings,
    prove: &ProveSettings,
) -> Result<Report, OpenError> {
    if Model::is_compiled_file(path) {
        return Ok(check::check_model(&load(path, settings)?, prove));
    }
    let Resolved { compile, .. } = settings.resolve(path)?;
    check::check_onnx(path, &compile, prove)
        .map_err(|source| OpenError::Compile { path: path.to_owned(), source: Box::new(source) })
}

/// Everything in a model that has no meaning here, in the time and memory that it takes to read it:
/// large weights are passed over, and nothing is calibrated. An empty list says nothing of the
/// values of weights, of operators that have no integer form, and of ranges, accuracy and cost;
/// [`check`] does.
///
/// # Errors
/// As [`check`].
pub fn refusals(path: &Path, settings: &OpenSettings) -> Result<Vec<RefusedNode>, OpenError> {
    if Model::is_compiled_file(path) {
        return load(path, settings).map(|_| Vec::new());
    }
    let Resolved { compile, .. } = settings.resolve(path)?;
    check::refusals_onnx(path, &compile.import)
        .map_err(|source| OpenError::Compile { path: path.to_owned(), source: Box::new(source) })
}

/// As [`refusals`], of the bytes of a model; `name` is for reports.
///
/// # Errors
/// As [`check`].
pub fn refusals_bytes(
    bytes: &[u8],
    name: &str,
    settings: &OpenSettings,
) -> Result<Vec<RefusedNode>, OpenError> {
    if Model::is_compiled(bytes) {
        return open_bytes(bytes, name, settings).map(|_| Vec::new());
    }
    let path = PathBuf::from(name);
    let Resolved { compile, .. } = settings.without_neighbour().resolve(&path)?;
    check::refusals_onnx_bytes(bytes, &compile.import)
        .map_err(|source| OpenError::Compile { path, source: Box::new(source) })
}

/// Checks the bytes of a model, an ONNX file without external weights or its compiled form; `name`
/// is for reports.
///
/// # Errors
/// As [`check`].
pub fn check_bytes(
    bytes: &[u8],
    name: &str,
    settings: &OpenSettings,
    prove: &ProveSettings,
) -> Result<Report, OpenError> {
    if Model::is_compiled(bytes) {
        let Opened { model, .. } = open_bytes(bytes, name, settings)?;
        return Ok(check::check_model(&model, prove));
    }
    let path = PathBuf::from(name);
    let Resolved { compile, .. } = settings.without_neighbour().resolve(&path)?;
    check::check_onnx_bytes(bytes, &compile, prove)
        .map_err(|source| OpenError::Compile { path, source: Box::new(source) })
}

/// Inspects a model, an ONNX file or its compiled form; also an ONNX file that cannot be imported.
///
/// # Errors
/// [`OpenError`] if the file is no model.
pub fn inspect(path: &Path, settings: &OpenSettings) -> Result<Inspection, OpenError> {
    if Model::is_compiled_file(path) {
        return Ok(inspect::inspect_model(&load(path, settings)?));
    }
    inspect::inspect_onnx(path, &settings.compile.import)
        .map_err(|source| OpenError::Compile { path: path.to_owned(), source: Box::new(source) })
}

fn load(path: &Path, settings: &OpenSettings) -> Result<Model, OpenError> {
    if settings.compiles() {
        return Err(OpenError::IsCompiled(path.to_owned()));
    }
    Model::load(path)
        .map_err(|source| OpenError::Model { path: path.to_owned(), source: source.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Inputs;

    #[test]
    fn nothing_that_is_found_or_given_calibrates_what_a_proof_is_checked_against() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models/logreg_iris");
        let inputs = Inputs::read(&folder.join("inputs.npz")).unwrap();
        for calibrate in [CalibrateWith::Neighbour, CalibrateWith::Given] {
            let given = Given::Samples(inputs.clone());
            let settings = OpenSettings { calibrate, given, ..OpenSettings::default() };
            let refused = open_trusted(&folder.join("model.onnx"), &settings);
            assert!(matches!(refused, Err(OpenError::NoCalibration(_))), "{refused:?}");
        }
    }
}
