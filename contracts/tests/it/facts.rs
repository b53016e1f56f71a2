//! What `Facts` remembers is what the SDK says, and calldata files are what it takes.

use std::fmt::Write as _;

use ciro_contracts::{Verdict, model_id};
use ciro_sdk::{Calldata, Key, ProofBundle};
use ciro_stark::Felt;
use starknet_types_core::felt::Felt as Felt252;

use crate::chain::chain;
use crate::golden::{Proven, golden, verifier};

pub(crate) fn bundle((key, statement, proof): &Proven) -> (Key, ProofBundle) {
    let key = Key::from_bytes(&key.to_bytes()).unwrap();
    let bundle = ProofBundle::new(&key, statement, proof.to_bytes());
    (key, bundle)
}

pub(crate) fn felt(felt: &Felt) -> Felt252 {
    Felt252::from_bytes_be(&felt.0)
}

/// Of shown and of committed inputs and outputs.
#[test]
fn the_sdk_names_the_fact_that_the_contract_remembers() {
    for name in ["mlp", "committed"] {
        let proven = chain(name);
        let (key, bundle) = bundle(&proven);
        let Calldata { model, fact, felts, .. } = bundle.calldata(&key).unwrap();
        assert_eq!(felt(&model), model_id(&proven.0.to_felts().unwrap()));
        assert_eq!(felts[0], model);
        let Verdict::Accepted(accepted) = verifier().fact(felt(&model), &felts[1..]).unwrap()
        else {
            panic!("{name} is refused")
        };
        assert_eq!(accepted.value, felt(&fact), "{name}");
    }
}

#[test]
fn proofs_of_other_presets_have_no_calldata() {
    let (key, bundle) = bundle(&golden("mlp_v3"));
    let error = bundle.calldata(&key).unwrap_err().to_string();
    assert_eq!(error, "the contract on Starknet takes no keys of the preset `fast-test`");
}

/// A felt of calldata as text.
fn parsed(line: &str) -> Felt {
    Felt(Felt252::from_hex(line).unwrap().to_bytes_be())
}

/// What `ciro verify --calldata` wrote, in the folder `CIRO_CALLDATA`: each file is accepted, and
/// the cost is printed.
#[test]
#[ignore = "needs files that take minutes to make"]
fn files_of_calldata_are_accepted() {
    let folder = std::env::var_os("CIRO_CALLDATA").expect("CIRO_CALLDATA names a folder");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "calldata"));
    paths.sort();
    let mut table = String::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let felts: Vec<Felt> = text.lines().map(parsed).collect();
        let verdict = verifier().fact(felt(&felts[0]), &felts[1..]).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy();
        match verdict {
            Verdict::Accepted(run) => {
                let (felts, steps, gas) = (felts.len(), run.steps, run.gas);
                writeln!(table, "| `{name}` | {felts} | {steps} | {gas} |").unwrap();
            }
            Verdict::Refused(reason) => panic!("{name}: {reason}\n{table}"),
        }
    }
    println!("{table}");
}
