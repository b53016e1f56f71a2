//! Jobs that travel through Apache Kafka, while whatever can be killed is killed. Runs where
//! `.ci/run kafka_e2e` or `kafka_long` has started brokers, and is ignored elsewhere:
//!
//! - `CIRO_KAFKA` names the brokers, `CIRO_KAFKA_TOOL` the script that kills and starts them,
//! - `CIRO_PYTHON` a Python that has `confluent_kafka`, if there is one,
//! - `CIRO_KAFKA_ORDERS`, `CIRO_KAFKA_FOREIGN` and `CIRO_KAFKA_OUTAGE_S` say how many orders come
//!   by our client and by others, and for how long all brokers are away.

mod books;
mod cluster;
mod gateway;
mod orders;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use self::books::Ledger;
use self::cluster::{Churn, outage, tool, variable};
use self::gateway::Gateway;
use self::orders::{Orders, SUBMISSIONS};
use crate::devnet::{Devnet, model};

/// How many portions orders come in: things go wrong between them.
const PORTIONS: usize = 10;
/// Orders that have not ended when the next portion comes, at most.
const AHEAD_MAX: usize = 150;

/// A number that a longer run sets.
fn number(name: &str, short: usize) -> usize {
    std::env::var(name).map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{name}")))
}

/// Looks until it is so, for longer where there are many jobs.
fn eventually(what: &str, jobs: usize, mut look: impl FnMut() -> Result<(), String>) {
    let patience = Duration::from_secs(240 + jobs as u64);
    let begun = Instant::now();
    loop {
        let Err(state) = look() else { return };
        assert!(begun.elapsed() < patience, "{what}: {state}");
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

/// A network whose parts are killed one after the other.
struct Scene<'a> {
    devnet: &'a Devnet,
    begun: Instant,
    second: Option<Running>,
    churn: Option<Churn>,
    /// How often a broker was killed.
    killed: usize,
}

impl<'a> Scene<'a> {
    /// Begins with two workers of one group, and brokers that come and go.
    fn begin(devnet: &'a Devnet) -> Self {
        let (second, churn) = (Some(second_worker(devnet)), Some(Churn::begin()));
        Self { devnet, begun: Instant::now(), second, churn, killed: 0 }
    }

    #[expect(clippy::print_stdout, reason = "whoever runs the test should know")]
    fn tell(&self, what: &str) {
        println!("kafka: {:>4} s  {what}", self.begun.elapsed().as_secs());
    }

    /// What goes wrong after a portion of the orders.
    fn mishap(&mut self, portion: usize, (orders, away): (&Orders<'_>, Duration)) {
        match portion {
            1 => {
                orders.send(SUBMISSIONS, &[b"poison".to_vec()]);
                orders.send("ciro.jobs.v1.xs", &[b"more poison".to_vec()]);
            }
            2 => {
                self.devnet.ciro("devnet kill node0");
                self.devnet.ciro("devnet restart node0");
                self.tell("the node was killed");
            }
            3 => {
                drop(self.second.take());
                self.tell("the second worker was killed");
            }
            4 => {
                tool("connect kill");
                self.calm();
                self.tell("Connect was killed, and now all brokers go");
                outage(away);
                self.tell("all brokers are back");
                tool("connect up");
                self.churn = Some(Churn::begin());
            }
            _ => {}
        }
    }

    /// Brokers go no more.
    fn calm(&mut self) {
        self.killed += self.churn.take().map_or(0, Churn::end);
    }
}

#[test]
#[ignore = "needs Apache Kafka, Connect and PostgreSQL: .ci/run kafka_e2e"]
fn every_job_settles_once_though_worker_broker_and_connect_are_killed() {
    let (ours, foreign) = (number("CIRO_KAFKA_ORDERS", 20), number("CIRO_KAFKA_FOREIGN", 10));
    let (ours, foreign) = (ours / PORTIONS, foreign / PORTIONS);
    let away = Duration::from_secs(number("CIRO_KAFKA_OUTAGE_S", 5) as u64);
    let brokers = variable("CIRO_KAFKA");
    let devnet = Devnet::up_with(&format!("--kafka {brokers}"));
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let database = tool("postgres up").lines().last().unwrap().to_owned();
    tool("connect up");
    let gateway = Gateway::default();
    // A third of all its answers is no success: a pause of 10 ms after each, not of 100.
    tool(&format!("connect gateway {} 10", gateway.start()));
    let mut orders = Orders::new(&devnet, &brokers);

    let mut scene = Scene::begin(&devnet);
    for portion in 0..PORTIONS {
        let sent = portion * (ours + foreign);
        eventually("jobs end", sent, || {
            let ended = Ledger::read(&orders)?.ended();
            if sent - ended <= AHEAD_MAX { Ok(()) } else { Err(format!("{ended} of {sent}")) }
        });
        orders.by_ours(ours);
        let client = orders.by_another(foreign, portion);
        scene.tell(&format!("portion {portion}: {ours} by our client, {foreign} by {client}"));
        scene.mishap(portion, (&orders, away));
    }
    let count = PORTIONS * (ours + foreign);
    let mut last = None;
    eventually("jobs end", count, || {
        let ledger = last.insert(Ledger::read(&orders)?);
        let (ended, others) = (ledger.ended(), ledger.others);
        let state = || format!("{ended} have ended, {others} not, {count} were ordered");
        if (ended, others) == (count, 0) { Ok(()) } else { Err(state()) }
    });
    scene.calm();
    let ledger = last.unwrap();
    let Ledger { settled, refunded, paid, .. } = &ledger;
    let killed = scene.killed;
    scene.tell(&format!(
        "{settled} settled, {refunded} refunded, {paid} CIRO paid, {killed} times a broker killed"
    ));
    assert!(settled * 10 >= count * 9, "jobs are refunded whose work was wanted");
    dead_letters_are_the_poison_alone(&devnet);
    books::are_the_ledgers(&database, &ledger);
    books::are_the_gateways(&database, &gateway, count);
    nothing_waits(count);
    scene.tell("books are the ledger's, dead letters are the poison, no group lags");
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
    eventually("dead letters", 0, || match list().as_slice() {
        [_, _] => Ok(()),
        letters => Err(format!("expected 2 letters: {letters:?}")),
    });
    let mut codes: Vec<String> =
        list().iter().map(|it| it["headers"]["ciro-error-code"].to_string()).collect();
    codes.sort();
    assert_eq!(codes, ["\"decode\"", "\"poison\""]);
}

/// No group has a record before it that it has not taken care of, as the cluster itself says.
fn nothing_waits(jobs: usize) {
    eventually("the lag is zero", jobs, || {
        let lag = tool("lag");
        if lag.is_empty() { Ok(()) } else { Err(lag) }
    });
}

/// The measurement of what Kafka adds, on a network whose second provider reads its node's queue.
#[test]
#[ignore = "needs Apache Kafka: .ci/run kafka"]
fn ways_are_compared_and_a_burst_is_counted() {
    let devnet = Devnet::with(
        &format!("devnet up --detach --providers 2 --kafka {}", variable("CIRO_KAFKA")),
        3,
    );
    devnet.ciro("devnet kill prover1");
    let file = devnet.dir().join("prover1/prover.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (text, _) = text.split_once("\n[kafka]").unwrap();
    let text = text.replace("queue = \"kafka\"", "queue = \"node\"");
    std::fs::write(&file, text).unwrap();
    devnet.ciro("devnet restart prover1");
    let model = model("linreg_diabetes");
    let report = devnet.ciro(&format!(
        "bench network {model} --jobs 8 --rate 2 --warm-up 2 --submit kafka --brokers {} \
         --direct 0 --against 1 --burst 300",
        variable("CIRO_KAFKA")
    ));
    assert_eq!((&report["settled"], &report["loopback"]), (&8.into(), &true.into()), "{report}");
    let kafka = &report["kafka"];
    let stages: Vec<&Value> =
        kafka["added"].as_array().unwrap().iter().map(|it| &it["stage"]).collect();
    assert_eq!((stages.len(), stages[4]), (5, &Value::from("end to end")));
    for way in ["by_http", "by_kafka"] {
        assert!(kafka[way]["end_to_end"]["p50"].as_f64() > Some(0.0), "{kafka}");
    }
    let burst = &kafka["burst"];
    assert_eq!((&burst["orders"], &burst["executed"]), (&300.into(), &300.into()), "{burst}");
    assert!(burst["executed_per_minute"].as_f64() > Some(0.0));
    assert!(burst["executed_s"].as_f64() >= burst["written_s"].as_f64(), "{burst}");
}
