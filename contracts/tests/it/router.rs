//! Histories of payments in CIRO, and of the exchange that they buy at: `tests/scenarios/router`.

use std::sync::LazyLock;

use ciro_contracts::{Package, ROUTER, Scenarios, TOKEN};

use crate::scenarios::{PROPS, played, plays_file};

pub(crate) const TILLS: Package = Package {
    name: "tills",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/router/lib.cairo")),
        ("dollar.cairo", include_str!("../scenarios/router/dollar.cairo")),
        ("trades.cairo", include_str!("../scenarios/router/trades.cairo")),
        ("payments.cairo", include_str!("../scenarios/router/payments.cairo")),
        ("prices.cairo", include_str!("../scenarios/router/prices.cairo")),
        ("venue.cairo", include_str!("../scenarios/router/venue.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[TOKEN, ROUTER, PROPS, TILLS]).unwrap());

#[track_caller]
fn plays_all(file: &str, count: usize) {
    plays_file(&STAGE, TILLS, (file, count));
}

#[test]
fn an_exchange_keeps_what_it_holds() {
    plays_all("trades", 7);
    for seed in 1..=3_u8 {
        played(&STAGE, "tills::trades::a_long_history_adds_up", &[&[seed.into()]]);
    }
}

#[test]
fn payments_are_at_the_average_of_prices() {
    plays_all("payments", 10);
}

#[test]
fn payments_are_refused_where_they_are_said_to_be() {
    plays_all("prices", 4);
}
