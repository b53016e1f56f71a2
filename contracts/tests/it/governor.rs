//! Histories of proposals, in Cairo: `tests/scenarios/governor`.

use std::sync::LazyLock;

use ciro_contracts::{GOVERNOR, Package, Scenarios, TOKEN};

use crate::scenarios::{PROPS, plays_file};

pub(crate) const ASSEMBLY: Package = Package {
    name: "assembly",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/governor/lib.cairo")),
        ("proposals.cairo", include_str!("../scenarios/governor/proposals.cairo")),
        ("target.cairo", include_str!("../scenarios/governor/target.cairo")),
        ("votes.cairo", include_str!("../scenarios/governor/votes.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[TOKEN, GOVERNOR, PROPS, ASSEMBLY]).unwrap());

#[test]
fn votes_are_counted_once_and_in_their_time() {
    plays_file(&STAGE, ASSEMBLY, ("votes", 6));
}

#[test]
fn what_is_accepted_is_done_and_nothing_else() {
    plays_file(&STAGE, ASSEMBLY, ("proposals", 9));
}
