//! New projects.

use std::process::Command;

use ciro_sdk::starknet::StarknetSettings;

use crate::devnet::{Devnet, model};
use crate::sandbox::Sandbox;

#[test]
fn a_new_project_proves_and_verifies_as_it_stands() {
    let sandbox = Sandbox::new();
    let report = sandbox.json("init project");
    assert!(report["files"].as_array().unwrap().contains(&"run.sh".into()));
    let output = Command::new(sandbox.path("project/run.sh"))
        .env("CIRO", env!("CARGO_BIN_EXE_ciro"))
        .env("CIRO_CACHE_DIR", sandbox.path("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("valid: the model of this key"));
}

#[test]
fn a_starknet_project_proves_for_its_contract_as_it_stands() {
    let sandbox = Sandbox::new();
    sandbox.done("init project --template starknet");
    let output = Command::new(sandbox.path("project/run.sh"))
        .env("CIRO", env!("CARGO_BIN_EXE_ciro"))
        .env("CIRO_CACHE_DIR", sandbox.path("cache"))
        .env("CONTEXT", "2a")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("model id"), "{output:?}");
    // What the README says of the arguments of `record`.
    let verify = "verify project/proof.ciro --key project/model.key --calldata calldata";
    let report = sandbox.json(verify);
    assert!(report["calldata"]["input_hash"].as_str().unwrap().starts_with("0x"), "{report}");
    let outputs = report["output_int"].as_array().unwrap();
    let integers = outputs.iter().map(|output| output.as_array().unwrap().len());
    assert_eq!(integers.sum::<usize>(), 4, "{report}");
    let contract = String::from_utf8(sandbox.read("project/src/lib.cairo")).unwrap();
    assert!(contract.contains("INTEGERS: u32 = 4;"), "{contract}");
    let project = sandbox.path("project");
    let settings = StarknetSettings::load(&project.join("starknet.toml")).unwrap();
    assert_eq!(settings.account.unwrap().keystore, project.join("keystore.json"));
}

#[test]
fn a_rust_project_depends_on_these_sources_under_its_own_name() {
    let sandbox = Sandbox::new();
    sandbox.done("init 42-flowers --template rust");
    let manifest = String::from_utf8(sandbox.read("42-flowers/Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"app-42-flowers\""), "{manifest}");
    assert!(manifest.contains("ciro-sdk = { path = \"/"), "{manifest}");
    assert!(!manifest.contains("{{"), "{manifest}");
}

#[test]
fn existing_files_are_never_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.write("README.md", "mine");
    let run = sandbox.run("init");
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("README.md` exists already"), "{run:?}");
    assert_eq!(
        (sandbox.names(), sandbox.read("README.md")),
        (vec!["README.md".to_owned()], b"mine".to_vec())
    );
}

#[test]
fn a_provider_project_registers_proves_and_goes_on_after_a_stop() {
    let devnet = Devnet::with("devnet up --detach --providers 0", 1);
    let project = devnet.folder().join("provider");
    devnet.ciro("init provider --template provider");
    let start = || {
        let mut run = Command::new(project.join("run.sh"));
        run.env("CIRO", env!("CARGO_BIN_EXE_ciro")).env("CIRO_HOME", devnet.dir().join("home"));
        run.env("CIRO_PROVER", devnet.program("ciro-prover")).spawn().unwrap()
    };
    let iris = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {iris}/model.onnx"));
    for round in 1..=2 {
        let mut worker = start();
        devnet.ciro(&format!("submit {iris}/model.onnx --input {iris}/input_0.json"));
        let mut drain = Command::new(devnet.program("ciro-prover"));
        drain.args(["drain", "--config", "worker/prover.toml"]).current_dir(&project);
        assert!(drain.status().unwrap().success());
        assert!(worker.wait().unwrap().success(), "round {round}");
    }
    let settled = devnet.ciro("job list")["jobs"].as_array().unwrap().len();
    assert_eq!(settled, 2);
}
