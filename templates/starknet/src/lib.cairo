//! `Herbarium`: records which flower a model sees, for whoever proves it first.
//!
//! A proof goes to the contract `Facts`, which verifies it and remembers what it shows: this model
//! gave this output for this input. `Herbarium` asks whether such a fact is there, and relies on
//! nothing else. What to take over:
//!
//! - It names one `Facts` and one model for ever. Whoever relies on it compares both.
//! - It computes the fact that it needs. One that a caller names could be about anything.
//! - A proof is bound to this contract and to an account: whoever copies it has nothing of it.
//! - It says how many integers an output has, and reads them as a model has them
//!   (`integers.cairo`).
//!
//! What it does not say: that there is such a flower. A fact is about what a model makes of an
//! input. Who says that the input is right is for every contract to decide; here nobody does.
mod integers;
use starknet::ContractAddress;

/// What is asked of `Facts`.
#[starknet::interface]
pub trait IFacts<T> {
    /// Whether a fact has been proven.
    fn is_valid(self: @T, fact: felt252) -> bool;
    /// The fact that a model, bound to a context, gives outputs for inputs, both by their hashes.
    fn fact_of(
        self: @T, model: felt252, context: felt252, input_hash: felt252, output_hash: felt252,
    ) -> felt252;
}

/// What is known of a flower.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Record {
    /// Who proved it first; zero if nobody did.
    pub by: ContractAddress,
    /// The label that the model gave.
    pub label: i32,
}

#[starknet::interface]
pub trait IHerbarium<T> {
    /// Records a flower, by the hash of the model's input, for the caller, to whom the proof of the
    /// output is bound.
    fn record(ref self: T, flower: felt252, output: Span<i32>);
    /// What was recorded of a flower.
    fn record_of(self: @T, flower: felt252) -> Record;
    /// What an account's proof is bound to: `ciro prove --context`.
    fn context_of(self: @T, account: ContractAddress) -> felt252;
}

#[starknet::contract]
pub mod Herbarium {
    use core::num::traits::Zero;
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use super::integers::hash_of;
    use super::{IFactsDispatcher, IFactsDispatcherTrait, Record};

    /// A label, and three probabilities. A hash does not say how many: zeros are filled up.
    const INTEGERS: u32 = 4;

    #[storage]
    struct Storage {
        facts: ContractAddress,
        model: felt252,
        records: Map<felt252, Record>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, facts: ContractAddress, model: felt252) {
        self.facts.write(facts);
        self.model.write(model);
    }

    #[abi(embed_v0)]
    impl Impl of super::IHerbarium<ContractState> {
        fn record(ref self: ContractState, flower: felt252, output: Span<i32>) {
            let account = get_caller_address();
            assert(output.len() == INTEGERS, 'output: not four integers');
            assert(self.records.read(flower).by == Zero::zero(), 'recorded already');
            let facts = IFactsDispatcher { contract_address: self.facts.read() };
            let (model, context) = (self.model.read(), self.context_of(account));
            let fact = facts.fact_of(model, context, flower, hash_of(output));
            assert(facts.is_valid(fact), 'not proven');
            self.records.write(flower, Record { by: account, label: *output.at(0) });
        }
        fn record_of(self: @ContractState, flower: felt252) -> Record {
            self.records.read(flower)
        }
        fn context_of(self: @ContractState, account: ContractAddress) -> felt252 {
            let here: felt252 = get_contract_address().into();
            poseidon_hash_span(array!['herbarium v1', here, account.into()].span())
        }
    }
}
