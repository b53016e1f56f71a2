//! Jobs that are paid for real proofs: `Models` knows the key, `Facts` verifies the proof,
//! `JobEscrow` pays.
use props::{deploy, refused};
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::stage::{
    BOND, DEADLINE, GRACE, PRICE, START, Stage, StageTrait, WINDOW, begin_before, client, rival,
    worker,
};
use verifier::escrow::{
    IJobEscrowDispatcherTrait, IJobEscrowSafeDispatcherTrait, Phase, Terms,
};
use verifier::facts::{
    Facts, IFactsDispatcher, IFactsDispatcherTrait, IFactsSafeDispatcher,
    IFactsSafeDispatcherTrait, Rest,
};
use verifier::models::{IModelsDispatcher, IModelsDispatcherTrait, Models};

/// The real contracts, and a job of the client's for an inference.
#[derive(Copy, Drop)]
struct Play {
    s: Stage,
    facts: IFactsDispatcher,
    terms: Terms,
    output: felt252,
    job: felt252,
}

/// About a model, inputs and outputs.
fn opened(about: Span<felt252>) -> Play {
    let contract_address = deploy(Facts::TEST_CLASS_HASH, array![]);
    let s = begin_before(contract_address);
    let terms = Terms { model: *about.at(0), input_hash: *about.at(1), ..s.terms() };
    set_contract_address(client());
    let job = s.escrow.open(terms);
    Play { s, facts: IFactsDispatcher { contract_address }, terms, output: *about.at(2), job }
}

#[generate_trait]
impl PlayImpl of PlayTrait {
    /// Somebody sends the proof.
    fn sent(self: Play, by: starknet::ContractAddress, proof: @Array<felt252>) -> felt252 {
        set_contract_address(by);
        self.facts.prove(self.terms.model, Rest { data: proof.span() })
    }
}

/// The first play: what the worker's proof is to be bound to.
fn context(about: Array<felt252>) -> felt252 {
    let p = opened(about.span());
    p.s.escrow.context_of(p.job, worker())
}

/// A rival sees the worker's proof before it is in a block, and sends it first: the worker is paid,
/// once. Returns the fact.
#[feature("safe_dispatcher")]
fn a_proof_that_is_copied_pays_its_worker_once(
    about: Array<felt252>, key: Array<felt252>, proof: Array<felt252>,
) -> felt252 {
    let p = opened(about.span());
    let (s, job, output) = (p.s, p.job, p.output);
    let models = IModelsDispatcher { contract_address: deploy(Models::TEST_CLASS_HASH, array![]) };
    let model = models.register("ipfs://model", Rest { data: key.span() });
    assert(model == p.terms.model && model == p.facts.model_of(Rest { data: key.span() }), 'id');
    let fact = p.sent(rival(), @proof);
    let context = s.escrow.context_of(job, worker());
    assert(fact == p.facts.fact_of(model, context, p.terms.input_hash, output), 'another fact');
    refused(s.safe.claim_proven(job, rival(), output), 'not proven');
    bound_anew(p, key.len(), @proof);
    set_block_timestamp(START + 5);
    assert(p.sent(worker(), @proof) == fact, 'two facts');
    assert(p.facts.proven_at(fact) == START, 'another time');
    refused(s.safe.claim_proven(job, worker(), output + 1), 'not proven');
    s.escrow.claim_proven(job, worker(), output);
    s.won(worker(), PRICE);
    s.lost(client(), PRICE);
    s.won(rival(), 0);
    for who in array![worker(), rival()] {
        set_contract_address(who);
        refused(s.safe.claim_proven(job, worker(), output), 'not open');
    };
    // The same inference again is another job.
    set_contract_address(client());
    let again = s.escrow.open(p.terms);
    refused(s.safe.claim_proven(again, worker(), output), 'not proven');
    assert(s.held() == PRICE, 'paid twice');
    fact
}

