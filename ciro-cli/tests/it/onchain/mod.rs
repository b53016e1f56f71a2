//! Proofs in transactions of a Starknet on this machine. Runs where `.ci/run devnet` has a
//! `starknet-devnet`, which `CIRO_STARKNET_DEVNET` names, and is ignored elsewhere.

#![expect(clippy::print_stdout, reason = "whoever runs the test sees gas, fees and reasons")]

mod batch;
mod bond;
mod chain;
mod loan;

use ciro_sdk::Felt;
use ciro_sdk::starknet::{StarknetError, StarknetSettings};
use serde_json::{Value, json};
use starknet_rust_core::types::Felt as Felt252;

use self::chain::{Chain, felt, strk, wide};
use crate::sandbox::Sandbox;

/// A model with its key for the contract, and one proof.
fn proven(model: &str, context: &str) -> Sandbox {
    let sandbox = Sandbox::with_model(model);
    sandbox.done("key model.onnx --preset chain -o model.key");
    prove(&sandbox, context);
    sandbox
}

fn prove(sandbox: &Sandbox, context: &str) {
    let prove = "prove model.onnx --preset chain --input input_0.json -o proof.ciro";
    sandbox.done(&format!("{prove} --context {context}"));
}

/// The felts of the proof's calldata.
fn calldata(sandbox: &Sandbox) -> (Vec<Felt>, Value) {
    let verify = "verify proof.ciro --key model.key --calldata proof.calldata";
    let report = sandbox.json(verify)["calldata"].clone();
    let text = String::from_utf8(sandbox.read("proof.calldata")).unwrap();
    (text.lines().map(|line| line.parse().unwrap()).collect(), report)
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn models_are_proven_in_one_transaction_each() {
    let chain = Chain::start();
    let network = chain.file("client");
    let network = network.to_str().unwrap();
    let models = [
        "logreg_iris",
        "xgb_credit_50",
        "mlp_mnist",
        "lenet5_mnist",
        "resnet8_cm32",
        "nanogpt_shakespeare",
    ];
    println!("| model | felts | L2 gas | fee (devnet's prices) |\n|---|--:|--:|--:|");
    for model in models {
        let sandbox = proven(model, "0");
        let on = format!("--starknet {network} --max-fee 1000");
        let registered = sandbox.json(&format!("deploy model.onnx {on} --uri ipfs://files"));
        assert_eq!(registered["known"], false, "{registered}");
        let again = sandbox.json(&format!("deploy model.onnx {on}"));
        assert_eq!((&again["known"], &again["paid"]), (&json!(true), &Value::Null));

        let (felts, report) = calldata(&sandbox);
        assert_eq!(report["model"], registered["model"], "the directory's id is the calldata's");
        let fact = report["fact"].as_str().unwrap();
        let ask = format!("fact {fact} --starknet {network}");
        assert_eq!(sandbox.run(&ask).code, Some(1), "nothing is proven yet");
        let verify = format!("verify proof.ciro --key model.key --onchain {network}");
        assert_eq!(sandbox.run(&verify).code, Some(1));

        refuse_forgeries(&chain, &felts);
        let submit = format!("submit-proof proof.ciro --key model.key {on}");
        let sent = sandbox.json(&submit);
        assert_eq!(sent["fact"], fact);
        let paid = &sent["paid"];
        println!("| `{model}` | {} | {} | {} |", felts.len(), paid["l2_gas"], paid["fee"]);
        assert_eq!(sandbox.json(&submit)["paid"], Value::Null, "a second time costs nothing");
        assert_eq!(sandbox.json(&ask)["proven_at"], sent["proven_at"]);
        assert_eq!(sandbox.json(&verify)["onchain"]["proven_at"], sent["proven_at"]);
    }
}

/// A changed, a cut and an extended proof, and another model's id, do not pass.
fn refuse_forgeries(chain: &Chain, felts: &[Felt]) {
    let facts = chain.settings("client").facts;
    let (middle, last) = (felts.len() / 2, felts.len() - 1);
    let changed = |at: usize| {
        let mut forged = felts.to_vec();
        forged[at] = Felt((Felt252::from_bytes_be(&forged[at].0) + Felt252::ONE).to_bytes_be());
        forged
    };
    let forged = [
        changed(0),
        changed(middle),
        changed(last),
        felts[..last].to_vec(),
        [felts, &[felt(0)]].concat(),
    ];
    for (at, forged) in forged.into_iter().enumerate() {
        let refused = chain.call("rival", &[(facts, "prove", forged)]);
        let Err(StarknetError::WouldFail(reason)) = refused else { panic!("{at}: {refused:?}") };
        println!("  forgery {at}: {reason}");
    }
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn the_escrow_pays_the_worker_once_under_a_copied_proof_and_refunds_after_the_deadline() {
    let chain = Chain::start();
    let address = |name| chain.address(name);
    let StarknetSettings { escrow, facts, .. } = chain.settings("client");
    let escrow = escrow.unwrap();
    let price = 7 * 10_u128.pow(18);
    // The input's hash comes from any proof about it.
    let sandbox = proven("logreg_iris", "1");
    let verified = calldata(&sandbox).1;
    let (model, input) = (&verified["model"], &verified["input_hash"]);
    let [model, input]: [Felt; 2] = [model, input].map(|it| it.as_str().unwrap().parse().unwrap());
    let open = |deadline: u64| {
        let token = strk();
        let approve = (token, "approve", [&[escrow][..], &wide(price)].concat());
        let terms =
            [&[model, input, token][..], &wide(price), &[felt(deadline.into()), felt(0)], &wide(0)];
        let calls = [approve, (escrow, "open", terms.concat())];
        let called = chain.call("client", &calls).unwrap();
        let opened = called.events.iter().find(|event| event.contract == escrow).unwrap();
        opened.keys[1]
    };
    let job = open(chain.now() + 3600);
    let context = chain.view(escrow, "context_of", &[job, address("worker")]);
    prove(&sandbox, &context.to_string());
    let (felts, report) = calldata(&sandbox);
    let output: Felt = report["output_hash"].as_str().unwrap().parse().unwrap();

    // A rival copies the proof out of the pool, and is paid nothing for it.
    chain.call("rival", &[(facts, "prove", felts)]).unwrap();
    let claim = |who| (escrow, "claim_proven", vec![job, address(who), output]);
    let refused = chain.call("rival", &[claim("rival")]);
    assert!(matches!(&refused, Err(StarknetError::WouldFail(why)) if why == "not proven"));
    let before = chain.balance(address("worker"));
    let on = format!("--starknet {} --max-fee 1000", chain.file("worker").display());
    let submit = format!("submit-proof proof.ciro --key model.key --job {job} {on}");
    let sent = sandbox.json(&submit);
    let fee: f64 = sent["paid"]["fee"].as_str().unwrap().parse().unwrap();
    let gained = (chain.balance(address("worker")) - before) as f64 / 1e18;
    assert!((gained + fee - 7.0).abs() < 1e-6, "{gained} after a fee of {fee}");
    let again = sandbox.run(&submit);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("not open"), "{again:?}");

    // A job that nobody does goes back to the client.
    let idle = open(chain.now() + 60);
    let refund = [(escrow, "refund", vec![idle])];
    assert!(matches!(chain.call("client", &refund), Err(StarknetError::WouldFail(_))));
    chain.wait(60 + 3600 + 1);
    chain.call("client", &refund).unwrap();
    assert!(matches!(chain.call("client", &refund), Err(StarknetError::WouldFail(_))));
    assert_eq!(chain.balance(escrow), 0, "nothing is left");
}
