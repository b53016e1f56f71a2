//! Proofs verify where they should, and nowhere else.

use serde_json::Value;

use crate::sandbox::{Run, Sandbox, filters};

/// A sandbox with a model, its key and a proof.
fn proven(model: &str) -> Sandbox {
    let sandbox = Sandbox::with_model(model);
    sandbox.done("key model.onnx -o model.key");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    sandbox
}

/// Checks that a proof is rejected, with exit code 3, and returns the last cause.
#[track_caller]
fn rejected(sandbox: &Sandbox, arguments: &str) -> String {
    let run = sandbox.run(arguments);
    assert_eq!(run.code, Some(3), "ciro {arguments}: {run:?}");
    assert!(run.stdout.starts_with("invalid"), "{run:?}");
    let json = sandbox.run(&format!("{arguments} --json"));
    assert_eq!(json.code, Some(3));
    let report = json.json();
    assert_eq!(report["valid"], false);
    let causes = report["causes"].as_array().unwrap();
    causes.last().map_or_else(|| report["error"].clone(), Value::clone).as_str().unwrap().to_owned()
}

#[test]
fn a_proof_verifies_with_the_key_or_the_model() {
    let sandbox = proven("logreg_iris");
    let run: Value = sandbox.json("run model.onnx --input input_0.json");
    let model = "--model model.onnx --calibration inputs.npz";
    for against in ["--key model.key", model, "--key model.key --input input_0.json"] {
        let verified = sandbox.json(&format!("verify proof.ciro {against}"));
        assert_eq!(verified["valid"], true);
        assert_eq!(verified["output"], run["output"]);
        assert!(verified["security_bits"].as_u64() >= Some(100));
    }
    let _filters = filters();
    let text = sandbox.done("verify proof.ciro --key model.key").text();
    insta::assert_snapshot!("verified", text);
}

/// A pipe can be read once.
#[cfg(target_os = "linux")]
#[test]
fn an_input_may_come_through_a_pipe() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let read = |arguments: &str| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, &sandbox.read("input_0.json")).unwrap();
        drop(writer);
        let run = sandbox.run_from(arguments, reader);
        assert_eq!(run.code, Some(0), "{run:?}");
        run.json()["output"].clone()
    };
    let output = sandbox.json("run model.onnx --input input_0.json")["output"].clone();
    assert_eq!(read("run model.onnx --input /dev/stdin --json"), output);
    assert_eq!(read("prove model.onnx --input /dev/stdin -o proof.ciro --json"), output);
}

#[test]
fn a_proof_is_bound_to_its_context() {
    let sandbox = proven("logreg_iris");
    let (job, context) = ("0x70b", format!("0x{}70b", "0".repeat(61)));
    let prove = "prove model.onnx --input input_0.json";
    let bound = sandbox.json(&format!("{prove} --context {job} -o bound.ciro"));
    assert_eq!(bound["context"], context.as_str());
    let verified = sandbox.json("verify bound.ciro --key model.key");
    assert_eq!(
        (&verified["context"], &verified["context_checked"]),
        (&bound["context"], &false.into())
    );
    let verified = sandbox.json("verify bound.ciro --key model.key --context 0000070B");
    assert_eq!(verified["context_checked"], true);
    let text = sandbox.done("verify bound.ciro --key model.key").stdout;
    assert!(text.contains(&format!("{context}: pass `--context`")), "{text}");
    sandbox.done("verify proof.ciro --key model.key --context 0");

    let cause = rejected(&sandbox, "verify bound.ciro --key model.key --context 70c");
    assert!(cause.contains("bound to context 0x0"), "{cause}");
    let cause = rejected(&sandbox, "verify proof.ciro --key model.key --context 70b");
    assert!(cause.starts_with("the proof is bound to no context"), "{cause}");
    // A file that says another context is no proof of it.
    let mut bytes = sandbox.read("bound.ciro");
    let at = bytes.windows(2).position(|pair| pair == [7, 0x0b]).unwrap();
    bytes[at + 1] = 0x0c;
    sandbox.write("moved.ciro", &bytes);
    rejected(&sandbox, "verify moved.ciro --key model.key --context 70c");

    for nonsense in ["0xfg", &"f".repeat(64)] {
        let run = sandbox.run(&format!("{prove} --context {nonsense} -o none.ciro"));
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains("context"), "{run:?}");
    }
}

#[test]
fn proving_twice_gives_equal_bytes() {
    let sandbox = proven("logreg_iris");
    sandbox.done("prove model.onnx --input input_0.json -o again.ciro");
    assert_eq!(sandbox.read("proof.ciro"), sandbox.read("again.ciro"));
}

#[test]
fn compiled_models_prove_what_their_onnx_files_prove() {
    let sandbox = proven("logreg_iris");
    sandbox.done("compile model.onnx -o m.ciro-model");
    sandbox.done("prove m.ciro-model --input input_0.json -o again.ciro");
    sandbox.done("verify again.ciro --key model.key");
    assert_eq!(sandbox.read("proof.ciro"), sandbox.read("again.ciro"));
}

#[test]
fn many_samples_go_into_one_proof() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let proof = sandbox.json("prove model.onnx --input inputs.npz --input input_0.json -o p.ciro");
    assert_eq!(proof["samples"], 17);
    sandbox.done("key model.onnx --batch 17 -o model.key");
    let verified = sandbox.json("verify p.ciro --key model.key");
    assert_eq!(verified["output"], proof["output"]);
    sandbox.done("verify p.ciro --model model.onnx --calibration inputs.npz");
    let run: Run = sandbox.done("key model.onnx -o other.key");
    assert!(run.stdout.contains("other.key"));
    rejected(&sandbox, "verify p.ciro --key other.key");
}

