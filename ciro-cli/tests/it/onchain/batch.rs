//! What many inferences cost that share a proof and a transaction.

use super::calldata;
use super::chain::Chain;
use crate::sandbox::Sandbox;

/// Models, with flags: 64 images do not fit into calldata, their commitments do.
const MODELS: [(&str, &str); 3] =
    [("logreg_iris", ""), ("xgb_credit_50", ""), ("mlp_mnist", "--commit-input")];

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn a_batch_shares_what_a_transaction_costs() {
    let chain = Chain::start();
    let on = format!("--starknet {} --max-fee 1000", chain.file("client").display());
    println!("| model | inferences | felts | L2 gas | an inference |\n|---|--:|--:|--:|--:|");
    for (model, flags) in MODELS {
        let mut least = u64::MAX;
        for count in [1, 8, 64] {
            let sandbox = Sandbox::with_model(model);
            let about = format!("model.onnx --preset chain {flags}");
            sandbox.done(&format!("key {about} --batch {count} -o model.key"));
            let inputs = "--input input_0.json ".repeat(count);
            sandbox.done(&format!("prove {about} {inputs} -o proof.ciro"));
            let felts = calldata(&sandbox).0.len();
            let sent = sandbox.json(&format!("submit-proof proof.ciro --key model.key {on}"));
            let gas = sent["paid"]["l2_gas"].as_u64().unwrap();
            let each = gas / count as u64;
            println!("| `{model}` | {count} | {felts} | {gas} | {each} |");
            assert!(each < least, "{model}: {count} cost {each} each, fewer {least}");
            least = each;
        }
    }
}
