//! Proofs that hide inputs and execution, on the command line.

use serde_json::Value;

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

/// What the report of `ciro inspect` says that proofs for an entry show: the word, and whether a
/// commitment stands in the place.
fn shown<'a>(entry: &'a Value, what: &str, name: Option<&str>) -> (&'a str, bool) {
    let shows = entry["shows"].as_array().unwrap();
    let is_it = |it: &&Value| it["what"] == what && it["name"].as_str() == name;
    let it = shows.iter().find(is_it).unwrap_or_else(|| panic!("no {what} in {entry}"));
    (it["shown"].as_str().unwrap(), it["committed"].as_bool().unwrap())
}

#[test]
fn inspect_says_what_proofs_for_each_key_of_a_file_show() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let input = sandbox.json("inspect model.onnx")["inputs"][0]["name"].clone();
    let input = input.as_str();
    let flags = "--private=no,yes --commit-output=probabilities";
    sandbox.done(&format!("key model.onnx {flags} -o committing.key"));
    let made = sandbox.json("key model.onnx --private=no,yes --commit-input -o model.key");
    let report = sandbox.json("inspect model.key");
    assert_eq!(report["key_bytes"], made["key_bytes"]);
    assert_eq!(report["keys"].as_array().map(Vec::len), Some(2), "{report}");
    for (entry, made) in
        report["keys"].as_array().unwrap().iter().zip(made["keys"].as_array().unwrap())
    {
        for field in ["model_key", "route", "preset", "batch", "hides", "security_bits"] {
            assert_eq!(entry[field], made[field], "{field}");
        }
        let kept = if entry["hides"] == true { "hidden" } else { "computable" };
        assert_eq!(shown(entry, "input", input), (kept, true));
        assert_eq!(shown(entry, "output", Some("probabilities")), ("stated", false));
        assert_eq!(shown(entry, "execution", None), (kept, false));
        // No proof hides the model.
        assert_eq!(shown(entry, "model", None), ("computable", false));
    }
    let report = sandbox.json("inspect committing.key");
    for entry in report["keys"].as_array().unwrap() {
        let kept = if entry["hides"] == true { "hidden" } else { "computable" };
        assert_eq!(shown(entry, "input", input), ("stated", false));
        assert_eq!(shown(entry, "output", Some("probabilities")), (kept, true));
    }
    let text = sandbox.done("inspect model.key").stdout;
    let hidden = format!("hidden      input `{}`, the execution\n", input.unwrap());
    assert!(text.contains(&hidden) && text.contains("batch 1, hiding\n"), "{text}");
}

#[test]
fn inspect_refuses_key_files_that_are_none_and_settings_of_models() {
    let sandbox = Sandbox::with_model("logreg_iris");
    sandbox.done("key model.onnx -o model.key");
    let run = sandbox.run("inspect model.key --shape x=1");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("`model.key` is a key file"), "{run:?}");
    let mut bytes = sandbox.read("model.key");
    let middle = bytes.len() / 2;
    sandbox.write("cut.key", &bytes[..middle]);
    // The version of the format.
    bytes[8] += 1;
    sandbox.write("newer.key", &bytes);
    for name in ["cut.key", "newer.key"] {
        let run = sandbox.run(&format!("inspect {name}"));
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains("not a usable key file"), "{run:?}");
    }
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
