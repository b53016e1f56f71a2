//! What `ciro verify` relies on: nothing that nobody named, and nothing that others can write.

use std::path::PathBuf;

use serde_json::Value;

use crate::sandbox::Sandbox;

const SAMPLE: &str = r#"{"input_data": [[7.7, 2.6, 6.9, 2.3]]}"#;

/// The honest iris classifier, and a folder with the same ONNX file beside which somebody put other
/// calibration samples: there the model says something else about the same flower.
fn twins() -> (Sandbox, Sandbox) {
    let (honest, evil) = (Sandbox::with_model("logreg_iris"), Sandbox::with_model("logreg_iris"));
    evil.write("calibration.json", r#"{"input_data": [[5.0, 3.0, 1.0, 0.2]]}"#);
    for sandbox in [&honest, &evil] {
        sandbox.write("s.json", SAMPLE);
        sandbox.done("prove model.onnx --input s.json -o proof.ciro");
    }
    (honest, evil)
}

fn label(report: &Value) -> i64 {
    report["output_int"][0][0].as_i64().unwrap()
}

#[test]
fn what_lies_beside_a_model_decides_nothing() {
    let (honest, evil) = twins();
    let refused = evil.run("verify proof.ciro --model model.onnx --input s.json");
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no calibration is named"), "{refused:?}");
    assert!(refused.stderr.contains("`--calibration FILE`, or `--uncalibrated`"), "{refused:?}");
    // With the samples that the verifier trusts, the proof is about another model.
    std::fs::copy(honest.path("inputs.npz"), evil.path("trusted.npz")).unwrap();
    let against = "--model model.onnx --calibration trusted.npz";
    let other = evil.run(&format!("verify proof.ciro {against}"));
    assert_eq!(other.code, Some(3), "{other:?}");
    std::fs::copy(honest.path("proof.ciro"), evil.path("honest.ciro")).unwrap();
    let verified = evil.json(&format!("verify honest.ciro {against} --input s.json"));
    assert_eq!(label(&verified), 2);
    assert_eq!(verified["calibration"]["file"], "trusted.npz");
    assert_eq!(verified["calibration"]["digest"].as_str().map(str::len), Some(64));
    assert_eq!((&verified["against"], &verified["recomputed"]), (&"onnx".into(), &1.into()));
    assert_eq!(verified["float_disagreements"], 0);
}

#[test]
fn a_model_that_is_trusted_with_bad_samples_is_told_by_the_float_model() {
    let (_, evil) = twins();
    let verify = "verify proof.ciro --model model.onnx --calibration calibration.json";
    let clamped = evil.run(&format!("{verify} --input s.json"));
    assert_eq!(clamped.code, Some(3), "{clamped:?}");
    let verify = format!("{verify} --input s.json --allow-clamped");
    let verified = evil.json(&verify);
    assert_eq!(label(&verified), 1);
    assert!(verified["float_disagreements"].as_u64() > Some(0), "{verified}");
    let run = evil.done(&verify);
    assert!(run.stderr.contains("proven is `1`, the float model says `2`"), "{run:?}");
    assert!(run.stdout.contains("calibrated calibration.json ("), "{run:?}");
}

#[test]
fn an_uncalibrated_model_has_to_be_called_so() {
    let sandbox = Sandbox::with_model("logreg_iris");
    std::fs::remove_file(sandbox.path("inputs.npz")).unwrap();
    sandbox.write("near.json", r#"{"input_data": [[0.1, 0.2, 0.3, 0.4]]}"#);
    sandbox.done("compile model.onnx -o m.ciro-model");
    sandbox.done("prove m.ciro-model --input near.json -o proof.ciro");
    assert_eq!(sandbox.run("verify proof.ciro --model model.onnx").code, Some(1));
    let verified = sandbox.json("verify proof.ciro --model model.onnx --uncalibrated");
    assert_eq!((&verified["valid"], &verified["calibration"]), (&true.into(), &Value::Null));
    let text = sandbox.done("verify proof.ciro --model model.onnx --uncalibrated").stdout;
    assert!(text.contains("calibrated with random numbers"), "{text}");
    let compiled = sandbox.json("verify proof.ciro --model m.ciro-model");
    assert_eq!(
        (&compiled["against"], &compiled["calibration"]),
        (&"compiled".into(), &Value::Null)
    );
    assert_eq!(sandbox.run("verify proof.ciro --model m.ciro-model --uncalibrated").code, Some(1));
}

/// The words of what is told.
fn codes(report: &Value) -> Vec<&str> {
    let warnings = report["warnings"].as_array().into_iter().flatten();
    warnings.filter_map(|warning| warning["code"].as_str()).collect()
}

#[test]
fn inputs_calibrate_where_nothing_else_does_unless_they_are_secret() {
    let sandbox = Sandbox::with_model("logreg_iris");
    std::fs::remove_file(sandbox.path("inputs.npz")).unwrap();
    sandbox.write("s.json", SAMPLE);
    sandbox.write("far.json", r#"{"input_data": [[510, 350, 140, 20]]}"#);
    sandbox.write("near.json", r#"{"input_data": [[0.1, 0.2, 0.3, 0.4]]}"#);
    let both = sandbox.json("run model.onnx --input s.json --input far.json");
    assert_eq!((codes(&both), &both["clamped"]), (vec!["calibrated_by_inputs"], &0.into()));

    // Whoever has the inputs makes the same model.
    let proof = sandbox.json("prove model.onnx --input s.json -o proof.ciro");
    assert_eq!(codes(&proof), ["calibrated_by_inputs"]);
    sandbox.done("key model.onnx --calibration s.json -o model.key");
    sandbox.done("verify proof.ciro --key model.key --input s.json");
    let verified = sandbox.json("verify proof.ciro --model model.onnx --calibration s.json");
    assert_eq!(verified["calibration"]["digest"], proof["calibration"]["digest"]);

    // The key of a model that a secret input calibrates would show it.
    let secret = "prove model.onnx -o secret.ciro --commit-input";
    let near = sandbox.json(&format!("{secret} --input near.json"));
    assert_eq!((codes(&near), &near["calibration"]), (vec!["guessed_calibration"], &Value::Null));
    assert_eq!(sandbox.run(&format!("{secret} --input far.json")).code, Some(1));
    sandbox.done("key model.onnx --commit-input -o guessed.key");
    sandbox.done("verify secret.ciro --key guessed.key");
}

#[test]
fn a_secret_that_calibrates_is_told() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.write("s.json", SAMPLE);
    sandbox.write("other.json", r#"{"input_data": [[5.0, 3.4, 1.5, 0.2]]}"#);
    let secret = "prove model.onnx --input s.json --commit-input --private -o proof.ciro";
    let told = |calibration: &str| -> Vec<String> {
        let proof = sandbox.json(&format!("{secret} {calibration}"));
        codes(&proof).into_iter().map(str::to_owned).collect()
    };
    assert_eq!(told("--calibration s.json"), ["calibrated_by_secret"]);
    let others = told("--calibration other.json");
    assert!(!others.contains(&"calibrated_by_secret".to_owned()), "{others:?}");
    // Found beside the model, it is the same.
    std::fs::remove_file(sandbox.path("inputs.npz")).unwrap();
    std::fs::copy(sandbox.path("s.json"), sandbox.path("inputs.json")).unwrap();
    assert_eq!(told(""), ["calibrated_by_secret"]);
    let open = sandbox.json("prove model.onnx --input s.json -o open.ciro");
    assert_eq!(codes(&open), [""; 0]);
}

#[test]
fn a_sample_far_from_the_others_hides_no_wrong_answer() {
    let sandbox = Sandbox::with_model("linreg_diabetes");
    std::fs::remove_file(sandbox.path("inputs.npz")).unwrap();
    let row =
        |third: f64| format!("0.03, 0.05, {third}, 0.02, -0.04, -0.03, -0.04, 0, 0.02, -0.02");
    let of = |rows: [f64; 2]| {
        let [one, other] = rows.map(row);
        format!(r#"{{"input_data": [[{one}, {other}]]}}"#)
    };
    sandbox.write("batch.json", of([0.06, 1e5]));
    sandbox.write("near.json", of([0.06, 0.02]));
    let ran = sandbox.json("run model.onnx --input batch.json");
    let told = codes(&ran);
    assert!(told.contains(&"differs_from_float") && told.contains(&"inaccurate"), "{ran}");
    // Whoever makes the key with the same samples is told as well, and whoever verifies with them.
    let key = sandbox.json("key model.onnx --calibration batch.json --batch 2 -o model.key");
    assert_eq!(codes(&key), ["few_samples", "inaccurate"]);
    sandbox.done("prove model.onnx --input batch.json -o proof.ciro");
    let verified = sandbox.json("verify proof.ciro --model model.onnx --calibration batch.json");
    let told = codes(&verified);
    assert!(told.contains(&"differs_from_float") && told.contains(&"inaccurate"), "{verified}");
    let near = sandbox.json("run model.onnx --input near.json");
    assert_eq!(codes(&near), ["calibrated_by_inputs"]);
}

/// The entries of a cache.
fn entries(sandbox: &Sandbox) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(sandbox.path("cache/models")).unwrap();
    folder.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn what_lies_in_the_cache_decides_no_key_and_no_verdict() {
    let sandbox = Sandbox::with_model("logreg_iris").with_own_cache();
    sandbox.write("s.json", SAMPLE);
    sandbox.done("prove model.onnx --input s.json -o honest.ciro");
    let entry = entries(&sandbox).remove(0);
    let key = sandbox.json("key model.onnx -o honest.key");

    // The same file with other samples, under the honest model's digest: nothing but compiling
    // tells them apart.
    sandbox.write("evil.json", r#"{"input_data": [[5.0, 3.0, 1.0, 0.2]]}"#);
    sandbox.done("compile model.onnx --calibration evil.json -o evil.ciro-model");
    sandbox.done("prove evil.ciro-model --input s.json -o evil.ciro");
    let header = std::fs::read(&entry).unwrap()[..40].to_vec();
    std::fs::write(&entry, [header, sandbox.read("evil.ciro-model")].concat()).unwrap();

    let against = "--model model.onnx --calibration inputs.npz";
    assert_eq!(sandbox.run(&format!("verify evil.ciro {against}")).code, Some(3));
    sandbox.done(&format!("verify honest.ciro {against}"));
    assert_eq!(sandbox.json("key model.onnx -o again.key")["model_key"], key["model_key"]);
    let compiled = sandbox.json("compile model.onnx -o again.ciro-model");
    assert_eq!(compiled["model_key"], key["model_key"]);
    assert_eq!(sandbox.run("verify evil.ciro --key again.key").code, Some(3));
    sandbox.done("verify honest.ciro --model again.ciro-model");

    // An entry of another model is no entry at all: what is proven is the honest model again.
    std::fs::copy(sandbox.path("evil.ciro-model"), &entry).unwrap();
    sandbox.done("prove model.onnx --input s.json -o again.ciro");
    assert_eq!(sandbox.read("again.ciro"), sandbox.read("honest.ciro"));
}

#[test]
fn values_outside_of_the_range_are_another_input() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.write("far.json", r#"{"input_data": [[1e6, 2.0, 1e30, 0.1]]}"#);
    sandbox.write("near.json", r#"{"input_data": [[20, 2.0, 20, 0.1]]}"#);
    let proof = sandbox.json("prove model.onnx --input far.json -o far.ciro");
    assert_eq!(proof["clamped"], 2);
    sandbox.done("key model.onnx -o model.key");
    for input in ["far.json", "near.json"] {
        let verify = format!("verify far.ciro --key model.key --input {input}");
        let run = sandbox.run(&verify);
        assert_eq!(run.code, Some(3), "{run:?}");
        assert!(run.stderr.contains("2 value(s) of input `X` lie outside"), "{run:?}");
        assert!(run.stderr.contains("`--allow-clamped`"), "{run:?}");
        let allowed = sandbox.json(&format!("{verify} --allow-clamped"));
        assert_eq!((&allowed["valid"], &allowed["clamped"]), (&true.into(), &2.into()));
    }
}

#[test]
fn the_input_is_shown_and_said_to_be_compared_or_not() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("key model.onnx -o model.key");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    let verified = sandbox.json("verify proof.ciro --key model.key");
    assert_eq!((&verified["input_checked"], &verified["clamped"]), (&false.into(), &Value::Null));
    assert_eq!(verified["input_names"], serde_json::json!(["X"]));
    let shown = verified["input"][0].as_array().unwrap();
    let given: Value = serde_json::from_slice(&sandbox.read("input_0.json")).unwrap();
    let given = given["input_data"][0].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
    assert_eq!(shown.len(), 4);
    for (shown, given) in shown.iter().zip(given) {
        assert!((shown.as_f64().unwrap() - given).abs() < 0.01, "{verified}");
    }
    let text = sandbox.done("verify proof.ciro --key model.key").stdout;
    assert!(text.contains("compared   with nothing"), "{text}");
    let verified = sandbox.json("verify proof.ciro --key model.key --input input_0.json");
    assert_eq!((&verified["input_checked"], &verified["clamped"]), (&true.into(), &0.into()));
}

#[test]
fn the_bits_of_security_are_said_before_anything_is_proven() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let check = sandbox.json("check model.onnx");
    let key = sandbox.json("key model.onnx -o model.key");
    let proof = sandbox.json("prove model.onnx --input input_0.json -o proof.ciro");
    for name in ["security_bits", "proven_security_bits"] {
        assert_eq!(check["estimate"][name], key[name]);
        assert_eq!(key[name], proof[name]);
    }
    for command in ["check model.onnx", "key model.onnx"] {
        let text = sandbox.done(command).stdout;
        assert!(text.contains("bits conjectured"), "{text}");
    }
}

#[test]
fn a_bundle_with_many_claims_is_refused_before_it_is_laid_out() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    let bytes = sandbox.read("proof.ciro");
    // The claim of one flower: its tag, four integers, one label and three probabilities in their
    // tensors.
    let (header, rest) = bytes.split_at(84);
    let (count, rest) = rest.split_at(4);
    assert_eq!(count, [1, 0, 0, 0]);
    let claim = 1 + 2 + (1 + 8 + 16) + 2 + (1 + 4 + 4) + (1 + 8 + 12);
    let (claim, proof) = rest.split_at(claim);
    let many = [header, &40_000u32.to_le_bytes(), &claim.repeat(40_000), proof].concat();
    sandbox.write("many.ciro", many);
    let run = sandbox
        .run("verify many.ciro --model model.onnx --calibration inputs.npz --max-memory 100MB");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.stderr.contains("more than the limit of 100 MB"), "{run:?}");
    sandbox.done("key model.onnx -o model.key");
    assert_eq!(sandbox.run("verify many.ciro --key model.key").code, Some(3));
}

#[test]
fn every_flag_that_a_hint_names_exists() {
    let sources = [
        include_str!("../../src/advice.rs"),
        include_str!("../../src/model.rs"),
        include_str!("../../src/commands/prove.rs"),
        include_str!("../../src/commands/verify/mod.rs"),
        include_str!("../../src/commands/verify/report.rs"),
    ];
    let sandbox = Sandbox::new();
    let commands = [
        "prove",
        "verify",
        "key",
        "check",
        "compile",
        "transpile",
        "bench",
        "inspect",
        "submit",
        "network use",
        "account new",
    ];
    let help: String =
        commands.map(|command| sandbox.done(&format!("{command} --help")).stdout).concat();
    for source in sources {
        let commands = |quoted: &&str| quoted.starts_with("ciro ") || quoted.starts_with("--");
        for quoted in source.split('`').filter(commands) {
            for flag in quoted.split_whitespace().filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "`{quoted}` names {flag}");
            }
        }
    }
}
