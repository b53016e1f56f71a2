//! Proposals from deposit to effect, and what may go wrong between.

use ciro_protocol::economy::{EconomyParams, Tranche};
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, ProposalId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Action, Body, Propose, Vote, VoteOption};

use super::super::support::units;
use super::world::{PEOPLE, WEALTH, WEIGHT, World, delegate, params, undelegate};
use crate::state::{PARAMS, PROPOSALS, View};

pub(super) fn propose(action: Action) -> Body {
    Body::Propose(Box::new(Propose { title: Text::new("a proposal").unwrap(), action }))
}

pub(super) fn spend(person: usize, amount: u128) -> Body {
    propose(Action::Spend { to: PEOPLE[person], amount: units(amount) })
}

pub(super) fn vote(proposal: u32, validator: u32, choice: VoteOption) -> Body {
    let (proposal, validator) = (ProposalId(proposal), ValidatorId(validator));
    Body::Vote(Vote { proposal, validator, choice })
}

fn status(world: &World, proposal: u32) -> ProposalStatus {
    let key = PROPOSALS.key(&ProposalId(proposal));
    PROPOSALS.decode(&key, &world.state.get(&key).unwrap()).unwrap().status
}

fn governed(world: &World) -> EconomyParams {
    let key = PARAMS.key(&());
    PARAMS.decode(&key, &world.state.get(&key).unwrap()).unwrap()
}

#[test]
fn what_cannot_be_executed_is_not_proposed() {
    let mut world = World::new();
    let mut unsound = params();
    unsound.penalty.fork_bps = 10_001;
    let none = units(0);
    let cases = [
        Action::SetParams { params: unsound },
        Action::Spend { to: PEOPLE[8], amount: none },
        Action::Grant { tranche: Tranche::Team, to: PEOPLE[8], amount: none },
    ];
    for action in cases {
        assert_eq!(world.act(8, propose(action)), Some(Refusal::ProposalUnsound));
    }
    assert_eq!(world.act(15, spend(8, 5)), Some(Refusal::InsufficientFunds), "no deposit");
    assert_eq!(world.act(8, spend(8, 5)), None);
    assert_eq!(world.act(9, spend(8, 5)), None);
    assert_eq!(world.act(9, spend(8, 5)), Some(Refusal::ProposalsFull));
    assert_eq!(world.has(Purse::Proposal(ProposalId(0))), 1_000);
}

#[test]
fn only_stake_votes_while_the_vote_lasts() {
    let mut world = World::new();
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), Some(Refusal::ProposalUnknown));
    assert_eq!(world.act(8, spend(9, 5)), None);
    assert_eq!(world.act(0, vote(0, 9, VoteOption::Yes)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, vote(0, 0, VoteOption::Yes)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), None);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), Some(Refusal::VotedSo));
    assert_eq!(world.act(8, delegate(0, 5)), None);
    assert_eq!(world.act(8, vote(0, 0, VoteOption::No)), None);
    assert_eq!(world.act(8, vote(0, 0, VoteOption::No)), Some(Refusal::VotedSo));
    assert_eq!(world.act(8, vote(0, 0, VoteOption::Veto)), None, "a mind may change");
    world.wait(26_000);
    assert_eq!(world.act(8, vote(0, 0, VoteOption::No)), Some(Refusal::VotingOver));
}

#[test]
fn a_parameter_changes_after_vote_and_timelock() {
    let mut world = World::new();
    let mut changed = params();
    changed.emission_ppb = 7;
    assert_eq!(world.act(8, propose(Action::SetParams { params: changed })), None);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), None);
    world.wait(26_000);
    assert_eq!(status(&world, 0), ProposalStatus::Passed);
    assert_eq!(world.account(8), WEALTH, "the deposit is back");
    assert_eq!(governed(&world), params(), "the timelock");
    world.wait(6_000);
    assert_eq!((status(&world, 0), governed(&world)), (ProposalStatus::Executed, changed));
}

