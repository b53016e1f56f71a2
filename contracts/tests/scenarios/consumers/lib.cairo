//! Contracts that rely on facts, each played from its model's proof to what it does with it.
//!
//! Where a history is given no proof, a judge says what a proof would show: so that what is wrong
//! with a contract is seen without proving anything.
pub mod diagnosis;
pub mod game;
pub mod loan;
pub mod oracle;

use props::deploy;
use props::judge::{IJudgeDispatcher, IJudgeDispatcherTrait, Judge};
use starknet::ContractAddress;
use starknet::testing::set_block_timestamp;
use verifier::facts::{Facts, IFactsDispatcher, IFactsDispatcherTrait, Rest};

pub fn rival() -> ContractAddress {
    'rival'.try_into().unwrap()
}

/// An inference, and the proof of it.
#[derive(Copy, Drop)]
pub struct Inference {
    pub model: felt252,
    pub input_hash: felt252,
    pub output_hash: felt252,
    /// What the SDK says that the proof shows.
    fact: felt252,
    proof: Span<felt252>,
}

pub fn inference(about: Array<felt252>, proof: Array<felt252>) -> Inference {
    Inference {
        model: *about.at(0), input_hash: *about.at(1), output_hash: *about.at(2),
        fact: *about.at(3), proof: proof.span(),
    }
}

#[generate_trait]
pub impl InferenceImpl of InferenceTrait {
    /// Those to whom a proof can be shown.
    fn facts(self: Inference) -> IFactsDispatcher {
        // What is proven in a block whose time is zero is not proven.
        set_block_timestamp(1);
        if self.proof.is_empty() {
            facts_at(deploy(Judge::TEST_CLASS_HASH, array![]))
        } else {
            facts()
        }
    }
    /// Shows the proof, which is bound to a context.
    fn prove(self: Inference, facts: IFactsDispatcher, context: felt252) {
        let Inference { model, input_hash, output_hash, fact, proof } = self;
        let expected = facts.fact_of(model, context, input_hash, output_hash);
        if proof.is_empty() {
            let contract_address = facts.contract_address;
            IJudgeDispatcher { contract_address }.tell(expected, 1);
        } else {
            assert(facts.prove(model, Rest { data: proof }) == expected, 'another fact');
            assert(fact == expected, 'not what the SDK says');
        }
    }
}

fn facts_at(contract_address: ContractAddress) -> IFactsDispatcher {
    IFactsDispatcher { contract_address }
}
/// The real one.
pub fn facts() -> IFactsDispatcher {
    facts_at(deploy(Facts::TEST_CLASS_HASH, array![]))
}
/// Integers that came as felts.
pub fn integers(felts: Array<felt252>) -> Span<i32> {
    let mut integers: Array<i32> = array![];
    for felt in felts {
        integers.append(felt.try_into().unwrap());
    };
    integers.span()
}
