//! `Facts`: verifies proofs and remembers what they prove.
//!
//! Invariants:
//! - a fact is written only by a call that verified a proof of it, and never changed or removed;
//! - nobody owns the contract: there is no upgrade, no pause, no parameter;
//! - a fact names the hash of the whole key, and with it every parameter of the verifier.

use core::poseidon::poseidon_hash_span;

/// All that is left of the calldata, not copied.
#[derive(Drop, Copy)]
pub struct Rest {
    pub data: Span<felt252>,
}
impl RestSerde of Serde<Rest> {
    fn serialize(self: @Rest, ref output: Array<felt252>) {
        let mut data = *self.data;
        while let Option::Some(x) = data.pop_front() {
            output.append(*x);
        };
    }
    fn deserialize(ref serialized: Span<felt252>) -> Option<Rest> {
        let data = serialized;
        serialized = array![].span();
        Option::Some(Rest { data })
    }
}

/// Keeps facts apart from other hashes of five felts.
const DOMAIN: felt252 = 'ciro fact v1';

/// What a proof shows.
#[derive(Copy, Drop)]
pub struct Shown {
    pub fact: felt252,
    pub context: felt252,
    pub input_hash: felt252,
    pub output_hash: felt252,
}

/// Verifies a key, a statement and a proof, whose key has to be strong and has to be the model's.
#[inline(never)]
pub fn show(model: felt252, data: Span<felt252>) -> Shown {
    let verified = super::stark::verify_strong(model, data);
    let context = verified.context;
    let input_hash = poseidon_hash_span(verified.inputs);
    let output_hash = poseidon_hash_span(verified.outputs);
    Shown { fact: fact(model, context, input_hash, output_hash), context, input_hash, output_hash }
}
/// The fact that a proof shows.
pub fn fact_shown(model: felt252, data: Array<felt252>) -> felt252 {
    show(model, data.span()).fact
}
fn fact(model: felt252, context: felt252, input_hash: felt252, output_hash: felt252) -> felt252 {
    poseidon_hash_span(array![DOMAIN, model, context, input_hash, output_hash].span())
}

#[starknet::interface]
pub trait IFacts<T> {
    /// Verifies a key, a statement and a proof, and returns the fact.
    fn prove(ref self: T, model: felt252, proof: Rest) -> felt252;
    /// Whether a fact has been proven.
    fn is_valid(self: @T, fact: felt252) -> bool;
    /// The block's time when a fact was first proven, 0 if it was not.
    fn proven_at(self: @T, fact: felt252) -> u64;
    /// The id of a model: the hash of its key's felts.
    fn model_of(self: @T, key: Rest) -> felt252;
    /// The fact that a model, bound to a context, gives outputs for inputs: both as hashes of the
    /// felts that hold the integers, eight a felt, and behind them of commitments, one a felt.
    fn fact_of(
        self: @T, model: felt252, context: felt252, input_hash: felt252, output_hash: felt252,
    ) -> felt252;
}

#[starknet::contract]
pub mod Facts {
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use super::{Rest, Shown, show};

    #[storage]
    struct Storage {
        /// When each fact was first proven.
        proven: Map<felt252, u64>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Proven: Proven,
    }
    #[derive(Drop, starknet::Event)]
    struct Proven {
        #[key]
        model: felt252,
        #[key]
        fact: felt252,
        context: felt252,
        input_hash: felt252,
        output_hash: felt252,
    }

    #[abi(embed_v0)]
    impl Impl of super::IFacts<ContractState> {
        fn prove(ref self: ContractState, model: felt252, proof: Rest) -> felt252 {
            let Shown { fact, context, input_hash, output_hash } = show(model, proof.data);
            if self.proven.read(fact) == 0 {
                self.proven.write(fact, starknet::get_block_timestamp());
            }
            self.emit(Proven { model, fact, context, input_hash, output_hash });
            fact
        }
        fn is_valid(self: @ContractState, fact: felt252) -> bool {
            self.proven.read(fact) != 0
        }
        fn proven_at(self: @ContractState, fact: felt252) -> u64 {
            self.proven.read(fact)
        }
        fn model_of(self: @ContractState, key: Rest) -> felt252 {
            poseidon_hash_span(key.data)
        }
        fn fact_of(
            self: @ContractState,
            model: felt252,
            context: felt252,
            input_hash: felt252,
            output_hash: felt252,
        ) -> felt252 {
            super::fact(model, context, input_hash, output_hash)
        }
    }
}
