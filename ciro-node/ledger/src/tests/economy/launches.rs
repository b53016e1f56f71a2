//! Launches from the vote that opens one to the last milestone, and all ways to end between.

use ciro_protocol::economy::LaunchStatus;
use ciro_protocol::event::{Event, Failure, Movement, ProposalStatus, Purse, Why};
use ciro_protocol::id::{LaunchId, ProposalId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Action, Body, VoteOption};
use ciro_protocol::wire::List;

use super::super::support::units;
use super::votes::{propose, spend, vote};
use super::world::{PEOPLE, WEALTH, World, network};
use crate::state::{LAUNCHES, LaunchRecord, PROPOSALS, View};

/// How long launches of these tests last, in ms: a vote and its timelock are 30 s.
const LASTS_MS: u64 = 100_000;

fn opening(milestones: &[u128], lasts_ms: u64) -> Body {
    let milestones = List::new(milestones.iter().map(|it| units(*it)).collect()).unwrap();
    propose(Action::OpenLaunch { to: PEOPLE[15], milestones, lasts_ms })
}

fn paying(launch: u32, milestone: u8) -> Body {
    propose(Action::PayMilestone { launch: LaunchId(launch), milestone })
}

fn ending(launch: u32) -> Body {
    propose(Action::EndLaunch { launch: LaunchId(launch) })
}

fn launch(world: &World, number: u32) -> LaunchRecord {
    let key = LAUNCHES.key(&LaunchId(number));
    LAUNCHES.decode(&key, &world.state.get(&key).unwrap()).unwrap()
}

fn standing(world: &World, number: u32) -> (LaunchStatus, u8, u128) {
    let LaunchRecord { status, paid, .. } = launch(world, number);
    (status, paid, world.has(Purse::Launch(LaunchId(number))))
}

fn outcome(world: &World, proposal: u32) -> (ProposalStatus, Option<Failure>) {
    let key = PROPOSALS.key(&ProposalId(proposal));
    let record = PROPOSALS.decode(&key, &world.state.get(&key).unwrap()).unwrap();
    (record.status, record.failure)
}

const DONE: (ProposalStatus, Option<Failure>) = (ProposalStatus::Executed, None);

const fn failed(failure: Failure) -> (ProposalStatus, Option<Failure>) {
    (ProposalStatus::Failed, Some(failure))
}

/// Proposes and votes for it, as the proposal of this number.
fn decide(world: &mut World, proposal: u32, body: Body) {
    assert_eq!(world.act(8, body), None);
    assert_eq!(world.act(0, vote(proposal, 0, VoteOption::Yes)), None);
}

/// Proposes, votes for it and waits until it is executed.
fn enact(world: &mut World, proposal: u32, body: Body) -> (ProposalStatus, Option<Failure>) {
    decide(world, proposal, body);
    world.wait(32_000);
    outcome(world, proposal)
}

/// A network with one launch.
fn launched(milestones: &[u128], lasts_ms: u64) -> World {
    let mut world = World::new();
    assert_eq!(enact(&mut world, 0, opening(milestones, lasts_ms)), DONE);
    world
}

#[test]
fn launches_that_cannot_be_paid_are_not_proposed() {
    let mut world = World::new();
    let most = 10_u128.pow(27);
    let cases = [
        opening(&[], LASTS_MS),
        opening(&[5, 0], LASTS_MS),
        opening(&[most, 1], LASTS_MS),
        // No longer than a vote about its first milestone and the timelock.
        opening(&[5], 30_000),
        opening(&[5], 3_660 * 86_400_000 + 1),
    ];
    for body in cases {
        assert_eq!(world.act(8, body.clone()), Some(Refusal::LaunchRange), "{body:?}");
    }
    assert_eq!(world.act(8, opening(&[most], 30_001)), None);
    assert_eq!(world.act(8, opening(&[1; 16], 3_660 * 86_400_000)), None);
    assert_eq!(world.act(8, opening(&[1; 16], LASTS_MS)), Some(Refusal::ProposalsFull));
    assert_eq!(world.act(15, paying(0, 0)), Some(Refusal::LaunchUnknown));
}

