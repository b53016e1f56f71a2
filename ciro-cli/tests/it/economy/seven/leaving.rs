//! A validator that registers, follows, votes and leaves while jobs flow: every job ends once, and
//! nobody pays twice.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ciro_protocol::event::{Event, Purse, Why};
use ciro_protocol::receipt::Outcome;
use serde_json::{Value, json};

use super::events::{events, head};
use crate::devnet::{Devnet, model};
use crate::economy::{PATIENCE, address, amount, fees, refused, wait};

fn network() -> Devnet {
    super::up(1, |spec| {
        spec["consensus"]["epoch_length"] = json!(16);
        let params = &mut spec["economy"]["params"];
        params["stake"]["self_bond_min"] = json!("100");
        params["stake"]["unbonding_ms"] = json!(2_000);
    })
}

/// Orders one inference after the other until it is told to stop, and returns what each cost.
fn orders(devnet: &Devnet, stop: &AtomicBool) -> Vec<Value> {
    let model = model("linreg_diabetes");
    let submit = format!("submit {model}/model.onnx --input {model}/input_0.json");
    let mut done = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // It waits until the job is settled, and verifies the proof.
        done.push(devnet.ciro(&submit));
    }
    done
}

/// Does something while jobs are ordered, and returns those.
fn under_load<T: Send>(devnet: &Devnet, work: impl FnOnce() -> T + Send) -> (T, Vec<Value>) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let ordering = [(); 2].map(|()| scope.spawn(|| orders(devnet, &stop)));
        // However that fares: the orders end.
        let fared = scope.spawn(work).join();
        stop.store(true, Ordering::Relaxed);
        let done = ordering.into_iter().flat_map(|it| it.join().unwrap()).collect();
        (fared.unwrap(), done)
    })
}

/// The eighth validator's node: a process like the others, which the devnet does not know.
struct Eighth<'d> {
    devnet: &'d Devnet,
    process: Child,
}

impl<'d> Eighth<'d> {
    /// Makes its folder, whose keys are there, and starts it.
    fn join(devnet: &'d Devnet) -> Self {
        let peers = ["node5", "node6"].map(|name| {
            let path = devnet.dir().join(name).join("node.toml");
            let settings = std::fs::read_to_string(path).unwrap();
            let peers = settings.lines().find_map(|line| line.strip_prefix("peers = ")).unwrap();
            serde_json::from_str::<BTreeSet<String>>(peers).unwrap()
        });
        // Each names all but itself.
        let peers = peers.iter().flatten().collect::<BTreeSet<_>>().into_iter();
        let peers: Vec<String> = peers.map(|peer| format!("--peer {peer}")).collect();
        let listen = "--net-listen /ip4/127.0.0.1/tcp/0";
        let genesis = "--genesis net/node0/genesis.json --validator 7";
        devnet.node(&format!("init own {genesis} {listen} {}", peers.join(" ")));
        Self { process: Self::start(devnet), devnet }
    }

