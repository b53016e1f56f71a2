//! The pool of rewards over a hundred years.

use ciro_protocol::event::Purse;
use num_bigint::BigUint;
use proptest::prelude::*;

use super::world::{EPOCH_MS, PEOPLE, WEIGHTS, World, economy, network, offence};

/// Days of a hundred years: an epoch of rewards is a day where money is worth something.
const EPOCHS: u32 = 36_525;

/// Runs a network of one validator for so many epochs, of a block each, and returns what the pool
/// held after each.
fn run(emission_ppb: u32, epochs: u32) -> Vec<u128> {
    let mut spec = network();
    spec.time.step_max_ms = 60_000;
    let mut economy = economy();
    economy.params.emission_ppb = emission_ppb;
    economy.params.epoch_ms = 60_000;
    spec.economy = Some(economy);
    let mut world = World::of(spec);
    let mut pools = vec![world.has(Purse::Rewards)];
    for _ in 0..epochs {
        world.now += 60_000;
        world.block(&[], vec![]);
        pools.push(world.has(Purse::Rewards));
    }
    pools
}

/// Checks a run against the rule in numbers that have no end: each epoch releases the part of what
/// is left, rounded down to a unit, of which what rounding leaves of each share stays in the pool.
fn check(pools: &[u128], emission_ppb: u32) {
    let supply = 10_u128.pow(27);
    assert_eq!(pools[0], supply / 2);
    let (part, whole) = (BigUint::from(emission_ppb), BigUint::from(1_000_000_000_u32));
    let mut last = u128::MAX;
    for pair in pools.windows(2) {
        let released = pair[0] - pair[1];
        let most = u128::try_from(BigUint::from(pair[0]) * &part / &whole).unwrap();
        assert!(released <= most && most - released <= WEIGHTS.len() as u128);
        // Less each time, up to what rounding moves.
        assert!(released <= last.saturating_add(WEIGHTS.len() as u128));
        last = released;
    }
}

#[test]
fn a_hundred_years_of_days_release_what_half_lives_of_four_years_say() {
    let pools = run(474_322, EPOCHS);
    check(&pools, 474_322);
    for (years, halves) in [(4_usize, 1), (8, 2), (40, 10), (100, 25)] {
        let left = pools[years * 36_525 / 100];
        let expected = pools[0] >> halves;
        let off = left.abs_diff(expected);
        assert!(off < expected / 1_000, "after {years} years {left} are left, not {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn no_parameter_overdraws_the_pool(emission_ppb in 0_u32..=100_000_000) {
        check(&run(emission_ppb, 400), emission_ppb);
    }
}

#[test]
fn releases_are_divided_by_stake_and_commission_to_the_last_unit() {
    let mut world = World::new();
    assert_eq!(world.act(8, super::world::delegate(1, 6_000_000_000)), None);
    world.wait(EPOCH_MS - 2_000);
    let (pool, treasury) = (world.has(Purse::Rewards), world.has(Purse::Treasury));
    let before: Vec<u128> = (0..4).map(|person| world.account(person)).collect();
    world.wait(2_000);
    let released = pool / 1_000;
    assert_eq!(world.has(Purse::Treasury) - treasury, released / 10);
    let rest = released - released / 10;
    let stakes = [7, 10, 3, 2];
    let mut left = pool - released / 10;
    for (person, stake) in stakes.into_iter().enumerate() {
        let part = rest * stake / 22;
        assert_eq!(world.account(person) - before[person], part / 10, "{person}'s commission");
        let id = ciro_protocol::id::ValidatorId(u32::try_from(person).unwrap());
        assert_eq!(world.has(Purse::Earned(id)), part - part / 10);
        left -= part;
    }
    assert_eq!(world.has(Purse::Rewards), left);
    // Six tenths of what the second one's stake has earned is the delegator's.
    let earned = world.has(Purse::Earned(ciro_protocol::id::ValidatorId(1)));
    let claim = ciro_protocol::tx::ClaimRewards { validator: ciro_protocol::id::ValidatorId(1) };
    let before = world.account(8);
    assert_eq!(world.act(8, ciro_protocol::tx::Body::ClaimRewards(claim)), None);
    let got = world.account(8) - before;
    assert!(got.abs_diff(earned * 6 / 10) <= 1, "{got} of {earned}");
}

#[test]
fn nothing_is_released_when_nobody_can_be_paid() {
    let mut world = World::new();
    // All are in jail, and nobody asks to come out.
    let delays: Vec<_> = (0..4).map(|validator| offence(validator, 0, 6)).collect();
    world.block(&delays, vec![]);
    let pool = world.has(Purse::Rewards);
    world.wait(2 * EPOCH_MS);
    assert_eq!(world.has(Purse::Rewards), pool);
    assert_eq!(world.has(Purse::Account(PEOPLE[15])), 0);
}
