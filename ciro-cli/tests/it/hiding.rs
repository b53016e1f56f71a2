//! Proofs that hide inputs and execution, on the command line.

use crate::sandbox::Sandbox;

#[test]
fn private_proofs_have_keys_of_their_own_and_verify_against_them() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let made = sandbox.json("key model.onnx --private -o model.key");
    assert_eq!(made["hides"], true, "{made}");
    let prove = "prove model.onnx --private --input input_0.json";
    let proven = sandbox.json(&format!("{prove} -o proof.ciro"));
    assert_eq!((&proven["hides"], &proven["model_key"]), (&true.into(), &made["model_key"]));
    let verified = sandbox.json("verify proof.ciro --key model.key --input input_0.json");
    assert_eq!((&verified["valid"], &verified["hides"]), (&true.into(), &true.into()));
    assert_eq!(verified["output"], proven["output"]);
    let text = sandbox.done("verify proof.ciro --key model.key").stdout;
    assert!(text.contains("preset standard, hiding"), "{text}");
    // Whoever has the model needs no key.
    sandbox.done("verify proof.ciro --model model.onnx --calibration inputs.npz");

    // Of one statement there is no second proof like the first.
    sandbox.done(&format!("{prove} -o again.ciro"));
    assert_ne!(sandbox.read("proof.ciro"), sandbox.read("again.ciro"));
    sandbox.done("verify again.ciro --key model.key");
}

#[test]
fn a_plain_key_is_none_for_private_proofs_nor_the_other_way_round() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("key model.onnx -o plain.key");
    sandbox.done("key model.onnx --private -o private.key");
    let both = sandbox.json("key model.onnx --private=no,yes -o both.key");
    assert_eq!(both["keys"].as_array().map(Vec::len), Some(2), "{both}");
    for (flag, own, other) in [("", "plain", "private"), (" --private", "private", "plain")] {
        sandbox.done(&format!("prove model.onnx{flag} --input input_0.json -o {own}.ciro"));
        for key in [own, "both"] {
            sandbox.done(&format!("verify {own}.ciro --key {key}.key"));
        }
        let refused = sandbox.run(&format!("verify {own}.ciro --key {other}.key --json"));
        assert_eq!(refused.code, Some(3), "{refused:?}");
        let report = refused.json();
        assert_eq!(report["check"], "model_key", "{report}");
        let hint = format!("--batch 1{flag} -o model.key");
        assert!(report["hint"].as_str().unwrap().contains(&hint), "{report}");
    }
}

#[test]
fn a_committed_input_is_hidden_and_opened() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let flags = "--private --commit-input --commit-output=probabilities";
    sandbox.done(&format!("key model.onnx {flags} -o model.key"));
    let prove = format!("prove model.onnx {flags} --input input_0.json -o proof.ciro");
    let proven = sandbox.json(&format!("{prove} --openings secret.json"));
    let verified = sandbox.json("verify proof.ciro --key model.key --open secret.json");
    assert_eq!((&verified["input"], &verified["hides"]), (&serde_json::Value::Null, &true.into()));
    assert_eq!(verified["opened"].as_array().map(Vec::len), Some(2), "{verified}");
    let blinding = proven["blinding"].as_str().unwrap();
    let input = "verify proof.ciro --key model.key --input input_0.json";
    sandbox.done(&format!("{input} --blinding {blinding}"));
    assert_eq!(sandbox.run(input).code, Some(3));
}

#[test]
fn what_has_no_private_proofs_says_so() {
    let sandbox = Sandbox::with_model("linreg_diabetes");
    for (flags, reason) in [
        ("--preset chain", "the verifier on Starknet knows plain ones alone"),
        ("--route cairo", "the cairo route has no proofs that hide"),
    ] {
        for command in ["key model.onnx", "prove model.onnx --input input_0.json"] {
            let run = sandbox.run(&format!("{command} {flags} --private -o out"));
            assert_eq!(run.code, Some(1), "{run:?}");
            assert!(run.stderr.contains(reason) && run.stderr.contains("hint: "), "{run:?}");
            assert!(!sandbox.path("out").exists());
        }
    }
    // What some of the kinds do not have is left out.
    let keys = sandbox.json("key model.onnx --preset standard,chain --private=no,yes -o model.key");
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(3), "{keys}");
}
