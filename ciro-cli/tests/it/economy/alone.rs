//! One validator, whose epochs and votes last seconds: everything to the last unit.

use ciro_protocol::amount::Amount;
use ciro_protocol::economy::{AirdropShare, airdrop_root};
use ciro_protocol::sign::SecretKey;
use serde_json::{Value, json};

use super::{address, amount, fees, refused, wait};
use crate::devnet::Devnet;

fn shares() -> Vec<AirdropShare> {
    let share = |(index, name): (u32, &&str)| AirdropShare {
        index,
        to: address(name),
        amount: Amount::ciro(7 + u64::from(index)),
    };
    (0..).zip(&["bob", "alice", "nobody"]).map(share).collect()
}

/// Starts a network whose clocks run fast, and whose votes last so long.
fn up(voting_ms: u64) -> Devnet {
    let devnet = Devnet::of_spec(("--providers 0", 1), |spec| {
        spec["consensus"]["epoch_length"] = json!(16);
        spec["time"]["tick_ms"] = json!(250);
        let genesis_ms = spec["genesis_ms"].as_u64().unwrap();
        let economy = &mut spec["economy"];
        economy["vesting"]["cliff_ms"] = json!(0);
        economy["grants"] =
            json!([{ "tranche": "team", "to": address("alice"), "amount": "1000000" }]);
        let until_ms = genesis_ms + 86_400_000;
        economy["airdrop"] = json!({ "root": airdrop_root(&shares()).0, "until_ms": until_ms });
        let params = &mut economy["params"];
        params["epoch_ms"] = json!(2_000);
        params["stake"]["self_bond_min"] = json!("100");
        params["stake"]["commission_ms"] = json!(1);
        params["stake"]["unbonding_ms"] = json!(2_000);
        params["penalty"]["slot_ms"] = json!(500);
        // However loaded the machine is: nobody is absent.
        params["penalty"]["presence_bps"] = json!(0);
        params["governance"]["voting_ms"] = json!(voting_ms);
        params["governance"]["timelock_ms"] = json!(1_000);
    });
    let list = serde_json::to_string(&shares()).unwrap();
    std::fs::write(devnet.folder().join("shares.json"), list).unwrap();
    devnet
}

#[test]
fn stake_earns_and_leaves_and_a_vote_changes_a_parameter() {
    let devnet = up(60_000);
    let title = "--title change --account bob";
    let stop = devnet.ciro(&format!("gov propose set-params --set emission_ppb=0 {title}"));
    assert_eq!((&stop["proposal"], &stop["status"]), (&json!(0), &json!("voting")));
    let carol = SecretKey::from_seed(b"carol").address();
    devnet.ciro(&format!("gov propose spend {carol} 5 {title}"));
    refused(&devnet, "gov vote 0 no", "no stake to vote with");
    devnet.ciro("gov vote 1 yes --account validator0");
    let voted = devnet.ciro("gov vote 0 yes --account validator0");
    assert_eq!(voted["tally"]["yes"], voted["tally"]["stake"]);
    refused(&devnet, "gov vote 0 yes --account validator0", "voted_so");

    let before = devnet.ciro("stake show");
    let put = devnet.ciro("stake delegate 0 500");
    assert_eq!(put["stakes"][0]["amount"], "500");
    let paid = amount(&before["balance"]) - amount(&put["balance"]);
    assert_eq!(paid, Amount::ciro(500).units() + fees(&put));
    refused(&devnet, "gov vote 0 no", "stake_too_late");

    // Nothing is released any more once the vote has its effect: what was earned until then stays.
    wait(&devnet, "gov show 0", |it| it["status"] == "executed");
    assert_eq!(devnet.ciro("gov params")["params"]["emission_ppb"], 0);
    let earned = devnet.ciro("stake show");
    assert_ne!(earned["stakes"][0]["earned"], "0", "epochs have passed");
    let claimed = devnet.ciro("stake claim");
    let expected = amount(&earned["balance"]) + amount(&earned["stakes"][0]["earned"]);
    assert_eq!(amount(&claimed["balance"]), expected - fees(&claimed), "to the last unit");
    assert_eq!(claimed["stakes"][0]["earned"], "0");
    refused(&devnet, "stake claim", "has earned anything");
    refused(&devnet, "stake claim 0", "nothing_earned");

    let left = devnet.ciro("stake undelegate 0 all");
    assert_eq!((&left["stakes"], &left["leaving"][0]["amount"]), (&json!([]), &json!("500")));
    let back = wait(&devnet, "stake show", |it| it["leaving"] == json!([]));
    let expected = amount(&left["balance"]) + Amount::ciro(500).units();
    assert_eq!(amount(&back["balance"]), expected);
    refused(&devnet, "stake undelegate 0 1", "not_delegated");

    wait(&devnet, "gov show 1", |it| it["status"] == "executed");
    let spent = devnet.ciro(&format!("account show {carol}"));
    assert_eq!(spent["balance"], "5", "the treasury paid");
    assert_eq!(devnet.ciro("gov list")["proposals"].as_array().unwrap().len(), 2);
    assert_eq!(devnet.ciro("gov list --open")["proposals"], json!([]));
    refused(&devnet, "gov show 9", "there is no proposal 9");
}