/// With the rival's context in its place the proof is none.
#[feature("safe_dispatcher")]
fn bound_anew(p: Play, at: u32, proof: @Array<felt252>) {
    let safe = IFactsSafeDispatcher { contract_address: p.facts.contract_address };
    let own = p.s.escrow.context_of(p.job, rival());
    assert(*proof.at(at) == p.s.escrow.context_of(p.job, worker()), 'not the context');
    let mut bound = array![];
    bound.append_span(proof.span().slice(0, at));
    bound.append(own);
    bound.append_span(proof.span().slice(at + 1, proof.len() - at - 1));
    refused(safe.prove(p.terms.model, Rest { data: bound.span() }), 'constraints');
}

/// A proof of after the deadline pays nobody: the client has its price back.
#[feature("safe_dispatcher")]
fn a_late_proof_pays_nobody(about: Array<felt252>, proof: Array<felt252>) {
    let p = opened(about.span());
    let (s, job) = (p.s, p.job);
    set_block_timestamp(DEADLINE + 1);
    p.sent(worker(), @proof);
    refused(s.safe.claim_proven(job, worker(), p.output), 'deadline passed');
    set_block_timestamp(DEADLINE + GRACE);
    refused(s.safe.refund(job), 'deadline not passed');
    set_block_timestamp(DEADLINE + GRACE + 1);
    s.escrow.refund(job);
    s.lost(client(), 0);
    s.won(worker(), 0);
    assert(s.held() == 0, 'still held');
    refused(s.safe.refund(job), 'not open');
}

/// A bonded claim that is challenged and right: the proof takes the challenger's bond.
#[feature("safe_dispatcher")]
fn a_challenged_claim_is_proven(about: Array<felt252>, proof: Array<felt252>) {
    let p = opened(about.span());
    let (s, job) = (p.s, p.job);
    s.claimed(job, worker(), p.output);
    set_block_timestamp(START + WINDOW);
    s.challenged(job, rival());
    refused(s.safe.settle(job), 'window not passed');
    set_block_timestamp(START + 2 * WINDOW);
    p.sent(worker(), @proof);
    s.escrow.settle(job);
    s.won(worker(), PRICE + BOND);
    s.lost(rival(), BOND);
    s.lost(client(), PRICE);
    assert(s.held() == 0, 'still held');
    assert(s.job(job).phase == Phase::Paid, 'another end');
}

/// A bonded claim of something else than was proven costs its bond.
fn a_false_claim_is_beaten(about: Array<felt252>, proof: Array<felt252>) {
    let p = opened(about.span());
    let (s, job) = (p.s, p.job);
    s.claimed(job, rival(), p.output + 1);
    p.sent(worker(), @proof);
    s.escrow.claim_proven(job, worker(), p.output);
    for who in array![worker(), client()] {
        s.escrow.collect(job, who);
    };
    s.won(worker(), PRICE + BOND - BOND / 2);
    s.lost(client(), PRICE - BOND / 2);
    s.lost(rival(), BOND);
    assert(s.held() == 0, 'still held');
}

/// A rival takes the result out of a proof that is not in a block yet, and claims it with a bond
/// before: who proved it doubts, and the rival, who has no proof of its own, loses.
#[feature("safe_dispatcher")]
fn a_result_that_is_copied_in_time_is_doubted(about: Array<felt252>, proof: Array<felt252>) {
    let p = opened(about.span());
    let (s, job) = (p.s, p.job);
    s.claimed(job, rival(), p.output);
    set_block_timestamp(START + 1);
    p.sent(worker(), @proof);
    refused(s.safe.claim_proven(job, worker(), p.output), 'claimed first');
    s.challenged(job, worker());
    refused(s.safe.claim_proven(job, worker(), p.output), 'claimed first');
    set_block_timestamp(START + 1 + WINDOW + 1);
    s.escrow.settle(job);
    s.escrow.claim_proven(job, worker(), p.output);
    for who in array![worker(), client()] {
        s.escrow.collect(job, who);
    };
    s.won(worker(), PRICE + BOND - BOND / 2);
    s.lost(rival(), BOND);
    s.lost(client(), PRICE - BOND / 2);
    assert(s.held() == 0, 'still held');
}