#[test]
fn only_what_a_launch_has_and_has_not_paid_is_proposed() {
    let mut world = launched(&[30, 50], LASTS_MS);
    assert_eq!(world.act(8, paying(1, 0)), Some(Refusal::LaunchUnknown));
    assert_eq!(world.act(8, ending(1)), Some(Refusal::LaunchUnknown));
    assert_eq!(world.act(8, paying(0, 2)), Some(Refusal::MilestoneUnknown));
    assert_eq!(enact(&mut world, 1, paying(0, 0)), DONE);
    assert_eq!(world.act(8, paying(0, 0)), Some(Refusal::MilestonePaid));
    assert_eq!(world.act(15, paying(0, 1)), Some(Refusal::InsufficientFunds), "no deposit");
    world.wait(LASTS_MS);
    assert_eq!(standing(&world, 0), (LaunchStatus::Expired, 1, 0));
    assert_eq!(world.act(8, paying(0, 1)), Some(Refusal::LaunchOver));
    assert_eq!(world.act(8, ending(0)), Some(Refusal::LaunchOver));
}

#[test]
fn a_launch_is_put_aside_and_paid_by_milestones() {
    let mut world = World::new();
    let treasury = world.has(Purse::Treasury);
    assert_eq!(enact(&mut world, 0, opening(&[30, 50], LASTS_MS)), DONE);
    assert_eq!(standing(&world, 0), (LaunchStatus::Open, 0, 80));
    assert_eq!(world.account(15), 0, "put aside is not paid");
    // Beside its part of the emission of two epochs.
    let emitted = world.has(Purse::Treasury) + 80 - treasury;
    assert!(emitted > 0);
    // Votes on both go on at a time; the timer of the first one is the first.
    decide(&mut world, 1, paying(0, 0));
    decide(&mut world, 2, paying(0, 1));
    world.wait(32_000);
    assert_eq!([outcome(&world, 1), outcome(&world, 2)], [DONE; 2]);
    assert_eq!(standing(&world, 0), (LaunchStatus::Completed, 2, 0));
    assert_eq!((world.account(15), world.account(8)), (80, WEALTH));
    world.wait(LASTS_MS);
    assert_eq!(standing(&world, 0), (LaunchStatus::Completed, 2, 0), "nothing ends it any more");
}

#[test]
fn a_milestone_is_paid_in_its_turn_and_once() {
    let mut world = launched(&[30, 50, 20], 300_000);
    decide(&mut world, 1, paying(0, 1));
    decide(&mut world, 2, paying(0, 0));
    world.wait(32_000);
    assert_eq!(outcome(&world, 1), failed(Failure::MilestoneNotNext), "the first is not paid");
    assert_eq!((outcome(&world, 2), world.account(15)), (DONE, 30));
    // Two votes for the same milestone.
    decide(&mut world, 3, paying(0, 1));
    decide(&mut world, 4, paying(0, 1));
    world.wait(32_000);
    assert_eq!(outcome(&world, 3), DONE);
    assert_eq!(outcome(&world, 4), failed(Failure::MilestoneNotNext));
    assert_eq!(standing(&world, 0), (LaunchStatus::Open, 2, 20));
}

#[test]
fn a_vote_ends_a_launch_and_what_is_left_comes_back() {
    let mut world = launched(&[30, 50], 300_000);
    assert_eq!(enact(&mut world, 1, paying(0, 0)), DONE);
    decide(&mut world, 2, ending(0));
    decide(&mut world, 3, paying(0, 1));
    world.wait(30_000);
    let treasury = world.has(Purse::Treasury);
    world.wait(2_000);
    assert_eq!(outcome(&world, 2), DONE);
    assert_eq!(outcome(&world, 3), failed(Failure::LaunchOver));
    assert_eq!(standing(&world, 0), (LaunchStatus::Ended, 1, 0));
    assert_eq!((world.account(15), world.has(Purse::Treasury)), (30, treasury + 50));
    assert_eq!(world.act(8, ending(0)), Some(Refusal::LaunchOver));
    assert_eq!(world.act(8, paying(0, 1)), Some(Refusal::LaunchOver));
}

