//! Who is elected to vote in consensus, with what weight, and what it answers for.

use ciro_consensus::crypto::Stark;
use ciro_consensus::{ReplicaId, StakeChange, Validator, ValidatorSet};
use ciro_protocol::amount::Amount;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::economy::{EconomyParams, Offence};
use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::Body;
use ciro_protocol::wire::encode;

use super::world::{
    EPOCH_MS, KEYS, PEOPLE, WEALTH, WEIGHT, WEIGHTS, World, delegate, network, offence, params,
    register, report, report_of, undelegate,
};
use crate::invariant::all;
use crate::seats;
use crate::stake::changes;
use crate::state::{PARAMS, POOLS, SETS, Seat, VALIDATORS, View};

/// Checks that what the last block of an epoch tells consensus makes one set of the other, in the
/// state of any block of the next epoch.
pub(crate) fn check_changes(state: &dyn View, spec: &ChainSpec, height: u64) {
    let epoch = spec.epoch_of(height + 1);
    let end = epoch * spec.consensus.epoch_length;
    if end == 0 {
        return;
    }
    let set = |epoch| {
        let member = |it: Seat| Validator { id: ReplicaId(it.id), key: it.key.0, stake: it.weight };
        let seats = seats(state, spec, epoch).unwrap();
        ValidatorSet::new(seats.into_iter().map(member)).unwrap()
    };
    let changes =
        changes(&seats(state, spec, epoch).unwrap(), &seats(state, spec, epoch + 1).unwrap());
    let change = |it: &Seat| StakeChange { id: ReplicaId(it.id), key: it.key.0, stake: it.weight };
    let changes: Vec<StakeChange> = changes.iter().map(change).collect();
    let (after, refused) = set(epoch).with_changes::<Stark>(&changes);
    assert_eq!((after, refused), (set(epoch + 1), vec![]), "after block {end}");
}

fn with(change: impl Fn(&mut EconomyParams)) -> World {
    let mut spec = network();
    change(&mut spec.economy.as_mut().unwrap().params);
    World::of(spec)
}

/// Replaces parameters as governance does.
fn set(world: &mut World, change: impl Fn(&mut EconomyParams)) {
    let key = PARAMS.key(&());
    let mut params = PARAMS.decode(&key, &world.state.get(&key).unwrap()).unwrap();
    change(&mut params);
    assert_eq!(params.check(world.spec.time.tick_ms), Ok(()));
    world.state.apply(&[(key, Some(encode(&params)))].into());
}

/// Numbers and weights of who votes in an epoch.
fn votes(world: &World, epoch: u64) -> Vec<(u32, u64)> {
    let seats = seats(&world.state, &world.spec, epoch).unwrap();
    seats.iter().map(|seat| (seat.id, seat.weight)).collect()
}

/// Numbers and weights of members now.
fn members(world: &World) -> Vec<(u32, u64)> {
    all(&world.state, VALIDATORS).unwrap().into_iter().map(|(id, it)| (id, it.stake)).collect()
}

fn genesis_votes() -> Vec<(u32, u64)> {
    (0..).zip(WEIGHTS).collect()
}

/// Registers the fifth validator with so much stake, and lets it out of jail.
fn join(world: &mut World, stake: u128) {
    let body = Body::RegisterValidator(Box::new(register(4, WEIGHT)));
    assert_eq!(world.act(4, body), None);
    if stake > WEIGHT {
        assert_eq!(world.act(8, delegate(4, stake - WEIGHT)), None);
    }
    assert_eq!(world.act(4, Body::UnjailValidator), None);
}

fn is_proven(world: &World, validator: u32) -> bool {
    all(&world.state, POOLS).unwrap()[&ValidatorId(validator)].proven
}

fn share_lost(world: &World, validator: u32) -> u64 {
    all(&world.state, POOLS).unwrap()[&ValidatorId(validator)].lost_ppb
}

#[test]
fn stake_of_an_epoch_votes_in_the_one_after_the_next() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(1, 10 * WEIGHT + 999)), None);
    let more = vec![(0, 7), (1, 14), (2, 3), (3, 2)];
    world.until_epoch(1);
    assert_eq!((votes(&world, 1), votes(&world, 2)), (genesis_votes(), more.clone()));
    assert_eq!(members(&world), genesis_votes());
    world.until_epoch(2);
    assert_eq!(members(&world), more, "the clock is theirs now");
    world.until_epoch(4);
    let known: Vec<u64> = all(&world.state, SETS).unwrap().into_keys().collect();
    assert_eq!(known, [2, 3, 4, 5]);
    let mut spec = network();
    spec.economy = None;
    let mut world = World::of(spec);
    world.until_epoch(3);
    assert_eq!((votes(&world, 7), members(&world)), (genesis_votes(), genesis_votes()));
}

