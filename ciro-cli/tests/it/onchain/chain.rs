//! A Starknet on this machine.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ciro_contracts::{Contract, declare, deploy};
use ciro_sdk::Felt;
use ciro_sdk::starknet::{Account, Invocation, Invoked, Starknet, StarknetError, StarknetSettings};
use serde_json::{Value, json};
use starknet_rust_core::types::Felt as Felt252;
use starknet_rust_signers::SigningKey;

/// The token in which fees are paid, which every Starknet has.
const STRK: &str = "0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d";
/// What a transaction of these tests may cost: prices of a devnet mean nothing.
const MAX_FEE: u128 = 1000 * 10_u128.pow(18);

/// A Starknet on this machine, with the contracts, and accounts that have money.
pub(super) struct Chain {
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
    pub(super) fn start() -> Self {
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
        let client = chain.bare("client", &accounts[0]);
        let deployed = chain.runtime.block_on(deploy(client, MAX_FEE, |_| {})).unwrap();
        println!("contracts declared and deployed in {:.1} s", begun.elapsed().as_secs_f64());
        for (name, account) in ["client", "worker", "rival"].into_iter().zip(&accounts) {
            let StarknetSettings { account, .. } = chain.bare(name, account);
            let settings = StarknetSettings { account, ..deployed.clone() };
            let text = toml::to_string(&settings).unwrap();
            std::fs::write(chain.file(name), text).unwrap();
        }
        chain
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.toml"))
    }

    /// Asks the devnet for what no other Starknet does.
    pub(super) fn ask(&self, method: &str, params: &Value) -> std::io::Result<Value> {
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

    /// Settings of an account without contracts, with its key in a keystore.
    fn bare(&self, name: &str, account: &Value) -> StarknetSettings {
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

    pub(super) fn settings(&self, name: &str) -> StarknetSettings {
        StarknetSettings::load(&self.file(name)).unwrap()
    }

    pub(super) fn address(&self, name: &str) -> Felt {
        self.settings(name).account.unwrap().address
    }

    fn connect(&self, name: &str) -> Starknet {
        self.runtime.block_on(Starknet::connect(self.settings(name))).unwrap()
    }

    /// Declares a contract's class, as the client, and deploys it with each of these arguments.
    pub(super) fn deploy(&self, contract: Contract, arguments: &[Vec<Felt>]) -> Vec<Felt> {
        let starknet = self.connect("client");
        let payer = starknet.payer(MAX_FEE).unwrap();
        let declared = self.runtime.block_on(declare(&payer, contract)).unwrap();
        let one = |(salt, arguments): (usize, &Vec<Felt>)| {
            let deployed = payer.deploy(declared.class, felt(salt as u128), arguments);
            self.runtime.block_on(deployed).unwrap()
        };
        arguments.iter().enumerate().map(one).collect()
    }

    /// One number that a contract says.
    pub(super) fn view(&self, contract: Felt, function: &str, arguments: &[Felt]) -> Felt {
        let starknet = self.connect("client");
        let said = self.runtime.block_on(starknet.view(contract, function, arguments));
        Felt(said.unwrap().to_bytes_be())
    }

    /// Calls functions of contracts as one of the accounts.
    pub(super) fn call(
        &self,
        who: &str,
        calls: &[(Felt, &str, Vec<Felt>)],
    ) -> Result<Invoked, StarknetError> {
        let starknet = self.connect(who);
        let payer = starknet.payer(MAX_FEE).unwrap();
        let calls: Vec<_> = calls
            .iter()
            .map(|(contract, function, arguments)| {
                let (contract, arguments) = (*contract, arguments.clone());
                Invocation { contract, function, arguments }
            })
            .collect();
        self.runtime.block_on(payer.invoke(&calls))
    }

    pub(super) fn balance(&self, of: Felt) -> u128 {
        let balance = self.ask("devnet_getAccountBalance", &json!({ "address": of.to_string() }));
        balance.unwrap()["amount"].as_str().unwrap().parse().unwrap()
    }

    pub(super) fn wait(&self, seconds: u64) {
        self.ask("devnet_increaseTime", &json!({ "time": seconds })).unwrap();
    }

    pub(super) fn now(&self) -> u64 {
        let block = self.ask("starknet_getBlockWithTxHashes", &json!({ "block_id": "latest" }));
        block.unwrap()["timestamp"].as_u64().unwrap()
    }
}

pub(super) fn strk() -> Felt {
    STRK.parse().unwrap()
}

pub(super) fn felt(number: u128) -> Felt {
    Felt(Felt252::from(number).to_bytes_be())
}

/// A number of 256 bits, as calldata has it.
pub(super) fn wide(number: u128) -> [Felt; 2] {
    [felt(number), felt(0)]
}
