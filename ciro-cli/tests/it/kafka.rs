//! Jobs that travel through Apache Kafka, while whatever can be killed is killed. Runs where
//! `.ci/run kafka_e2e` has started brokers, Connect and PostgreSQL, and is ignored elsewhere:
//!
//! - `CIRO_KAFKA` names the brokers, `CIRO_KAFKA_TOOL` the script that kills and starts them,
//! - `CIRO_PYTHON` a Python that has `confluent_kafka`, if there is one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ciro_queue::kafka::{KafkaSettings, Outgoing, Writer};
use serde_json::Value;

use crate::devnet::{Devnet, model};

/// Orders through Kafka, half of them by another client than ours.
const ORDERS: usize = 16;
/// How long all of it may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(240);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}: `.ci/run kafka_e2e` sets it"))
}

/// Runs the script of `tools/kafka`, and returns what it prints.
fn tool(arguments: &str) -> String {
    let output = Command::new(variable("CIRO_KAFKA_TOOL"))
        .args(arguments.split_whitespace())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "kafka {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// Asks the database.
fn sql(url: &str, query: &str) -> Option<String> {
    let output = Command::new("psql").args([url, "-qAtc", query]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then(|| text.trim().to_owned())
}

/// Looks until it is so.
fn eventually(what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    loop {
        let Err(state) = look() else { return };
        assert!(begun.elapsed() < PATIENCE, "{what}: {state}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts another worker of the provider `prover0`, with a table of its own.
fn second_worker(devnet: &Devnet) -> Running {
    let (one, two) = (devnet.dir().join("prover0"), devnet.dir().join("second"));
    std::fs::create_dir(&two).unwrap();
    for name in ["prover.toml", "genesis.json", "account.json", "passphrase"] {
        std::fs::copy(one.join(name), two.join(name)).unwrap();
    }
    let log = std::fs::File::create(devnet.dir().join("second.log")).unwrap();
    let child = Command::new(devnet.program("ciro-prover"))
        .args(["start", "--config", two.join("prover.toml").to_str().unwrap()])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn();
    Running(child.unwrap())
}

/// Signs orders into files.
fn orders(devnet: &Devnet, numbers: std::ops::Range<usize>) -> Vec<PathBuf> {
    let model = model("linreg_diabetes");
    numbers
        .map(|number| {
            let file = devnet.folder().join(format!("{number}.order"));
            let file_text = file.to_str().unwrap();
            devnet.ciro(&format!(
                "order {model}/model.onnx --input {model}/input_0.json -o {file_text}"
            ));
            file
        })
        .collect()
}

fn send(brokers: &str, topic: &str, payloads: &[Vec<u8>]) {
    let records: Vec<Outgoing> = payloads
        .iter()
        .map(|payload| Outgoing {
            topic: topic.to_owned(),
            key: Vec::new(),
            payload: payload.clone(),
            headers: Vec::new(),
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let writer = Writer::open(&KafkaSettings::plain(brokers)).unwrap();
    runtime.block_on(writer.send(&records)).unwrap();
}

/// Sends by a client that has none of our code; by ours, where it is not installed.
#[expect(clippy::print_stdout, reason = "whoever runs the test should know")]
fn send_by_another_client(brokers: &str, files: &[PathBuf]) {
    let Ok(python) = std::env::var("CIRO_PYTHON") else {
        println!("kafka: CIRO_PYTHON is not set: no other client than ours sends orders");
        let payloads: Vec<Vec<u8>> = files.iter().map(|it| std::fs::read(it).unwrap()).collect();
        return send(brokers, "ciro.submissions.v1", &payloads);
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/kafka/send.py");
    let status =
        Command::new(python).arg(script).args(["--brokers", brokers]).args(files).status().unwrap();
    assert!(status.success());
}

/// A receiver of bills that fails every third time, and counts what it was told.
#[derive(Clone, Default)]
struct Gateway {
    taken: Arc<Mutex<std::collections::BTreeSet<String>>>,
    refused: Arc<Mutex<usize>>,
}

impl Gateway {
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = self.clone();
        std::thread::spawn(move || {
            let mut count = 0_usize;
            for stream in listener.incoming() {
                let mut reader = BufReader::new(stream.unwrap());
                let (mut length, mut key, mut line) = (0, String::new(), String::new());
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    let (name, value) = line.trim().split_once(':').unwrap_or_default();
                    match name.to_ascii_lowercase().as_str() {
                        "content-length" => length = value.trim().parse().unwrap(),
                        "idempotency-key" => value.trim().clone_into(&mut key),
                        _ => {}
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                // Connect is killed in the middle of a request.
                let whole = reader.read_exact(&mut body).is_ok();
                let row = serde_json::from_slice::<Value>(&body).ok().filter(|_| whole);
                let Some(row) = row else { continue };
                assert_eq!(key, format!("ciro.billing.v1:{}", row["event_seq"]));
                count += 1;
                let status = if count.is_multiple_of(3) {
                    *gateway.refused.lock().unwrap() += 1;
                    "500 Internal Server Error"
                } else {
                    gateway.taken.lock().unwrap().insert(key);
                    "200 OK"
                };
                let answer =
                    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                let _ = reader.get_mut().write_all(answer.as_bytes());
            }
        });
        format!("http://{address}/bills")
    }
}

#[test]
#[ignore = "needs Apache Kafka, Connect and PostgreSQL: .ci/run kafka_e2e"]
fn every_job_settles_once_though_worker_broker_and_connect_are_killed() {
    let brokers = variable("CIRO_KAFKA");
    let devnet = Devnet::up_with(&format!("--kafka {brokers}"));
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let database = tool("postgres up").lines().last().unwrap().to_owned();
    tool("connect up");
    let gateway = Gateway::default();
    tool(&format!("connect gateway {}", gateway.start()));

    // Two workers of one group; one of them ends in the middle, as do a broker and Connect.
    let second = second_worker(&devnet);
    let ours = orders(&devnet, 0..ORDERS / 2);
    let payloads: Vec<Vec<u8>> = ours.iter().map(|it| std::fs::read(it).unwrap()).collect();
    send(&brokers, "ciro.submissions.v1", &payloads);
    // Twice, and what nobody can read.
    send(&brokers, "ciro.submissions.v1", &payloads[..3]);
    send(&brokers, "ciro.submissions.v1", &[b"poison".to_vec()]);
    send(&brokers, "ciro.jobs.v1.xs", &[b"more poison".to_vec()]);
    std::thread::sleep(Duration::from_secs(1));
    drop(second);
    tool("kill 1");
    tool("connect kill");
    tool("start 1");
    send_by_another_client(&brokers, &orders(&devnet, ORDERS / 2..ORDERS));
    devnet.ciro("devnet kill node0");
    devnet.ciro("devnet restart node0");
    tool("connect up");

    eventually("jobs settle", || {
        let jobs = devnet.ciro("job list");
        let jobs = jobs["jobs"].as_array().unwrap();
        let settled = jobs.iter().filter(|job| job["state"] == "settled").count();
        if jobs.len() == ORDERS && settled == ORDERS {
            return Ok(());
        }
        Err(format!("{settled} of {} jobs are settled, {ORDERS} were ordered", jobs.len()))
    });
    dead_letters_are_the_poison_alone(&devnet);
    books_are_the_ledgers(&database);
    let bills = sql(&database, "select count(*) from billing").unwrap();
    eventually("the gateway has every bill", || {
        let (taken, refused) = (gateway.taken.lock().unwrap(), gateway.refused.lock().unwrap());
        let all = taken.len().to_string() >= bills && taken.len() >= bills.parse().unwrap();
        if all && *refused > 0 { Ok(()) } else { Err(format!("{} of {bills}", taken.len())) }
    });
}

fn dead_letters_are_the_poison_alone(devnet: &Devnet) {
    let list = || {
        let folder = devnet.dir().join("node0");
        let output = Command::new(devnet.program("ciro-node"))
            .args(["dlq", "list", "--json", folder.to_str().unwrap()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    eventually("dead letters", || match list().len() {
        2 => Ok(()),
        other => Err(format!("{other} letters, expected 2")),
    });
    let mut codes: Vec<String> =
        list().iter().map(|it| it["headers"]["ciro-error-code"].to_string()).collect();
    codes.sort();
    assert_eq!(codes, ["\"decode\"", "\"poison\""]);
}

/// What Connect wrote is what the ledger says: no job is missing, none is there twice, and the
/// bills of each are what its requester paid in.
fn books_are_the_ledgers(database: &str) {
    eventually("receipts are in the database", || {
        let count = sql(database, "select count(*), count(distinct job) from receipts");
        let expected = format!("{ORDERS}|{ORDERS}");
        if count.as_deref() == Some(&expected) { Ok(()) } else { Err(format!("{count:?}")) }
    });
    eventually("the views can be made", || {
        let there = sql(database, "select count(*) from billing").ok_or("no bills");
        there.map(|_| ()).map_err(str::to_owned)
    });
    tool("views");
    eventually("every job is balanced", || {
        let count = sql(database, "select count(*) from unbalanced_jobs").unwrap();
        if count == "0" { Ok(()) } else { Err(format!("{count} are not")) }
    });
    let sums = "select (select sum(paid) from invoices) = \
                (select sum(paid_out) from job_payments)";
    assert_eq!(sql(database, sums).as_deref(), Some("t"));
    let twice = "select count(*) - count(distinct event_seq) from events";
    assert_eq!(sql(database, twice).as_deref(), Some("0"));
}
