//! Evidence takes bonds of validators, forged evidence none.

use std::path::Path;

use ciro_consensus::Digest;
use ciro_consensus::crypto::{Scheme as _, Stark, StarkSigningKey};
use ciro_consensus::evidence::{Evidence, Rule};
use ciro_contracts::{Contract, evidence_to_felts};
use ciro_sdk::Felt;
use ciro_sdk::starknet::StarknetError;
use serde_json::Value;

use super::chain::{Chain, felt, strk, wide};

/// What the offender has put up, in units of 10^-18.
const BOND: u128 = 4_000_000;

/// The vectors of evidence, with their offender.
struct Vectors {
    secret: StarkSigningKey,
    /// What a contract is deployed with.
    domain: [Felt; 2],
    /// All evidence in felts, with its rule; none for what has to be refused.
    evidence: Vec<(Option<Rule>, Vec<Felt>)>,
}

impl Vectors {
    fn read() -> Self {
        let path = "../ciro-node/consensus/tests/vectors/evidence_v1.json";
        let bytes = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
        let file: Value = serde_json::from_slice(&bytes).unwrap();
        // The offender is the third validator of the vectors.
        let secret = Stark::hash(&[Digest::short_string("test secret"), Digest::from_u64(3)]);
        let secret = StarkSigningKey::from_bytes(secret.as_bytes()).unwrap();
        let key = serde_json::to_value(Stark::public_key(&secret)).unwrap();
        assert_eq!(key, file["key"], "another offender");
        let chain: Digest = serde_json::from_value(file["chain"].clone()).unwrap();
        let window = file["window"].as_u64().unwrap();
        let evidence = file["vectors"].as_array().unwrap().iter().filter_map(|vector| {
            let evidence: Evidence = serde_json::from_value(vector["evidence"].clone()).unwrap();
            let rule = vector["refused"].is_null().then(|| evidence.rule().unwrap());
            let felts = evidence_to_felts(&evidence)?;
            Some((rule, felts.iter().map(|felt| Felt(felt.to_bytes_be())).collect()))
        });
        let evidence = evidence.collect();
        Self { secret, domain: [Felt(*chain.as_bytes()), felt(window.into())], evidence }
    }

    fn key(&self) -> Felt {
        Felt(*Stark::public_key(&self.secret).0.as_bytes())
    }

    /// What has to be refused.
    fn forged(&self) -> impl Iterator<Item = Vec<Felt>> {
        self.evidence.iter().filter(|(rule, _)| rule.is_none()).map(|(_, felts)| felts.clone())
    }

    /// The first evidence of a rule.
    fn of(&self, rule: Rule) -> Vec<Felt> {
        self.evidence.iter().find(|(of, _)| *of == Some(rule)).unwrap().1.clone()
    }
}

/// The worker puts up a bond for the offender's key.
fn bonded(chain: &Chain, vectors: &Vectors, contract: Felt) {
    let about = [vectors.key(), chain.address("worker")];
    let agreed = Digest::from_bytes(chain.view(contract, "possession_of", &about).0).unwrap();
    let signed = Stark::sign(&vectors.secret, &agreed).unwrap();
    let approve = (strk(), "approve", [&[contract][..], &wide(BOND)].concat());
    let signature = [Felt(signed.r), Felt(signed.s)];
    let bond = [&[vectors.key()][..], &wide(BOND), &signature].concat();
    chain.call("worker", &[approve, (contract, "bond", bond)]).unwrap();
}

#[test]
#[ignore = "needs starknet-devnet: .ci/run devnet"]
fn evidence_takes_a_bond_and_forged_evidence_does_not() {
    let (chain, vectors, treasury) = (Chain::start(), Vectors::read(), felt(7_777));
    let arguments = [[strk(), treasury], vectors.domain].concat();
    // One for each rule, since a validator is convicted of a fork once.
    let contracts = chain.deploy(Contract::ValidatorBond, &vec![arguments; Rule::ALL.len()]);
    let convict = |contract: Felt, evidence: Vec<Felt>| {
        let arguments = [vec![vectors.key()], evidence].concat();
        chain.call("rival", &[(contract, "convict", arguments)])
    };
    let would_fail = |contract, evidence| match convict(contract, evidence) {
        Err(StarknetError::WouldFail(reason)) => reason,
        other => panic!("{other:?}"),
    };
    for &contract in &contracts {
        bonded(&chain, &vectors, contract);
    }
    for forged in vectors.forged() {
        println!("  forged: {}", would_fail(contracts[0], forged));
    }
    for (rule, &contract) in Rule::ALL.into_iter().zip(&contracts) {
        let mut changed = vectors.of(rule);
        *changed.last_mut().unwrap() = felt(1);
        would_fail(contract, changed);
        assert_eq!(chain.balance(contract), BOND, "nothing was taken yet");

        let before = chain.balance(treasury);
        let paid = convict(contract, vectors.of(rule)).unwrap().paid;
        let taken = BOND - chain.balance(contract);
        let is_fork = (rule as u8) <= 5;
        assert_eq!(taken, if is_fork { BOND / 20 } else { BOND / 100 }, "{rule:?}");
        let bounty = if is_fork { taken / 20 } else { 0 };
        assert_eq!(chain.balance(treasury) - before, taken - bounty, "{rule:?}");
        assert_eq!(would_fail(contract, vectors.of(rule)), "punished already");
        println!("| {rule:?} | {} | {} |", paid.l2_gas, paid.fee);
    }
}
