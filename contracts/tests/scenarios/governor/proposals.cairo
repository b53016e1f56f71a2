//! What becomes of proposals.
use governor::governor::{
    Ballot, GRACE, Governor, IGovernorDispatcherTrait, IGovernorSafeDispatcherTrait, Phase,
};
use props::{deployed, refused};
use starknet::account::Call;
use starknet::testing::{pop_log_raw, set_block_timestamp, set_contract_address};
use super::target::ITargetDispatcherTrait;
use super::{
    AssemblyTrait, START, TREASURE, begin, begins, fifth, other, small, unlocks,
};
use token::ciro_token::IVotesDispatcherTrait;
use verifier::erc20::IERC20DispatcherTrait;

/// The governor does what was decided, as itself, once.
#[feature("safe_dispatcher")]
fn what_is_accepted_is_done_once() {
    let a = begin();
    let calls = array![a.payment(other(), 200), a.call(selector!("note"), array!['done'])];
    let proposal = a.accepted(calls.clone());
    let calls = calls.span();
    assert(a.governor.phase(proposal) == Phase::Executable, 'not executable');
    while pop_log_raw(a.at).is_some() {};
    a.governor.execute(proposal, calls);
    let (keys, _) = pop_log_raw(a.at).unwrap();
    assert(keys == array![selector!("Executed"), proposal].span(), 'other keys');
    assert(a.coin.balance_of(other()) == 200, 'not paid');
    assert(a.coin.balance_of(a.at) == TREASURE - 200, 'not out of the treasury');
    assert(a.target.noted() == ('done', a.at, 1), 'not called');
    assert(a.governor.phase(proposal) == Phase::Executed, 'not executed');
    refused(a.safe.execute(proposal, calls), 'not executable');
    assert(a.target.noted() == ('done', a.at, 1), 'called again');
}

#[feature("safe_dispatcher")]
fn an_acceptance_has_its_time() {
    let a = begin();
    let calls = array![a.payment(other(), 1)];
    let first = a.accepted(calls.clone());
    let calls = calls.span();
    set_block_timestamp(unlocks() - 1);
    assert(a.governor.phase(first) == Phase::Locked, 'not locked');
    refused(a.safe.execute(first, calls), 'not executable');
    set_block_timestamp(unlocks() + GRACE);
    assert(a.governor.phase(first) == Phase::Expired, 'not expired');
    refused(a.safe.execute(first, calls), 'not executable');
    set_block_timestamp(unlocks() + GRACE - 1);
    a.governor.execute(first, calls);
    set_block_timestamp(unlocks() + GRACE);
    assert(a.governor.phase(first) == Phase::Executed, 'not executed');
    assert(GRACE == 14 * 86_400, 'another time');
}

/// Nothing else is done than what was voted on.
#[feature("safe_dispatcher")]
fn other_calls_are_not_done() {
    let a = begin();
    let (payment, note) = (a.payment(other(), 1), a.call(selector!("note"), array![7]));
    let proposal = a.accepted(array![payment, note]);
    for calls in array![
        array![a.payment(other(), 2), note], array![a.payment(small(), 1), note],
        array![payment, a.call(selector!("fail"), array![7])], array![note, payment],
        array![payment], array![payment, note, note], array![],
    ] {
        refused(a.safe.execute(proposal, calls.span()), 'other calls');
    };
    a.governor.execute(proposal, array![payment, note].span());
}

/// An id names contract, number, proposer and calls, so that nobody votes for what it did not read.
fn an_id_names_the_calls() {
    let a = begin();
    let calls = array![a.payment(other(), 1)];
    let first = a.proposed(small(), calls.clone());
    let calls = calls.span();
    let mut named = array!['ciro proposal v1', a.at.into(), 0, small().into()];
    calls.serialize(ref named);
    assert(first == core::poseidon::poseidon_hash_span(named.span()), 'another id');
    let second = a.governor.propose(calls);
    assert(second == a.governor.id_of(1, small(), calls), 'another number');
    assert(first != second, 'one id for two');
    set_contract_address(fifth());
    assert(a.governor.propose(calls) == a.governor.id_of(2, fifth(), calls), 'another proposer');
    while pop_log_raw(a.at).is_some() {};
    set_contract_address(small());
    let fourth = a.governor.propose(calls);
    let (keys, data) = pop_log_raw(a.at).unwrap();
    assert(keys == array![selector!("Proposed"), fourth, small().into()].span(), 'other keys');
    let mut told = data;
    let said: Span<Call> = Serde::deserialize(ref told).unwrap();
    assert(a.governor.id_of(3, small(), said) == fourth, 'other calls are told');
}

