//! The models of `examples/models`: the imported float graph computes what onnxruntime computed.

use std::path::PathBuf;

use ciro_compiler::float::Graph;
use ciro_compiler::import::{ImportError, Settings, import_file};

use crate::samples;

fn folder(model: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/models").join(model)
}

fn import(model: &str) -> Result<Graph, ImportError> {
    import_file(&folder(model).join("model.onnx"), &Settings::default())
}

/// The greatest difference allowed between an element and onnxruntime's, relative to the largest
/// one of the output.
struct Tolerance(f64);

/// Compares up to `count` samples of a model.
#[track_caller]
fn check(model: &str, count: usize, tolerance: &Tolerance) {
    let graph = import(model).unwrap_or_else(|error| panic!("{model}: {error}"));
    let inputs = samples::read(&folder(model).join("inputs.npz"), "in");
    let expected = samples::read(&folder(model).join("expected.npz"), "out");
    assert_eq!((inputs.len(), expected.len()), (graph.inputs.len(), graph.outputs.len()));
    for index in 0..count.min(inputs[0].shape()[0]) {
        let sample: Vec<_> = graph
            .inputs
            .iter()
            .zip(&inputs)
            .map(|(input, array)| samples::sample(array, index, &input.shape))
            .collect();
        let values = graph.eval(&sample).unwrap();
        for (output, array) in graph.outputs.iter().zip(&expected) {
            let got = &values[output.node.index()];
            let expected = samples::sample(array, index, got.shape());
            let scale = expected.data().iter().fold(1e-3f64, |max, x| max.max(x.abs()));
            for (got, expected) in got.data().iter().zip(expected.data()) {
                let difference = (got - expected).abs() / scale;
                assert!(
                    difference <= tolerance.0,
                    "{model}, sample {index}, output `{}`: got {got}, expected {expected}",
                    output.name
                );
            }
        }
    }
}

const FLOAT: Tolerance = Tolerance(1e-4);

#[test]
fn multilayer_perceptrons_agree_with_onnxruntime() {
    for model in ["mlp_mnist", "mlp_sig_tanh_gelu", "mlp_dynamo_public", "autoencoder_mnist"] {
        check(model, 16, &FLOAT);
    }
}

#[test]
fn convolutional_networks_agree_with_onnxruntime() {
    check("lenet5_mnist", 16, &FLOAT);
    check("mobilenet_mini_cm32", 4, &FLOAT);
    check("resnet8_cm32", 4, &FLOAT);
}

#[test]
fn transformers_agree_with_onnxruntime() {
    check("encoder_text32", 4, &FLOAT);
    check("nanogpt_shakespeare", 2, &FLOAT);
}

#[test]
fn recurrent_networks_agree_with_onnxruntime() {
    check("lstm_rows_mnist", 16, &FLOAT);
}

#[test]
fn quantized_networks_agree_with_onnxruntime_within_a_step() {
    for model in ["qdq_int8_lenet5", "qop_int8_lenet5"] {
        check(model, 16, &Tolerance(0.02));
    }
}

#[test]
fn classical_models_agree_with_onnxruntime() {
    for model in [
        "linreg_diabetes",
        "logreg_iris",
        "linsvc_wine",
        "kmeans_iris",
        "dtree_wine",
        "rf_cancer_30",
        "xgb_credit_50",
    ] {
        check(model, 16, &FLOAT);
    }
}