#[test]
fn consensus_is_told_with_the_last_block_of_an_epoch_who_comes_and_goes() {
    let mut world = World::new();
    join(&mut world, WEIGHT);
    world.block(&[offence(3, 0, 1)], vec![]);
    while world.height < 7 {
        world.block(&[], vec![]);
        assert_eq!(world.changes, [], "after block {}", world.height);
    }
    world.block(&[], vec![]);
    let expected = [(3, PEOPLE[3], 0), (4, KEYS[4].0, 1)];
    assert_eq!(world.changes, expected.map(|(id, key, weight)| Seat { id, key, weight }));
    world.block(&[], vec![]);
    assert_eq!(world.changes, []);
}

#[test]
fn a_newcomer_votes_once_it_says_that_it_has_caught_up() {
    let mut world = World::new();
    let body = Body::RegisterValidator(Box::new(register(4, WEIGHT)));
    assert_eq!(world.act(4, body), None);
    world.until_epoch(2);
    assert_eq!(votes(&world, 3), genesis_votes(), "it has said nothing");
    assert_eq!(world.act(4, Body::UnjailValidator), None);
    assert_eq!(world.act(4, Body::UnjailValidator), Some(Refusal::NotJailed));
    world.until_epoch(3);
    assert_eq!(votes(&world, 4).last(), Some(&(4, 1)));
}

#[test]
fn newcomers_have_a_sixth_of_the_votes_until_they_have_run() {
    let mut world = World::new();
    join(&mut world, 50 * WEIGHT);
    let capped = [genesis_votes(), vec![(4, 3)]].concat();
    world.until_epoch(2);
    assert_eq!(members(&world), capped, "a fifth of sixteen");
    // It joined in the course of an epoch of rewards, which says nothing yet.
    let all = [0, 1, 2, 3, 4];
    world.wait_with(2_000, &all);
    world.until_epoch(4);
    assert!(!is_proven(&world, 4));
    world.wait_with(2 * EPOCH_MS, &all);
    assert!(is_proven(&world, 4));
    world.until_epoch(world.spec.epoch_of(world.height) + 2);
    assert_eq!(members(&world).last(), Some(&(4, 50)));
}

#[test]
fn a_newcomer_that_does_not_run_goes_to_jail_and_out_of_the_set() {
    let mut world = World::new();
    world.wait(2_000);
    join(&mut world, 50 * WEIGHT);
    world.until_epoch(2);
    world.wait(2 * EPOCH_MS);
    assert!(!is_proven(&world, 4));
    assert!(all(&world.state, POOLS).unwrap()[&ValidatorId(4)].jailed_until_ms.is_some());
    world.until_epoch(world.spec.epoch_of(world.height) + 2);
    assert_eq!(members(&world), genesis_votes(), "the others never waited for it");
}

#[test]
fn who_is_never_there_has_not_run_even_where_nothing_is_demanded() {
    let mut world = with(|params| params.penalty.presence_bps = 0);
    join(&mut world, 50 * WEIGHT);
    world.until_epoch(2);
    world.wait(3 * EPOCH_MS);
    assert!(!is_proven(&world, 4));
    assert_eq!(members(&world).last(), Some(&(4, 3)), "it is no more than it was");
}

#[test]
fn who_joins_is_judged_by_what_is_left_of_an_epoch_and_paid_from_the_next_on() {
    let mut spec = network();
    spec.consensus.epoch_length = 4;
    let mut world = World::of(spec);
    join(&mut world, WEIGHT);
    // Half of the epoch of rewards passes before it has a vote.
    while members(&world).len() < 5 || !world.now.is_multiple_of(4_000) {
        world.wait_with(2_000, &[0, 1, 2, 3]);
    }
    let joined = all(&world.state, VALIDATORS).unwrap()[&4];
    assert!(joined.joined_slots > 0);
    assert!(world.time() - joined.time_ms <= 8_000, "its clock holds nobody back");
    let earned = |world: &World| world.has(Purse::Earned(ValidatorId(4)));
    let left = EPOCH_MS - (world.time() - super::super::support::GENESIS_MS) % EPOCH_MS;
    world.wait_with(left, &[0, 1, 2, 3, 4]);
    let joined = all(&world.state, VALIDATORS).unwrap()[&4];
    assert_eq!((joined.joined_slots, earned(&world)), (0, 0), "it was not there for all of it");
    assert_eq!(world.stake(4), WEIGHT, "it was there for what was left");
    world.wait_with(EPOCH_MS, &[0, 1, 2, 3, 4]);
    assert!(earned(&world) > 0);
}

