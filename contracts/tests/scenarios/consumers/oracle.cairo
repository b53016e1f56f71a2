//! Answers for rounds of readings.
use consumers::oracle::{
    IOracleDispatcher, IOracleDispatcherTrait, IOracleSafeDispatcher, IOracleSafeDispatcherTrait,
    Oracle,
};
use props::{deploy, refused};
use starknet::testing::set_block_timestamp;
use super::{InferenceTrait, inference, integers};
use verifier::facts::IFactsDispatcherTrait;

/// A feed that is told what to say.
#[starknet::interface]
trait ITold<T> {
    fn tell(ref self: T, round: u64, readings: Span<i32>);
}

#[starknet::contract]
mod Feed {
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};

    #[storage]
    struct Storage {
        counts: Map<u64, u32>,
        readings: Map<(u64, u32), i32>,
    }

    #[abi(embed_v0)]
    impl Told of super::ITold<ContractState> {
        fn tell(ref self: ContractState, round: u64, readings: Span<i32>) {
            self.counts.write(round, readings.len());
            for at in 0..readings.len() {
                self.readings.write((round, at), *readings.at(at));
            };
        }
    }

    #[abi(embed_v0)]
    impl Impl of consumers::oracle::IFeed<ContractState> {
        fn readings(self: @ContractState, round: u64) -> Span<i32> {
            let mut readings = array![];
            for at in 0..self.counts.read(round) {
                readings.append(self.readings.read((round, at)));
            };
            readings.span()
        }
    }
}

/// Of an inference, its readings, its answer, and the proof.
#[feature("safe_dispatcher")]
fn a_round_has_the_answer_that_is_proven(
    about: Array<felt252>, readings: Array<felt252>, values: Array<felt252>, proof: Array<felt252>,
) {
    let i = inference(about, proof);
    let (readings, value) = (integers(readings), *integers(values).at(0));
    let facts = i.facts();
    let feed = IToldDispatcher { contract_address: deploy(Feed::TEST_CLASS_HASH, array![]) };
    let calldata = array![facts.contract_address.into(), i.model, feed.contract_address.into()];
    let contract_address = deploy(Oracle::TEST_CLASS_HASH, calldata);
    let oracle = IOracleDispatcher { contract_address };
    let safe = IOracleSafeDispatcher { contract_address };
    feed.tell(7, readings);
    refused(safe.publish(7, value), 'not proven');
    i.prove(facts, 0);
    let fact = facts.fact_of(i.model, 0, i.input_hash, i.output_hash);
    refused(safe.publish(7, value + 1), 'not proven');
    // A number of the same residue.
    assert(value < 0, 'not a negative answer');
    refused(safe.publish(7, value + 0x7fffffff), 'integer: too large');
    // Without readings, and with others.
    refused(safe.publish(8, value), 'not proven');
    feed.tell(9, readings.slice(1, readings.len() - 1));
    refused(safe.publish(9, value), 'not proven');
    set_block_timestamp(50);
    oracle.publish(7, value);
    let answer = oracle.answer(7);
    assert(answer.value == value && answer.fact == fact && answer.at == 50, 'another answer');
    refused(safe.publish(7, value), 'answered already');
    // An older round with the same readings, answered later.
    feed.tell(3, readings);
    oracle.publish(3, value);
    let (round, latest) = oracle.latest();
    assert(round == 7 && latest.value == value, 'not the latest');
    assert(oracle.answer(8).at == 0, 'an answer of its own');
}