#[test]
fn the_treasury_spends_what_it_has_and_grants_vest() {
    let mut world = World::new();
    assert_eq!(world.act(8, spend(15, 77)), None);
    let (to, amount) = (PEOPLE[9], units(1_000));
    let grant = Action::Grant { tranche: Tranche::Team, to, amount };
    assert_eq!(world.act(8, propose(grant)), None);
    for proposal in [0, 1] {
        assert_eq!(world.act(0, vote(proposal, 0, VoteOption::Yes)), None);
    }
    world.wait(32_000);
    assert_eq!(world.account(15), 77);
    assert_eq!(world.has(Purse::Vesting(GrantId(2))), 1_000);
    // More than there is, of one and of the other.
    assert_eq!(world.act(8, spend(15, 10_u128.pow(27))), None);
    let grant = Action::Grant { tranche: Tranche::Public, to, amount };
    assert_eq!(world.act(8, propose(grant)), None);
    for proposal in [2, 3] {
        assert_eq!(world.act(0, vote(proposal, 0, VoteOption::Yes)), None);
    }
    world.wait(32_000);
    assert_eq!([status(&world, 2), status(&world, 3)], [ProposalStatus::Failed; 2]);
}

#[test]
fn validators_vote_for_those_who_do_not() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(3, 20 * WEIGHT)), None);
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(8, spend(15, 78)), None);
    for proposal in [0, 1] {
        assert_eq!(world.act(3, vote(proposal, 3, VoteOption::Yes)), None);
    }
    assert_eq!(world.act(8, vote(1, 3, VoteOption::No)), None);
    world.wait(26_000);
    assert_eq!(status(&world, 0), ProposalStatus::Passed, "with the stake of others");
    assert_eq!(status(&world, 1), ProposalStatus::Rejected, "who may speak for themselves");
}

#[test]
fn a_vote_in_the_block_that_ends_the_vote_is_late() {
    let mut world = World::new();
    assert_eq!(world.act(8, spend(9, 5)), None);
    world.wait(24_999);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), None);
    world.now += 1;
    assert_eq!(world.act(1, vote(0, 1, VoteOption::Yes)), Some(Refusal::VotingOver));
}

#[test]
fn a_convict_speaks_for_itself_alone() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(3, 20 * WEIGHT)), None);
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(3, vote(0, 3, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(0, 1, VoteOption::No)), None);
    world.block(&[super::world::offence(3, 0, 3)], vec![]);
    world.wait(26_000);
    assert_eq!(status(&world, 0), ProposalStatus::NoQuorum, "six of thirty-five, not all");
}

#[test]
fn votes_follow_the_stake_so_that_none_counts_twice() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(2, 6 * WEIGHT)), None);
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(8, vote(0, 2, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(0, 1, VoteOption::No)), None);
    assert_eq!(world.act(8, undelegate(2, 3 * WEIGHT)), None);
    world.wait(26_000);
    assert_eq!(status(&world, 0), ProposalStatus::Rejected, "three to four");
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(8, vote(1, 2, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(1, 1, VoteOption::No)), None);
    assert_eq!(world.act(8, delegate(2, 2 * WEIGHT)), None);
    world.wait(26_000);
    assert_eq!(status(&world, 1), ProposalStatus::Passed, "five to four");
}

#[test]
fn a_veto_burns_the_deposit_and_silence_returns_it() {
    let mut world = World::new();
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(8, spend(15, 78)), None);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(0, 1, VoteOption::Veto)), None);
    let burned = world.has(Purse::Burned);
    world.wait(26_000);
    assert_eq!(
        [status(&world, 0), status(&world, 1)],
        [ProposalStatus::Vetoed, ProposalStatus::NoQuorum]
    );
    assert_eq!(world.account(8), WEALTH - 1_000);
    assert!(world.has(Purse::Burned) >= burned + 1_000);
}
