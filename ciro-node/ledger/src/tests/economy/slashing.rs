//! What offences cost, whoever brings them.

use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{Body, Redelegate, ReportOffence};
use ciro_protocol::wire::Bytes;

use super::super::support::units;
use super::world::{
    PEOPLE, WEALTH, WEIGHT, WEIGHTS, World, delegate, network, offence, register, report,
    undelegate,
};

/// Weights 2, 3, 4 and 7 of 16: the last two are below a third each.
fn world() -> World {
    World::new()
}

/// The same, but who votes stays.
fn frozen() -> World {
    let mut spec = network();
    if let Some(economy) = &mut spec.economy {
        economy.params.stake.seats = 0;
    }
    World::of(spec)
}

#[test]
fn one_fault_costs_a_twentieth_and_delegators_their_share_of_it() {
    let mut world = world();
    assert_eq!(world.act(8, delegate(2, 1_000_000_000)), None);
    world.block(&[offence(2, 0, 3)], vec![]);
    assert_eq!(world.stake(2), 4 * WEIGHT * 95 / 100);
    assert_eq!(world.act(8, undelegate(2, 950_000_001)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(8, undelegate(2, 950_000_000)), None, "who is there may leave");
    assert_eq!(world.act(9, delegate(2, 5)), Some(Refusal::ValidatorTombstoned));
    assert_eq!(world.act(2, Body::UnjailValidator), Some(Refusal::ValidatorTombstoned));
    world.wait(super::world::EPOCH_MS);
    assert_eq!(world.has(Purse::Earned(ValidatorId(2))), 0, "it is paid no more");
}

#[test]
fn an_offence_is_punished_once_however_often_it_is_brought() {
    let mut world = world();
    world.block(&[offence(2, 0, 3), offence(2, 0, 3)], vec![]);
    world.block(&[offence(2, 0, 3)], vec![]);
    assert_eq!(world.act(8, report(offence(2, 0, 3))), Some(Refusal::OffenceKnown));
    // Another rule of the same kind is the same fault to the stake: it was taken already.
    world.block(&[offence(2, 0, 1)], vec![]);
    assert_eq!(world.stake(2), 3 * WEIGHT * 95 / 100);
}

#[test]
fn two_at_about_the_same_time_pay_for_each_other() {
    let mut world = world();
    world.block(&[offence(3, 0, 1)], vec![]);
    assert_eq!(world.stake(3), 2 * WEIGHT * 95 / 100);
    world.block(&[offence(2, 0, 2)], vec![]);
    // Three and two of sixteen are below a third: each loses three times the other's part.
    assert_eq!(world.stake(3), 2 * WEIGHT - 2 * WEIGHT * 9 / 16);
    assert_eq!(world.stake(2), 3 * WEIGHT - 3 * WEIGHT * 6 / 16);
}

#[test]
fn a_third_of_the_weight_loses_everything_whoever_came_first() {
    let mut world = world();
    assert_eq!(world.act(8, delegate(3, 1_000)), None);
    world.block(&[offence(3, 0, 1)], vec![]);
    world.block(&[offence(1, 0, 5)], vec![]);
    assert_eq!((world.stake(3), world.stake(1)), (0, 0), "six of sixteen");
    assert_eq!((world.stake(0), world.stake(2)), (7 * WEIGHT, 3 * WEIGHT), "and nobody else");
    let mut alone = World::new();
    alone.block(&[offence(0, 0, 4)], vec![]);
    assert_eq!(alone.stake(0), 0, "seven of sixteen alone can fork the chain");
}

#[test]
fn faults_far_apart_do_not_count_together() {
    let mut world = world();
    world.block(&[offence(3, 0, 1)], vec![]);
    world.until_epoch(2);
    world.block(&[offence(2, 2, 1)], vec![]);
    assert_eq!(world.stake(2), 3 * WEIGHT * 95 / 100);
    assert_eq!(world.stake(3), 2 * WEIGHT * 95 / 100);
}

#[test]
fn what_left_since_the_epoch_before_the_fault_answers_for_it_and_nothing_else() {
    let mut world = world();
    for person in [8, 9, 10] {
        assert_eq!(world.act(person, delegate(2, 1_000_000)), None);
    }
    assert_eq!(world.act(8, undelegate(2, 1_000_000)), None);
    world.until_epoch(1);
    assert_eq!(world.act(9, undelegate(2, 1_000_000)), None);
    world.until_epoch(2);
    assert_eq!(world.act(10, undelegate(2, 1_000_000)), None);
    world.block(&[offence(2, 2, 1)], vec![]);
    let leaving = |epoch| world.has(Purse::Leaving(ValidatorId(2), epoch));
    assert_eq!([leaving(0), leaving(1), leaving(2)], [1_000_000, 950_000, 950_000]);
    world.wait(60_000);
    let got = [8, 9, 10].map(|person| world.account(person));
    let short = WEALTH - 50_000;
    assert_eq!(got, [WEALTH, short, short]);
}

#[test]
fn stake_that_leaves_after_a_conviction_pays_what_comes_later_and_no_more() {
    let mut world = world();
    assert_eq!(world.act(8, delegate(3, 1_000_000)), None);
    world.block(&[offence(3, 0, 1)], vec![]);
    assert_eq!(world.act(8, undelegate(3, 950_000)), None);
    world.block(&[offence(2, 0, 1)], vec![]);
    // Nine sixteenths in all, of what there was before the first conviction.
    assert_eq!(world.has(Purse::Leaving(ValidatorId(3), 0)), 437_500);
    assert_eq!(world.stake(3), 2 * WEIGHT * 7 / 16);
}

#[test]
fn delay_costs_a_thousandth_and_jail_each_time_and_shields_from_nothing() {
    let mut world = world();
    world.block(&[offence(2, 0, 6)], vec![]);
    let first = 3 * WEIGHT - 3 * WEIGHT / 1_000;
    assert_eq!(world.stake(2), first);
    assert_eq!(world.act(2, Body::UnjailValidator), Some(Refusal::JailNotOver));
    world.block(&[offence(2, 0, 8)], vec![]);
    let second = first - first / 1_000;
    assert_eq!(world.stake(2), second);
    world.block(&[offence(2, 0, 3)], vec![]);
    assert_eq!(world.stake(2), second - second / 20);
}

#[test]
fn whoever_brings_what_no_block_has_gets_a_bounty() {
    let mut world = world();
    let burned = world.has(Purse::Burned);
    assert_eq!(world.act(9, report(offence(2, 0, 2))), None);
    let taken = 3 * WEIGHT / 20;
    assert_eq!(world.stake(2), 3 * WEIGHT - taken);
    assert_eq!(world.account(9) - WEALTH, taken / 10);
    assert_eq!(world.has(Purse::Burned) - burned, taken - taken / 10);
    assert_eq!(world.act(9, report(offence(9, 0, 2))), Some(Refusal::ValidatorUnknown));
    let (key, evidence) = (PEOPLE[2], Bytes::new(vec![1]).unwrap());
    let nonsense = Body::ReportOffence(ReportOffence { key, evidence });
    assert_eq!(world.act(9, nonsense), Some(Refusal::ValidatorUnknown));
}

#[test]
fn an_operator_and_its_accomplice_never_end_richer_by_a_report() {
    for (rule, delegated) in [(3, 500), (3, 0), (6, 500)] {
        let mut world = world();
        if delegated > 0 {
            assert_eq!(world.act(8, delegate(2, delegated * WEIGHT)), None);
        }
        assert_eq!(world.act(9, report(offence(2, 0, rule))), None);
        let bounty = world.account(9) - WEALTH;
        let lost = 3 * WEIGHT / if rule == 3 { 20 } else { 1_000 };
        assert!(bounty < lost, "rule {rule}: {bounty} for a loss of {lost}");
        let expected = if rule == 3 { lost / 10 } else { 0 };
        assert_eq!(bounty, expected, "rule {rule}, {delegated} delegated");
    }
}

#[test]
fn the_bond_behind_a_weight_that_stays_stays_and_loses_whenever_its_validator_forks() {
    let mut world = frozen();
    assert_eq!(world.act(2, undelegate(2, 1)), Some(Refusal::BondHeld));
    let moved = Redelegate { from: ValidatorId(2), to: ValidatorId(1), amount: units(1) };
    assert_eq!(world.act(2, Body::Redelegate(moved)), Some(Refusal::BondHeld));
    assert_eq!(world.act(2, delegate(2, 1_000)), None);
    assert_eq!(world.act(2, undelegate(2, 1_001)), Some(Refusal::BondHeld));
    assert_eq!(world.act(2, undelegate(2, 1_000)), None, "what is above it may leave");
    world.block(&[offence(2, 0, 3)], vec![]);
    let rest = 3 * WEIGHT * 95 / 100;
    assert_eq!(world.act(2, undelegate(2, rest)), Some(Refusal::BondHeld), "a convict's, too");
    world.until_epoch(9);
    assert_eq!((world.act(2, undelegate(2, 1)), world.stake(2)), (Some(Refusal::BondHeld), rest));
    // Whoever registered later is not counted by consensus, and leaves as it came.
    let mut later = frozen();
    let body = Body::RegisterValidator(Box::new(register(4, WEIGHT)));
    assert_eq!(later.act(4, body), None);
    assert_eq!(later.act(4, undelegate(4, WEIGHT)), None);
}

#[test]
fn evidence_counts_in_the_epoch_of_the_fault_and_the_next() {
    let mut world = world();
    assert_eq!(world.act(9, report(offence(1, 1, 2))), Some(Refusal::OffenceOutOfTime));
    world.until_epoch(2);
    assert_eq!(world.act(9, report(offence(1, 0, 2))), Some(Refusal::OffenceOutOfTime));
    world.block(&[offence(1, 0, 2), offence(1, 3, 2), offence(77, 2, 2)], vec![]);
    for (validator, weight) in (0..).zip(WEIGHTS) {
        assert_eq!(world.stake(validator), u128::from(weight) * WEIGHT);
    }
    assert_eq!(world.act(9, report(offence(1, 1, 2))), None);
}

#[test]
fn a_validator_alone_is_more_than_a_third_of_itself() {
    let mut spec = network();
    spec.validators = ciro_protocol::wire::List::new(spec.validators[..1].to_vec()).unwrap();
    let mut world = World::of(spec);
    world.block(&[offence(0, 0, 1)], vec![]);
    assert_eq!(world.stake(0), 0);
}
