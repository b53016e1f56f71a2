//! The market: no seed breaks it, and each rule of the ledger that is left out is missed.

use std::path::PathBuf;
use std::process::Command;

use ciro_sim::MarketReport;

/// Runs of every test; `ciro-sim --profile market --seeds 0..2000` is the large sweep.
const SEEDS: u64 = 10;
/// Runs within which a rule that is left out must be missed: the first that breaks is the last.
const MISSED: u64 = 60;

/// Rules of the transition table and of the worker, by the names of the mutations of `ciro_ledger`
/// and `ciro_prover`.
const RULES: [&str; 12] = [
    "AnyAttempt",
    "AnyHolder",
    "CancelClaimed",
    "FailedAgain",
    "FreeLease",
    "HeldForEver",
    "EndlessAttempts",
    "PaidInFull",
    "DirectForAnyKey",
    "InputsForNothing",
    "ListedForNothing",
    "UnseenClaim",
];

/// The program, as it was built with this test.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().and_then(|deps| deps.parent()).unwrap().join("ciro-sim")
}

#[test]
fn no_seed_breaks_the_market_and_everything_happens() {
    let report = MarketReport::of(0..SEEDS, 2);
    assert!(report.broken.is_empty(), "{:?}", report.broken);
    let wanted = [
        "settled",
        "refunded",
        "mallory settles",
        "lost",
        "claim executed",
        "claim wrong_attempt",
        "release executed",
        "submit_proof not_holder",
        "order duplicate",
        "cancel job_claimed",
        "order direct_not_served",
        "given back: Unable",
        "given back: InputUnavailable",
        "given back: NotServed",
    ];
    for what in wanted {
        assert!(report.seen.contains_key(what), "`{what}` never happened: {:#?}", report.seen);
    }
}

#[test]
fn a_seed_gives_the_same_market_again() {
    let seen = |threads| MarketReport::of(3..7, threads).seen;
    assert_eq!(seen(1), seen(4));
}

#[test]
fn each_rule_that_is_left_out_is_missed() {
    for rule in RULES {
        let mut command = Command::new(program());
        command.args(["--profile", "market", "--seeds", &format!("0..{MISSED}")]);
        let output = command.env(ciro_mutation::VARIABLE, rule).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{rule} is not missed: {said}");
        println!("{rule}: {}", said.lines().find(|line| line.starts_with("seed")).unwrap());
    }
}
