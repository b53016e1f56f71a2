//! A network of four validators, each a process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::api::{self, AccountInfo, BlockInfo, ChainInfo, Health};
use ciro_protocol::chain::{ChainSpec, Genesis};
use ciro_protocol::sign::{Address, SecretKey, Signed};
use ciro_protocol::tx::{Body, SignedTx, Transaction, Transfer, TxHeader};
use ciro_protocol::wire::Message as _;

use crate::http::{Answer, request};
use crate::world::{RICH, command, node, path, test_spec};

/// How long anything may take: tests wait for what happens, not for a time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    pub(crate) nodes: Vec<Option<(Child, SocketAddr)>>,
    pub(crate) genesis: Genesis,
    salt: u64,
}

impl Cluster {
    /// Makes a network of four and starts those that are named.
    pub(crate) fn new(started: &[usize]) -> Self {
        Self::of_spec(started, |_| {})
    }

    /// Makes a network of four whose specification is changed, and starts those that are named.
    pub(crate) fn of_spec(started: &[usize], change: impl FnOnce(&mut ChainSpec)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let spec = folder.path().join("spec.json");
        let mut content = test_spec();
        // Four processes share a machine that may be busy.
        content.time.tick_ms = 300;
        content.consensus.progress_timeout_ms = 3_000;
        change(&mut content);
        std::fs::write(&spec, serde_json::to_string(&content).unwrap()).unwrap();
        let settings = ["--validators", "4", "--seed", "test", "--spec", path(&spec)];
        node(&[&["network", path(folder.path())][..], &settings].concat());
        let genesis = node(&["genesis", path(&folder.path().join("node0"))]);
        let genesis = serde_json::from_str(&genesis).unwrap();
        let mut cluster = Self { folder, nodes: (0..4).map(|_| None).collect(), genesis, salt: 0 };
        for number in started {
            cluster.start(*number);
        }
        cluster
    }

    /// Makes the folder of another node, whose key is derived from its number like the others', and
    /// returns its place.
    pub(crate) fn add(&mut self, validator: u32) -> usize {
        let number = self.nodes.len();
        let (data, genesis) = (self.data(number), self.data(0).join("genesis.json"));
        let (seed, validator) = (format!("test node{number}"), validator.to_string());
        let peers: Vec<String> = (0..4).map(|number| self.peer_address(number)).collect();
        let from = ["--genesis", path(&genesis), "--seed", &seed, "--validator", &validator];
        let listen = ["--net-listen", "/ip4/127.0.0.1/tcp/0"];
        let to: Vec<&str> = peers.iter().flat_map(|peer| ["--peer", peer]).collect();
        node(&[&["init", path(&data)][..], &from, &listen, &to].concat());
        self.nodes.push(None);
        number
    }

    /// Returns the key of a validator.
    pub(crate) fn key(number: usize) -> SecretKey {
        SecretKey::from_seed(format!("test node{number}").as_bytes())
    }

