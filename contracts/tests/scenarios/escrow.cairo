//! Jobs that are paid, refunded, claimed, doubted.
use props::refused;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::coin::{ICoinDispatcher, ICoinDispatcherTrait};
use super::stage::{
    BOND, DEADLINE, GRACE, OUTPUT, PRICE, START, Stage, StageTrait, WINDOW, begin, client, rival,
    worker,
};
use verifier::escrow::{
    IJobEscrowDispatcherTrait, IJobEscrowSafeDispatcherTrait, Phase, Terms,
};

/// A proof pays whom it is bound to, once, whoever sends it.
#[feature("safe_dispatcher")]
fn a_proof_pays_its_worker_once() {
    let s = begin();
    let job = s.opened();
    assert(s.held() == PRICE, 'not held');
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'not proven');
    s.proven(job, worker(), OUTPUT, START);
    set_contract_address(rival());
    refused(s.safe.claim_proven(job, rival(), OUTPUT), 'not proven');
    refused(s.safe.claim_proven(job, worker(), 'other'), 'not proven');
    s.escrow.claim_proven(job, worker(), OUTPUT);
    s.won(worker(), PRICE);
    s.lost(client(), PRICE);
    s.won(rival(), 0);
    assert(s.held() == 0, 'still held');
    let entry = s.job(job);
    assert(entry.phase == Phase::Paid && entry.worker == worker(), 'another end');
    assert(entry.output_hash == OUTPUT, 'another output');
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'not open');
    set_block_timestamp(DEADLINE + GRACE + 1);
    refused(s.safe.refund(job), 'not open');
}

/// A proof for one job pays no other one, and none of another escrow.
#[feature("safe_dispatcher")]
fn a_proof_is_for_one_job() {
    let s = begin();
    let (first, second) = (s.opened(), s.opened());
    assert(first != second, 'one id for two');
    s.proven(first, worker(), OUTPUT, START);
    refused(s.safe.claim_proven(second, worker(), OUTPUT), 'not proven');
    s.escrow.claim_proven(first, worker(), OUTPUT);
    assert(s.held() == PRICE, 'the second pays');
}

/// An id names contract, client and terms, so that nobody answers for what they did not read.
fn an_id_names_the_terms() {
    let s = begin();
    let job = s.opened();
    let escrow = s.escrow.contract_address;
    let mut named = array!['ciro job v1', escrow.into(), 0, client().into()];
    s.terms().serialize(ref named);
    assert(job == core::poseidon::poseidon_hash_span(named.span()), 'another id');
}

/// What counts is when `Facts` saw the proof: until the deadline, whoever looks later. The client
/// waits for the grace.
#[feature("safe_dispatcher")]
fn after_the_deadline_the_client_has_its_price_back() {
    let s = begin();
    let (job, other) = (s.opened(), s.opened());
    s.proven(job, worker(), OUTPUT, DEADLINE + 1);
    s.proven(other, worker(), OUTPUT, DEADLINE);
    set_contract_address(worker());
    set_block_timestamp(DEADLINE + 1);
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'deadline passed');
    refused(s.safe.claim_bonded(job, OUTPUT), 'deadline passed');
    set_block_timestamp(DEADLINE + GRACE);
    refused(s.safe.refund(job), 'deadline not passed');
    s.escrow.claim_proven(other, worker(), OUTPUT);
    set_block_timestamp(DEADLINE + GRACE + 1);
    s.escrow.refund(job);
    s.lost(client(), PRICE);
    assert(s.held() == 0, 'still held');
    refused(s.safe.refund(job), 'not open');
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'deadline passed');
    s.proven(job, worker(), OUTPUT, DEADLINE);
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'not open');
    assert(s.job(job).phase == Phase::Refunded, 'another end');
}

/// A claim that nobody doubts is paid when its window has passed.
#[feature("safe_dispatcher")]
fn a_claim_stands_that_nobody_doubts() {
    let s = begin();
    let job = s.opened();
    set_block_timestamp(DEADLINE);
    s.claimed(job, worker(), OUTPUT);
    s.lost(worker(), BOND);
    refused(s.safe.claim_bonded(job, OUTPUT), 'not open');
    set_block_timestamp(DEADLINE + WINDOW);
    refused(s.safe.settle(job), 'window not passed');
    set_block_timestamp(DEADLINE + WINDOW + 1);
    refused(s.safe.refund(job), 'not open');
    set_contract_address(rival());
    refused(s.safe.challenge(job), 'window passed');
    s.escrow.settle(job);
    s.won(worker(), PRICE);
    assert(s.held() == 0, 'still held');
    refused(s.safe.settle(job), 'not claimed');
}

