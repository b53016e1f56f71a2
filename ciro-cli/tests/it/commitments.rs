//! Commitments to inputs and outputs on the command line.

use crate::sandbox::Sandbox;

#[test]
fn committed_tensors_are_proven_verified_and_opened_one_by_one() {
    let sandbox = Sandbox::with_model("logreg_iris");
    let flags = "--commit-input --commit-output=probabilities";
    sandbox.done(&format!("key model.onnx {flags} -o model.key"));
    let prove = format!("prove model.onnx {flags} --input input_0.json");
    let proven = sandbox.json(&format!("{prove} --openings secret.json -o proof.ciro"));
    let verified = sandbox.json("verify proof.ciro --key model.key");
    assert_eq!(verified["valid"], true);
    assert_eq!(verified["input"], serde_json::Value::Null);
    // The label is shown, the probabilities are not.
    assert_eq!(verified["output_names"].as_array().map(Vec::len), Some(1), "{verified}");
    assert_eq!(verified["committed"].as_array().map(Vec::len), Some(2), "{verified}");
    assert_eq!(verified["committed"][0]["commitment"], proven["commitments"][0]["commitment"]);

    let blinding = proven["blinding"].as_str().unwrap();
    let input = "verify proof.ciro --key model.key --input input_0.json";
    sandbox.done(&format!("{input} --blinding {blinding}"));
    assert_eq!(sandbox.run(input).code, Some(3));

    // One entry is handed on.
    let entries: Vec<serde_json::Value> =
        serde_json::from_slice(&sandbox.read("secret.json")).unwrap();
    let entry = entries.iter().find(|entry| entry["side"] == "output").unwrap();
    let write = |entry: &serde_json::Value| {
        let bytes = serde_json::to_vec(&[entry]).unwrap();
        std::fs::write(sandbox.path("one.json"), bytes).unwrap();
    };
    write(entry);
    let opened = sandbox.json("verify proof.ciro --key model.key --open one.json");
    assert_eq!(opened["opened"][0]["name"], "probabilities", "{opened}");
    assert_eq!(opened["opened"][0]["integers"], entry["integers"]);
    let mut other = entry.clone();
    other["blinding"] = "0".repeat(64).into();
    write(&other);
    let refused = sandbox.run("verify proof.ciro --key model.key --open one.json");
    assert_eq!(refused.code, Some(3), "{refused:?}");

    // The same input under the same blinding value has the same commitment.
    let again = sandbox.json(&format!("{prove} --blinding X={blinding} -o again.ciro"));
    assert_eq!(again["commitments"][0], proven["commitments"][0]);
    let unnamed = sandbox.run("prove model.onnx --commit-output=y --input input_0.json -o no.ciro");
    assert_eq!(unnamed.code, Some(1), "{unnamed:?}");
    assert!(unnamed.stderr.contains("the model has no output `y`"), "{unnamed:?}");
}
