//! `--json` prints the fields that scripts rely on.

use serde_json::Value;

use ciro_sdk::Model;
use ciro_sdk::integer::ops::Requantize;
use ciro_sdk::integer::{Decoding, Encoding, Interval, ModelBuilder};

use crate::sandbox::{Sandbox, example};

#[track_caller]
fn fields(value: &Value, names: &[&str]) {
    let object = value.as_object().unwrap();
    for name in names {
        assert!(object.contains_key(*name), "`{name}` is missing in {value}");
    }
}

#[test]
fn inspect_counts_operators_parameters_and_work() {
    let sandbox = Sandbox::with_model("lenet5_mnist");
    let report = sandbox.json("inspect model.onnx");
    fields(&report, &["ops", "params", "macs", "inputs", "outputs", "opset"]);
    assert_eq!((&report["ops"]["Conv"], &report["macs"]), (&2.into(), &416_520.into()));
    assert_eq!(report["inputs"][0]["shape"], serde_json::json!([1, 1, 28, 28]));
    sandbox.done("compile model.onnx -o m.ciro-model");
    let compiled = sandbox.json("inspect m.ciro-model");
    fields(&compiled, &["ops", "params", "macs", "inputs", "outputs"]);
    assert_eq!(compiled["macs"], report["macs"]);
}

#[test]
fn inspect_shows_models_that_cannot_be_imported() {
    let sandbox = Sandbox::new();
    let model = example("bad_nonmaxsuppression").join("model.onnx");
    std::fs::copy(model, sandbox.path("model.onnx")).unwrap();
    let report = sandbox.json("inspect model.onnx");
    assert_eq!((&report["ops"]["NonMaxSuppression"], &report["macs"]), (&1.into(), &Value::Null));
}

#[test]
fn check_predicts_or_refuses() {
    let sandbox = Sandbox::with_model("mlp_mnist");
    let report = sandbox.json("check model.onnx");
    fields(&report, &["supported", "refused", "estimate"]);
    assert_eq!(report["supported"], true);
    let estimate = ["cells", "prove_ms", "memory_mb", "proof_bytes", "security_bits"];
    fields(&report["estimate"], &estimate);
    let sandbox = Sandbox::new();
    let model = example("bad_nonmaxsuppression").join("model.onnx");
    std::fs::copy(model, sandbox.path("model.onnx")).unwrap();
    let run = sandbox.run("check model.onnx --json");
    assert_eq!(run.code, Some(1));
    let report = run.json();
    assert_eq!((&report["supported"], &report["estimate"]), (&false.into(), &Value::Null));
    fields(&report["refused"][0], &["node", "op", "reason", "hint"]);
}

#[test]
fn a_fast_check_finds_what_has_no_meaning_and_predicts_nothing() {
    for model in ["mlp_mnist", "nanogpt_shakespeare", "qop_int8_lenet5", "rf_cancer_30"] {
        let sandbox = Sandbox::with_model(model);
        let report = sandbox.json("check model.onnx --fast");
        let found = (&report["supported"], &report["estimate"]);
        // Nothing is said of what was not looked at.
        assert_eq!(found, (&Value::Null, &Value::Null), "{model}");
        assert_eq!(report["refused"], serde_json::json!([]), "{model}");
        let text = sandbox.done("check model.onnx --fast").stdout;
        assert!(text.starts_with("nothing refused: the import takes"), "{text}");
        assert!(text.contains("not looked at"), "{text}");
    }
    let sandbox = Sandbox::new();
    let model = example("bad_nonmaxsuppression").join("model.onnx");
    std::fs::copy(model, sandbox.path("model.onnx")).unwrap();
    let fast = sandbox.run("check model.onnx --fast --json");
    let slow = sandbox.run("check model.onnx --json");
    assert_eq!((fast.code, fast.json()), (Some(1), slow.json()));
}

#[test]
fn compile_and_key_agree_on_the_key() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let compiled = sandbox.json("compile model.onnx -o m.ciro-model --calibration inputs.npz");
    fields(&compiled, &["model_key", "accuracy", "calibration"]);
    fields(&compiled["accuracy"], &["samples", "random", "outputs"]);
    assert_eq!(compiled["accuracy"]["samples"], 16);
    let key = sandbox.json("key m.ciro-model -o model.key");
    fields(&key, &["route", "preset", "batch", "security_bits", "calibration", "key_bytes"]);
    assert_eq!(compiled["model_key"], key["model_key"]);
    assert!(sandbox.read("model.key").len() < 10_000);
}

