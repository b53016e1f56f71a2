//! Jobs that are paid, refunded, claimed, doubted.
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::coin::{ICoinDispatcher, ICoinDispatcherTrait};
use super::stage::{
    BOND, DEADLINE, OUTPUT, PRICE, StageTrait, WINDOW, begin, client, refused, rival, worker,
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
    s.proven(job, worker(), OUTPUT, 1001);
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
    set_block_timestamp(DEADLINE + 1);
    refused(s.safe.refund(job), 'not open');
}

/// A proof for one job pays no other one.
#[feature("safe_dispatcher")]
fn a_proof_is_for_one_job() {
    let s = begin();
    let (first, second) = (s.opened(), s.opened());
    assert(first != second, 'one id for two');
    s.proven(first, worker(), OUTPUT, 1001);
    refused(s.safe.claim_proven(second, worker(), OUTPUT), 'not proven');
    s.escrow.claim_proven(first, worker(), OUTPUT);
    assert(s.held() == PRICE, 'the second pays');
}

/// The last second of the deadline is the worker's, the next one the client's.
#[feature("safe_dispatcher")]
fn after_the_deadline_the_client_has_its_price_back() {
    let s = begin();
    let (job, other) = (s.opened(), s.opened());
    s.proven(job, worker(), OUTPUT, 1001);
    s.proven(other, worker(), OUTPUT, 1001);
    set_block_timestamp(DEADLINE);
    refused(s.safe.refund(job), 'deadline not passed');
    s.escrow.claim_proven(other, worker(), OUTPUT);
    set_block_timestamp(DEADLINE + 1);
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'deadline passed');
    set_contract_address(worker());
    refused(s.safe.claim_bonded(job, OUTPUT), 'deadline passed');
    s.escrow.refund(job);
    s.lost(client(), PRICE);
    assert(s.held() == 0, 'still held');
    refused(s.safe.refund(job), 'not open');
    assert(s.job(job).phase == Phase::Refunded, 'another end');
}

/// A claim that nobody doubts is paid when its window has passed.
#[feature("safe_dispatcher")]
fn a_claim_stands_that_nobody_doubts() {
    let s = begin();
    let job = s.opened();
    set_contract_address(worker());
    s.escrow.claim_bonded(job, OUTPUT);
    s.lost(worker(), BOND);
    refused(s.safe.claim_bonded(job, OUTPUT), 'not open');
    refused(s.safe.claim_proven(job, worker(), OUTPUT), 'not open');
    set_block_timestamp(1000 + WINDOW);
    refused(s.safe.settle(job), 'window not passed');
    set_block_timestamp(1000 + WINDOW + 1);
    set_contract_address(rival());
    refused(s.safe.challenge(job), 'window passed');
    s.escrow.settle(job);
    s.won(worker(), PRICE);
    assert(s.held() == 0, 'still held');
    refused(s.safe.settle(job), 'not claimed');
}

/// A right claim that is doubted takes the challenger's bond.
#[feature("safe_dispatcher")]
fn a_right_claim_survives_a_challenge() {
    let s = begin();
    let job = s.opened();
    set_contract_address(worker());
    s.escrow.claim_bonded(job, OUTPUT);
    set_contract_address(rival());
    s.escrow.challenge(job);
    refused(s.safe.challenge(job), 'not claimed');
    refused(s.safe.settle(job), 'window not passed');
    // Another result that is proven is not the one that was claimed.
    s.proven(job, worker(), 'other', 1050);
    refused(s.safe.settle(job), 'window not passed');
    s.proven(job, worker(), OUTPUT, 1000 + WINDOW);
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
    set_contract_address(worker());
    s.escrow.claim_bonded(job, 'false');
    set_contract_address(rival());
    s.escrow.challenge(job);
    // One second too late.
    s.proven(job, worker(), 'false', 1000 + WINDOW + 1);
    set_block_timestamp(1000 + WINDOW + 1);
    s.escrow.settle(job);
    s.lost(worker(), BOND);
    s.won(rival(), BOND - BOND / 2);
    assert(s.job(job).phase == Phase::Open, 'not open again');
    refused(s.safe.settle(job), 'not claimed');
    s.escrow.compensate(job);
    refused(s.safe.compensate(job), 'nothing left');
    s.proven(job, rival(), OUTPUT, 1000 + WINDOW + 1);
    s.escrow.claim_proven(job, rival(), OUTPUT);
    s.won(rival(), PRICE + BOND - BOND / 2);
    s.lost(client(), PRICE - BOND / 2);
    assert(s.held() == 0, 'still held');
}

/// Who challenges itself loses half of a bond each time, and the refund has it.
fn who_challenges_itself_pays() {
    let s = begin();
    let job = s.opened();
    let mut now = 1000;
    for _ in 0..3_u32 {
        set_block_timestamp(now);
        set_contract_address(worker());
        s.escrow.claim_bonded(job, 'false');
        s.escrow.challenge(job);
        now += WINDOW + 1;
        set_block_timestamp(now);
        s.escrow.settle(job);
    };
    s.lost(worker(), 3 * (BOND / 2));
    set_block_timestamp(DEADLINE + 1);
    s.escrow.refund(job);
    s.won(client(), 3 * (BOND / 2));
    assert(s.held() == 0, 'still held');
}

/// A recipient whom the token refuses keeps nobody else from anything.
#[feature("safe_dispatcher")]
fn who_cannot_be_paid_stands_in_nobodys_way() {
    let s = begin();
    let (job, other) = (s.opened(), s.opened());
    set_contract_address(worker());
    s.escrow.claim_bonded(job, 'false');
    set_contract_address(rival());
    s.escrow.challenge(job);
    ICoinDispatcher { contract_address: s.token }.refuse(client());
    set_block_timestamp(1000 + WINDOW + 1);
    s.escrow.settle(job);
    s.won(rival(), BOND - BOND / 2);
    refused(s.safe.compensate(job), 'token: not paid');
    s.proven(other, worker(), OUTPUT, 1001);
    s.escrow.claim_proven(other, worker(), OUTPUT);
}

/// What cannot work is refused before money moves.
#[feature("safe_dispatcher")]
fn terms_that_cannot_be_kept_are_refused() {
    let s = begin();
    set_contract_address(client());
    let terms = s.terms();
    refused(s.safe.open(Terms { price: 0, ..terms }), 'no price');
    refused(s.safe.open(Terms { deadline: 999, ..terms }), 'deadline passed');
    refused(s.safe.open(Terms { bond: 0, ..terms }), 'no bond');
    refused(s.safe.open(Terms { window: 2_592_001, ..terms }), 'window too long');
    let most: u256 = 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff;
    refused(s.safe.open(Terms { bond: most, ..terms }), 'u256_add Overflow');
    refused(s.safe.open(Terms { price: 1_000_001, ..terms }), 'token: not taken');
    ICoinDispatcher { contract_address: s.token }.set_fee(1);
    refused(s.safe.open(terms), 'token: another amount');
    ICoinDispatcher { contract_address: s.token }.set_fee(0);
    refused(s.safe.claim_proven(1, worker(), OUTPUT), 'no such job');
    let job = s.escrow.open(Terms { window: 0, bond: 0, ..terms });
    set_contract_address(worker());
    refused(s.safe.claim_bonded(job, OUTPUT), 'no bonded claims');
    refused(s.safe.challenge(job), 'not claimed');
    s.lost(client(), PRICE);
}