#[test]
fn votes_put_money_aside_pay_it_by_milestones_and_take_the_rest_back() {
    let devnet = up(15_000);
    let carol = SecretKey::from_seed(b"carol").address();
    let propose = |what: &str| {
        let proposed = format!("gov propose {what} --title rocket --account bob");
        let number = devnet.ciro(&proposed)["proposal"].as_u64().unwrap();
        devnet.ciro(&format!("gov vote {number} yes --account validator0"));
        format!("gov show {number}")
    };
    let is_executed = |it: &Value| it["status"] == "executed";
    let milestones = "--milestone 3 --milestone 4 --milestone 5";
    refused(
        &devnet,
        &format!("gov propose open-launch {carol} {milestones} --lasts 1 --title soon"),
        "launch_range",
    );
    refused(&devnet, "gov propose end-launch 0 --title early", "launch_unknown");
    wait(&devnet, &propose(&format!("open-launch {carol} {milestones} --lasts 3600")), is_executed);
    let opened = devnet.ciro("launchpad show 0");
    assert_eq!((&opened["left"], &opened["paid"]), (&json!("12"), &json!(0)));
    assert_eq!(opened["status"], "open");

    refused(&devnet, "gov propose pay-milestone 0 3 --title none", "milestone_unknown");
    let both = [propose("pay-milestone 0 0"), propose("pay-milestone 0 1")];
    both.iter().for_each(|show| drop(wait(&devnet, show, is_executed)));
    assert_eq!(devnet.ciro(&format!("account show {carol}"))["balance"], "7");
    let paid = devnet.ciro("launchpad show 0");
    assert_eq!((&paid["left"], &paid["paid"]), (&json!("5"), &json!(2)));
    refused(&devnet, "gov propose pay-milestone 0 1 --title again", "milestone_paid");

    wait(&devnet, &propose("end-launch 0"), is_executed);
    let ended = devnet.ciro("launchpad list");
    let ended = &ended["launches"][0];
    assert_eq!((&ended["left"], &ended["status"]), (&json!("0"), &json!("ended")));
    assert_eq!(devnet.ciro("launchpad list --open")["launches"], json!([]));
    assert_eq!(devnet.ciro(&format!("account show {carol}"))["balance"], "7");
    refused(&devnet, "gov propose pay-milestone 0 2 --title late", "launch_over");
    refused(&devnet, "launchpad show 1", "there is no launch 1");
}

#[test]
fn a_validator_is_registered_delegated_to_and_what_is_granted_is_claimed() {
    let devnet = up(60_000);
    devnet.node("keys own");
    refused(&devnet, "validator show --account bob", "no validator's operator");
    refused(&devnet, "validator register --key spec.json --bond 150 --account bob", "spec.json");
    let register = "validator register --key own/node.key --account bob";
    refused(&devnet, &format!("{register} --bond 99"), "self_bond_too_small");
    let own = devnet.ciro(&format!("{register} --bond 150"));
    assert_eq!((&own["validator"], &own["own"]), (&json!(1), &json!("150")));
    assert_eq!(own["counted"], false);
    assert!(own["jailed_until_ms"].is_u64(), "until its operator says that its node has caught up");
    let commission = devnet.ciro("validator set-commission 600 --account bob");
    assert_eq!(commission["commission"]["bps"], 600);
    refused(&devnet, "validator set-commission 2000 --account bob", "commission_range");
    refused(&devnet, "validator unjail --account validator0", "not_jailed");
    let listed = devnet.ciro("validator list");
    assert_eq!(listed["validators"].as_array().unwrap().len(), 2);

    devnet.ciro("stake delegate 0 100");
    let moved = devnet.ciro("stake redelegate 0 1 40");
    assert_eq!(
        (&moved["leaving"][0]["to"], &moved["stakes"][0]["amount"]),
        (&json!(1), &json!("60"))
    );
    let moved = wait(&devnet, "stake show", |it| it["leaving"] == json!([]));
    assert_eq!(moved["stakes"][1]["amount"], "40");
    assert_eq!(devnet.ciro("validator show 1")["stake"], "190");
    refused(&devnet, "stake delegate 7 1", "validator_unknown");
    refused(&devnet, "stake undelegate 7 all", "nothing at the stake of validator 7");

    let grants = wait(&devnet, "token grants", |it| amount(&it["grants"][0]["claimable"]) > 0);
    let claimed = devnet.ciro("token claim-grant 0");
    assert!(amount(&claimed["grants"][0]["left"]) < amount(&grants["grants"][0]["left"]));
    refused(&devnet, "token claim-grant 9", "grant_unknown");
    let before = amount(&devnet.ciro("account show")["balance"]);
    let paid = devnet.ciro("token claim-airdrop --shares shares.json");
    let gained = amount(&paid["balance"]) + amount(&paid["sent"]["fee"]) - before;
    assert_eq!(gained, Amount::ciro(8).units());
    refused(&devnet, "token claim-airdrop --shares shares.json", "airdrop_taken");
    refused(&devnet, "token claim-airdrop --shares shares.json --index 9", "no such share");
    let supply = devnet.ciro("token supply");
    let sum = supply["supply"].as_array().unwrap().iter().map(|it| amount(&it["amount"]));
    assert_eq!(sum.sum::<u128>(), Amount::SUPPLY.units());
}

#[test]
fn the_economy_is_played_by_the_simulator() {
    let sandbox = crate::sandbox::Sandbox::new();
    let done = sandbox.done("econ sim --scenario shock --years 1 --seed 7 -o report --json");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((&report["table"], &report["page"]), (&json!("report.csv"), &json!("report.html")));
    let table = std::fs::read_to_string(sandbox.path("report.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 365);
    assert!(std::fs::read_to_string(sandbox.path("report.html")).unwrap().contains("<svg"));
}
