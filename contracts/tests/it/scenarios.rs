//! Histories of jobs and models, in Cairo: `tests/scenarios`.

use std::sync::LazyLock;

use ciro_contracts::{Scenarios, model_id};
use starknet_types_core::felt::Felt as Felt252;

use crate::chain::chain;
use crate::golden::golden;

const SOURCES: &[(&str, &str)] = &[
    ("lib.cairo", include_str!("../scenarios/lib.cairo")),
    ("coin.cairo", include_str!("../scenarios/coin.cairo")),
    ("escrow.cairo", include_str!("../scenarios/escrow.cairo")),
    ("models.cairo", include_str!("../scenarios/models.cairo")),
    ("stage.cairo", include_str!("../scenarios/stage.cairo")),
];

static SCENARIOS: LazyLock<Scenarios> = LazyLock::new(|| Scenarios::new(SOURCES).unwrap());

#[track_caller]
fn plays(name: &str, arguments: &[&[Felt252]]) -> Vec<Felt252> {
    match SCENARIOS.play(&format!("scenarios::{name}"), arguments).unwrap() {
        Ok(values) => values,
        Err(words) => panic!("{name}: {words}"),
    }
}

#[test]
fn a_proof_pays_its_worker_once() {
    plays("escrow::a_proof_pays_its_worker_once", &[]);
}

#[test]
fn a_proof_is_for_one_job() {
    plays("escrow::a_proof_is_for_one_job", &[]);
}

#[test]
fn after_the_deadline_the_client_has_its_price_back() {
    plays("escrow::after_the_deadline_the_client_has_its_price_back", &[]);
}

#[test]
fn a_claim_stands_that_nobody_doubts() {
    plays("escrow::a_claim_stands_that_nobody_doubts", &[]);
}

#[test]
fn a_right_claim_survives_a_challenge() {
    plays("escrow::a_right_claim_survives_a_challenge", &[]);
}

#[test]
fn a_false_claim_costs_its_bond() {
    plays("escrow::a_false_claim_costs_its_bond", &[]);
}

#[test]
fn who_challenges_itself_pays() {
    plays("escrow::who_challenges_itself_pays", &[]);
}

#[test]
fn who_cannot_be_paid_stands_in_nobodys_way() {
    plays("escrow::who_cannot_be_paid_stands_in_nobodys_way", &[]);
}

#[test]
fn terms_that_cannot_be_kept_are_refused() {
    plays("escrow::terms_that_cannot_be_kept_are_refused", &[]);
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