    fn start(devnet: &Devnet) -> Child {
        // What an earlier process wrote must not be taken for this one's.
        let _ = std::fs::remove_file(devnet.folder().join("own/api.addr"));
        let log = std::fs::File::create(devnet.folder().join("own.log")).unwrap();
        let mut command = Command::new(devnet.program("ciro-node"));
        command.args(["start", "own", "--listen", "127.0.0.1:0"]).current_dir(devnet.folder());
        command.env("RUST_LOG", "info").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Waits until the node says this of itself.
    fn wait(&self, wanted: impl Fn(&Value) -> bool) {
        let begun = Instant::now();
        let mut command = Command::new(self.devnet.program("ciro-node"));
        command.args(["status", "own", "--json"]).current_dir(self.devnet.folder());
        loop {
            let output = command.output().unwrap();
            let status = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if wanted(&status) {
                return;
            }
            let log = || std::fs::read_to_string(self.devnet.folder().join("own.log")).unwrap();
            assert!(begun.elapsed() < PATIENCE, "{status}\n{}", log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Eighth<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The eighth validator is bob's, and the operator of the first one delegates to it.
fn comes(devnet: &Devnet) -> Eighth<'_> {
    devnet.node("keys own");
    let register = "validator register --key own/node.key --bond 150 --account bob";
    let own = devnet.ciro(register);
    assert_eq!((&own["validator"], &own["own"]), (&json!(7), &json!("150")));
    assert_eq!((&own["counted"], &own["weight"]), (&json!(false), &json!(0)));
    refused(devnet, register, "validator_exists");
    devnet.ciro("stake delegate 7 40 --account validator0");
    assert_eq!(devnet.ciro("validator show 7")["stake"], "190");

    // It follows before it votes, and says when it is ready for that.
    let eighth = Eighth::join(devnet);
    let (height, epoch) = head(devnet);
    eighth.wait(|status| status["head"]["height"].as_u64().is_some_and(|at| at >= height));
    assert_eq!(devnet.ciro("validator show 7")["next_weight"], 0, "it is in jail until it says so");
    devnet.ciro("validator unjail --account bob");
    let voting = wait(devnet, "validator show 7", |it| it["counted"] == true);
    // All others have 100 each, and who has proven nothing a fifth of that together.
    assert_eq!(voting["weight"], 140_000_000_000_u64);
    assert!(head(devnet).1 >= epoch + 2);
    // Its own batches count: it takes transactions.
    eighth.wait(|status| status["health"]["ready"] == true);
    eighth
}

/// Five of eight hold 500 of 840, which is no quorum; with the newcomer's 140 they are one.
fn votes(devnet: &Devnet, eighth: &mut Eighth<'_>) {
    let goes_on = || {
        let (height, _) = head(devnet);
        wait(devnet, "network show", |it| it["height"].as_u64().unwrap() > height + 4);
    };
    devnet.ciro("devnet kill node5");
    devnet.ciro("devnet kill node6");
    goes_on();
    eighth.kill();
    thread::sleep(Duration::from_secs(2));
    let (stands, _) = head(devnet);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(head(devnet).0, stands, "without it they are too few");
    eighth.process = Eighth::start(devnet);
    goes_on();
    devnet.ciro("devnet restart node5");
    devnet.ciro("devnet restart node6");
}

fn goes(devnet: &Devnet, before: &Value) {
    let (height, epoch) = head(devnet);
    let own = devnet.ciro("stake show --account bob");
    assert_eq!(own["stakes"][0]["amount"], "150");
    let left = devnet.ciro("stake undelegate 7 all --account bob");
    assert_eq!(left["leaving"][0]["amount"], "150");
    let moved = devnet.ciro("stake undelegate 7 all --account validator0");
    wait(devnet, "validator show 7", |it| it["counted"] == false);
    wait(devnet, "stake show --account validator0", |it| it["leaving"] == json!([]));
    wait(devnet, "stake show --account bob", |it| it["leaving"] == json!([]));
    let (later, then) = head(devnet);
    assert!(later > height && then >= epoch + 3, "evidence counts until then: {epoch}, {then}");
    let back = devnet.ciro("account show --account bob");
    let paid: u128 = events(devnet)
        .into_iter()
        .filter_map(|record| match record.event {
            Event::Moved(it) if it.from == Purse::Account(address("bob")) && it.why == Why::Fee => {
                Some(it.amount.units())
            }
            _ => None,
        })
        .sum();
    assert!(paid >= fees(&left) + fees(&moved) / 2);
    let taken = amount(&back["balance"]) + paid;
    assert_eq!(taken, amount(&before["balance"]), "to the last unit");
    assert_eq!(devnet.ciro("validator show 7")["stake"], "0");
}

#[test]
#[ignore = "minutes, and seven validators: .ci/run economy_long"]
fn a_validator_joins_votes_and_leaves_while_every_job_ends_once() {
    let devnet = network();
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let before = amount(&devnet.ciro("account show")["balance"]);
    let bobs = devnet.ciro("account show --account bob");
    let (mut eighth, mut done) = under_load(&devnet, || comes(&devnet));
    votes(&devnet, &mut eighth);
    let ((), more) = under_load(&devnet, || goes(&devnet, &bobs));
    done.extend(more);
    println!("{} jobs, {} blocks", done.len(), head(&devnet).0);
    assert!(done.len() > 4, "jobs were settled meanwhile: {}", done.len());

    let cost: u128 = done.iter().map(|it| amount(&it["price"]) + amount(&it["fee"])).sum();
    let after = amount(&devnet.ciro("account show")["balance"]);
    assert_eq!(after + cost, before, "each was paid once");
    let mut ended: BTreeMap<String, usize> = BTreeMap::new();
    for record in events(&devnet) {
        if let Event::JobEnded { receipt } = record.event {
            assert!(matches!(receipt.outcome, Outcome::Settled(_)), "{receipt:?}");
            *ended.entry(receipt.job.to_string()).or_default() += 1;
        }
    }
    let expected = done.iter().map(|it| (it["job"].as_str().unwrap().to_owned(), 1));
    assert_eq!(ended, expected.collect());
    assert_eq!(devnet.ciro("devnet status")["ready"], true);
}
