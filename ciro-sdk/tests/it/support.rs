//! What the tests share.

use std::path::Path;

use ciro_sdk::inputs::{Inputs, Sample};
use ciro_sdk::integer::ops::Linear;
use ciro_sdk::integer::{Decoding, Encoding, ModelBuilder};
use ciro_sdk::{CompileSettings, Model, Tensor};

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

/// `y = [1, weight] . x` of two numbers in [-9, 9].
pub(crate) fn weighted(weight: i32) -> Model {
    let mut builder = ModelBuilder::new();
    let input = builder.input("x", vec![1, 2]);
    let x = builder.view(input, Encoding::Affine { scale: 1.0, lo: -9, hi: 9 }).unwrap();
    let weight = builder.constant(Tensor::new(vec![2, 1], vec![1, weight]).unwrap());
    let y = builder.push("y", Linear { weight, bias: None }, &[x], 1.0).unwrap();
    builder.output("y", y, Decoding::Real { scale: 1.0 });
    Model::from(builder.finish().unwrap())
}
