//! Stake, governance and grants on networks of real processes.

mod alone;
mod seven;

use std::time::{Duration, Instant};

use ciro_protocol::amount::Amount;
use ciro_protocol::sign::{Address, SecretKey};
use serde_json::Value;

use crate::devnet::Devnet;

/// How long something has that the ledger does by itself.
const PATIENCE: Duration = Duration::from_secs(300);

/// The key of an account or of a node of a devnet.
fn key(name: &str) -> SecretKey {
    SecretKey::from_seed(format!("ciro-devnet {name}").as_bytes())
}

fn address(name: &str) -> Address {
    key(name).address()
}

fn amount(value: &Value) -> u128 {
    value.as_str().unwrap().parse::<Amount>().unwrap().units()
}

/// Repeats a command until its answer is as wanted.
#[track_caller]
fn wait(devnet: &Devnet, arguments: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = devnet.ciro(arguments);
        if wanted(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "ciro {arguments}: {answer}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs a command that is refused, for this reason and with a hint.
#[track_caller]
fn refused(devnet: &Devnet, arguments: &str, reason: &str) {
    let (code, answer) = devnet.run(arguments);
    assert_eq!(code, Some(1), "ciro {arguments}: {answer}");
    let said = format!("{} {}", answer["error"], answer["causes"]);
    assert!(said.contains(reason), "ciro {arguments}: {answer}");
    assert!(answer["hint"].is_string(), "ciro {arguments}: {answer}");
}

/// The sum of what was paid as fees.
fn fees(answer: &Value) -> u128 {
    answer["sent"].as_array().unwrap().iter().map(|sent| amount(&sent["fee"])).sum()
}
