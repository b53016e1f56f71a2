//! Files describe themselves, also those that are refused.

use std::path::Path;

use ciro_compiler::import::{Description, Extent, ImportError, Settings, describe, import_file};

fn file(model: &str) -> std::path::PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models");
    models.join(model).join("model.onnx")
}

fn description(model: &str) -> Result<Description, ImportError> {
    describe(&std::fs::read(file(model)).unwrap())
}

#[test]
fn a_network_says_what_it_is_made_of() {
    let lenet = description("lenet5_mnist").unwrap();
    assert_eq!(lenet.producer, "pytorch 2.15.0");
    assert_eq!((lenet.ir_version, lenet.opsets["ai.onnx"]), (7, 13));
    assert_eq!((lenet.ops["Conv"], lenet.ops["Gemm"], lenet.parameters), (2, 3, 61_708));
    assert_eq!(
        (lenet.inputs[0].name.as_str(), &lenet.inputs[0].element_type[..]),
        ("input", "FLOAT")
    );
    let shape = [1, 1, 28, 28].map(Extent::Fixed);
    assert_eq!(lenet.inputs[0].shape.as_deref(), Some(&shape[..]));
    assert!(lenet.external_files.is_empty());
}

#[test]
fn coefficients_of_classical_models_are_parameters() {
    let linear = description("linreg_diabetes").unwrap();
    assert_eq!((linear.ops["ai.onnx.ml.LinearRegressor"], linear.parameters), (1, 11));
}

#[test]
fn refused_models_describe_themselves_and_damaged_ones_do_not() {
    assert!(description("bad_nonmaxsuppression").unwrap().ops.contains_key("NonMaxSuppression"));
    assert!(matches!(description("bad_truncated"), Err(ImportError::Decode(_))));
}

#[test]
fn multiplications_are_counted() {
    for (model, macs) in [("lenet5_mnist", 416_520), ("mlp_mnist", 101_632)] {
        let graph = import_file(&file(model), &Settings::default()).unwrap();
        assert_eq!(graph.macs(), macs, "{model}");
    }
}
