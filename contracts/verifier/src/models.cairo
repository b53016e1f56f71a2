//! `Models`: a directory of models, no root of trust.
//!
//! Invariants:
//! - a model's id is the hash of its key, so that an entry cannot be about another key;
//! - only strong keys have entries, which are never changed or removed;
//! - who registers a key first is said to have done so, which does not make it theirs, and keeps
//!   nobody else from saying where its files are.
use starknet::ContractAddress;
use super::facts::Rest;

#[starknet::interface]
pub trait IModels<T> {
    /// Adds a model by the felts of its key, and returns its id. `uri`, of at most 2,048 bytes, says
    /// where its files are: an event, as the caller's word.
    fn register(ref self: T, uri: ByteArray, key: Rest) -> felt252;
    /// Who registered a model first; zero if nobody did.
    fn registrant_of(self: @T, model: felt252) -> ContractAddress;
    /// The block's time when a model was registered; zero if it was not.
    fn registered_at(self: @T, model: felt252) -> u64;
}

/// The id of the model with a key, whose felts are all of the data.
pub fn strong_model(data: Span<felt252>) -> felt252 {
    let mut rest = data;
    let key = super::key::read(ref rest);
    assert(rest.is_empty(), 'key: too long');
    super::policy::assert_strong(key);
    core::poseidon::poseidon_hash_span(data)
}

#[starknet::contract]
pub mod Models {
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use super::{Rest, strong_model};

    #[storage]
    struct Storage {
        registrants: Map<felt252, ContractAddress>,
        times: Map<felt252, u64>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Registered: Registered,
    }
    #[derive(Drop, starknet::Event)]
    struct Registered {
        #[key]
        model: felt252,
        #[key]
        registrant: ContractAddress,
        uri: ByteArray,
    }

    #[abi(embed_v0)]
    impl Impl of super::IModels<ContractState> {
        fn register(ref self: ContractState, uri: ByteArray, key: Rest) -> felt252 {
            // An event has room for 300 felts: the key is in the calldata alone.
            assert(uri.len() <= 2048, 'uri: too long');
            let model = strong_model(key.data);
            let registrant = get_caller_address();
            if self.times.read(model) == 0 {
                self.registrants.write(model, registrant);
                self.times.write(model, get_block_timestamp());
            }
            self.emit(Registered { model, registrant, uri });
            model
        }
        fn registrant_of(self: @ContractState, model: felt252) -> ContractAddress {
            self.registrants.read(model)
        }
        fn registered_at(self: @ContractState, model: felt252) -> u64 {
            self.times.read(model)
        }
    }
}
