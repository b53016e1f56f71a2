//! A validator that registers, is delegated to and leaves while jobs flow: every job ends once, and
//! nobody pays twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ciro_protocol::amount::Amount;
use ciro_protocol::event::Event;
use ciro_protocol::receipt::Outcome;
use serde_json::{Value, json};

use super::events::{events, head};
use crate::devnet::{Devnet, model};
use crate::economy::{amount, fees, refused, wait};

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

/// The eighth validator is bob's, and the operator of the first one delegates to it.
fn comes_and_goes(devnet: &Devnet) {
    let before = devnet.ciro("stake show --account bob");
    devnet.node("keys own");
    let register = "validator register --key own/node.key --bond 150 --account bob";
    let own = devnet.ciro(register);
    assert_eq!((&own["validator"], &own["own"]), (&json!(7), &json!("150")));
    // Who votes in consensus is said by the genesis: it waits, and earns nothing.
    assert_eq!(own["counted"], false);
    refused(devnet, register, "validator_exists");
    let put = devnet.ciro("stake delegate 7 40 --account validator0");
    assert_eq!(devnet.ciro("validator show 7")["stake"], "190");

    let (height, epoch) = head(devnet);
    let left = devnet.ciro("stake undelegate 7 all --account bob");
    assert_eq!(left["leaving"][0]["amount"], "150");
    let moved = devnet.ciro("stake undelegate 7 all --account validator0");
    wait(devnet, "stake show --account validator0", |it| it["leaving"] == json!([]));
    let back = wait(devnet, "stake show --account bob", |it| it["leaving"] == json!([]));
    let (later, then) = head(devnet);
    assert!(later > height && then >= epoch + 2, "evidence counts until then: {epoch}, {then}");
    let paid = amount(&own["sent"]["fee"]) + fees(&left);
    assert_eq!(amount(&back["balance"]) + paid, amount(&before["balance"]), "to the last unit");
    let shown = devnet.ciro("stake show --account validator0");
    let expected = amount(&put["balance"]) + Amount::ciro(40).units() - fees(&moved);
    assert_eq!(amount(&shown["balance"]), expected);
    assert_eq!(devnet.ciro("validator show 7")["stake"], "0");
    // The bond behind a weight in consensus stays as long as the chain lives.
    refused(devnet, "stake undelegate 1 all --account validator1", "bond_held");
}

#[test]
#[ignore = "minutes, and seven validators: .ci/run economy_long"]
fn a_validator_registers_and_leaves_while_every_job_ends_once() {
    let devnet = network();
    let model = model("linreg_diabetes");
    devnet.ciro(&format!("deploy {model}/model.onnx"));
    let before = amount(&devnet.ciro("account show")["balance"]);
    let stop = AtomicBool::new(false);
    let done = thread::scope(|scope| {
        let ordering = [(); 2].map(|()| scope.spawn(|| orders(&devnet, &stop)));
        // However the validator fares: the orders end.
        let fared = scope.spawn(|| comes_and_goes(&devnet)).join();
        stop.store(true, Ordering::Relaxed);
        let done: Vec<Value> = ordering.into_iter().flat_map(|it| it.join().unwrap()).collect();
        fared.unwrap();
        done
    });
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