/// A claim that is proven need not wait.
#[feature("safe_dispatcher")]
fn a_claim_that_is_proven_is_paid_at_once() {
    let s = begin();
    let job = s.opened();
    s.claimed(job, worker(), OUTPUT);
    s.proven(job, worker(), OUTPUT, START + 1);
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'claimed first');
    s.escrow.settle(job);
    s.won(worker(), PRICE);
    assert(s.held() == 0, 'still held');
}

/// A right claim that is doubted takes the challenger's bond.
#[feature("safe_dispatcher")]
fn a_right_claim_survives_a_challenge() {
    let s = begin();
    let job = s.opened();
    s.claimed(job, worker(), OUTPUT);
    set_block_timestamp(START + WINDOW);
    s.challenged(job, rival());
    refused(s.safe.challenge(job), 'not claimed');
    set_block_timestamp(START + 2 * WINDOW);
    refused(s.safe.settle(job), 'window not passed');
    // Of two who prove the same, the one who claimed before is paid.
    s.proven(job, rival(), OUTPUT, START + 1);
    refused(s.safe.claim_proven(job, rival(), OUTPUT), 'claimed first');
    s.proven(job, worker(), OUTPUT, START + 2 * WINDOW);
    // Long after: what was proven in time counts.
    set_block_timestamp(DEADLINE + 50);
    s.escrow.settle(job);
    s.won(worker(), PRICE + BOND);
    s.lost(rival(), BOND);
    assert(s.held() == 0, 'still held');
}

/// A false claim costs its bond, half of it for the client, and the job is open again.
#[feature("safe_dispatcher")]
fn a_false_claim_costs_its_bond() {
    let s = begin();
    let job = s.opened();
    s.claimed(job, worker(), 'false');
    s.challenged(job, rival());
    // One second too late.
    s.proven(job, worker(), 'false', START + WINDOW + 1);
    set_block_timestamp(START + WINDOW + 1);
    s.escrow.settle(job);
    s.lost(worker(), BOND);
    assert(s.job(job).phase == Phase::Open, 'not open again');
    refused(s.safe.settle(job), 'not claimed');
    s.escrow.collect(job, rival());
    s.won(rival(), BOND - BOND / 2);
    refused(s.safe.collect(job, rival()), 'nothing left');
    s.escrow.collect(job, client());
    refused(s.safe.collect(job, client()), 'nothing left');
    refused(s.safe.collect(job, worker()), 'nothing left');
    s.proven(job, rival(), OUTPUT, START + WINDOW + 1);
    s.escrow.claim_proven(job, rival(), OUTPUT);
    s.won(rival(), PRICE + BOND - BOND / 2);
    s.lost(client(), PRICE - BOND / 2);
    assert(s.held() == 0, 'still held');
}

/// Who challenges itself loses half of a bond each time.
#[feature("safe_dispatcher")]
fn who_challenges_itself_pays() {
    let s = begin();
    let job = s.opened();
    let mut now = START;
    for _ in 0..3_u32 {
        set_block_timestamp(now);
        s.claimed(job, worker(), 'false');
        s.challenged(job, worker());
        now += WINDOW + 1;
        set_block_timestamp(now);
        s.escrow.settle(job);
    };
    s.escrow.collect(job, worker());
    s.lost(worker(), 3 * (BOND / 2));
    set_block_timestamp(DEADLINE + GRACE + 1);
    s.escrow.refund(job);
    s.lost(client(), 0);
    s.escrow.collect(job, client());
    s.won(client(), 3 * (BOND / 2));
    assert(s.held() == 0, 'still held');
}

/// The client claims and doubts in front of a proof that it has seen: the worker is paid all the
/// same, also when the deadline has passed meanwhile.
fn a_claim_does_not_shut_out_a_proof() {
    let s = begin();
    let job = s.opened();
    set_block_timestamp(DEADLINE);
    s.proven(job, worker(), OUTPUT, DEADLINE);
    s.claimed(job, client(), 'junk');
    s.challenged(job, client());
    set_block_timestamp(DEADLINE + 2);
    s.escrow.claim_proven(job, worker(), OUTPUT);
    s.won(worker(), PRICE);
    s.escrow.collect(job, client());
    s.lost(client(), PRICE);
    assert(s.held() == 0, 'still held');
}

/// A false claim that nobody doubted is beaten by a proof, whose worker has the rest of the bond.
fn a_proof_beats_a_false_claim() {
    let s = begin();
    let job = s.opened();
    s.claimed(job, rival(), 'false');
    s.proven(job, worker(), OUTPUT, START + 7);
    s.escrow.claim_proven(job, worker(), OUTPUT);
    s.escrow.collect(job, worker());
    s.won(worker(), PRICE + BOND - BOND / 2);
    s.lost(rival(), BOND);
    s.escrow.collect(job, client());
    s.lost(client(), PRICE - BOND / 2);
    assert(s.held() == 0, 'still held');
}

