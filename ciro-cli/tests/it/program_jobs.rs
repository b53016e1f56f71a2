//! A program on a network of real processes: deployed, ordered, proven, verified.

use serde_json::{Value, json};

use crate::devnet::Devnet;

/// A devnet whose folder has the example's executable, and arguments for it.
fn with_program(devnet: Devnet) -> Devnet {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/programs/fibonacci");
    let executable = std::path::Path::new(folder).join(PROGRAM);
    std::fs::copy(executable, devnet.folder().join(PROGRAM)).unwrap();
    for (name, text) in [("ten.json", "[10]"), ("endless.json", "[4294967295]")] {
        std::fs::write(devnet.folder().join(name), text).unwrap();
    }
    devnet
}

const PROGRAM: &str = "fibonacci.executable.json";

#[test]
fn a_run_whose_proof_the_network_may_not_take_is_not_ordered() {
    let devnet = with_program(Devnet::of_spec(("--providers 0", 1), |spec| {
        spec["limits"]["bundle_bytes"] = json!(1 << 18);
    }));
    devnet.ciro(&format!("deploy {PROGRAM}"));
    for order in ["submit", "order -o signed.order"] {
        let (code, said) = devnet.run(&format!("{order} {PROGRAM} --args ten.json"));
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said["causes"].to_string().contains("the longest that is taken has 262084"),
            "{said}"
        );
    }
    assert_eq!(devnet.ciro("job list")["jobs"], json!([]));
}

#[test]
fn a_program_is_deployed_and_a_run_of_it_settled_and_verified() {
    let devnet = with_program(Devnet::up_with(""));
    let deployed = devnet.ciro(&format!("deploy {PROGRAM}"));
    assert_eq!((&deployed["known"], &deployed["name"]), (&json!(false), &json!("fibonacci")));
    let again = devnet.ciro(&format!("deploy {PROGRAM}"));
    assert_eq!((&again["known"], &again["model"]), (&json!(true), &deployed["model"]));

    let quote = devnet.ciro(&format!("quote {PROGRAM}"));
    assert_eq!((&quote["model"], &quote["class"]), (&deployed["model"], &json!("cairo")));

    // What providers would not take is not ordered.
    let submit = format!("submit {PROGRAM}");
    let endless = devnet.run(&format!("{submit} --args endless.json"));
    assert_eq!(endless.0, Some(1), "{}", endless.1);
    // Another number of steps is another key, which nobody has registered.
    let unknown = devnet.run(&format!("{submit} --args ten.json --steps 200000"));
    assert_eq!(unknown.0, Some(1), "{}", unknown.1);
    assert_eq!(devnet.ciro("job list")["jobs"], json!([]));

    let done = devnet.ciro(&format!("{submit} --args ten.json -o proof.ciro --receipt a.receipt"));
    assert_eq!((&done["arguments"], &done["output"]), (&json!(["0xa"]), &json!(["0x37"])));
    assert_eq!((&done["model"], done["fee"].is_string()), (&deployed["model"], true));
    // The proof is an ordinary one about the program.
    devnet.ciro(&format!("program key {PROGRAM} -o program.key"));
    let verified = devnet.ciro("verify proof.ciro --key program.key");
    assert_eq!(verified["output"], json!(["0xa", "0x37"]));
    assert_eq!(verified["program_key"], done["program_key"]);

    let job = done["job"].as_str().unwrap();
    let result = devnet.ciro(&format!("job result {job} --key program.key -o again.ciro"));
    assert_eq!(result["output"], done["output"]);
    let read = |name: &str| std::fs::read(devnet.folder().join(name)).unwrap();
    assert_eq!(read("proof.ciro"), read("again.ciro"));
    a_key_of_a_model_is_none_for_it(&devnet, job);

    let signed = devnet.ciro(&format!("order {PROGRAM} --args ten.json -o signed.order"));
    assert!(signed["job"].is_string());
    let genesis = devnet.dir().join("node0/genesis.json");
    let verify = format!("verify-receipt a.receipt --genesis {}", genesis.display());
    assert_eq!(devnet.ciro(&verify)["receipt"]["job"], done["job"]);
}

fn a_key_of_a_model_is_none_for_it(devnet: &Devnet, job: &str) {
    let model = crate::devnet::model("linreg_diabetes");
    devnet.ciro(&format!("key {model}/model.onnx -o model.key"));
    let (code, told) = devnet.run(&format!("job result {job} --key model.key -o none.ciro"));
    assert_eq!(code, Some(1), "{told}");
    assert_ne!(told["error"], Value::Null);
    assert!(!devnet.folder().join("none.ciro").exists());
}