    pub(crate) fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("node{number}"))
    }

    /// Starts a node and waits until its interface listens.
    pub(crate) fn start(&mut self, number: usize) {
        let data = self.data(number);
        let told = data.join("api.addr");
        let _ = std::fs::remove_file(&told);
        let log = std::fs::OpenOptions::new().create(true).append(true).open(data.join("log"));
        let process = command(&["start", path(&data), "--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stderr(log.unwrap())
            .spawn()
            .unwrap();
        let read = || std::fs::read_to_string(&told).ok()?.trim().parse().ok();
        let address = self.until(&format!("node{number} does not listen"), read);
        self.nodes[number] = Some((process, address));
    }

    /// Kills a node without warning.
    pub(crate) fn kill(&mut self, number: usize) {
        let (mut process, _) = self.nodes[number].take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Waits until something is there.
    pub(crate) fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns the ends of all logs.
    fn logs(&self) -> String {
        let tail = |number: usize| {
            let text = std::fs::read_to_string(self.data(number).join("log")).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(15);
            format!("--- node{number}\n{}\n", lines[from..].join("\n"))
        };
        (0..self.nodes.len()).map(tail).collect()
    }

    pub(crate) fn get(&self, number: usize, path: &str) -> Option<Answer> {
        let (_, address) = self.nodes[number].as_ref()?;
        request(*address, &format!("GET {path}"), &[], None)
    }

    pub(crate) fn info(&self, number: usize) -> ChainInfo {
        self.get(number, api::CHAIN).unwrap().json()
    }

    pub(crate) fn height(&self, number: usize) -> u64 {
        self.info(number).head.height
    }

    pub(crate) fn wait_ready(&self, number: usize) {
        self.until(&format!("node{number} is not ready"), || {
            let answer = self.get(number, api::READY)?;
            let health: Health = serde_json::from_slice(&answer.body).ok()?;
            health.ready.then_some(())
        });
    }

    /// Waits until a node is at a height.
    pub(crate) fn wait_height(&self, number: usize, height: u64) {
        self.until(&format!("node{number} does not come to block {height}"), || {
            (self.height(number) >= height).then_some(())
        });
    }

    /// Signs a transfer of one coin from the rich account.
    pub(crate) fn transfer(&mut self, to: Address, time_ms: u64) -> SignedTx {
        self.sign(Body::Transfer(Transfer { to, amount: Amount::CIRO }), time_ms)
    }

    /// Signs a transaction of the rich account.
    pub(crate) fn sign(&mut self, body: Body, time_ms: u64) -> SignedTx {
        self.salt += 1;
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&self.salt.to_le_bytes());
        let key = SecretKey::from_seed(RICH);
        let header = TxHeader {
            chain: self.genesis.chain().unwrap(),
            account: key.address(),
            salt,
            valid_until_ms: time_ms + 500_000,
            fee_max: Amount::CIRO,
        };
        Signed::new(Transaction { header, body }, &key).unwrap()
    }

    /// Sends a transaction to a node, which must take it.
    pub(crate) fn send(&self, number: usize, tx: &SignedTx) {
        let (_, address) = self.nodes[number].as_ref().unwrap();
        let headers = [("Content-Type", api::OCTETS)];
        let line = format!("POST {}", api::TRANSACTIONS);
        let answer = request(*address, &line, &headers, Some(&tx.to_bytes())).unwrap();
        let said = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 202, "{said}\n{}", self.logs());
    }

    /// Waits until an account has so many coins at a node.
    pub(crate) fn wait_balance(&self, number: usize, account: Address, coins: u64) {
        let expected = Amount::CIRO.checked_mul(coins).unwrap();
        self.until(&format!("{coins} coins do not arrive at node{number}"), || {
            let info: AccountInfo = self.get(number, &api::account(account))?.json();
            (info.balance == expected).then_some(())
        });
    }

    pub(crate) fn block(&self, number: usize, height: u64) -> BlockInfo {
        self.get(number, &format!("/v1/blocks/{height}")).unwrap().json()
    }

    /// Checks that all running nodes have one state after every block that all of them have.
    pub(crate) fn check_roots(&self) {
        let all = 0..self.nodes.len();
        let running: Vec<usize> = all.filter(|it| self.nodes[*it].is_some()).collect();
        let height = running.iter().map(|it| self.height(*it)).min().unwrap();
        for height in 1..=height {
            let roots: Vec<_> =
                running.iter().map(|it| self.block(*it, height).state_root).collect();
            assert!(roots.iter().all(|root| *root == roots[0]), "block {height}: {roots:?}");
        }
    }

    /// Returns the sum over a metric's series whose labels hold a text.
    pub(crate) fn metric(&self, number: usize, name: &str, label: &str) -> u64 {
        let text = String::from_utf8(self.get(number, api::METRICS).unwrap().body).unwrap();
        let series = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }

    /// Returns where a node listens for others, with its peer id.
    pub(crate) fn peer_address(&self, number: usize) -> String {
        let other = (number + 1) % 4;
        let text = std::fs::read_to_string(self.data(other).join("node.toml")).unwrap();
        let config: ciro_node::Config = toml::from_str(&text).unwrap();
        // The others in order, without the one whose settings these are.
        let place = if number < other { number } else { number - 1 };
        config.net.peers[place].clone()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (process, _) in self.nodes.iter_mut().flatten() {
            // It may have ended already.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
