//! Validators that sign what contradicts itself: a machine that runs twice, and votes that an
//! account has collected.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use ciro_consensus::crypto::{Scheme as _, Stark};
use ciro_consensus::evidence::{DoubleSign, Evidence, SignedDigest};
use ciro_consensus::{Digest, Epoch, Kind, ReplicaId, Seq, Statement, View};
use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{Offence, Severity};
use ciro_protocol::event::{Event, Purse, Why};
use ciro_protocol::id::ValidatorId;
use serde_json::json;

use super::events::{events, genesis, head};
use crate::devnet::Devnet;
use crate::economy::{amount, key, refused, wait};

/// What the twin's validator has at stake: its own bond, and what alice delegates.
const OWN: u64 = 10_000;
const DELEGATED: u64 = 600;
/// What two of seven lose when they count together: three times the part of the other, which is
/// rounded up to a billionth.
const TOGETHER_PPB: u128 = 428_571_429;

/// A second machine with a copy of a validator's folder, as somebody starts it who believes that
/// the first one is broken.
struct Twin(Child);

impl Twin {
    /// Copies a validator's folder while it is away, and starts both machines.
    fn start(devnet: &Devnet, name: &str) -> Self {
        devnet.ciro(&format!("devnet kill {name}"));
        let folder = devnet.folder().join("twin");
        copy(&devnet.dir().join(name), &folder);
        devnet.ciro(&format!("devnet restart {name}"));
        let file = folder.join("node.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, listening_elsewhere(&settings)).unwrap();
        let log = std::fs::File::create(devnet.folder().join("twin.log")).unwrap();
        let mut command = Command::new(devnet.program("ciro-node"));
        command.args(["start", "--listen", "127.0.0.1:0"]).arg(&folder);
        command.env("RUST_LOG", "info").stdin(Stdio::null());
        Self(command.stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|it| (it.path(), it.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &to.join(name));
        } else {
            // Copies keep the permissions.
            std::fs::copy(&path, to.join(name)).unwrap();
        }
    }
}

/// Settings that differ in where validators are heard: the ports are in use.
fn listening_elsewhere(settings: &str) -> String {
    let free = r#"listen = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"]"#;
    let changed = settings.lines().map(|line| match line.starts_with("listen = [") {
        true => free,
        false => line,
    });
    let changed: Vec<&str> = changed.collect();
    assert_eq!(changed.iter().filter(|line| **line == free).count(), 1);
    changed.join("\n")
}

fn network() -> Devnet {
    super::up(0, |spec| {
        // What only delays costs nothing here: what is lost is the price of the other faults.
        spec["economy"]["params"]["penalty"]["delay_bps"] = json!(0);
    })
}

/// Returns the first fault of a validator that can fork the chain, and the block that punished it.
fn conviction(devnet: &Devnet, number: u32) -> (Offence, u64) {
    let found = events(devnet).into_iter().find_map(|record| match record.event {
        Event::ValidatorConvicted { offence }
            if offence.validator == ValidatorId(number) && offence.severity() == Severity::Fork =>
        {
            Some((offence, record.height))
        }
        _ => None,
    });
    found.unwrap()
}

/// Returns what of a validator's stake was burned.
fn burned(devnet: &Devnet, number: u32) -> u128 {
    let moved = events(devnet).into_iter().filter_map(|record| match record.event {
        Event::Moved(it) if it.from == Purse::Stake(ValidatorId(number)) => Some(it),
        _ => None,
    });
    let slashed = moved.filter(|it| it.why == Why::Slash && it.to == Purse::Burned);
    slashed.map(|it| it.amount.units()).sum()
}

/// Two Prepares of a validator for one block, which no honest one signs.
fn double_vote(devnet: &Devnet, number: u32, epoch: u64) -> Evidence {
    let genesis = genesis(devnet);
    let chain = genesis.chain().unwrap().0;
    let key = key(&format!("node{number}")).into_consensus();
    let seq = Seq(epoch * genesis.spec.consensus.epoch_length + 3);
    let (kind, view) = (Kind::Prepare, View(0));
    let prepare = |digest| {
        let digest = Digest::from_u64(digest);
        let statement = Statement { epoch: Epoch(epoch), kind, view, seq, digest };
        let signature = Stark::sign(&key, &statement.hash::<Stark>(chain)).unwrap();
        (statement, signature)
    };
    let ((one, signature), (other, second)) = (prepare(1), prepare(2));
    let second = SignedDigest { digest: other.digest, signature: second };
    Evidence::DoubleSign(DoubleSign::new(ReplicaId(number), &one, signature, second))
}

/// What is left of an amount after a part of it, in parts per billion, was taken.
fn left_of(ciro: u64, lost_ppb: u128) -> u128 {
    Amount::ciro(ciro).units() / 1_000_000_000 * (1_000_000_000 - lost_ppb)
}

/// What a validator has, what of that is its operator's, and what alice has there.
fn stakes(devnet: &Devnet, number: u32) -> (u128, u128, u128) {
    let shown = devnet.ciro(&format!("validator show {number}"));
    let alice = devnet.ciro("stake show");
    let mut held = alice["stakes"].as_array().unwrap().iter();
    let held = held.find(|it| it["validator"] == number).map_or(0, |it| amount(&it["amount"]));
    (amount(&shown["stake"]), amount(&shown["own"]), held)
}

#[test]
#[ignore = "minutes, and seven validators: .ci/run economy_long"]
fn a_machine_that_runs_twice_loses_a_twentieth_and_its_delegators_with_it() {
    let devnet = network();
    devnet.ciro(&format!("stake delegate 6 {DELEGATED}"));
    let (begun, _) = head(&devnet);
    let twin = Twin::start(&devnet, "node6");

    // Nobody reports it: replicas find it, a block carries it, the ledger punishes it.
    wait(&devnet, "validator show 6", |it| it["tombstoned"] == true);
    let (offence, punished) = conviction(&devnet, 6);
    let epoch = genesis(&devnet).spec.consensus.epoch_length;
    assert!(punished - begun <= epoch, "within an epoch, from {begun} to {punished}");
    assert!([0, 1].contains(&((punished - 1) / epoch - offence.epoch)), "{offence:?}");
    println!("{offence:?}, begun after block {begun}, punished in block {punished}");
    let left = 50_000_000;
    let (own, delegated) = (left_of(OWN, left), left_of(DELEGATED, left));
    assert_eq!(stakes(&devnet, 6), (own + delegated, own, delegated), "5 % of each, exactly");
    assert_eq!(burned(&devnet, 6), Amount::ciro((OWN + DELEGATED) / 20).units());
    for honest in 0..6 {
        let shown = devnet.ciro(&format!("validator show {honest}"));
        assert_eq!((&shown["tombstoned"], &shown["stake"]), (&json!(false), &json!("10000")));
    }
    refused(&devnet, "stake delegate 6 1", "validator_tombstoned");
    refused(&devnet, "validator unjail --account validator6", "validator_tombstoned");

    drop(twin);
    told_of_is_counted_with_it(&devnet);
    // Whoever delegated may leave with the rest, and the chain goes on.
    let leaving = devnet.ciro("stake undelegate 6 all");
    let rest = left_of(DELEGATED, TOGETHER_PPB);
    assert_eq!(amount(&leaving["leaving"][0]["amount"]), rest);
    let (height, _) = head(&devnet);
    wait(&devnet, "network show", |it| it["height"].as_u64().unwrap() > height + 8);
    assert_eq!(devnet.ciro("devnet status")["ready"], true, "nobody has halted");
}

/// Somebody collected two votes of another validator and reports them, for a bounty: two of seven
/// at about the same time pay for each other.
fn told_of_is_counted_with_it(devnet: &Devnet) {
    let (_, epoch) = head(devnet);
    let evidence = hex::encode(double_vote(devnet, 5, epoch).to_bytes());
    std::fs::write(devnet.folder().join("evidence.txt"), evidence + "\n").unwrap();
    let report = "validator report evidence.txt --account bob";
    let before = amount(&devnet.ciro("account show --account bob")["balance"]);
    let reported = devnet.ciro(report);
    let fee = amount(&reported["sent"]["fee"]);
    assert_eq!((&reported["validator"], &reported["tombstoned"]), (&json!(5), &json!(true)));
    let (own, delegated) = (left_of(OWN, TOGETHER_PPB), left_of(DELEGATED, TOGETHER_PPB));
    assert_eq!(stakes(devnet, 5), (own, own, 0));
    assert_eq!(stakes(devnet, 6), (own + delegated, own, delegated), "it is raised");
    // A twentieth of what both operators lose by the report, whatever delegators lose.
    let lost = 2 * Amount::ciro(OWN).units() - Amount::ciro(OWN / 20).units() - 2 * own;
    let after = amount(&devnet.ciro("account show --account bob")["balance"]);
    assert_eq!(after + fee - before, lost / 20);
    refused(devnet, report, "offence_known");
}
