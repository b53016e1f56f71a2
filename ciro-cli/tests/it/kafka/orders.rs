//! Orders into the topic: by our client, and by others that have none of our code.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use ciro_protocol::sign::SecretKey;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::Message as _;
use ciro_queue::kafka::{KafkaSettings, Outgoing, Writer};
use ciro_sdk::client::{Choice, Client, Home, Session};

use crate::devnet::{Devnet, model};

/// The topic of orders.
pub(super) const SUBMISSIONS: &str = "ciro.submissions.v1";

/// Who orders.
pub(super) struct Orders<'a> {
    devnet: &'a Devnet,
    brokers: &'a str,
    runtime: tokio::runtime::Runtime,
    session: Session,
    key: SecretKey,
    /// Orders that were made.
    count: u32,
}

impl<'a> Orders<'a> {
    pub(super) fn new(devnet: &'a Devnet, brokers: &'a str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let home = Home::at(devnet.dir().join("home"));
        let choice = Choice { node: None, account: None, passphrase_file: None };
        let session = runtime.block_on(Session::open(home, choice)).unwrap();
        let key = session.key().unwrap();
        Self { devnet, brokers, runtime, session, key, count: 0 }
    }

    /// Talks to the node.
    pub(super) fn client(&self) -> &Client {
        &self.session.client
    }

    pub(super) fn account(&self) -> &SecretKey {
        &self.key
    }

    pub(super) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Signs an order into a file, as developers do.
    fn file(&mut self) -> PathBuf {
        self.count += 1;
        let model = model("linreg_diabetes");
        let file = self.devnet.folder().join(format!("{}.order", self.count));
        let name = file.to_str().unwrap();
        self.devnet
            .ciro(&format!("order {model}/model.onnx --input {model}/input_0.json -o {name}"));
        file
    }

    /// Signs so many orders as our client does: the first as a file, the others like it.
    fn many(&mut self, count: usize) -> Vec<Vec<u8>> {
        let first = SignedTx::from_bytes(&std::fs::read(self.file()).unwrap()).unwrap();
        let (until, mut salt) = (first.body.header.valid_until_ms, first.body.header.salt);
        let mut all = vec![first.to_bytes()];
        while all.len() < count {
            self.count += 1;
            salt[..4].copy_from_slice(&self.count.to_be_bytes());
            let body = first.body.body.clone();
            all.push(self.client().sign(&self.key, body, (salt, until)).unwrap().to_bytes());
        }
        all
    }

    /// Signs so many orders into files.
    fn files(&mut self, count: usize) -> Vec<PathBuf> {
        let payloads = self.many(count);
        let write = |(number, payload): (usize, Vec<u8>)| {
            let file = self.devnet.folder().join(format!("{}-{number}.order", self.count));
            std::fs::write(&file, payload).unwrap();
            file
        };
        payloads.into_iter().enumerate().map(write).collect()
    }

    /// Sends so many by our client, and the first few of them twice.
    pub(super) fn by_ours(&mut self, count: usize) {
        let payloads = self.many(count);
        self.send(SUBMISSIONS, &payloads);
        self.send(SUBMISSIONS, &payloads[..count.min(3)]);
    }

    /// Sends records.
    pub(super) fn send(&self, topic: &str, payloads: &[Vec<u8>]) {
        let records: Vec<Outgoing> = payloads
            .iter()
            .map(|payload| Outgoing {
                topic: topic.to_owned(),
                key: Vec::new(),
                payload: payload.clone(),
                headers: Vec::new(),
            })
            .collect();
        let writer = Writer::open(&KafkaSettings::plain(self.brokers)).unwrap();
        // Sent again whole: an order that comes twice is one order.
        let sent = async { while writer.send(&records).await.is_err() {} };
        self.wait(sent);
    }

    /// Sends so many by another client, of files; returns its name. By ours, where none is there.
    pub(super) fn by_another(&mut self, count: usize, turn: usize) -> &'static str {
        let files = self.files(count);
        let python = std::env::var("CIRO_PYTHON").ok();
        let kcat = Command::new("kcat").arg("-V").stdout(Stdio::null()).status().is_ok();
        let (name, mut command) = if kcat && (turn % 2 == 1 || python.is_none()) {
            let mut command = Command::new("kcat");
            command.args(["-P", "-E", "-b", self.brokers, "-t", SUBMISSIONS, "-X", "acks=all"]);
            ("kcat", command)
        } else if let Some(python) = python {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/kafka/send.py");
            let mut command = Command::new(python);
            command.arg(script).args(["--brokers", self.brokers]);
            ("confluent-kafka", command)
        } else {
            let read = |file: &PathBuf| std::fs::read(file).unwrap();
            self.send(SUBMISSIONS, &files.iter().map(read).collect::<Vec<_>>());
            return "our client, for want of another";
        };
        assert!(command.args(&files).status().unwrap().success(), "{name}");
        name
    }
}