/// A call that fails undoes those before it, and may be tried again while there is time.
#[feature("safe_dispatcher")]
fn all_calls_are_done_or_none() {
    let a = begin();
    let calls = array![
        a.call(selector!("note"), array![7]), a.payment(other(), TREASURE + 1),
        a.call(selector!("note"), array![8]),
    ];
    let proposal = a.accepted(calls.clone());
    let calls = calls.span();
    refused(a.safe.execute(proposal, calls), 'not enough');
    let (_, _, count) = a.target.noted();
    assert(count == 0, 'done in part');
    assert(a.governor.phase(proposal) == Phase::Executable, 'lost');
    set_contract_address(fifth());
    a.coin.transfer(a.at, 1);
    a.governor.execute(proposal, calls);
    assert(a.target.noted() == (8, a.at, 2), 'not in order');
    assert(a.coin.balance_of(a.at) == 0, 'not paid');
}

#[feature("safe_dispatcher")]
fn a_call_that_always_fails_does_nothing() {
    let a = begin();
    let calls = array![a.payment(other(), 1), a.call(selector!("fail"), array![])];
    let proposal = a.accepted(calls.clone());
    refused(a.safe.execute(proposal, calls.span()), 'as it was told');
    assert(a.coin.balance_of(a.at) == TREASURE, 'paid');
}

/// Who is called cannot have the same done again meanwhile.
fn an_execution_is_not_entered_again() {
    let a = begin();
    let calls = array![a.call(selector!("enter"), array![])];
    let proposal = a.accepted(calls.clone());
    a.target.aim(a.at, proposal);
    a.governor.execute(proposal, calls.span());
    assert(a.target.noted() == ('entered', a.at, 1), 'not entered once');
}

#[feature("safe_dispatcher")]
fn the_proposer_alone_takes_back() {
    let a = begin();
    let calls = array![a.payment(other(), 1)].span();
    set_contract_address(small());
    let (first, second) = (a.governor.propose(calls), a.governor.propose(calls));
    set_contract_address(fifth());
    refused(a.safe.cancel(first), 'not the proposer');
    set_block_timestamp(begins() - 1);
    set_contract_address(small());
    refused(a.safe.cancel(7), 'no such proposal');
    while pop_log_raw(a.at).is_some() {};
    a.governor.cancel(first);
    let (keys, _) = pop_log_raw(a.at).unwrap();
    assert(keys == array![selector!("Cancelled"), first].span(), 'other keys');
    assert(a.governor.phase(first) == Phase::Cancelled, 'not cancelled');
    refused(a.safe.cancel(first), 'not before the vote');
    set_block_timestamp(begins());
    refused(a.safe.cancel(second), 'not before the vote');
    set_contract_address(fifth());
    refused(a.safe.vote(first, Ballot::For), 'no vote now');
    a.governor.vote(second, Ballot::For);
    set_block_timestamp(unlocks());
    refused(a.safe.execute(first, calls), 'not executable');
    a.governor.execute(second, calls);
    set_contract_address(small());
    refused(a.safe.cancel(second), 'not before the vote');
}

#[feature("safe_dispatcher")]
fn proposals_that_cannot_be_are_refused() {
    let a = begin();
    set_contract_address(small());
    refused(a.safe.propose(array![].span()), 'no calls');
    refused(a.safe.execute(7, array![].span()), 'no such proposal');
    refused(a.safe.phase(7), 'no such proposal');
    // All felts: how many calls, then address, selector, length and data of each.
    let mut data = array![];
    for at in 0..246_u32 {
        data.append(at.into());
    };
    a.governor.propose(array![a.call(selector!("note"), data.clone())].span());
    data.append(0);
    refused(a.safe.propose(array![a.call(selector!("note"), data)].span()), 'calls: too long');
    let poor = a.target.contract_address.into();
    refused(deployed(Governor::TEST_CLASS_HASH, array![poor]), 'token: no supply');
    assert(a.votes.get_votes(a.at) == 0 && START != 0, 'the treasury votes');
}
