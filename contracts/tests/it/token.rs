//! Histories of the token and of what hands it out, in Cairo: `tests/scenarios/token`.

use std::sync::LazyLock;

use ciro_contracts::{Package, Scenarios, TOKEN};

use crate::scenarios::{PROPS, played, plays_file};

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

#[track_caller]
fn plays_all(file: &str, count: usize) {
    plays_file(&STAGE, PURSES, (file, count));
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
