//! Histories of the token and of what hands it out, in Cairo: `tests/scenarios/token`.

use std::sync::LazyLock;

use ciro_contracts::{Package, Scenarios, TOKEN};

use crate::scenarios::{PROPS, played};

pub(crate) const PURSES: Package = Package {
    name: "purses",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/token/lib.cairo")),
        ("faucet.cairo", include_str!("../scenarios/token/faucet.cairo")),
        ("money.cairo", include_str!("../scenarios/token/money.cairo")),
        ("vesting.cairo", include_str!("../scenarios/token/vesting.cairo")),
        ("votes.cairo", include_str!("../scenarios/token/votes.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[TOKEN, PROPS, PURSES]).unwrap());

/// The histories of a file: functions that are given nothing and return nothing.
pub(crate) fn histories(file: &str) -> Vec<String> {
    let (_, text) =
        PURSES.sources.iter().find(|(path, _)| *path == format!("{file}.cairo")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("fn ")?.strip_suffix("() {"));
    names.map(|name| format!("purses::{file}::{name}")).collect()
}

#[track_caller]
fn plays_all(file: &str, count: usize) {
    let histories = histories(file);
    assert_eq!(histories.len(), count, "{histories:?}");
    for history in histories {
        played(&STAGE, &history, &[]);
    }
}

#[test]
fn money_is_kept() {
    plays_all("money", 3);
}

#[test]
fn votes_are_those_of_money() {
    plays_all("votes", 3);
    for seed in 1..=3_u8 {
        played(&STAGE, "purses::votes::a_long_history_adds_up", &[&[seed.into()]]);
    }
}

#[test]
fn grants_are_paid_in_their_time() {
    plays_all("vesting", 5);
}

#[test]
fn a_faucet_drips() {
    plays_all("faucet", 4);
}
