//! Proposals from deposit to effect, and what may go wrong between.

use ciro_protocol::economy::{EconomyParams, Tranche};
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::{GrantId, ProposalId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{Action, Body, Propose, Vote, VoteOption};

use super::super::support::units;
use super::world::{EPOCH_MS, PEOPLE, WEALTH, WEIGHT, World, delegate, params, undelegate};
use crate::state::{PARAMS, PROPOSALS, View};
use crate::tally;

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
    assert_eq!(world.act(9, delegate(0, 5)), None);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), Some(Refusal::ProposalUnknown));
    assert_eq!(world.act(8, spend(9, 5)), None);
    assert_eq!(world.act(0, vote(0, 9, VoteOption::Yes)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, vote(0, 0, VoteOption::Yes)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), None);
    assert_eq!(world.act(0, vote(0, 0, VoteOption::Yes)), Some(Refusal::VotedSo));
    assert_eq!(world.act(9, vote(0, 0, VoteOption::No)), None);
    assert_eq!(world.act(9, vote(0, 0, VoteOption::No)), Some(Refusal::VotedSo));
    assert_eq!(world.act(9, vote(0, 0, VoteOption::Veto)), None, "a mind may change");
    world.wait(26_000);
    assert_eq!(world.act(9, vote(0, 0, VoteOption::No)), Some(Refusal::VotingOver));
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
}

#[test]
fn stake_that_comes_during_a_vote_counts_in_the_next_one() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(2, 3 * WEIGHT)), None);
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(8, vote(0, 2, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(0, 1, VoteOption::No)), None);
    // Neither by a vote of one's own, nor by that of an operator for all who do not vote.
    assert_eq!(world.act(8, delegate(2, 20 * WEIGHT)), None);
    assert_eq!(world.act(9, delegate(3, 20 * WEIGHT)), None);
    assert_eq!(world.act(9, vote(0, 3, VoteOption::Yes)), Some(Refusal::StakeTooLate));
    assert_eq!(world.act(3, vote(0, 3, VoteOption::Abstain)), None);
    // What came last leaves first; what leaves after that and comes again is late.
    assert_eq!(world.act(8, undelegate(2, 20 * WEIGHT)), None);
    let counted = tally(&world.state, ProposalId(0)).unwrap();
    assert_eq!(counted.votes, [3, 4, 2, 0].map(|it| it * WEIGHT));
    assert_eq!(counted.stake, 19 * WEIGHT);
    assert_eq!(world.act(8, undelegate(2, 2 * WEIGHT)), None);
    assert_eq!(world.act(8, delegate(2, 2 * WEIGHT)), None);
    assert_eq!(tally(&world.state, ProposalId(0)).unwrap().votes[0], WEIGHT);
    world.wait(26_000);
    assert_eq!(status(&world, 0), ProposalStatus::Rejected);
    // The same stake, in the next vote.
    assert_eq!(world.act(8, spend(15, 77)), None);
    assert_eq!(world.act(9, vote(1, 3, VoteOption::Yes)), None);
    assert_eq!(world.act(1, vote(1, 1, VoteOption::No)), None);
    world.wait(26_000);
    assert_eq!(status(&world, 1), ProposalStatus::Passed, "twenty to four");
}

#[test]
fn votes_pay_no_more_of_the_treasury_in_an_epoch_than_a_part() {
    let mut world = World::new();
    let third = world.has(Purse::Treasury) / 3;
    for proposal in 0..2 {
        assert_eq!(world.act(8, spend(15, third)), None);
        assert_eq!(world.act(0, vote(proposal, 0, VoteOption::Yes)), None);
    }
    world.wait(32_000);
    let ended = [status(&world, 0), status(&world, 1)];
    assert_eq!(ended, [ProposalStatus::Executed, ProposalStatus::Failed], "two fifths at most");
    assert_eq!(world.account(15), third);
    // In the next epoch, of what is left then.
    world.wait(EPOCH_MS);
    assert_eq!(world.act(8, spend(15, third / 2)), None);
    assert_eq!(world.act(0, vote(2, 0, VoteOption::Yes)), None);
    world.wait(32_000);
    assert_eq!(status(&world, 2), ProposalStatus::Executed);
}

#[test]
fn a_proposal_does_not_bring_back_parameters_that_were_replaced_since() {
    let mut world = World::new();
    for (proposal, emission_ppb) in [(0, 7), (1, 8)] {
        let changed = EconomyParams { emission_ppb, ..params() };
        assert_eq!(world.act(8, propose(Action::SetParams { params: changed })), None);
        assert_eq!(world.act(0, vote(proposal, 0, VoteOption::Yes)), None);
    }
    world.wait(32_000);
    let ended = [status(&world, 0), status(&world, 1)];
    assert_eq!(ended, [ProposalStatus::Executed, ProposalStatus::Failed]);
    assert_eq!(governed(&world).emission_ppb, 7);
}

#[test]
fn governance_cannot_decide_that_nothing_is_decided_any_more() {
    let mut world = World::new();
    let lock: [fn(&mut EconomyParams); 8] = [
        |it| it.governance.deposit = units(1_000_001 * 10_u128.pow(18)),
        |it| it.governance.tally.quorum_bps = 6_668,
        |it| it.governance.tally.threshold_bps = 6_668,
        |it| it.governance.tally.veto_bps = 1_999,
        |it| it.governance.voting_ms = 32 * 86_400_000,
        |it| it.stake.self_bond_min = units(1_000_001 * 10_u128.pow(18)),
        |it| it.penalty.downtime_bps = 1_001,
        // Ticks of a second: half of the slots would pass without one.
        |it| it.penalty.slot_ms = 1_999,
    ];
    for change in lock {
        let mut changed = params();
        change(&mut changed);
        let action = Action::SetParams { params: changed };
        assert_eq!(world.act(8, propose(action)), Some(Refusal::ProposalUnsound));
    }
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