#[test]
fn one_key_file_serves_every_kind_of_proof() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let key = sandbox.json("key model.onnx --batch 1,16 --preset standard,proven -o model.key");
    let keys = key["keys"].as_array().unwrap();
    assert_eq!((keys.len(), &key["batch"], &keys[1]["batch"]), (4, &1.into(), &16.into()));
    assert_eq!(key["model_key"], keys[0]["model_key"]);
    for (preset, input) in [("standard", "inputs.npz"), ("proven", "input_0.json")] {
        let prove = format!("prove model.onnx --preset {preset} --input {input} -o proof.ciro");
        let proven = sandbox.json(&prove);
        let verified = sandbox.json("verify proof.ciro --key model.key");
        assert_eq!(verified["model_key"], proven["model_key"]);
    }
    sandbox.done("prove model.onnx --preset compact --input input_0.json -o proof.ciro");
    let cause = rejected(&sandbox, "verify proof.ciro --key model.key");
    assert!(cause.contains("no entry for proofs of route `tensor`, preset `compact`"), "{cause}");
    let run = sandbox.run("verify proof.ciro --key model.key --json");
    assert_eq!(run.json()["check"], "model_key");
    let ask = "`ciro key MODEL --route tensor --preset compact --batch 1 -o model.key`";
    assert!(run.stderr.contains(ask), "{run:?}");
}

#[test]
fn every_preset_proves_and_the_weak_one_convinces_nobody() {
    let sandbox = Sandbox::with_model("logreg_iris");
    for preset in ["standard", "compact", "proven"] {
        let settings = format!("model.onnx --preset {preset}");
        sandbox.done(&format!("key {settings} -o model.key"));
        sandbox.done(&format!("prove {settings} --input input_0.json -o proof.ciro"));
        let verified = sandbox.json("verify proof.ciro --key model.key");
        assert_eq!(verified["preset"], preset);
    }
    sandbox.done("key model.onnx --preset fast-test -o model.key");
    sandbox.done("prove model.onnx --preset fast-test --input input_0.json -o proof.ciro");
    for against in ["--key model.key", "--model model.onnx --calibration inputs.npz"] {
        let cause = rejected(&sandbox, &format!("verify proof.ciro {against}"));
        assert!(cause.contains("bits of security, the policy asks for 100"), "{cause}");
    }
}

#[test]
fn proofs_of_other_models_are_rejected() {
    let sandbox = proven("logreg_iris");
    let other = Sandbox::with_model("kmeans_iris");
    std::fs::copy(other.path("model.onnx"), sandbox.path("other.onnx")).unwrap();
    sandbox.done("key other.onnx -o other.key");
    let cause = rejected(&sandbox, "verify proof.ciro --key other.key");
    assert!(cause.starts_with("the proof is about the model with key"), "{cause}");
    let cause = rejected(&sandbox, "verify proof.ciro --model other.onnx --uncalibrated");
    assert!(cause.contains("other shapes"), "{cause}");
}

#[test]
fn proofs_about_other_inputs_are_rejected() {
    let sandbox = proven("logreg_iris");
    sandbox.write("x.json", r#"{"input_data": [[6.0, 3.0, 5.0, 1.8]]}"#);
    let cause = rejected(&sandbox, "verify proof.ciro --key model.key --input x.json");
    assert_eq!(cause, "the proof is about another value of input `X`");
}

#[test]
fn altered_proofs_are_rejected_wherever_they_are_altered() {
    let sandbox = proven("logreg_iris");
    let bytes = sandbox.read("proof.ciro");
    let step = bytes.len() / 24;
    for at in (0..120).step_by(7).chain((120..bytes.len()).step_by(step)) {
        let mut altered = bytes.clone();
        altered[at] ^= 0x10;
        sandbox.write("altered.ciro", altered);
        rejected(&sandbox, "verify altered.ciro --key model.key");
    }
}

#[test]
fn proofs_cut_short_are_rejected() {
    let sandbox = proven("logreg_iris");
    let bytes = sandbox.read("proof.ciro");
    for length in [0, 7, 40, bytes.len() / 2, bytes.len() - 1] {
        sandbox.write("short.ciro", &bytes[..length]);
        rejected(&sandbox, "verify short.ciro --key model.key");
    }
    let endless = std::fs::File::create(sandbox.path("endless.ciro")).unwrap();
    endless.set_len(ciro_sdk::MAX_BUNDLE_BYTES + 1).unwrap();
    let cause = rejected(&sandbox, "verify endless.ciro --key model.key");
    assert_eq!(cause, "`endless.ciro` has more than 67108864 bytes");
    sandbox.write("long.ciro", [&bytes[..], b"\n"].concat());
    let cause = rejected(&sandbox, "verify long.ciro --key model.key");
    assert_eq!(cause, "1 byte(s) follow the end of the bundle");
    let _filters = filters();
    sandbox.write("short.ciro", &bytes[..bytes.len() / 2]);
    let run = sandbox.run("verify short.ciro --key model.key");
    let text = run.text().replace(&(bytes.len() - bytes.len() / 2).to_string(), "[N]");
    insta::assert_snapshot!("cut_short", text);
}