#[test]
fn run_and_prove_say_the_same() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let run = sandbox.json("run model.onnx --input input_0.json");
    fields(&run, &["output", "output_int"]);
    let proof = sandbox.json("prove model.onnx --input input_0.json -o proof.ciro");
    fields(
        &proof,
        &[
            "route",
            "model_key",
            "security_bits",
            "output",
            "prove_ms",
            "proof_bytes",
            "peak_memory_mb",
            "cells",
        ],
    );
    assert_eq!((&proof["output"], &proof["route"]), (&run["output"], &"tensor".into()));
    let verified = sandbox.json("verify proof.ciro --model model.onnx --calibration inputs.npz");
    fields(
        &verified,
        &[
            "valid",
            "verify_ms",
            "output",
            "security_bits",
            "input",
            "input_names",
            "input_checked",
            "clamped",
            "against",
            "calibration",
            "recomputed",
            "float_disagreements",
        ],
    );
    assert_eq!(verified["model_key"], proof["model_key"]);
}

/// `min(x, 10)` of a number up to 100, where 10 is all that calibration has seen.
fn guarded() -> Sandbox {
    let mut builder = ModelBuilder::new();
    builder.input("x", vec![1]);
    let x = builder.view(0, Encoding::Affine { scale: 1.0, lo: -100, hi: 100 }).unwrap();
    let y = builder.push("scores", Requantize { shift: 0, lo: -100, hi: 10 }, &[x], 1.0).unwrap();
    builder.guard(y, Interval::new(-100, 10));
    builder.output("y", y, Decoding::Real { scale: 1.0 });
    let sandbox = Sandbox::new();
    let model = Model::from(builder.finish().unwrap());
    model.save(&sandbox.path("m.ciro-model")).unwrap();
    sandbox.write("near.json", r#"{"input_data": [[7]]}"#);
    sandbox.write("far.json", r#"{"input_data": [[42]]}"#);
    sandbox.write("outside.json", r#"{"input_data": [[1000]]}"#);
    sandbox
}

#[test]
fn a_result_that_may_be_wrong_has_a_warning_that_names_the_node() {
    let sandbox = guarded();
    for command in ["run m.ciro-model", "prove m.ciro-model -o proof.ciro"] {
        let near = sandbox.json(&format!("{command} --input near.json"));
        assert_eq!(near["warnings"], serde_json::json!([]), "{near}");
        let far = sandbox.json(&format!("{command} --input far.json"));
        let warning = &far["warnings"][0];
        assert_eq!(
            (&warning["code"], &warning["node"]),
            (&"value_outside_range".into(), &"scores".into())
        );
        let run = sandbox.done(&format!("{command} --input far.json"));
        assert!(
            run.stderr.contains("warning: node `scores` in sample 0: 1 of 1 value(s)"),
            "{run:?}"
        );
        let outside = sandbox.json(&format!("{command} --input outside.json"));
        assert_eq!(outside["warnings"][0]["code"], "input_outside_range", "{outside}");
    }
    let check = sandbox.json("check m.ciro-model");
    assert_eq!(check["warnings"], serde_json::json!([]));
}

#[test]
fn outputs_are_those_of_onnxruntime() {
    let sandbox = Sandbox::with_model("lenet5_mnist");
    let run = sandbox.json("run model.onnx --input input_0.json");
    let scores: Vec<f64> =
        run["output"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    // The first row of expected.npz.
    let expected = [
        0.759_939_97,
        -5.626_303_2,
        -4.407_872_7,
        -12.097_847,
        -1.279_787_8,
        1.923_003,
        15.252_572,
        -13.786_012,
        4.094_509_1,
        -8.321_216_6,
    ];
    for (got, expected) in scores.iter().zip(expected) {
        assert!((got - expected).abs() < 0.2, "{scores:?}");
    }
}

#[test]
fn nothing_but_json_goes_to_stdout_and_no_colours_to_pipes() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let run = sandbox.done("prove model.onnx --input input_0.json -o p.ciro --json --verbose");
    run.json();
    assert!(run.stderr.contains("INFO"), "{}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'));
    let quiet = sandbox.done("run model.onnx --input input_0.json --quiet");
    assert_eq!(quiet.stderr, "");
    let coloured = sandbox.done("run model.onnx --input input_0.json --color always");
    assert!(coloured.stdout.contains('\u{1b}'));
}

#[test]
fn completions_are_written_for_every_shell() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(sandbox.done(&format!("completions {shell}")).stdout.contains("ciro"), "{shell}");
    }
}