#[test]
fn those_with_the_most_stake_have_the_seats_and_of_equals_the_first() {
    let mut world = with(|params| params.stake.seats = 2);
    world.until_epoch(2);
    assert_eq!(members(&world), [(0, 7), (1, 4)]);
    assert_eq!(world.act(8, delegate(2, WEIGHT)), None);
    world.until_epoch(4);
    assert_eq!(members(&world), [(0, 7), (1, 4)], "the third has as much as the second");
    assert_eq!(world.act(8, delegate(2, WEIGHT)), None);
    world.until_epoch(6);
    assert_eq!(members(&world), [(0, 7), (2, 5)]);
}

#[test]
fn a_seat_needs_a_bond_and_a_weight() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(2, 9 * WEIGHT)), None);
    assert_eq!(world.act(2, undelegate(2, 2 * WEIGHT + 1)), None, "stake leaves freely");
    world.until_epoch(1);
    assert_eq!(votes(&world, 2), [(0, 7), (1, 4), (3, 2)], "its own is less than a bond");
    assert_eq!(world.act(2, delegate(2, 1)), None);
    world.until_epoch(2);
    assert_eq!(votes(&world, 3), [(0, 7), (1, 4), (2, 10), (3, 2)]);
}

#[test]
fn who_is_in_jail_has_no_vote_unless_too_many_are() {
    let mut world = World::new();
    world.block(&[offence(2, 0, 6), offence(3, 0, 6)], vec![]);
    world.until_epoch(1);
    // Eleven of sixteen (less what the others lost) are more than two thirds.
    assert_eq!(votes(&world, 2), [(0, 7), (1, 4)]);
    world.block(&[offence(1, 1, 6)], vec![]);
    world.until_epoch(2);
    // Seven of fifteen are not; the two who were members in no set before stay out of it.
    let kept = [(0, 7), (1, 3)];
    assert_eq!(votes(&world, 3), kept);
    world.until_epoch(4);
    assert_eq!(votes(&world, 5), kept, "and it does not get less by itself");
    let mut world = World::new();
    world.block(&[0, 1, 2, 3].map(|validator| offence(validator, 0, 6)), vec![]);
    world.until_epoch(2);
    assert_eq!(votes(&world, 3), [(0, 6), (1, 3), (2, 2), (3, 1)], "all in jail");
}

#[test]
fn a_convict_has_no_vote_and_if_nobody_is_left_all_stays() {
    let mut world = World::new();
    world.block(&[offence(2, 0, 1)], vec![]);
    world.until_epoch(2);
    assert_eq!(members(&world), [(0, 7), (1, 4), (3, 2)]);
    let all: Vec<Offence> = [0, 1, 3].map(|validator| offence(validator, 2, 1)).into();
    world.block(&all, vec![]);
    world.until_epoch(5);
    assert_eq!(members(&world), [(0, 7), (1, 4), (3, 2)], "a chain without voters is no more");
}

#[test]
fn if_nobody_can_be_elected_those_who_have_stake_go_on_with_it() {
    let mut world = World::new();
    assert_eq!(world.act(2, undelegate(2, WEIGHT)), None);
    set(&mut world, |params| params.stake.self_bond_min = Amount::ciro(1_000_000));
    world.until_epoch(world.spec.epoch_of(world.height) + 3);
    assert_eq!(
        members(&world),
        [(0, 7), (1, 4), (2, 2), (3, 2)],
        "what they have, not what they had"
    );
}

#[test]
fn who_could_leave_jail_and_does_not_keeps_nobody_in_the_set() {
    let mut world = World::new();
    world.block(&[offence(2, 0, 6), offence(3, 0, 6)], vec![]);
    world.until_epoch(1);
    world.block(&[offence(1, 1, 6)], vec![]);
    world.until_epoch(4);
    assert_eq!(members(&world), [(0, 7), (1, 3)], "a third has just gone to jail");
    // Once the two could leave and do not ask to, they count no more.
    world.wait(params().penalty.jail_ms);
    world.until_epoch(world.spec.epoch_of(world.height) + 3);
    assert_eq!(members(&world), [(0, 7)]);
}

#[test]
fn without_seats_the_set_stays_with_its_weights_and_their_bonds() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(1, 10 * WEIGHT)), None);
    world.until_epoch(2);
    set(&mut world, |params| params.stake.seats = 0);
    assert_eq!(world.act(8, undelegate(1, 10 * WEIGHT)), None, "delegators leave");
    assert_eq!(world.act(1, undelegate(1, 1)), Some(Refusal::BondHeld), "the operator does not");
    world.until_epoch(6);
    assert_eq!(members(&world), [(0, 7), (1, 14), (2, 3), (3, 2)]);
    set(&mut world, |params| params.stake.seats = 5);
    assert_eq!(world.act(1, undelegate(1, WEIGHT)), None);
    world.until_epoch(8);
    assert_eq!(members(&world), [(0, 7), (1, 3), (2, 3), (3, 2)]);
}

