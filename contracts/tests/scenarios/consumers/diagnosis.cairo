//! A finding in data that are not shown.
use consumers::diagnosis::{
    Diagnosis, IDiagnosisDispatcher, IDiagnosisDispatcherTrait, IDiagnosisSafeDispatcher,
    IDiagnosisSafeDispatcherTrait,
};
use props::{deploy, refused};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::{InferenceTrait, facts, inference, integers, rival};
use verifier::facts::IFactsDispatcher;

fn clinic() -> ContractAddress {
    'clinic'.try_into().unwrap()
}
fn patient() -> ContractAddress {
    'patient'.try_into().unwrap()
}
fn begin(facts: IFactsDispatcher, model: felt252) -> IDiagnosisDispatcher {
    let calldata = array![facts.contract_address.into(), model, clinic().into()];
    let contract_address = deploy(Diagnosis::TEST_CLASS_HASH, calldata);
    IDiagnosisDispatcher { contract_address }
}

/// What the proof of the first case is to be bound to.
fn context(about: Array<felt252>) -> felt252 {
    begin(facts(), *about.at(0)).context_of(0)
}

/// Of an inference, the commitment to its input, its finding, and the proof for the first case.
#[feature("safe_dispatcher")]
fn a_finding_is_of_what_was_committed_to(
    about: Array<felt252>,
    commitment: Array<felt252>,
    findings: Array<felt252>,
    proof: Array<felt252>,
) {
    let i = inference(about, proof);
    let (commitment, finding) = (*commitment.at(0), *integers(findings).at(0));
    let facts = i.facts();
    let diagnosis = begin(facts, i.model);
    let safe = IDiagnosisSafeDispatcher { contract_address: diagnosis.contract_address };
    set_contract_address(patient());
    refused(safe.open(patient(), commitment), 'not the clinic');
    set_contract_address(clinic());
    let case = diagnosis.open(patient(), commitment);
    let again = diagnosis.open(patient(), commitment);
    let other = diagnosis.open(patient(), commitment + 1);
    set_contract_address(patient());
    refused(safe.report(case, finding), 'not proven');
    set_contract_address(rival());
    i.prove(facts, diagnosis.context_of(case));
    // The patient decides.
    refused(safe.report(case, finding), 'not the patient');
    set_contract_address(patient());
    refused(safe.report(case, finding + 1), 'not proven');
    // Bound to one case.
    refused(safe.report(again, finding), 'not proven');
    refused(safe.report(other, finding), 'not proven');
    set_block_timestamp(60);
    diagnosis.report(case, finding);
    let now = diagnosis.case(case);
    assert(now.patient == patient() && now.commitment == commitment, 'another case');
    assert(now.finding == finding && now.at == 60, 'another finding');
    refused(safe.report(case, finding), 'reported already');
    assert(diagnosis.case(again).at == 0, 'reported too');
}
