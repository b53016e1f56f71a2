//! `Oracle`: publishes what a model makes of readings that are on the chain.
//!
//! The inputs of a round come from a feed, a contract. Whoever proves what the model makes of them
//! publishes it. Nobody is paid, so that proofs are bound to nothing and anybody may send them.
//!
//! Invariants:
//! - an answer is published for a fact that the model gives it for the readings of its round;
//! - a round has one answer, which does not change;
//! - nobody owns the contract: the feed alone is believed, and it cannot choose answers.
use starknet::ContractAddress;

/// What an oracle reads.
#[starknet::interface]
pub trait IFeed<T> {
    /// The readings of a round that is over, as integers of the model's inputs.
    fn readings(self: @T, round: u64) -> Span<i32>;
}

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Answer {
    pub value: i32,
    /// What `Facts` knows.
    pub fact: felt252,
    /// The block's time, zero if there is no answer.
    pub at: u64,
}

#[starknet::interface]
pub trait IOracle<T> {
    /// Publishes the answer of a round, which is proven.
    fn publish(ref self: T, round: u64, value: i32);
    /// The answer of a round.
    fn answer(self: @T, round: u64) -> Answer;
    /// The last round that has an answer, and the answer. How old it is tells its time.
    fn latest(self: @T) -> (u64, Answer);
}

#[starknet::contract]
pub mod Oracle {
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp};
    use verifier::facts::{IFactsDispatcher, IFactsDispatcherTrait};
    use super::super::integers::hash_of;
    use super::{Answer, IFeedDispatcher, IFeedDispatcherTrait};

    #[storage]
    struct Storage {
        facts: ContractAddress,
        model: felt252,
        feed: ContractAddress,
        latest: u64,
        answers: Map<u64, Answer>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Published: Published,
    }
    #[derive(Drop, starknet::Event)]
    struct Published {
        #[key]
        round: u64,
        value: i32,
        fact: felt252,
    }

    #[constructor]
    fn constructor(
        ref self: ContractState, facts: ContractAddress, model: felt252, feed: ContractAddress,
    ) {
        self.facts.write(facts);
        self.model.write(model);
        self.feed.write(feed);
    }

    #[abi(embed_v0)]
    impl Impl of super::IOracle<ContractState> {
        fn publish(ref self: ContractState, round: u64, value: i32) {
            assert(self.answers.read(round).at == 0, 'answered already');
            let feed = IFeedDispatcher { contract_address: self.feed.read() };
            let inputs = hash_of(feed.readings(round));
            let facts = IFactsDispatcher { contract_address: self.facts.read() };
            let outputs = hash_of(array![value].span());
            let fact = facts.fact_of(self.model.read(), 0, inputs, outputs);
            assert(facts.is_valid(fact), 'not proven');
            self.answers.write(round, Answer { value, fact, at: get_block_timestamp() });
            // Rounds may be answered in any order.
            if round > self.latest.read() {
                self.latest.write(round);
            }
            self.emit(Published { round, value, fact });
        }
        fn answer(self: @ContractState, round: u64) -> Answer {
            self.answers.read(round)
        }
        fn latest(self: @ContractState) -> (u64, Answer) {
            let round = self.latest.read();
            (round, self.answers.read(round))
        }
    }
}
