//! Proofs in transactions of a Starknet on this machine. Runs where `.ci/run devnet` has a
//! `starknet-devnet`, which `CIRO_STARKNET_DEVNET` names, and is ignored elsewhere.

#![expect(clippy::print_stdout, reason = "whoever runs the test sees gas, fees and reasons")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ciro_contracts::deploy;
use ciro_sdk::Felt;
use ciro_sdk::starknet::{Account, Emitted, Invocation, Starknet, StarknetError, StarknetSettings};
use serde_json::{Value, json};
use starknet_rust_core::types::Felt as Felt252;
use starknet_rust_signers::SigningKey;

use crate::sandbox::Sandbox;

/// The token in which fees are paid, which every Starknet has.
const STRK: &str = "0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d";
/// What a transaction of these tests may cost: prices of a devnet mean nothing.
const MAX_FEE: u128 = 1000 * 10_u128.pow(18);

/// A Starknet on this machine, with the contracts, and accounts that have money.
struct Chain {
    process: Child,
    port: u16,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Chain {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Chain {
    /// Starts it, deploys the contracts, and writes `client.toml`, `worker.toml` and `rival.toml`.
    fn start() -> Self {
        let program = std::env::var("CIRO_STARKNET_DEVNET")
            .expect("CIRO_STARKNET_DEVNET: `.ci/run devnet` sets it");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .args(["--seed", "7", "--accounts", "3", "--initial-balance"])
            .arg(format!("{}", 10_u128.pow(24)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let chain = Self { process, port, folder, runtime };
        let accounts = chain.accounts();
        let begun = Instant::now();
        let client = chain.settings("client", &accounts[0]);
        let deployed = chain.runtime.block_on(deploy(client, MAX_FEE, |_| {})).unwrap();
        println!("contracts declared and deployed in {:.1} s", begun.elapsed().as_secs_f64());
        for (name, account) in ["client", "worker", "rival"].into_iter().zip(&accounts) {
            let StarknetSettings { account, .. } = chain.settings(name, account);
            let settings = StarknetSettings { account, ..deployed.clone() };
            let text = toml::to_string(&settings).unwrap();
            std::fs::write(chain.file(name), text).unwrap();
        }
        chain
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }

    /// Asks the devnet for what no other Starknet does.
    fn ask(&self, method: &str, params: &Value) -> std::io::Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let body = body.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(
            stream,
            "POST /rpc HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let answer: Value = serde_json::from_str(body)?;
        Ok(answer["result"].clone())
    }

    /// The accounts that have money, once it answers.
    fn accounts(&self) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            match self.ask("devnet_getPredeployedAccounts", &json!({})) {
                Ok(Value::Array(accounts)) => return accounts,
                other => assert!(begun.elapsed() < Duration::from_secs(60), "{other:?}"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Settings of an account, with its key in a keystore.
    fn settings(&self, name: &str, account: &Value) -> StarknetSettings {
        let (keystore, words) =
            (self.folder.path().join(format!("{name}.json")), self.folder.path().join("words"));
        let secret = Felt252::from_hex(account["private_key"].as_str().unwrap()).unwrap();
        SigningKey::from_secret_scalar(secret).save_as_keystore(&keystore, "words").unwrap();
        std::fs::write(&words, "words").unwrap();
        std::fs::set_permissions(&words, std::fs::Permissions::from_mode(0o600)).unwrap();
        let address = account["address"].as_str().unwrap().parse().unwrap();
        StarknetSettings {
            rpc: format!("http://127.0.0.1:{}/rpc", self.port),
            chain: "SN_SEPOLIA".to_owned(),
            facts: felt(0),
            models: None,
            escrow: None,
            account: Some(Account { address, keystore, passphrase_file: words }),
        }
    }

    fn connect(&self, name: &str) -> Starknet {
        let settings = StarknetSettings::load(&self.file(name)).unwrap();
        self.runtime.block_on(Starknet::connect(settings)).unwrap()
    }

    /// Calls functions of contracts as one of the accounts.
    fn call(
        &self,
        who: &str,
        calls: &[(Felt, &str, Vec<Felt>)],
    ) -> Result<Vec<Emitted>, StarknetError> {
        let starknet = self.connect(who);
        let payer = starknet.payer(MAX_FEE).unwrap();
        let calls: Vec<_> = calls
            .iter()
            .map(|(contract, function, arguments)| {
                let (contract, arguments) = (*contract, arguments.clone());
                Invocation { contract, function, arguments }
            })
            .collect();
        Ok(self.runtime.block_on(payer.invoke(&calls))?.events)
    }

    fn balance(&self, of: Felt) -> u128 {
        let balance = self.ask("devnet_getAccountBalance", &json!({ "address": of.to_string() }));
        balance.unwrap()["amount"].as_str().unwrap().parse().unwrap()
    }

    fn wait(&self, seconds: u64) {
        self.ask("devnet_increaseTime", &json!({ "time": seconds })).unwrap();
    }

    fn now(&self) -> u64 {
        let block = self.ask("starknet_getBlockWithTxHashes", &json!({ "block_id": "latest" }));
        block.unwrap()["timestamp"].as_u64().unwrap()
    }
}

fn felt(number: u128) -> Felt {
    Felt(Felt252::from(number).to_bytes_be())
}

/// A number of 256 bits, as calldata has it.
fn wide(number: u128) -> [Felt; 2] {
    [felt(number), felt(0)]
}

/// A model with its key for the contract, and one proof.
fn proven(model: &str, context: &str) -> Sandbox {
    let sandbox = Sandbox::with_model(model);
    sandbox.done("key model.onnx --preset chain -o model.key");
    prove(&sandbox, context);
    sandbox
}

fn prove(sandbox: &Sandbox, context: &str) {
    let prove = "prove model.onnx --preset chain --input input_0.json -o proof.ciro";
    sandbox.done(&format!("{prove} --context {context}"));
}

/// The felts of the proof's calldata.
fn calldata(sandbox: &Sandbox) -> (Vec<Felt>, Value) {
    let verify = "verify proof.ciro --key model.key --calldata proof.calldata";
    let report = sandbox.json(verify)["calldata"].clone();
    let text = String::from_utf8(sandbox.read("proof.calldata")).unwrap();
    (text.lines().map(|line| line.parse().unwrap()).collect(), report)
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn models_are_proven_in_one_transaction_each() {
    let chain = Chain::start();
    let network = chain.file("client");
    let network = network.to_str().unwrap();
    let models = [
        "logreg_iris",
        "xgb_credit_50",
        "mlp_mnist",
        "lenet5_mnist",
        "resnet8_cm32",
        "nanogpt_shakespeare",
    ];
    println!("| model | felts | L2 gas | fee (devnet's prices) |\n|---|--:|--:|--:|");
    for model in models {
        let sandbox = proven(model, "0");
        let on = format!("--starknet {network} --max-fee 1000");
        let registered = sandbox.json(&format!("deploy model.onnx {on} --uri ipfs://files"));
        assert_eq!(registered["known"], false, "{registered}");
        let again = sandbox.json(&format!("deploy model.onnx {on}"));
        assert_eq!((&again["known"], &again["paid"]), (&json!(true), &Value::Null));

        let (felts, report) = calldata(&sandbox);
        assert_eq!(report["model"], registered["model"], "the directory's id is the calldata's");
        let fact = report["fact"].as_str().unwrap();
        let ask = format!("fact {fact} --starknet {network}");
        assert_eq!(sandbox.run(&ask).code, Some(1), "nothing is proven yet");
        let verify = format!("verify proof.ciro --key model.key --onchain {network}");
        assert_eq!(sandbox.run(&verify).code, Some(1));

        refuse_forgeries(&chain, &felts);
        let submit = format!("submit-proof proof.ciro --key model.key {on}");
        let sent = sandbox.json(&submit);
        assert_eq!(sent["fact"], fact);
        let paid = &sent["paid"];
        println!("| `{model}` | {} | {} | {} |", felts.len(), paid["l2_gas"], paid["fee"]);
        assert_eq!(sandbox.json(&submit)["paid"], Value::Null, "a second time costs nothing");
        assert_eq!(sandbox.json(&ask)["proven_at"], sent["proven_at"]);
        assert_eq!(sandbox.json(&verify)["onchain"]["proven_at"], sent["proven_at"]);
    }
}

/// A changed, a cut and an extended proof, and another model's id, do not pass.
fn refuse_forgeries(chain: &Chain, felts: &[Felt]) {
    let facts = chain.connect("client").settings().facts;
    let (middle, last) = (felts.len() / 2, felts.len() - 1);
    let changed = |at: usize| {
        let mut forged = felts.to_vec();
        forged[at] = Felt((Felt252::from_bytes_be(&forged[at].0) + Felt252::ONE).to_bytes_be());
        forged
    };
    let forged = [
        changed(0),
        changed(middle),
        changed(last),
        felts[..last].to_vec(),
        [felts, &[felt(0)]].concat(),
    ];
    for (at, forged) in forged.into_iter().enumerate() {
        let refused = chain.call("rival", &[(facts, "prove", forged)]);
        let Err(StarknetError::WouldFail(reason)) = refused else { panic!("{at}: {refused:?}") };
        println!("  forgery {at}: {reason}");
    }
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn the_escrow_pays_the_worker_once_under_a_copied_proof_and_refunds_after_the_deadline() {
    let chain = Chain::start();
    let settings = |name| StarknetSettings::load(&chain.file(name)).unwrap();
    let address = |name| settings(name).account.unwrap().address;
    let escrow = settings("client").escrow.unwrap();
    let facts = settings("client").facts;
    let price = 7 * 10_u128.pow(18);
    // The input's hash comes from any proof about it.
    let sandbox = proven("logreg_iris", "1");
    let verified = calldata(&sandbox).1;
    let (model, input) = (&verified["model"], &verified["input_hash"]);
    let [model, input]: [Felt; 2] = [model, input].map(|it| it.as_str().unwrap().parse().unwrap());
    let open = |deadline: u64| {
        let token: Felt = STRK.parse().unwrap();
        let approve = (token, "approve", [&[escrow][..], &wide(price)].concat());
        let terms =
            [&[model, input, token][..], &wide(price), &[felt(deadline.into()), felt(0)], &wide(0)];
        let events = chain.call("client", &[approve, (escrow, "open", terms.concat())]).unwrap();
        let opened = events.iter().find(|event| event.contract == escrow).unwrap();
        opened.keys[1]
    };
    let job = open(chain.now() + 3600);
    let worker = chain.connect("worker");
    let about = [job, address("worker")];
    let context = worker.view(escrow, "context_of", &about);
    let context = chain.runtime.block_on(context).unwrap();
    prove(&sandbox, &context.to_fixed_hex_string());
    let (felts, report) = calldata(&sandbox);
    let output: Felt = report["output_hash"].as_str().unwrap().parse().unwrap();

    // A rival copies the proof out of the pool, and is paid nothing for it.
    chain.call("rival", &[(facts, "prove", felts)]).unwrap();
    let claim = |who| (escrow, "claim_proven", vec![job, address(who), output]);
    let refused = chain.call("rival", &[claim("rival")]);
    assert!(matches!(&refused, Err(StarknetError::WouldFail(why)) if why == "not proven"));
    let before = chain.balance(address("worker"));
    let on = format!("--starknet {} --max-fee 1000", chain.file("worker").display());
    let submit = format!("submit-proof proof.ciro --key model.key --job {job} {on}");
    let sent = sandbox.json(&submit);
    let fee: f64 = sent["paid"]["fee"].as_str().unwrap().parse().unwrap();
    let gained = (chain.balance(address("worker")) - before) as f64 / 1e18;
    assert!((gained + fee - 7.0).abs() < 1e-6, "{gained} after a fee of {fee}");
    let again = sandbox.run(&submit);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("not open"), "{again:?}");

    // A job that nobody does goes back to the client.
    let idle = open(chain.now() + 60);
    let refund = [(escrow, "refund", vec![idle])];
    assert!(matches!(chain.call("client", &refund), Err(StarknetError::WouldFail(_))));
    chain.wait(60 + 3600 + 1);
    chain.call("client", &refund).unwrap();
    assert!(matches!(chain.call("client", &refund), Err(StarknetError::WouldFail(_))));
    assert_eq!(chain.balance(escrow), 0, "nothing is left");
}
