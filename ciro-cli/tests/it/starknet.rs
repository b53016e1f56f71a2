//! Proofs for the verifier on Starknet.

use crate::sandbox::Sandbox;

/// The context ends up in the fact, as every other thing that is proven.
#[test]
fn a_proof_of_the_preset_chain_is_written_as_calldata() {
    let sandbox = Sandbox::with_model("dtree_wine");
    sandbox.done("key model.onnx --preset chain -o model.key");
    let prove = "prove model.onnx --preset chain --input input_0.json";
    sandbox.done(&format!("{prove} --context 2a -o proof.ciro"));
    let verify = "verify proof.ciro --key model.key --context 2a";
    assert_eq!(sandbox.json(verify).get("calldata"), None);
    let verified = sandbox.json(&format!("{verify} --calldata proof.calldata"));
    assert_eq!(verified["preset"], "chain");
    let calldata = &verified["calldata"];
    let text = String::from_utf8(sandbox.read("proof.calldata")).unwrap();
    let felts: Vec<&str> = text.lines().collect();
    assert_eq!(felts[0], calldata["model"], "the first argument is the model's id");
    assert_eq!(calldata["felts"], felts.len());
    assert!(felts.contains(&"0x2a"), "the context stands in the calldata");
    assert!(felts.iter().all(|felt| felt.starts_with("0x") && felt.len() <= 66));
    assert_ne!(calldata["fact"], calldata["model"]);
}

#[test]
fn proofs_that_the_contract_does_not_take_say_what_to_do() {
    let sandbox = Sandbox::with_model("dtree_wine");
    sandbox.done("key model.onnx -o model.key");
    sandbox.done("prove model.onnx --input input_0.json -o proof.ciro");
    let run = sandbox.run("verify proof.ciro --key model.key --calldata proof.calldata");
    assert_eq!(run.code, Some(1), "{run:?}");
    let refused = "the contract on Starknet takes no keys of the preset `standard`";
    assert!(run.stderr.contains(refused), "{run:?}");
    assert!(run.stderr.contains("hint: prove again with the preset `chain`"), "{run:?}");
    assert!(!sandbox.path("proof.calldata").exists());
}
