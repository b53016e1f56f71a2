//! The pool of rewards over a hundred years.

use ciro_protocol::event::Purse;
use ciro_protocol::id::ValidatorId;
use ciro_protocol::tx::Body;
use ciro_protocol::wire::encode;
use num_bigint::BigUint;
use proptest::prelude::*;

use super::world::{
    EPOCH_MS, PEOPLE, WEALTH, WEIGHT, WEIGHTS, World, delegate, economy, network, offence,
};
use crate::state::{PARAMS, View as _};

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
    // All stay members: this is about the pool.
    economy.params.stake.seats = 0;
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

/// What changes in the course of a history of the pool.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Governance replaces parameters: the part that is released, and the treasury's of it.
    Params { emission_ppb: u32, treasury_bps: u16 },
    /// A validator is jailed and not paid any more; or, if it was, comes out again.
    Jail(u32),
    /// Somebody puts money at a validator's stake.
    Stake(u32, u128),
}

/// The pool by the rule alone, in numbers that have no end.
struct Pool {
    emission_ppb: u32,
    treasury_bps: u16,
    pool: BigUint,
    treasury: BigUint,
    stakes: [BigUint; 4],
    jailed: [bool; 4],
    /// What operators have got by their commission of a tenth, and what is for who has stake.
    commissions: [BigUint; 4],
    earned: [BigUint; 4],
}

fn part(of: &BigUint, part: impl Into<BigUint>, whole: impl Into<BigUint>) -> BigUint {
    let (part, whole): (BigUint, BigUint) = (part.into(), whole.into());
    of * part / whole
}

impl Pool {
    fn new(world: &World) -> Self {
        let zero = || [const { BigUint::ZERO }; 4];
        Self {
            emission_ppb: 0,
            treasury_bps: 1_000,
            pool: world.has(Purse::Rewards).into(),
            treasury: world.has(Purse::Treasury).into(),
            stakes: WEIGHTS.map(|weight| BigUint::from(weight) * WEIGHT),
            jailed: [false; 4],
            commissions: zero(),
            earned: zero(),
        }
    }

    /// Releases a part of what is left, if anybody can be paid, and returns how much.
    fn epoch(&mut self) -> BigUint {
        let paid: Vec<usize> = (0..4).filter(|place| !self.jailed[*place]).collect();
        if paid.is_empty() {
            return BigUint::ZERO;
        }
        let before = self.pool.clone();
        let all: BigUint = paid.iter().map(|place| &self.stakes[*place]).sum();
        let released = part(&self.pool, self.emission_ppb, 1_000_000_000_u32);
        let treasury = part(&released, self.treasury_bps, 10_000_u32);
        for place in paid {
            let one = part(&(&released - &treasury), self.stakes[place].clone(), all.clone());
            let commission = part(&one, 1_u32, 10_u32);
            self.pool -= &one;
            self.earned[place] += &one - &commission;
            self.commissions[place] += commission;
        }
        self.pool -= &treasury;
        self.treasury += treasury;
        before - &self.pool
    }

    /// Lets something change, here and in the ledger.
    fn change(&mut self, world: &mut World, change: Change) {
        match change {
            Change::Params { emission_ppb, treasury_bps } => {
                (self.emission_ppb, self.treasury_bps) = (emission_ppb, treasury_bps);
                let key = PARAMS.key(&());
                let mut params = PARAMS.decode(&key, &world.state.get(&key).unwrap()).unwrap();
                (params.emission_ppb, params.treasury_bps) = (emission_ppb, treasury_bps);
                assert_eq!(params.check(world.spec.time.tick_ms), Ok(()));
                world.state.apply(&[(key, Some(encode(&params)))].into());
            }
            Change::Jail(validator) => {
                let place = validator as usize;
                self.jailed[place] = !self.jailed[place];
                if self.jailed[place] {
                    // An offence of its own, whenever the last one was.
                    let epoch = world.spec.epoch_of(world.height) + 1;
                    world.until_epoch(epoch);
                    world.block(&[offence(validator, epoch, 6)], vec![]);
                    let lost = part(&self.stakes[place], 10_u32, 10_000_u32);
                    self.stakes[place] -= lost;
                } else {
                    assert_eq!(world.act(place, Body::UnjailValidator), None);
                }
            }
            Change::Stake(validator, amount) => {
                let account = 8 + validator as usize;
                assert_eq!(world.act(account, delegate(validator, amount)), None);
                self.stakes[validator as usize] += amount;
            }
        }
    }

