//! What the tests share.

use std::path::Path;

use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::{CompileSettings, Model};

/// The model of a folder, calibrated with the samples beside it, and these samples.
pub(crate) fn compiled(folder: &Path) -> (Model, Vec<Sample>) {
    let inputs = Inputs::read(&folder.join("inputs.npz")).unwrap();
    let settings =
        CompileSettings { calibration: Some(inputs.clone()), ..CompileSettings::default() };
    let model = Model::compile_file(&folder.join("model.onnx"), &settings)
        .unwrap_or_else(|error| panic!("{}: {error:?}", folder.display()));
    let samples = inputs.samples(&model.input_specs()).unwrap();
    (model, samples)
}
