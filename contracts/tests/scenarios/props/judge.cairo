//! A judge in the place of `Facts`, who is told what to say.

/// Who knows which facts are proven.
#[starknet::interface]
pub trait IJudge<T> {
    fn tell(ref self: T, fact: felt252, at: u64);
}

#[starknet::contract]
pub mod Judge {
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use verifier::facts::Rest;

    #[storage]
    struct Storage {
        proven: Map<felt252, u64>,
    }

    #[abi(embed_v0)]
    impl Telling of super::IJudge<ContractState> {
        fn tell(ref self: ContractState, fact: felt252, at: u64) {
            self.proven.write(fact, at);
        }
    }

    #[abi(embed_v0)]
    impl Facts of verifier::facts::IFacts<ContractState> {
        fn prove(ref self: ContractState, model: felt252, proof: Rest) -> felt252 {
            core::panic_with_felt252('a judge proves nothing')
        }
        fn is_valid(self: @ContractState, fact: felt252) -> bool {
            self.proven.read(fact) != 0
        }
        fn proven_at(self: @ContractState, fact: felt252) -> u64 {
            self.proven.read(fact)
        }
        fn model_of(self: @ContractState, key: Rest) -> felt252 {
            core::poseidon::poseidon_hash_span(key.data)
        }
        fn fact_of(
            self: @ContractState,
            model: felt252,
            context: felt252,
            input_hash: felt252,
            output_hash: felt252,
        ) -> felt252 {
            verifier::facts::fact(model, context, input_hash, output_hash)
        }
    }
}
