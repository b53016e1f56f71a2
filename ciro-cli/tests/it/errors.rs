//! Bad input: one clear error, the right exit code, nothing half-written.

use crate::sandbox::{Sandbox, example, filters};

/// A run that must fail with exit code 1 and leave no file behind.
#[track_caller]
fn refused(name: &str, sandbox: &Sandbox, arguments: &str) {
    let _filters = filters();
    let before = sandbox.names();
    let run = sandbox.run(arguments);
    assert_eq!(run.code, Some(1), "ciro {arguments}: {run:?}");
    assert!(!run.stderr.contains("panicked"), "ciro {arguments}: {run:?}");
    assert_eq!(sandbox.names(), before, "ciro {arguments} leaves no file");
    insta::assert_snapshot!(name, run.text());
    let json = sandbox.run(&format!("{arguments} --json"));
    assert_eq!(json.code, Some(1));
    json.json();
}

fn bad(model: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    std::fs::copy(example(model).join("model.onnx"), sandbox.path("model.onnx")).unwrap();
    sandbox.write("x.json", r#"{"input_data": [[0.0]]}"#);
    sandbox
}

#[test]
fn models_with_unknown_operators_are_refused_node_by_node() {
    let sandbox = bad("bad_nonmaxsuppression");
    refused("unknown_operator", &sandbox, "prove model.onnx --input x.json -o proof.ciro");
    refused("unknown_operator_check", &sandbox, "check model.onnx");
}

#[test]
fn models_with_nan_weights_are_refused() {
    refused("nan_weight", &bad("bad_nan_weight"), "compile model.onnx -o m.ciro-model");
}

#[test]
fn models_cut_short_are_refused() {
    let sandbox = bad("bad_truncated");
    refused("truncated_model", &sandbox, "key model.onnx -o model.key");
    refused("truncated_model_inspect", &sandbox, "inspect model.onnx");
    refused("truncated_model_check", &sandbox, "check model.onnx");
}

#[test]
fn missing_files_are_named() {
    let sandbox = Sandbox::with_model("logreg_iris");
    refused("missing_model", &sandbox, "run absent.onnx --input input_0.json");
    refused("missing_input", &sandbox, "run model.onnx --input absent.json");
    refused("missing_proof", &sandbox, "verify absent.ciro --model model.onnx");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    refused("unnamed_calibration", &sandbox, "verify proof.ciro --model model.onnx");
    refused("missing_calibration", &sandbox, "key model.onnx --calibration absent.npz");
}

#[test]
fn inputs_of_another_form_are_refused() {
    let sandbox = Sandbox::with_model("logreg_iris");
    for (name, content) in [
        ("wrong_length", r#"{"input_data": [[1.0, 2.0, 3.0]]}"#),
        ("wrong_shape", r#"{"input_data": [[[1.0], [2.0], [3.0], [4.0]]]}"#),
        ("wrong_count", r#"{"input_data": [[1.0, 2.0, 3.0, 4.0], [1.0]]}"#),
        ("no_input_data", r#"{"data": [[1.0, 2.0, 3.0, 4.0]]}"#),
        ("nan_literal", r#"{"input_data": [[1.0, 2.0, NaN, 4.0]]}"#),
        ("null", r#"{"input_data": [[1.0, 2.0, null, 4.0]]}"#),
        ("not_json", "5.1 3.4 1.5 0.2"),
    ] {
        sandbox.write("x.json", content);
        refused(name, &sandbox, "prove model.onnx --input x.json -o proof.ciro");
    }
}

#[test]
fn nan_in_an_array_is_located() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend(u16::try_from(header.len()).unwrap().to_le_bytes());
    npy.extend(header.as_bytes());
    let values = [5.1f32, 3.4, 1.5, 0.2, 5.0, f32::NAN, 1.4, 0.2];
    values.iter().for_each(|value| npy.extend(value.to_le_bytes()));
    sandbox.write("x.npy", npy);
    refused("nan_element", &sandbox, "run model.onnx --input x.npy");
}

#[test]
fn inputs_far_from_guessed_ranges_are_refused() {
    let sandbox = Sandbox::with_model("logreg_iris");
    std::fs::remove_file(sandbox.path("inputs.npz")).unwrap();
    sandbox.done("compile model.onnx -o guessed.ciro-model");
    refused("uncalibrated", &sandbox, "run guessed.ciro-model --input input_0.json");
}

#[test]
fn places_that_cannot_be_written_are_told_first() {
    let sandbox = Sandbox::with_model("logreg_iris");
    refused("unwritable", &sandbox, "prove model.onnx --input input_0.json -o absent/proof.ciro");
    refused("unwritable_key", &sandbox, "key model.onnx -o .");
}

#[test]
fn compiled_models_of_other_versions_are_refused() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("compile model.onnx -o m.ciro-model");
    let mut bytes = sandbox.read("m.ciro-model");
    bytes[8] += 1;
    sandbox.write("m.ciro-model", &bytes);
    refused("model_version", &sandbox, "run m.ciro-model --input input_0.json");
    bytes[8] -= 1;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    sandbox.write("m.ciro-model", &bytes);
    refused("model_damaged", &sandbox, "run m.ciro-model --input input_0.json");
    refused("compiled_already", &sandbox, "run m.ciro-model --shape x=1 --input input_0.json");
}

#[test]
fn keys_that_are_none_are_refused() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    refused("not_a_key", &sandbox, "verify proof.ciro --key model.onnx");
}

#[test]
fn too_little_memory_is_told_before_the_work() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let arguments = "prove model.onnx --input input_0.json -o proof.ciro --max-memory 1MB";
    refused("memory", &sandbox, arguments);
}

#[test]
fn shape_settings_that_fit_nothing_are_refused() {
    let sandbox = Sandbox::with_model("logreg_iris");
    refused("shape_form", &sandbox, "inspect model.onnx --shape batch");
    refused("shape_name", &sandbox, "key model.onnx --shape seq=3");
}
