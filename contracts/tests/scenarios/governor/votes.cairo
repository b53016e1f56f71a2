//! Who may propose and vote, when, and with how much.
use governor::governor::{
    Ballot, IGovernorDispatcherTrait, IGovernorSafeDispatcherTrait, Phase, Proposal,
};
use props::refused;
use starknet::testing::{pop_log_raw, set_block_timestamp, set_contract_address};
use super::{
    AssemblyTrait, START, begin, begins, ends, fifth, holder, other, small, tenth, unlocks,
};
use token::ciro_token::{IVotesDispatcherTrait, SUPPLY};
use verifier::erc20::IERC20DispatcherTrait;

/// A thousandth of the supply proposes: what it was in the second before.
#[feature("safe_dispatcher")]
fn a_thousandth_proposes() {
    let a = begin();
    let calls = array![a.payment(other(), 1)].span();
    set_contract_address(holder());
    refused(a.safe.propose(calls), 'too few votes');
    // Money of this second.
    set_contract_address(fifth());
    a.coin.transfer(other(), SUPPLY / 10);
    set_contract_address(other());
    refused(a.safe.propose(calls), 'too few votes');
    set_contract_address(small());
    let proposal = a.governor.propose(calls);
    a.coin.transfer(other(), 1);
    assert(a.governor.proposal(proposal).proposer == small(), 'another proposer');
    // Of the next second: the small one has a unit too little, the other one enough.
    set_block_timestamp(START + 1);
    refused(a.safe.propose(calls), 'too few votes');
    set_contract_address(other());
    a.governor.propose(calls);
}

#[feature("safe_dispatcher")]
fn an_account_votes_once() {
    let a = begin();
    let proposal = a.proposed(small(), array![a.payment(other(), 1)]);
    set_block_timestamp(begins());
    while pop_log_raw(a.at).is_some() {};
    a.voted(proposal, fifth(), Ballot::For);
    let (keys, data) = pop_log_raw(a.at).unwrap();
    assert(keys == array![selector!("Voted"), proposal, fifth().into()].span(), 'other keys');
    assert(data == array![0, (SUPPLY / 5).low.into(), 0].span(), 'other data');
    refused(a.safe.vote(proposal, Ballot::For), 'voted already');
    refused(a.safe.vote(proposal, Ballot::Against), 'voted already');
    a.voted(proposal, tenth(), Ballot::Against);
    a.voted(proposal, small(), Ballot::Against);
    set_contract_address(holder());
    refused(a.safe.vote(proposal, Ballot::For), 'no votes');
    let Proposal { votes_for, votes_against, .. } = a.governor.proposal(proposal);
    assert(votes_for == SUPPLY / 5, 'other votes for');
    assert(votes_against == SUPPLY / 10 + SUPPLY / 1_000, 'other votes against');
    assert(a.governor.has_voted(proposal, tenth()), 'forgotten');
    assert(!a.governor.has_voted(proposal, holder()), 'never voted');
}

/// Money that moves, or is gathered, once a proposal is made does not vote on it.
#[feature("safe_dispatcher")]
fn votes_are_of_before_the_proposal() {
    let a = begin();
    let proposal = a.proposed(small(), array![a.payment(other(), 1)]);
    // In the same second, and later.
    set_contract_address(holder());
    a.coin.transfer(other(), SUPPLY / 2);
    set_contract_address(fifth());
    a.coin.transfer(other(), SUPPLY / 5);
    set_block_timestamp(begins());
    set_contract_address(tenth());
    a.votes.delegate(other());
    set_block_timestamp(begins() + 1);
    set_contract_address(other());
    refused(a.safe.vote(proposal, Ballot::For), 'no votes');
    a.voted(proposal, fifth(), Ballot::Against);
    a.voted(proposal, tenth(), Ballot::For);
    let Proposal { votes_for, votes_against, .. } = a.governor.proposal(proposal);
    assert(votes_for == SUPPLY / 10 && votes_against == SUPPLY / 5, 'other votes');
    // On the next one they do.
    set_block_timestamp(begins() + 2);
    let next = a.proposed(other(), array![a.payment(other(), 1)]);
    set_block_timestamp(begins() + 2 + 86_400);
    a.voted(next, other(), Ballot::For);
    assert(a.governor.proposal(next).votes_for == SUPPLY / 10 * 8, 'another sum');
}

#[feature("safe_dispatcher")]
fn a_vote_has_its_time() {
    let a = begin();
    let proposal = a.proposed(small(), array![a.payment(other(), 1)]);
    assert(a.governor.phase(proposal) == Phase::Waiting, 'not waiting');
    set_contract_address(tenth());
    set_block_timestamp(begins() - 1);
    refused(a.safe.vote(proposal, Ballot::For), 'no vote now');
    set_block_timestamp(begins());
    assert(a.governor.phase(proposal) == Phase::Voting, 'not voting');
    a.governor.vote(proposal, Ballot::For);
    set_block_timestamp(ends() - 1);
    a.voted(proposal, fifth(), Ballot::For);
    set_block_timestamp(ends());
    set_contract_address(small());
    refused(a.safe.vote(proposal, Ballot::Against), 'no vote now');
    assert(a.governor.phase(proposal) == Phase::Locked, 'not locked');
    set_block_timestamp(unlocks());
    refused(a.safe.vote(proposal, Ballot::Against), 'no vote now');
    refused(a.safe.vote(7, Ballot::For), 'no such proposal');
    assert(begins() == START + 86_400 && ends() == begins() + 7 * 86_400, 'other times');
    assert(unlocks() == ends() + 7 * 86_400, 'another lock');
}

/// A fifth has to be for it, and more than are against it.
#[feature("safe_dispatcher")]
fn a_fifth_and_a_majority_accept() {
    let a = begin();
    set_contract_address(fifth());
    // A unit less than a fifth, and a fifth in another hand.
    a.coin.transfer(holder(), 1);
    set_contract_address(holder());
    a.coin.transfer(other(), SUPPLY / 5);
    set_block_timestamp(START + 1);
    let calls = array![a.payment(small(), 1)].span();
    set_contract_address(small());
    let (few, fewer, more) = (
        a.governor.propose(calls), a.governor.propose(calls), a.governor.propose(calls),
    );
    let silent = a.governor.propose(calls);
    set_block_timestamp(begins() + 1);
    a.voted(few, fifth(), Ballot::For);
    a.voted(fewer, other(), Ballot::For);
    a.voted(fewer, fifth(), Ballot::Against);
    a.voted(fewer, small(), Ballot::Against);
    a.voted(more, other(), Ballot::For);
    a.voted(more, fifth(), Ballot::Against);
    set_block_timestamp(unlocks() + 1);
    for proposal in array![few, fewer, silent] {
        assert(a.governor.phase(proposal) == Phase::Rejected, 'not rejected');
        refused(a.safe.execute(proposal, calls), 'not executable');
    };
    // More by a single unit.
    a.governor.execute(more, calls);
}

/// As many for it as against it are no majority.
fn a_tie_rejects() {
    let a = begin();
    set_contract_address(holder());
    a.coin.transfer(other(), SUPPLY / 5);
    set_block_timestamp(START + 1);
    let proposal = a.proposed(small(), array![a.payment(other(), 1)]);
    set_block_timestamp(begins() + 1);
    a.voted(proposal, fifth(), Ballot::For);
    a.voted(proposal, other(), Ballot::Against);
    set_block_timestamp(ends() + 1);
    assert(a.governor.phase(proposal) == Phase::Rejected, 'not rejected');
}
