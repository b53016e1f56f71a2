//! A network of one node, and the people on it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, Accepted, BlobStatus, ChainInfo, TxState, TxStatus};
use ciro_protocol::blob::BlobId;
use ciro_protocol::chain::{ChainSpec, Genesis, GenesisAccount};
use ciro_protocol::id::{Chain, TxId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::sign::{SecretKey, Signed};
use ciro_protocol::tx::{Body, SignedTx, Transaction, TxHeader};
use ciro_protocol::wire::{List, Message as _};

use crate::http::{Answer, request};

/// Who has money from the start.
pub(crate) const RICH: &[u8] = b"alice";

/// A node's process with its folder.
pub(crate) struct World {
    folder: tempfile::TempDir,
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) genesis: Genesis,
    salt: u64,
}

impl World {
    /// Makes a network and starts its node.
    pub(crate) fn new() -> Self {
        Self::with_settings("")
    }

    /// Makes a network whose node has more settings than usual.
    pub(crate) fn with_settings(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = folder.path().join("spec.json");
        std::fs::write(&spec, serde_json::to_string(&test_spec()).unwrap()).unwrap();
        let data = folder.path().join("node");
        let init = node(&["init", path(&data), "--spec", path(&spec), "--seed", "validator"]);
        assert!(init.contains("ciro-node start"), "{init}");
        let genesis = serde_json::from_str(&node(&["genesis", path(&data)])).unwrap();
        let file = data.join("node.toml");
        let template = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{template}\n{settings}")).unwrap();
        let (process, address) = start(&data);
        Self { folder, process, address, genesis, salt: 0 }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    pub(crate) fn chain(&self) -> Chain {
        self.genesis.chain().unwrap()
    }

    /// Kills the node without warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        (self.process, self.address) = start(&self.data());
    }

    /// Asks the node to stop, and waits until it has.
    pub(crate) fn terminate(&mut self) -> bool {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap().success()
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        request(self.address, &format!("GET {path}"), &[], None).unwrap()
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Answer {
        let headers = [("Content-Type", api::OCTETS)];
        request(self.address, &format!("POST {path}"), &headers, Some(body)).unwrap()
    }

    pub(crate) fn put(&self, path: &str, body: &[u8]) -> Answer {
        let headers = [("Content-Type", api::OCTETS)];
        request(self.address, &format!("PUT {path}"), &headers, Some(body)).unwrap()
    }

    pub(crate) fn info(&self) -> ChainInfo {
        self.get(api::CHAIN).json()
    }

    /// Signs a transaction that is valid for half a minute.
    pub(crate) fn sign(&mut self, seed: &[u8], body: Body) -> SignedTx {
        let until = self.info().head.time_ms + 30_000;
        self.sign_until(seed, body, until)
    }

    pub(crate) fn sign_until(&mut self, seed: &[u8], body: Body, valid_until_ms: u64) -> SignedTx {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_le_bytes());
        let key = SecretKey::from_seed(seed);
        let header = TxHeader {
            chain: self.chain(),
            account: key.address(),
            salt,
            valid_until_ms,
            fee_max: Amount::CIRO,
        };
        Signed::new(Transaction { header, body }, &key).unwrap()
    }

    /// Sends a transaction and waits until it is executed.
    pub(crate) fn run(&mut self, seed: &[u8], body: Body) -> (TxId, Option<Refusal>) {
        let tx = self.sign(seed, body);
        let answer = self.post(api::TRANSACTIONS, &tx.to_bytes());
        assert_eq!(answer.status, 202, "{}", String::from_utf8_lossy(&answer.body));
        let accepted: Accepted = answer.json();
        assert_eq!((accepted.id, accepted.job), (tx.body.id(), tx.body.job()));
        match self.status(accepted.id, "20s").state {
            TxState::Executed { receipt, .. } => (accepted.id, receipt.refused),
            TxState::Pending => panic!("{} is not executed", accepted.id),
        }
    }

    pub(crate) fn status(&self, id: TxId, wait: &str) -> TxStatus {
        self.get(&format!("{}?wait={wait}", api::transaction(id))).json()
    }

    /// Stores a blob.
    pub(crate) fn store(&self, bytes: &[u8]) -> BlobId {
        let id = BlobId::of(bytes).unwrap();
        let status: BlobStatus = self.put(&api::blob(id), bytes).json();
        assert!(status.complete);
        id
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(data: &Path) -> (Child, SocketAddr) {
    let told = data.join("api.addr");
    let _ = std::fs::remove_file(&told);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("log")).unwrap();
    let mut process = command(&["start", path(data), "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let address = std::fs::read_to_string(&told).ok().and_then(|it| it.trim().parse().ok());
        if let Some(address) = address
            && request(address, "GET /readyz", &[], None).is_some_and(|it| it.status == 200)
        {
            return (process, address);
        }
        let ended = process.try_wait().unwrap();
        let log = || std::fs::read_to_string(data.join("log")).unwrap_or_default();
        assert!(ended.is_none() && Instant::now() < until, "{ended:?}: {}", log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Runs a command that must succeed and returns what it prints.
pub(crate) fn node(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail and returns what it says.
pub(crate) fn refused(arguments: &[&str]) -> String {
    let output = command(arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The program, which cargo builds before this test, two folders up.
///
/// A compiler wrapper that is a shell script loses `CARGO_BIN_EXE_ciro-node`: its name is none for
/// a shell.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join(format!("ciro-node{}", std::env::consts::EXE_SUFFIX))
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments);
    command
}

pub(crate) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A devnet whose time goes fast and whose proofs may be those of tests.
pub(crate) fn test_spec() -> ChainSpec {
    let mut spec = ciro_node::devnet::spec(&[SecretKey::from_seed(b"validator").address()], 1);
    spec.security_bits_min = 1;
    spec.time.tick_ms = 100;
    spec.consensus.checkpoint_interval = 4;
    spec.consensus.epoch_length = 32;
    let address = SecretKey::from_seed(RICH).address();
    let amount = Amount::CIRO.checked_mul(1_000_000).unwrap();
    spec.accounts = List::new(vec![GenesisAccount { address, amount }]).unwrap();
    spec
}