#[test]
fn a_launch_that_was_ended_or_completed_is_not_ended_again() {
    let mut world = launched(&[30], 300_000);
    decide(&mut world, 1, paying(0, 0));
    decide(&mut world, 2, ending(0));
    world.wait(32_000);
    assert_eq!((outcome(&world, 1), outcome(&world, 2)), (DONE, failed(Failure::LaunchOver)));
    assert_eq!(standing(&world, 0), (LaunchStatus::Completed, 1, 0));
}

#[test]
fn a_launch_ends_by_itself_at_its_time() {
    let mut world = launched(&[30, 50], 40_000);
    let ends_ms = launch(&world, 0).ends.at_ms;
    world.wait(ends_ms - world.now - 1);
    assert_eq!(standing(&world, 0), (LaunchStatus::Open, 0, 80));
    let treasury = world.has(Purse::Treasury);
    world.wait(1);
    assert_eq!(standing(&world, 0), (LaunchStatus::Expired, 0, 0));
    assert_eq!(world.has(Purse::Treasury), treasury + 80);
}

#[test]
fn what_is_due_before_the_end_is_paid_and_what_is_due_at_it_is_not() {
    for (early, expected) in [(1, DONE), (0, failed(Failure::LaunchOver))] {
        let mut spec = network();
        if let Some(economy) = &mut spec.economy {
            economy.params.governance.timelock_ms = 4_000;
        }
        let mut world = World::of(spec);
        assert_eq!(enact(&mut world, 0, opening(&[30, 50], 45_000)), DONE);
        let ends_ms = launch(&world, 0).ends.at_ms;
        // A block comes when the vote ends, so that what passed is due exactly then.
        world.wait(ends_ms - 29_000 - early - world.now);
        decide(&mut world, 1, paying(0, 0));
        world.wait(25_000);
        assert_eq!(outcome(&world, 1).0, ProposalStatus::Passed);
        // One late block for both.
        world.now += 5_000;
        world.block(&[], vec![]);
        assert_eq!(outcome(&world, 1), expected, "{early} ms");
        let paid = u8::try_from(early).unwrap();
        assert_eq!(standing(&world, 0), (LaunchStatus::Expired, paid, 0));
    }
}

#[test]
fn proposals_are_late_in_the_block_that_ends_a_launch() {
    let mut world = launched(&[30], 45_000);
    let ends_ms = launch(&world, 0).ends.at_ms;
    world.wait(ends_ms - 1 - world.now);
    assert_eq!(world.act(8, paying(0, 0)), None);
    world.now += 1;
    assert_eq!(world.act(8, ending(0)), Some(Refusal::LaunchOver));
}

#[test]
fn many_launches_that_end_at_once_end_in_blocks_of_bounded_work() {
    let mut spec = network();
    spec.limits.timers_per_block = 1;
    if let Some(economy) = &mut spec.economy {
        economy.params.governance.open_max = 8;
    }
    let mut world = World::of(spec);
    for proposal in 0..6 {
        decide(&mut world, proposal, opening(&[7], 40_000));
    }
    world.wait(60_000);
    assert!((0..6).all(|number| outcome(&world, number) == DONE));
    // All of them are due; a block ends one.
    let last = (0..6).map(|it| launch(&world, it).ends.at_ms).max().unwrap();
    world.now = world.now.max(last) + 4_000;
    let open = |world: &World| (0..6).filter(|it| standing(world, *it).2 > 0).count();
    let mut before = open(&world);
    while before > 0 {
        world.block(&[], vec![]);
        let after = open(&world);
        assert!(after + 1 >= before, "one timer a block");
        world.now += 500;
        before = after;
    }
    assert!((0..6).all(|it| standing(&world, it).0 == LaunchStatus::Expired));
}

