//! `Diagnosis`: records what a model finds in a patient's data, which nobody shows.
//!
//! A clinic commits to the data, under a salt, and says whose they are. The patient proves what the
//! model finds in them, and so decides whether the finding is known.
//!
//! Invariants:
//! - a finding is recorded for a fact that the model gives it for what the clinic committed to,
//!   proven for this case and no other;
//! - the patient alone reports, once; nobody owns the contract.
//!
//! The data are not shown, but a proof gives away something of them, as `docs/privacy.md` says; and
//! whoever sees the report's calldata knows the finding.
use starknet::ContractAddress;

const CONTEXT: felt252 = 'ciro case v1';

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Case {
    pub patient: ContractAddress,
    /// To the data, in one felt.
    pub commitment: felt252,
    pub finding: i32,
    /// When the finding was recorded; zero if it was not.
    pub at: u64,
}

#[starknet::interface]
pub trait IDiagnosis<T> {
    /// The clinic's word that a commitment is to a patient's data. Returns the case's number.
    fn open(ref self: T, patient: ContractAddress, commitment: felt252) -> u64;
    /// Records the finding in the caller's case, which is proven.
    fn report(ref self: T, case: u64, finding: i32);
    fn case(self: @T, case: u64) -> Case;
    /// What the proof of a case is bound to.
    fn context_of(self: @T, case: u64) -> felt252;
}

#[starknet::contract]
pub mod Diagnosis {
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use verifier::facts::{IFactsDispatcher, IFactsDispatcherTrait};
    use super::super::integers::hash_of;
    use super::{Case, IDiagnosis};

    #[storage]
    struct Storage {
        facts: ContractAddress,
        model: felt252,
        clinic: ContractAddress,
        opened: u64,
        cases: Map<u64, Case>,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState, facts: ContractAddress, model: felt252, clinic: ContractAddress,
    ) {
        self.facts.write(facts);
        self.model.write(model);
        self.clinic.write(clinic);
    }

    #[abi(embed_v0)]
    impl Impl of super::IDiagnosis<ContractState> {
        fn open(ref self: ContractState, patient: ContractAddress, commitment: felt252) -> u64 {
            assert(get_caller_address() == self.clinic.read(), 'not the clinic');
            let case = self.opened.read();
            self.opened.write(case + 1);
            self.cases.write(case, Case { patient, commitment, finding: 0, at: 0 });
            case
        }
        fn report(ref self: ContractState, case: u64, finding: i32) {
            let about = self.cases.read(case);
            assert(get_caller_address() == about.patient, 'not the patient');
            assert(about.at == 0, 'reported already');
            let facts = IFactsDispatcher { contract_address: self.facts.read() };
            // No input is shown: the commitment is all.
            let inputs = poseidon_hash_span(array![about.commitment].span());
            let outputs = hash_of(array![finding].span());
            let context = self.context_of(case);
            let fact = facts.fact_of(self.model.read(), context, inputs, outputs);
            assert(facts.is_valid(fact), 'not proven');
            self.cases.write(case, Case { finding, at: get_block_timestamp(), ..about });
        }
        fn case(self: @ContractState, case: u64) -> Case {
            self.cases.read(case)
        }
        fn context_of(self: @ContractState, case: u64) -> felt252 {
            let here = get_contract_address().into();
            poseidon_hash_span(array![super::CONTEXT, here, case.into()].span())
        }
    }
}
