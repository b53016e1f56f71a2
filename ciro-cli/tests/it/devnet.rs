//! A network of real processes: deployed, ordered, verified, proven to somebody offline; and what
//! crashes change.

use std::path::{Path, PathBuf};
use std::process::Command;

use ciro_protocol::amount::Amount;
use serde_json::Value;
use tempfile::TempDir;

/// A devnet in a folder of its own, which ends with it.
pub(crate) struct Devnet {
    folder: TempDir,
}

impl Devnet {
    fn up() -> Self {
        Self::up_with("")
    }

    /// Starts one with more arguments of `ciro devnet up`.
    pub(crate) fn up_with(arguments: &str) -> Self {
        Self::with(&format!("devnet up --detach {arguments}"), 2)
    }

    pub(crate) fn with(up: &str, processes: usize) -> Self {
        Self::without(None, up, processes)
    }

    /// Starts one whose processes leave a rule out.
    pub(crate) fn without(rule: Option<&str>, up: &str, processes: usize) -> Self {
        let devnet = Self::new();
        devnet.start(rule, up, processes);
        devnet
    }

    /// Starts one whose specification is a devnet's with changes, with more arguments of
    /// `ciro devnet up`.
    pub(crate) fn of_spec(
        (arguments, processes): (&str, usize),
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let devnet = Self::new();
        devnet.node("init pattern");
        let spec = devnet.node("genesis pattern --spec");
        let mut spec = serde_json::from_slice(&spec).unwrap();
        change(&mut spec);
        std::fs::write(devnet.folder().join("spec.json"), spec.to_string()).unwrap();
        let up = format!("devnet up --detach --spec spec.json {arguments}");
        devnet.start(None, &up, processes);
        devnet
    }

    /// Runs a command of the node that must be done, and returns what it prints.
    pub(crate) fn node(&self, arguments: &str) -> Vec<u8> {
        let mut command = Command::new(self.program("ciro-node"));
        command.args(arguments.split_whitespace()).current_dir(self.folder());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Makes the folder of one.
    fn new() -> Self {
        let own = Path::new(env!("CARGO_BIN_EXE_ciro")).parent().unwrap();
        for name in ["ciro-node", "ciro-prover"] {
            let path = own.join(name);
            assert!(
                path.is_file(),
                "`{}` is missing: cargo build --workspace --bins",
                path.display()
            );
        }
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn start(&self, rule: Option<&str>, up: &str, processes: usize) {
        let (code, ready) = self.run_without(rule, up);
        assert_eq!(code, Some(0), "ciro {up}: {ready}");
        assert_eq!(ready["processes"].as_array().unwrap().len(), processes);
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("net")
    }

    /// The folder that commands run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns another program of the network.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        Path::new(env!("CARGO_BIN_EXE_ciro")).with_file_name(name)
    }

    /// Runs a command that must be done, and reads what it prints.
    pub(crate) fn ciro(&self, arguments: &str) -> Value {
        let (code, output) = self.run(arguments);
        assert_eq!(code, Some(0), "ciro {arguments}: {output}");
        output
    }

    /// Runs a command, and reads what it prints: its errors if it prints no result.
    pub(crate) fn run(&self, arguments: &str) -> (Option<i32>, Value) {
        self.run_without(None, arguments)
    }

    /// Runs a command whose processes leave a rule out.
    pub(crate) fn run_without(&self, rule: Option<&str>, arguments: &str) -> (Option<i32>, Value) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ciro"));
        command.arg("--json").args(arguments.split_whitespace());
        if arguments.starts_with("devnet") {
            command.arg("--dir").arg(self.dir());
        }
        command.env("CIRO_HOME", self.dir().join("home")).env("RUST_LOG", "info");
        command.env("CIRO_CACHE_DIR", self.folder.path().join("cache"));
        command.envs(rule.map(|rule| (ciro_mutation::VARIABLE, rule)));
        let output = command.current_dir(self.folder.path()).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let said = || String::from_utf8_lossy(&output.stderr).into_owned().into();
        let value = serde_json::from_str(&printed).unwrap_or_else(|_| said());
        (output.status.code(), value)
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let _ = self.run("devnet down");
    }
}