/// Who copies a result out of a proof and claims it gains nothing, doubted or not.
fn a_copied_result_gains_nothing() {
    let s = begin();
    let (plain, doubted) = (s.opened(), s.opened());
    for job in array![plain, doubted] {
        s.proven(job, worker(), OUTPUT, START);
        s.claimed(job, rival(), OUTPUT);
    };
    s.challenged(doubted, client());
    for job in array![plain, doubted] {
        s.escrow.claim_proven(job, worker(), OUTPUT);
        s.escrow.collect(job, rival());
    };
    s.won(worker(), 2 * PRICE);
    // A right claim was doubted: that bond is lost to it.
    s.won(rival(), BOND);
    s.lost(client(), 2 * PRICE + BOND);
    assert(s.held() == 0, 'still held');
}

/// A recipient whom the token refuses keeps nobody else from anything.
#[feature("safe_dispatcher")]
fn who_cannot_be_paid_stands_in_nobodys_way() {
    let s = begin();
    let job = s.opened();
    s.claimed(job, worker(), 'false');
    s.challenged(job, rival());
    ICoinDispatcher { contract_address: s.token }.refuse(rival());
    set_block_timestamp(DEADLINE + GRACE + 1);
    s.escrow.settle(job);
    s.escrow.refund(job);
    s.escrow.collect(job, client());
    s.won(client(), BOND / 2);
    refused(s.safe.collect(job, rival()), 'token: not paid');
    assert(s.escrow.owed(job, rival()) == BOND + BOND - BOND / 2, 'not owed');
}

/// A token that calls back while a bond or a price is taken does not mix up jobs.
#[feature("safe_dispatcher")]
fn a_token_that_calls_back_is_refused() {
    let s = begin();
    let (job, other) = (s.opened(), s.opened());
    s.proven(job, worker(), OUTPUT, START);
    let coin = ICoinDispatcher { contract_address: s.token };
    coin.call(s.escrow.contract_address, job, worker());
    set_contract_address(rival());
    refused(s.safe.claim_bonded(other, OUTPUT), 'token: another amount');
    set_contract_address(client());
    refused(s.safe.open(s.terms()), 'token: another amount');
    assert(s.held() == 2 * PRICE, 'another sum');
    assert(s.job(other).phase == Phase::Open, 'claimed without a bond');
}

/// What cannot work is refused before money moves.
#[feature("safe_dispatcher")]
fn terms_that_cannot_be_kept_are_refused() {
    let s = begin();
    set_contract_address(client());
    let terms = s.terms();
    refused(s.safe.open(Terms { price: 0, ..terms }), 'no price');
    refused(s.safe.open(Terms { deadline: START - 1, ..terms }), 'deadline passed');
    refused(s.safe.open(Terms { deadline: START + 31_536_001, ..terms }), 'deadline too far');
    refused(s.safe.open(Terms { bond: 1, ..terms }), 'no bond');
    refused(s.safe.open(Terms { window: 3_599, ..terms }), 'window too short');
    refused(s.safe.open(Terms { window: 2_592_001, ..terms }), 'window too long');
    let most: u256 = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
    refused(s.safe.open(Terms { bond: most, ..terms }), 'u256_add Overflow');
    refused(s.safe.open(Terms { price: 1_000_001, ..terms }), 'token: not taken');
    let coin = ICoinDispatcher { contract_address: s.token };
    coin.set_fee(1);
    refused(s.safe.open(terms), 'token: another amount');
    coin.set_fee(0);
    let job = s.escrow.open(Terms { deadline: START, window: 2_592_000, ..terms });
    coin.set_fee(1);
    set_contract_address(worker());
    refused(s.safe.claim_bonded(job, OUTPUT), 'token: another amount');
    assert(s.job(job).phase == Phase::Open, 'claimed without a bond');
    coin.set_fee(0);
    refused_calls(s);
}

#[feature("safe_dispatcher")]
fn refused_calls(s: Stage) {
    refused(s.safe.claim_proven(1, worker(), OUTPUT), 'no such job');
    refused(s.safe.collect(1, worker()), 'no such job');
    assert(s.escrow.facts() == s.judge, 'another judge');
    set_contract_address(client());
    let job = s.escrow.open(Terms { window: 0, bond: 0, ..s.terms() });
    set_contract_address(worker());
    refused(s.safe.claim_bonded(job, OUTPUT), 'no bonded claims');
    refused(s.safe.challenge(job), 'not claimed');
    s.lost(client(), 2 * PRICE);
}
