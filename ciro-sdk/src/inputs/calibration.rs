//! Calibration samples, and where they come from.

use std::path::{Path, PathBuf};

use super::{InputError, Inputs};

/// Samples that a model is calibrated with. They decide its integers as the weights do: whoever
/// relies on a model has to know which they are.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationSamples {
    /// The file's name, without its folder; `None` for arrays of the caller's.
    pub file: Option<String>,
    /// The samples' arrays.
    pub inputs: Inputs,
}

impl CalibrationSamples {
    /// Names of calibration files beside a model, the first found is taken.
    const NEIGHBOURS: [&str; 6] = [
        "calibration.npz",
        "calibration.npy",
        "calibration.json",
        "inputs.npz",
        "inputs.npy",
        "inputs.json",
    ];

    /// Reads a JSON, `.npy` or `.npz` file.
    ///
    /// # Errors
    /// As [`Inputs::read`].
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self { file: Some(file), inputs: Inputs::read(path)? })
    }

    /// The calibration file beside a model, if there is one.
    ///
    /// It is a convenience for whoever owns the folder. A verifier never takes what lies beside a
    /// model: the samples decide what the model computes, so whoever put them there would decide
    /// it.
    pub fn beside(model: &Path) -> Option<PathBuf> {
        let beside = Self::NEIGHBOURS.iter().map(|name| model.with_file_name(name));
        beside.into_iter().find(|path| path.is_file())
    }

    /// [`Inputs::digest`] in hexadecimal digits.
    pub fn digest(&self) -> String {
        hex::encode(self.inputs.digest())
    }
}
