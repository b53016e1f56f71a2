//! What a model will be given, and what that may decide.

use ciro_compiler::import::GivenArray;
use ciro_model::Tensor;

use super::model::Model;
use super::open::CalibrationOrigin;
use crate::inputs::{CalibrationSamples, Inputs, Sample};

/// What a model will be given, as far as it is known when it is opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Given {
    /// Nothing is known.
    #[default]
    Nothing,
    /// Arrays of these shapes, with which nothing is calibrated.
    Shapes(Vec<GivenArray>),
    /// These samples, which are kept secret: they must not decide a model that others see, so
    /// nothing is calibrated with them, and it is told if something was.
    Secret(Inputs),
    /// These samples. They calibrate the model where nothing lies beside it.
    Samples(Inputs),
}

impl Given {
    /// The shapes of samples that say nothing of what the model is.
    pub fn shapes_of(samples: &Inputs) -> Self {
        Self::Shapes(samples.given().collect())
    }

    /// The samples, where they may calibrate.
    pub(super) fn samples(&self) -> Option<(CalibrationSamples, CalibrationOrigin)> {
        let Self::Samples(inputs) = self else { return None };
        let samples = CalibrationSamples { file: None, inputs: inputs.clone() };
        Some((samples, CalibrationOrigin::Given))
    }

    pub(super) fn shapes(&self) -> Vec<GivenArray> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Shapes(shapes) => shapes.clone(),
            Self::Samples(samples) | Self::Secret(samples) => samples.given().collect(),
        }
    }

    /// Whether secret samples are among those that a model was calibrated with: as a whole, or in
    /// an input whose values differ.
    pub(super) fn has_calibrated(
        &self,
        model: &Model,
        calibration: Option<&CalibrationSamples>,
    ) -> bool {
        let (Self::Secret(secret), Some(calibration)) = (self, calibration) else { return false };
        let specs = model.input_specs();
        // What does not fit the model is refused where it is used.
        let both = (secret.samples(&specs), calibration.inputs.samples(&specs));
        let (Ok(secret), Ok(calibration)) = both else { return false };
        let tells = |a: &Tensor<f64>, b: &Tensor<f64>| {
            a == b && a.data().iter().any(|x| a.data().first() != Some(x))
        };
        secret.iter().any(|secret| {
            let same = |known: &Sample| secret.iter().zip(known).any(|(a, b)| tells(a, b));
            calibration.iter().any(|known| known == secret || same(known))
        })
    }
}

impl Inputs {
    /// What the arrays say of shapes.
    pub(super) fn given(&self) -> impl Iterator<Item = GivenArray> {
        let positioned = self.sets().iter().flat_map(|arrays| arrays.iter().enumerate());
        positioned.map(|(position, array)| GivenArray {
            name: array.name.clone(),
            position,
            shape: array.shape.clone(),
            len: array.data.len(),
        })
    }
}