#[test]
fn stake_that_left_answers_for_the_epochs_in_which_its_weight_was_counted() {
    let mut world = with(|params| params.stake.unbonding_ms = 1_000);
    assert_eq!(world.act(8, delegate(2, 10 * WEIGHT)), None);
    world.until_epoch(3);
    assert_eq!(world.act(8, undelegate(2, 10 * WEIGHT)), None);
    world.until_epoch(5);
    world.wait(4_000);
    assert_eq!(world.account(8), WEALTH - 10 * WEIGHT, "epoch 4 counted it: it waits");
    world.block(&[offence(2, 4, 1)], vec![]);
    assert_eq!(world.has(Purse::Leaving(ValidatorId(2), 3)), 0, "thirteen of 26 are a third");
    world.until_epoch(6);
    world.wait(2_000);
    assert_eq!(world.account(8), WEALTH - 10 * WEIGHT);
    // A fault of the epoch after that, whose set was elected without it, does not reach it.
    let mut world = with(|params| params.stake.unbonding_ms = 1_000);
    assert_eq!(world.act(8, delegate(2, 10 * WEIGHT)), None);
    world.until_epoch(3);
    assert_eq!(world.act(8, undelegate(2, 10 * WEIGHT)), None);
    world.until_epoch(5);
    world.block(&[offence(2, 5, 1)], vec![]);
    assert_eq!(world.has(Purse::Leaving(ValidatorId(2), 3)), 10 * WEIGHT);
    world.until_epoch(6);
    world.wait(2_000);
    assert_eq!(world.account(8), WEALTH);
}

#[test]
fn who_had_no_vote_is_not_convicted_of_how_it_voted() {
    let mut world = World::new();
    join(&mut world, WEIGHT);
    let fault = |epoch| report_of(KEYS[4].0, offence(4, epoch, 2));
    assert_eq!(world.act(9, fault(0)), Some(Refusal::OffenderWeightless));
    world.block(&[offence(4, 0, 2), offence(4, 0, 6)], vec![]);
    assert_eq!(world.stake(4), WEIGHT);
    world.until_epoch(2);
    assert_eq!(world.act(9, fault(1)), Some(Refusal::OffenderWeightless));
    assert_eq!(world.act(9, report(offence(4, 2, 2))), Some(Refusal::OffenderKey));
    let another = report_of(KEYS[4].0, offence(1, 2, 2));
    assert_eq!(world.act(9, another), Some(Refusal::OffenderKey));
    assert_eq!(world.act(9, fault(2)), None);
    assert_eq!(world.stake(4), WEIGHT * 95 / 100);
}

#[test]
fn a_convict_counts_with_its_largest_part_and_after_it_has_left() {
    let mut world = with(|params| params.penalty.correlation_epochs = 4);
    // Convicted while it has two of sixteen, with stake that will be nine of 23.
    assert_eq!(world.act(8, delegate(3, 7 * WEIGHT)), None);
    world.until_epoch(1);
    world.block(&[offence(3, 1, 1)], vec![]);
    assert_eq!(share_lost(&world, 3), 50_000_000);
    world.until_epoch(2);
    assert_eq!(votes(&world, 2), [(0, 7), (1, 4), (2, 3), (3, 9)]);
    world.block(&[offence(3, 2, 1)], vec![]);
    assert_eq!(world.stake(3), 0, "nine of 23 are a third");

    // Two of sixteen and five of 16 are more than a third, though the first votes no longer.
    let mut world = with(|params| params.penalty.correlation_epochs = 4);
    assert_eq!(world.act(8, delegate(2, 2 * WEIGHT)), None);
    world.block(&[offence(3, 0, 1)], vec![]);
    world.until_epoch(3);
    assert_eq!(members(&world), [(0, 7), (1, 4), (2, 5)]);
    world.block(&[offence(2, 3, 1)], vec![]);
    assert_eq!((world.stake(2), world.stake(3)), (0, 0));
}

#[test]
fn while_the_clock_catches_up_nobody_is_away() {
    let mut world = World::new();
    world.wait(4_000);
    // Only the largest is back at first, and it alone keeps the clock.
    assert_eq!(world.act(8, delegate(0, 20 * WEIGHT)), None);
    world.until_epoch(3);
    world.now += 300_000;
    while world.time() + 10_000 < world.now {
        world.now += 1_000;
        world.block_of(&[0], &[], vec![]);
    }
    world.wait(2 * EPOCH_MS);
    for (validator, weight) in (1..).zip(&WEIGHTS[1..]) {
        assert_eq!(world.stake(validator), u128::from(*weight) * WEIGHT, "{validator}");
    }
}
