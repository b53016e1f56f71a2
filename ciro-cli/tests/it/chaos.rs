//! The network under fire: processes are killed and stopped while jobs flow, and nothing breaks;
//! where a rule is left out, something does.
//!
//! 500 jobs are a step of their own, `.ci/run chaos`; what is longer is `.ci/run chaos_long`.

use serde_json::Value;

use crate::devnet::{Devnet, model};

const FOUR: &str = "devnet up --detach --validators 4 --providers 2";

/// Kills while jobs of two small models flow.
fn chaos(devnet: &Devnet, rule: Option<&str>, arguments: &str) -> (Option<i32>, Value) {
    let (small, trees) = (model("linreg_diabetes"), model("xgb_credit_50"));
    devnet.run_without(rule, &format!("devnet chaos {small} {trees} {arguments}"))
}

fn broken(report: &Value) -> Vec<&str> {
    let first = report["violations"]["first"].as_array().unwrap();
    first.iter().filter_map(|it| it["invariant"].as_str()).collect()
}

fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().filter_map(Value::as_u64).sum()
}

#[test]
fn without_a_network_that_runs_there_is_nothing_to_kill() {
    let devnet = Devnet::with("devnet up --detach --providers 0", 1);
    devnet.ciro("devnet kill node0");
    let (code, error) = chaos(&devnet, None, "");
    assert_eq!(code, Some(1));
    let said = error["error"].as_str().unwrap();
    assert!(said.contains("process `node0` of the devnet does not run"), "{said}");
}

#[test]
fn what_is_killed_comes_back_and_every_job_ends_once() {
    let devnet = Devnet::with("devnet up --detach", 2);
    // With this seed the first blow kills the node.
    let (code, report) = chaos(&devnet, None, "--jobs 40 --at-once 2 --kill-every 300ms --seed 5");
    assert_eq!(code, Some(0), "{report}");
    let counts = &report["counts"];
    assert_eq!(counts["acknowledged"], 40);
    let settled = counts["settled"].as_u64().unwrap();
    assert_eq!(settled + counts["refunded"].as_u64().unwrap(), 40);
    assert!(settled > 0, "{report}");
    assert!(sum(&report["blows"]["killed"]) > 0, "{report}");
    assert!(report["latecomers"]["stale"].as_u64().unwrap() > 1);
    assert_eq!(devnet.ciro("devnet status")["ready"], true, "everything runs again");
}

#[test]
#[ignore = "a minute: .ci/run chaos"]
fn five_hundred_jobs_of_four_validators_end_once_each() {
    let devnet = Devnet::with(FOUR, 6);
    let (code, report) = chaos(&devnet, None, "--jobs 500 --kill-every 2s --seed 1");
    println!("{}", serde_json::to_string_pretty(&report).unwrap());
    assert_eq!(code, Some(0), "{:?}", broken(&report));
}

/// What takes many minutes.
mod long {
    use super::*;

    #[test]
    #[ignore = "a quarter of an hour: .ci/run chaos_long"]
    fn ten_thousand_jobs_of_four_validators_end_once_each() {
        let devnet = Devnet::with(FOUR, 6);
        let (code, report) = chaos(&devnet, None, "--jobs 10000 --kill-every 2s --seed 1");
        println!("{}", serde_json::to_string_pretty(&report).unwrap());
        assert_eq!(code, Some(0), "{:?}", broken(&report));
    }

    #[test]
    #[ignore = "minutes: .ci/run chaos_long"]
    fn a_ledger_that_ignores_the_fencing_token_is_found() {
        let rule = Some("AnyAttempt");
        let devnet = Devnet::without(rule, FOUR, 6);
        let (code, report) = chaos(&devnet, rule, "--jobs 40 --kill-every 2s --patience 150");
        assert_eq!(code, Some(1), "{report}");
        assert!(broken(&report).contains(&"Fencing"), "{report}");
    }

    #[test]
    #[ignore = "minutes: .ci/run chaos_long"]
    fn validators_whose_votes_are_not_flushed_are_found() {
        let rule = Some("UnflushedVotes");
        let devnet = Devnet::without(rule, FOUR, 6);
        let (code, report) = chaos(&devnet, rule, "--jobs 300 --kill-every 1s --patience 60");
        println!("{:?}", broken(&report));
        assert_eq!(code, Some(1), "{report}");
        let expected = ["I5", "I6", "I7", "I8", "I9"];
        assert!(broken(&report).iter().any(|it| expected.contains(it)), "{report}");
    }
}
