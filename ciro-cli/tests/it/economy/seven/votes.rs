//! Votes of seven validators and of those who delegate to them, from the proposal to its effect.

use ciro_protocol::amount::Amount;
use serde_json::{Value, json};

use super::events::head;
use crate::devnet::Devnet;
use crate::economy::{address, amount, refused, wait};

fn network() -> Devnet {
    super::up(0, |spec| {
        let economy = &mut spec["economy"];
        // What is granted vests within a minute, from its execution on.
        economy["vesting"]["cliff_ms"] = json!(0);
        economy["vesting"]["duration_ms"] = json!(60_000);
        let governance = &mut economy["params"]["governance"];
        governance["voting_ms"] = json!(150_000);
        governance["timelock_ms"] = json!(5_000);
    })
}

/// Lets operators vote for themselves and for all who delegate to them and do not vote.
fn vote(devnet: &Devnet, proposal: u32, votes: &[(usize, &str)]) -> Value {
    let mut shown = Value::Null;
    for (operator, choice) in votes {
        shown = devnet.ciro(&format!("gov vote {proposal} {choice} --account validator{operator}"));
    }
    shown["tally"].clone()
}

/// Waits until a proposal is decided and what it does is done.
fn decided(devnet: &Devnet, proposal: u32) -> Value {
    let show = format!("gov show {proposal}");
    wait(devnet, &show, |it| it["status"] != "voting" && it["status"] != "passed")
}

fn balance(devnet: &Devnet, account: &str) -> u128 {
    amount(&devnet.ciro(&format!("account show --account {account}"))["balance"])
}

#[test]
#[ignore = "minutes, and seven validators: .ci/run economy_long"]
fn seven_validators_decide_on_a_parameter_and_a_grant() {
    let devnet = network();
    devnet.ciro("stake delegate 0 500 --account bob");
    let propose = |what: &str, title: &str| {
        devnet.ciro(&format!("gov propose {what} --title {title}"))["proposal"].clone()
    };
    let before = balance(&devnet, "alice");
    let bounty = "set-params --set penalty.bounty_bps=";
    let grant = format!("grant team {} 600 ", address("bob"));
    assert_eq!(propose(&format!("{bounty}1000"), "more"), json!(0));
    assert_eq!(propose(&format!("{bounty}2000"), "few"), json!(1));
    assert_eq!(propose(&format!("{bounty}3000"), "much"), json!(2));
    assert_eq!(propose(&grant, "grant"), json!(3));

    let told = vote(&devnet, 0, &[(0, "yes"), (1, "yes"), (2, "yes"), (3, "no"), (4, "no")]);
    let stands = [&told["yes"], &told["no"], &told["stake"]];
    assert_eq!(stands, [&json!("30500"), &json!("20000"), &json!("70500")]);
    // A delegator's own vote takes its stake out of the operator's.
    let told = devnet.ciro("gov vote 0 no --account bob")["tally"].clone();
    assert_eq!([&told["yes"], &told["no"]], [&json!("30000"), &json!("20500")]);
    refused(&devnet, "gov vote 0 yes", "no stake to vote with");
    // Two of seven are no quorum, though all of them agree.
    vote(&devnet, 1, &[(5, "yes"), (6, "yes")]);
    // Two of five veto: more than a third of the votes.
    vote(&devnet, 2, &[(0, "yes"), (1, "yes"), (2, "yes"), (3, "veto"), (4, "veto")]);
    vote(&devnet, 3, &[(0, "yes"), (1, "yes"), (2, "yes"), (3, "yes")]);
    assert_eq!(devnet.ciro("gov params")["params"]["penalty"]["bounty_bps"], 500);

    let expected = ["executed", "no_quorum", "vetoed", "executed"];
    for (proposal, status) in (0..).zip(expected) {
        assert_eq!(decided(&devnet, proposal)["status"], status, "proposal {proposal}");
    }
    assert_eq!(devnet.ciro("gov params")["params"]["penalty"]["bounty_bps"], 1_000);
    // All deposits but the vetoed one are back; what else is gone are four fees.
    let gone = before - balance(&devnet, "alice") - Amount::ciro(100).units();
    assert!(gone > 0 && gone < Amount::ciro(1).units(), "{gone}");
    is_claimed(&devnet);
    let (height, _) = head(&devnet);
    wait(&devnet, "network show", |it| it["height"].as_u64().unwrap() > height + 4);
}

/// What was granted by a vote is claimed in parts, as it vests.
fn is_claimed(devnet: &Devnet) {
    let reserve = |supply: &Value| {
        let mut buckets = supply["supply"].as_array().unwrap().iter();
        amount(&buckets.find(|it| it["bucket"] == "reserve").unwrap()["amount"])
    };
    let granted = devnet.ciro("token grants --account bob")["grants"][0].clone();
    assert_eq!((&granted["grant"], &granted["amount"]), (&json!(0), &json!("600")));
    let supply = devnet.ciro("token supply");
    // Of the parts of team, investors and public: 35 % of 10^9.
    assert_eq!(reserve(&supply), Amount::ciro(350_000_000 - 600).units());
    refused(devnet, "token claim-grant 0 --account alice", "not_grantee");
    let before = balance(devnet, "bob");
    let first = devnet.ciro("token claim-grant 0 --account bob");
    wait(devnet, "token grants --account bob", |it| {
        it["grants"][0]["claimable"] == it["grants"][0]["left"]
    });
    let second = devnet.ciro("token claim-grant 0 --account bob");
    assert_eq!(second["grants"][0]["left"], "0");
    let paid: u128 = [&first, &second].iter().map(|it| amount(&it["sent"]["fee"])).sum();
    assert_eq!(balance(devnet, "bob") + paid - before, Amount::ciro(600).units());
}
