//! A contract that relies on a fact.

use ciro_contracts::Contract;
use ciro_sdk::starknet::StarknetError;
use ciro_sdk::{KeyRing, ProofBundle, StatedTensor};

use super::chain::{Chain, felt, strk, wide};
use super::{calldata, prove, proven};
use crate::sandbox::Sandbox;

/// What is lent, in units of 10^-18 STRK.
const LENT: u128 = 5 * 10_u128.pow(18);

/// The one integer that a proof of the sandbox states.
fn score(sandbox: &Sandbox) -> u32 {
    let keys = KeyRing::load(&sandbox.path("model.key")).unwrap();
    let bundle = ProofBundle::load(&sandbox.path("proof.ciro")).unwrap();
    let statement = bundle.statement(keys.keys().next().unwrap()).unwrap();
    let [StatedTensor::Public(score)] = &statement.claims[0].outputs[..] else { panic!() };
    u32::try_from(score.data()[0]).unwrap()
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn a_consumer_lends_for_a_proven_score_and_for_no_other() {
    let chain = Chain::start();
    let [client, worker] = ["client", "worker"].map(|name| chain.address(name));
    let facts = chain.settings("client").facts;
    let token = strk();
    let sandbox = proven("linreg_diabetes", "1");
    let (score, about) = (score(&sandbox), calldata(&sandbox).1);
    let [model, input] =
        ["model", "input_hash"].map(|it| about[it].as_str().unwrap().parse().unwrap());
    // The client is bureau and lender, the worker borrows.
    let terms = [&[facts, model, client, client, token][..], &wide(LENT), &wide(LENT)].concat();
    let loan = chain.deploy(Contract::Loan, &[[terms, vec![felt(score.into())]].concat()])[0];
    let fund = (token, "transfer", [&[loan][..], &wide(LENT)].concat());
    chain.call("client", &[fund, (loan, "describe", vec![worker, input])]).unwrap();

    let borrow = |who, score: u32| chain.call(who, &[(loan, "borrow", vec![felt(score.into())])]);
    let refused = |who, score| match borrow(who, score) {
        Err(StarknetError::WouldFail(reason)) => reason,
        other => panic!("{other:?}"),
    };
    let context = chain.view(loan, "context_of", &[worker]);
    assert_eq!(refused("worker", score), "not proven");
    prove(&sandbox, &context.to_string());
    let (proof, _) = calldata(&sandbox);
    // Anybody may show the proof, which is bound to contract and account.
    chain.call("rival", &[(facts, "prove", proof)]).unwrap();
    assert_eq!(refused("rival", score), "not described");
    assert_eq!(refused("worker", score + 1), "not proven");
    assert_eq!(refused("worker", score - 1), "score: too low");

    let before = chain.balance(worker);
    let paid = borrow("worker", score).unwrap().paid;
    assert_eq!(chain.balance(worker) + paid.fee - before, LENT);
    assert_eq!(chain.view(loan, "is_lent_to", &[worker]), felt(1));
    assert_eq!(refused("worker", score), "not described");
    println!("a loan for a fact: {} L2 gas", paid.l2_gas);
}