pub(crate) fn model(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/models").join(name);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

fn genesis(devnet: &Devnet) -> String {
    devnet.dir().join("node0/genesis.json").to_str().unwrap().to_owned()
}

#[test]
fn a_model_is_deployed_and_an_inference_settled_verified_and_proven_offline() {
    let devnet = Devnet::up();
    let model = model("linreg_diabetes");
    let deployed = devnet.ciro(&format!("deploy {model}/model.onnx"));
    assert_eq!(deployed["known"], false);
    let again = devnet.ciro(&format!("deploy {model}/model.onnx"));
    assert_eq!((&again["known"], &again["model"]), (&Value::Bool(true), &deployed["model"]));
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    let quote = devnet.ciro(&format!("quote {model}/model.onnx"));
    let before = devnet.ciro("account show");
    let done = devnet.ciro(&format!("{submit} -o proof.ciro --receipt job.receipt"));
    assert_eq!((&done["fee"], &done["model_key"]), (&quote["fee"], &deployed["keys"][0]));
    let after = devnet.ciro("account show");
    let [before, after, price, fee] =
        [&before["balance"], &after["balance"], &done["price"], &done["fee"]]
            .map(|it| it.as_str().unwrap().parse::<Amount>().unwrap().units());
    assert_eq!(before - after, price + fee, "what was quoted is all that it costs");
    let local = devnet.ciro(&format!("run {model}/model.onnx --input {model}/input_0.json"));
    assert_eq!(done["outputs"], local["outputs"]);
    // The proof is an ordinary one.
    devnet.ciro(&format!("key {model}/model.onnx -o model.key"));
    devnet.ciro("verify proof.ciro --key model.key");
    // The network is gone, the genesis stays: nothing else is needed.
    devnet.ciro("devnet down");
    let genesis = genesis(&devnet);
    let verify = format!("verify-receipt job.receipt --genesis {genesis}");
    let verified = devnet.ciro(&format!("{verify} --proof proof.ciro --key model.key"));
    assert_eq!(verified["receipt"]["job"], done["job"]);
    let path = devnet.folder.path().join("job.receipt");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(devnet.run(&verify).0, Some(3), "a receipt that was changed is invalid");
}

#[test]
fn a_private_proof_is_deployed_for_ordered_settled_and_verified() {
    let devnet = Devnet::up();
    let model = model("linreg_diabetes");
    let deployed = devnet.ciro(&format!("deploy {model}/model.onnx --private=no,yes"));
    assert_eq!(deployed["keys"].as_array().unwrap().len(), 2);
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    let plain = devnet.ciro(&format!("{submit} -o plain.ciro"));
    let hiding = devnet.ciro(&format!("{submit} --private -o hiding.ciro"));
    assert_eq!(plain["outputs"], hiding["outputs"]);
    assert_ne!(plain["model_key"], hiding["model_key"]);
    devnet.ciro(&format!("key {model}/model.onnx --private -o hiding.key"));
    let verified = devnet.ciro("verify hiding.ciro --key hiding.key");
    assert_eq!(verified["hides"], true);
    assert_eq!(devnet.run("verify plain.ciro --key hiding.key").0, Some(3));
}

#[test]
fn nobody_but_its_recipient_reads_a_sealed_input() {
    let devnet = Devnet::up();
    let model = model("linreg_diabetes");
    let secret = "--private --commit-input";
    devnet.ciro(&format!("deploy {model}/model.onnx --name open"));
    devnet.ciro(&format!("deploy {model}/model.onnx --name sealed {secret}"));
    devnet.ciro(&format!("deploy {model}/model.onnx --name silent {secret} --commit-output"));
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    let sealed = devnet.ciro(&format!("{submit} --sealed 0 --openings sealed.json -o sealed.ciro"));
    let silent = devnet.ciro(&format!(
        "{submit} --sealed 0 --commit-output --openings silent.json -o silent.ciro"
    ));
    let input = integers(&devnet, "sealed.json");
    assert!(!found(&devnet, &input));
    assert_eq!(devnet.run(&format!("{submit} --sealed 7")).0, Some(1));

    // What would be found if it were there: an open order leaves its input everywhere.
    let open = devnet.ciro(&submit);
    assert_eq!([&open["outputs"], &open["outputs"]], [&sealed["outputs"], &silent["outputs"]]);
    assert!(found(&devnet, &input));

    devnet.ciro(&format!("key {model}/model.onnx {secret} --commit-output -o silent.key"));
    let verified = devnet.ciro("verify silent.ciro --key silent.key --open silent.json");
    assert_eq!(verified["hides"], true);
    let other = devnet.run("verify silent.ciro --key silent.key --open sealed.json");
    assert_eq!(other.0, Some(3));
}

/// The integers of the first input that is opened, as files hold them.
fn integers(devnet: &Devnet, openings: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(devnet.folder().join(openings)).unwrap();
    let entries: Value = serde_json::from_str(&text).unwrap();
    let entry = entries.as_array().unwrap().iter().find(|entry| entry["side"] == "input").unwrap();
    let integers = entry["integers"].as_array().unwrap().iter();
    let integers = integers.map(|value| i32::try_from(value.as_i64().unwrap()).unwrap());
    integers.flat_map(i32::to_le_bytes).collect()
}

/// Whether a file of the network, the provider's included, holds these bytes.
fn found(devnet: &Devnet, bytes: &[u8]) -> bool {
    let mut folders = vec![devnet.dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|held| held.windows(bytes.len()).any(|window| window == bytes))
            {
                return true;
            }
        }
    }
    false
}