    /// Compares every purse that emission fills or empties, to the last unit.
    fn compare(&self, world: &World) -> Result<(), TestCaseError> {
        let has = |purse| BigUint::from(world.has(purse));
        prop_assert_eq!(&self.pool, &has(Purse::Rewards));
        prop_assert_eq!(&self.treasury, &has(Purse::Treasury));
        for (place, id) in (0..4).map(ValidatorId).enumerate() {
            prop_assert_eq!(&self.earned[place], &has(Purse::Earned(id)));
            prop_assert_eq!(&self.stakes[place], &has(Purse::Stake(id)));
            let got = BigUint::from(world.account(place) - WEALTH);
            prop_assert_eq!(&self.commissions[place], &got);
        }
        Ok(())
    }
}

/// Plays a hundred years of epochs of so many days, in which something changes after some of them.
///
/// Ledger time moves by a minute at most in a block, so a minute stands for an epoch.
fn hundred_years(days: u32, mut changes: Vec<(u32, Change)>) -> Result<(), TestCaseError> {
    let mut spec = network();
    spec.time.step_max_ms = 60_000;
    let mut economy = economy();
    economy.params.epoch_ms = 60_000;
    // All stay members: this is about the pool.
    economy.params.stake.seats = 0;
    // Nothing of the public's part comes to the treasury meanwhile.
    economy.airdrop.as_mut().unwrap().until_ms = 1 << 48;
    spec.economy = Some(economy);
    let mut world = World::of(spec);
    let mut pool = Pool::new(&world);
    let all = pool.pool.clone();
    changes.sort_by_key(|(day, _)| *day);
    let mut changes = changes.into_iter().peekable();
    let (mut last, mut released) = (None, BigUint::ZERO);
    for epoch in 0..EPOCHS / days {
        // One at a time: who comes out of jail has been there for its time.
        if let Some((_, change)) = changes.next_if(|(day, _)| *day <= epoch * days) {
            pool.change(&mut world, change);
            last = None;
        }
        world.now += 60_000;
        world.block(&[], vec![]);
        let now = pool.epoch();
        pool.compare(&world)?;
        // Without a change no epoch releases more than the one before, up to what rounding moves.
        if let Some(last) = last {
            prop_assert!(now <= last + WEIGHTS.len());
        }
        released += &now;
        last = Some(now);
    }
    prop_assert_eq!(released + &pool.pool, all);
    Ok(())
}

fn change() -> impl Strategy<Value = Change> {
    let ppb = prop_oneof![0..=1_000_000_u32, 0..=100_000_000_u32];
    prop_oneof![
        (ppb, 0..=10_000_u16)
            .prop_map(|(emission_ppb, treasury_bps)| Change::Params { emission_ppb, treasury_bps }),
        (0..4_u32).prop_map(Change::Jail),
        (0..4_u32, 1..10 * WEIGHT).prop_map(|(validator, amount)| Change::Stake(validator, amount)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn a_hundred_years_release_what_the_rule_says_whatever_changes(
        days in 2..=31_u32,
        first in 0..=1_000_000_u32,
        later in prop::collection::vec((1..EPOCHS, change()), 0..40),
    ) {
        let first = Change::Params { emission_ppb: first, treasury_bps: 1_000 };
        hundred_years(days, [vec![(0, first)], later].concat())?;
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