#[test]
fn launches_take_no_more_of_the_treasury_in_an_epoch_than_votes_may() {
    let mut world = World::new();
    let third = world.has(Purse::Treasury) / 3;
    decide(&mut world, 0, opening(&[third / 2, third / 2], LASTS_MS));
    decide(&mut world, 1, spend(15, third));
    world.wait(32_000);
    assert_eq!((outcome(&world, 0), outcome(&world, 1)), (DONE, failed(Failure::SpendLimit)));
    // What comes back is not free in the same epoch, and milestones count for no epoch.
    let more = world.has(Purse::Treasury) + 1;
    decide(&mut world, 2, opening(&[more * 2], LASTS_MS));
    decide(&mut world, 3, paying(0, 0));
    world.wait(32_000);
    assert_eq!(outcome(&world, 2), failed(Failure::TreasuryShort));
    assert_eq!((outcome(&world, 3), world.account(15)), (DONE, third / 2));
    assert!(world.state.get(&LAUNCHES.key(&LaunchId(1))).is_none(), "what fails takes no number");
}

#[test]
fn a_treasury_that_is_put_aside_and_given_back_again_and_again_stops_at_the_supply() {
    let mut spec = network();
    if let Some(economy) = &mut spec.economy {
        economy.params.epoch_ms = 31 * 86_400_000;
        economy.params.governance.spend_bps = 10_000;
        economy.airdrop.as_mut().unwrap().until_ms += 86_400_000;
    }
    let mut world = World::of(spec);
    let treasury = world.has(Purse::Treasury);
    // Six times 15 % of the supply, and once more than all of it.
    for round in 0..6 {
        assert_eq!(enact(&mut world, 2 * round, opening(&[treasury], LASTS_MS)), DONE);
        assert_eq!(world.has(Purse::Treasury), 0);
        assert_eq!(enact(&mut world, 2 * round + 1, ending(round)), DONE);
        assert_eq!(world.has(Purse::Treasury), treasury);
    }
    let last = enact(&mut world, 12, opening(&[treasury], LASTS_MS));
    assert_eq!((last, world.has(Purse::Treasury)), (failed(Failure::SpendLimit), treasury));
}

#[test]
fn events_tell_what_becomes_of_a_launch() {
    let mut world = launched(&[30, 50], LASTS_MS);
    assert_eq!(enact(&mut world, 1, paying(0, 0)), DONE);
    decide(&mut world, 2, ending(0));
    decide(&mut world, 3, paying(0, 1));
    world.wait(32_000);
    let (launch, to) = (LaunchId(0), Purse::Account(PEOPLE[15]));
    let changed = |status, paid| Event::LaunchChanged { launch, status, paid };
    let moved = |from, to, amount| {
        Event::Moved(Movement { from, to, amount: units(amount), why: Why::Launch })
    };
    let (treasury, aside) = (Purse::Treasury, Purse::Launch(launch));
    let expected = [
        moved(treasury, aside, 80),
        changed(LaunchStatus::Open, 0),
        moved(aside, to, 30),
        changed(LaunchStatus::Open, 1),
        moved(aside, treasury, 50),
        changed(LaunchStatus::Ended, 1),
    ];
    let of_launches = |event: &&Event| match event {
        Event::LaunchChanged { .. } => true,
        Event::Moved(movement) => movement.why == Why::Launch,
        _ => false,
    };
    assert_eq!(world.events.iter().filter(of_launches).cloned().collect::<Vec<_>>(), expected);
    let (proposal, status) = (ProposalId(3), ProposalStatus::Failed);
    let failure = Some(Failure::LaunchOver);
    assert!(world.events.contains(&Event::ProposalChanged { proposal, status, failure }));
}
