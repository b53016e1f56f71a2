//! A grant that is paid bit by bit.
use props::{deploy, deployed, refused};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::{balance, begin, holder, nobody, other, pays, third};
use token::ciro_token::{IVotesDispatcher, IVotesDispatcherTrait};
use token::vesting::{
    Grant, IVestingDispatcher, IVestingDispatcherTrait, IVestingSafeDispatcher,
    IVestingSafeDispatcherTrait, Vesting,
};

const NOW: u64 = 1_800_000_000;
const YEAR: u64 = 31_536_000;
const SUM: u256 = 4_000;

fn grant(token: ContractAddress) -> Grant {
    Grant { token, beneficiary: other(), sum: SUM, start: NOW }
}
fn calldata(grant: Grant) -> Array<felt252> {
    let mut felts = array![];
    grant.serialize(ref felts);
    felts
}
/// A grant to `other` that has its money.
fn granted() -> (ContractAddress, ContractAddress) {
    let token = begin();
    set_block_timestamp(NOW);
    let vesting = deploy(Vesting::TEST_CLASS_HASH, calldata(grant(token)));
    pays(token, vesting, SUM);
    set_contract_address(third());
    (token, vesting)
}

#[feature("safe_dispatcher")]
fn a_grant_is_paid_in_four_years() {
    let (token, contract_address) = granted();
    let vesting = IVestingDispatcher { contract_address };
    let safe = IVestingSafeDispatcher { contract_address };
    for early in array![NOW, NOW + 1, NOW + YEAR - 1] {
        set_block_timestamp(early);
        assert(vesting.releasable() == 0, 'before the cliff');
        refused(safe.release(), 'nothing due');
    };
    set_block_timestamp(NOW + YEAR);
    assert(vesting.releasable() == SUM / 4, 'not a quarter');
    vesting.release();
    refused(safe.release(), 'nothing due');
    assert(balance(token, other()) == SUM / 4, 'another quarter');
    assert(vesting.released() == SUM / 4, 'not noted');
    set_block_timestamp(NOW + 5 * YEAR / 2);
    vesting.release();
    assert(balance(token, other()) == SUM * 5 / 8, 'not in proportion');
    // Each unit in its time.
    set_block_timestamp(NOW + 5 * YEAR / 2 + 4 * YEAR / 4000 - 1);
    refused(safe.release(), 'nothing due');
    set_block_timestamp(NOW + 5 * YEAR / 2 + 4 * YEAR / 4000);
    vesting.release();
    assert(balance(token, other()) == SUM * 5 / 8 + 1, 'not a unit');
    set_block_timestamp(NOW + 4 * YEAR - 1);
    vesting.release();
    assert(balance(token, other()) == SUM - 1, 'all too early');
    set_block_timestamp(NOW + 4 * YEAR);
    vesting.release();
    assert(balance(token, other()) == SUM, 'not all');
    assert(balance(token, third()) == 0, 'paid who asked');
    refused(safe.release(), 'nothing due');
}

/// What comes unasked hastens nothing, and is not lost.
fn what_comes_unasked_is_paid_at_the_end() {
    let (token, contract_address) = granted();
    let vesting = IVestingDispatcher { contract_address };
    pays(token, contract_address, 1_000_000);
    set_block_timestamp(NOW + 2 * YEAR);
    assert(vesting.releasable() == SUM / 2, 'hastened');
    vesting.release();
    set_block_timestamp(NOW + 4 * YEAR);
    vesting.release();
    assert(balance(token, other()) == SUM + 1_000_000, 'lost');
    pays(token, contract_address, 3);
    vesting.release();
    assert(balance(token, other()) == SUM + 1_000_003, 'lost after the end');
}

#[feature("safe_dispatcher")]
fn a_grant_without_its_money_waits() {
    let token = begin();
    set_block_timestamp(NOW);
    let contract_address = deploy(Vesting::TEST_CLASS_HASH, calldata(grant(token)));
    let vesting = IVestingDispatcher { contract_address };
    set_block_timestamp(NOW + 2 * YEAR);
    refused(IVestingSafeDispatcher { contract_address }.release(), 'not enough');
    assert(vesting.released() == 0, 'noted all the same');
    pays(token, contract_address, SUM);
    vesting.release();
    assert(balance(token, other()) == SUM / 2, 'not half');
}

fn what_is_not_paid_votes_for_nobody() {
    let (token, contract_address) = granted();
    let votes = IVotesDispatcher { contract_address: token };
    set_contract_address(other());
    votes.delegate(other());
    assert(votes.get_votes(other()) == 0, 'votes before');
    set_block_timestamp(NOW + YEAR);
    IVestingDispatcher { contract_address }.release();
    assert(votes.get_votes(other()) == SUM / 4, 'does not vote');
    assert(votes.delegates(contract_address) == nobody(), 'delegated');
}

fn grants_that_cannot_be_kept_are_refused() {
    let token = begin();
    set_block_timestamp(NOW);
    let class = Vesting::TEST_CLASS_HASH;
    let good = grant(token);
    let is = |grant: Grant, word: felt252| refused(deployed(class, calldata(grant)), word);
    is(Grant { token: nobody(), ..good }, 'no token');
    is(Grant { beneficiary: nobody(), ..good }, 'no beneficiary');
    is(Grant { sum: 0x100000000000000000000000000000000, ..good }, 'sum: too large');
    is(Grant { start: NOW + 4 * YEAR + 1, ..good }, 'start: too late');
    // Of the past, and of all there can be.
    let most = 0xffffffffffffffffffffffffffffffff;
    let grant = Grant { start: 0, sum: most, ..good };
    let contract_address = deploy(class, calldata(grant));
    let vesting = IVestingDispatcher { contract_address };
    set_block_timestamp(4 * YEAR - 1);
    assert(vesting.releasable() < most && vesting.releasable() > most / 2, 'another part');
    let kept = vesting.grant();
    assert(kept.token == token && kept.beneficiary == other(), 'another grant');
    assert(kept.sum == most && kept.start == 0, 'another sum');
    assert(balance(token, holder()) == token::ciro_token::SUPPLY, 'taken');
    let last = Grant { start: 4 * YEAR - 1 + 4 * YEAR, ..good };
    deploy(class, calldata(last));
}
