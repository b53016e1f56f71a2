//! Measurements.

use crate::sandbox::Sandbox;

#[test]
fn a_row_holds_what_the_table_shows() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let report = sandbox.json("bench model.onnx --runs 2");
    let row = &report["rows"][0];
    assert_eq!(row["accuracy"]["top1"], 1.0);
    assert_eq!((&row["runs"], &row["accuracy"]["samples"]), (&2.into(), &16.into()));
    for field in ["prove_ms", "verify_ms", "proof_bytes", "cells", "security_bits", "key_bytes"] {
        assert!(row[field].as_f64() > Some(0.0), "{field} in {row}");
    }
    assert!(row["predicted"]["prove_ms"].as_f64() > Some(0.0));
    assert!(report["machine"]["cpu"].is_string() && report["command"].is_string());
    let text = sandbox.done("bench model.onnx --runs 1").stdout;
    assert!(text.contains("command  ciro bench model.onnx --runs 1"), "{text}");
}

#[test]
fn models_that_cannot_be_measured_do_not_stop_the_others() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.write("broken.onnx", b"\x08\x07");
    let run = sandbox.run("bench broken.onnx model.onnx --runs 1 --json");
    assert_eq!(run.code, Some(1));
    let report = run.json();
    assert_eq!(report["rows"].as_array().unwrap().len(), 1);
    assert_eq!(report["failed"][0]["model"], "broken");
}

#[test]
fn private_proofs_are_measured_beside_plain_ones() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let report = sandbox.json("bench model.onnx --private --runs 1");
    let row = &report["rows"][0];
    assert_eq!((&row["hides"], &row["plain"]["hides"]), (&true.into(), &false.into()), "{row}");
    for (ratio, figure) in
        [("prove", "prove_ms"), ("verify", "verify_ms"), ("proof_bytes", "proof_bytes")]
    {
        let [hiding, plain] = [&row[figure], &row["plain"][figure]].map(|it| it.as_f64().unwrap());
        let ratio = row["ratios"][ratio].as_f64().unwrap();
        assert!((ratio - hiding / plain).abs() < 1e-9, "{row}");
    }
    assert!(row["ratios"]["proof_bytes"].as_f64() > Some(1.0), "{row}");
    assert!(row["predicted"]["proof_bytes"].as_u64() > Some(0), "{row}");
    let text = sandbox.done("bench model.onnx model.onnx --private --runs 1").stdout;
    for label in ["  plain", "  ratio", "mean"] {
        assert!(text.lines().any(|line| line.contains(label)), "{label} in {text}");
    }
}
