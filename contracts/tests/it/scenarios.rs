//! Histories of jobs and models, in Cairo: `tests/scenarios`.

use std::sync::LazyLock;

use ciro_contracts::{Package, Scenarios, VERIFIER, model_id};
use starknet_types_core::felt::Felt as Felt252;

use crate::chain::chain;
use crate::golden::golden;

/// What all histories begin with.
pub(crate) const PROPS: Package = Package {
    name: "props",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/props/lib.cairo")),
        ("judge.cairo", include_str!("../scenarios/props/judge.cairo")),
    ],
};

const SCENARIOS: Package = Package {
    name: "scenarios",
    sources: &[
        ("lib.cairo", include_str!("../scenarios/lib.cairo")),
        ("coin.cairo", include_str!("../scenarios/coin.cairo")),
        ("escrow.cairo", include_str!("../scenarios/escrow.cairo")),
        ("models.cairo", include_str!("../scenarios/models.cairo")),
        ("proven.cairo", include_str!("../scenarios/proven.cairo")),
        ("stage.cairo", include_str!("../scenarios/stage.cairo")),
    ],
};

static STAGE: LazyLock<Scenarios> =
    LazyLock::new(|| Scenarios::new(&[VERIFIER, PROPS, SCENARIOS]).unwrap());

/// Plays a history to its end.
#[track_caller]
pub(crate) fn plays(name: &str, arguments: &[&[Felt252]]) -> Vec<Felt252> {
    played(&STAGE, &format!("scenarios::{name}"), arguments)
}

/// Plays a history of these packages to its end.
#[track_caller]
pub(crate) fn played(stage: &Scenarios, name: &str, arguments: &[&[Felt252]]) -> Vec<Felt252> {
    match stage.play(name, arguments).unwrap() {
        Ok(values) => values,
        Err(words) => panic!("{name}: {words}"),
    }
}

/// The histories of a package's file: functions that are given nothing and return nothing.
pub(crate) fn histories(package: Package, file: &str) -> Vec<String> {
    let (_, text) =
        package.sources.iter().find(|(path, _)| *path == format!("{file}.cairo")).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("fn ")?.strip_suffix("() {"));
    names.map(|name| format!("{}::{file}::{name}", package.name)).collect()
}

/// Plays all histories of a package's file, which are so many.
#[track_caller]
pub(crate) fn plays_file(stage: &Scenarios, package: Package, (file, count): (&str, usize)) {
    let histories = histories(package, file);
    assert_eq!(histories.len(), count, "{histories:?}");
    for history in histories {
        played(stage, &history, &[]);
    }
}

/// Plays the histories of jobs with these names, each as a test of its own.
macro_rules! escrow {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                plays(concat!("escrow::", stringify!($name)), &[]);
            }
        )*
    };
}

escrow! {
    a_proof_pays_its_worker_once
    a_proof_is_for_one_job
    an_id_names_the_terms
    after_the_deadline_the_client_has_its_price_back
    a_claim_stands_that_nobody_doubts
    a_claim_that_is_proven_is_paid_at_once
    a_right_claim_survives_a_challenge
    a_false_claim_costs_its_bond
    who_challenges_itself_pays
    a_claim_does_not_shut_out_a_proof
    a_proof_beats_a_false_claim
    a_copied_result_gains_nothing
    who_cannot_be_paid_stands_in_nobodys_way
    a_token_that_calls_back_is_refused
    terms_that_cannot_be_kept_are_refused
}

/// No history is left out.
#[test]
fn every_history_of_jobs_is_played() {
    let text = include_str!("../scenarios/escrow.cairo");
    let written = text.lines().filter(|line| line.starts_with("fn ") && line.contains("()"));
    let played = include_str!("scenarios.rs").lines().filter(|line| !line.contains('('));
    let played: Vec<&str> = played.map(str::trim).collect();
    for line in written {
        let name = line.trim_start_matches("fn ").split('(').next().unwrap();
        assert!(played.contains(&name), "{name}");
    }
}

#[test]
fn a_strong_key_is_registered_once() {
    let felts = |key: &ciro_stark::ModelKey| -> Vec<Felt252> {
        key.to_felts().unwrap().iter().map(|felt| Felt252::from_bytes_be(&felt.0)).collect()
    };
    let strong = chain("mlp").0;
    let (key, weak) = (felts(&strong), felts(&golden("mlp_v3").0));
    let model = plays("models::a_strong_key_is_registered_once", &[&key, &weak]);
    assert_eq!(model, [model_id(&strong.to_felts().unwrap())]);
}