#[test]
fn a_job_settles_once_though_worker_and_node_are_killed() {
    let devnet = Devnet::up();
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    // Without a worker the job stays open; without a node nobody hears of it.
    devnet.ciro("devnet kill prover0");
    let (code, _) = devnet.run(&format!("{submit} --patience 1"));
    assert_eq!(code, Some(1));
    let jobs = devnet.ciro("job list");
    let job = jobs["jobs"][0]["job"].as_str().unwrap().to_owned();
    assert_eq!(jobs["jobs"][0]["state"], "open");
    devnet.ciro("devnet kill node0");
    devnet.ciro("devnet restart node0");
    devnet.ciro("devnet restart prover0");
    // In the middle of whatever they do.
    for _ in 0..2 {
        devnet.ciro("devnet kill prover0");
        devnet.ciro("devnet kill node0");
        devnet.ciro("devnet restart node0");
        devnet.ciro("devnet restart prover0");
    }
    let ended = devnet.ciro(&format!("job watch {job}"));
    assert_eq!(ended["state"], "settled");
    assert_eq!(ended["attempt"], 1, "what was held is gone on with, under the same attempt");
    let provider = devnet.ciro("job list");
    assert_eq!(provider["jobs"].as_array().unwrap().len(), 1);
}

#[test]
fn four_validators_settle_jobs_though_one_is_killed_and_wait_though_two_are() {
    let devnet = Devnet::with("devnet up --detach --validators 4 --providers 2", 6);
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    // What comes back is settled and verified, or the command fails.
    devnet.ciro(&submit);
    // Neither the node that is spoken to nor one that a provider uses.
    devnet.ciro("devnet kill node3");
    devnet.ciro(&submit);
    devnet.ciro("devnet kill node2");
    assert_eq!(devnet.run(&format!("{submit} --patience 3")).0, Some(1));
    devnet.ciro("devnet restart node2");
    devnet.ciro("devnet restart node3");
    devnet.ciro(&submit);
    let jobs = devnet.ciro("job list");
    for job in jobs["jobs"].as_array().unwrap() {
        let id = job["job"].as_str().unwrap();
        assert_eq!(devnet.ciro(&format!("job watch {id}"))["state"], "settled");
    }
}

#[test]
fn a_provider_fills_up_its_bond_and_is_told_what_keeps_it_from_claiming() {
    let devnet = Devnet::up();
    let config = devnet.dir().join("prover0/prover.toml");
    let prover = |command: &str| {
        let mut it = Command::new(devnet.program("ciro-prover"));
        let output = it.arg(command).arg("--config").arg(&config).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(prover("unjail"), (Some(0), "provider 0 is not in jail\n".to_owned()));
    let (_, said) = prover("register");
    assert_eq!(said, "provider 0 was registered before, with a bond of 500 CIRO\n");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("bond = \"500\"", "bond = \"600.5\"")).unwrap();
    let (_, said) = prover("register");
    assert_eq!(said, "provider 0 has filled up its bond, with a bond of 600.5 CIRO\n");
    let (_, status) = prover("status");
    assert!(status.contains("bond      600.5 CIRO free, 0 CIRO locked"), "{status}");
    assert!(!status.contains("least"), "{status}");
}
