//! Every refusal of supply and stake, and what each operation does.

use ciro_protocol::economy::{Commission, Tranche};
use ciro_protocol::event::Purse;
use ciro_protocol::id::{GrantId, ValidatorId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::{
    Body, ClaimAirdrop, ClaimGrant, ClaimRewards, Redelegate, RegisterValidator, SetCommission,
};
use ciro_protocol::wire::{List, encode};

use super::super::support::units;
use super::world::{
    EPOCH_MS, KEYS, PEOPLE, SHARES, WEALTH, WEIGHT, World, delegate, network, offence, register,
    report, undelegate,
};
use crate::state::{ECONOMY, View};

fn grant(number: u32) -> Body {
    Body::ClaimGrant(ClaimGrant { grant: GrantId(number) })
}

fn airdrop(index: usize) -> Body {
    let (share, path) = SHARES.1[index].clone();
    Body::ClaimAirdrop(Box::new(ClaimAirdrop { share, path: List::new(path).unwrap() }))
}

fn registered(person: usize, change: impl Fn(&mut RegisterValidator)) -> Body {
    let mut body = register(person, WEIGHT);
    change(&mut body);
    Body::RegisterValidator(Box::new(body))
}

fn redelegate(from: u32, to: u32, amount: u128) -> Body {
    let (from, to, amount) = (ValidatorId(from), ValidatorId(to), units(amount));
    Body::Redelegate(Redelegate { from, to, amount })
}

fn rewards(validator: u32) -> Body {
    Body::ClaimRewards(ClaimRewards { validator: ValidatorId(validator) })
}

fn commission(bps: u16) -> Body {
    Body::SetCommission(SetCommission { bps })
}

#[test]
fn a_network_without_an_economy_refuses_all_of_it() {
    let mut spec = network();
    spec.economy = None;
    let mut world = World::of(spec);
    let bodies = [
        grant(0),
        airdrop(0),
        registered(4, |_| ()),
        commission(1),
        delegate(0, 5),
        undelegate(0, 5),
        redelegate(0, 1, 5),
        rewards(0),
        Body::UnjailValidator,
        report(offence(0, 0, 1)),
        super::votes::spend(5, 5),
        super::votes::vote(0, 0, ciro_protocol::tx::VoteOption::Yes),
    ];
    for body in bodies {
        let kind = body.kind();
        assert_eq!(world.act(4, body), Some(Refusal::EconomyClosed), "{kind}");
    }
    // What consensus proves changes nothing there.
    world.block(&[offence(0, 0, 1)], vec![]);
    assert_eq!((world.stake(0), world.has(Purse::Burned)), (0, 0));
}

#[test]
fn the_supply_is_divided_as_the_specification_says() {
    let world = World::new();
    let supply = 10_u128.pow(27);
    assert_eq!(world.has(Purse::Rewards), supply / 2);
    let reserve = |tranche| world.has(Purse::Reserve(tranche));
    assert_eq!(reserve(Tranche::Team), supply * 15 / 100 - 1_000_003);
    assert_eq!(reserve(Tranche::Investors), supply * 15 / 100 - 1_000_003);
    assert_eq!((reserve(Tranche::Public), world.has(Purse::Airdrop)), (0, supply / 20));
    assert_eq!(world.has(Purse::Vesting(GrantId(1))), 1_000_003);
    let given = 14 * WEALTH + 16 * WEIGHT;
    assert_eq!(world.has(Purse::Treasury), supply * 15 / 100 - given);
}

#[test]
fn grants_vest_with_time_after_their_cliff() {
    let mut world = World::new();
    assert_eq!(world.act(8, grant(7)), Some(Refusal::GrantUnknown));
    assert_eq!(world.act(9, grant(0)), Some(Refusal::NotGrantee));
    world.wait(19_999);
    assert_eq!(world.act(8, grant(0)), Some(Refusal::NothingVested));
    world.now += 1;
    assert_eq!(world.act(8, grant(0)), None);
    assert_eq!(world.account(8) - WEALTH, 1_000_003 / 5);
    assert_eq!(world.act(8, grant(0)), Some(Refusal::NothingVested));
    world.wait(33_333);
    assert_eq!(world.act(8, grant(0)), None);
    assert_eq!(world.account(8) - WEALTH, 1_000_003 * 53_333 / 100_000);
    world.wait(46_667);
    assert_eq!(world.act(8, grant(0)), None);
    assert_eq!(world.account(8) - WEALTH, 1_000_003, "nothing is lost to rounding");
    world.wait(50_000);
    assert_eq!(world.act(8, grant(0)), Some(Refusal::NothingVested));
}

#[test]
fn shares_of_the_airdrop_are_paid_once_to_their_owners_until_its_end() {
    let mut world = World::new();
    assert_eq!(world.act(4, airdrop(2)), None, "anybody may send it");
    assert_eq!(world.account(10) - WEALTH, 102);
    assert_eq!(world.act(10, airdrop(2)), Some(Refusal::AirdropTaken));
    let (mut share, path) = SHARES.1[1].clone();
    share.amount = units(10_000);
    let path = List::new(path).unwrap();
    let forged = Body::ClaimAirdrop(Box::new(ClaimAirdrop { share, path }));
    assert_eq!(world.act(9, forged), Some(Refusal::NoShare));
    let (treasury, left) = (world.has(Purse::Treasury), world.has(Purse::Airdrop));
    let pool = world.has(Purse::Rewards);
    world.wait(60_001);
    assert_eq!(world.act(9, airdrop(1)), Some(Refusal::AirdropClosed));
    assert_eq!(world.has(Purse::Airdrop), 0);
    let emitted = world.has(Purse::Treasury) - treasury - left;
    assert!(emitted < pool / 1_000, "the rest is the treasury's, beside its part of emission");
}

#[test]
fn validators_register_with_their_own_key_and_bond() {
    let mut world = World::new();
    let cases: [(Body, Refusal); 5] = [
        (registered(4, |it| it.key = PEOPLE[0]), Refusal::KeyTaken),
        (registered(4, |it| it.commission.step_bps = 1_001), Refusal::CommissionRange),
        (registered(4, |it| it.bond = units(WEIGHT - 1)), Refusal::SelfBondTooSmall),
        (registered(4, |it| it.key = KEYS[5].0), Refusal::NotPossessed),
        (registered(4, |it| it.bond = units(WEALTH + 1)), Refusal::InsufficientFunds),
    ];
    for (body, refusal) in cases {
        assert_eq!(world.act(4, body), Some(refusal));
    }
    let stolen = registered(4, |it| it.possession = KEYS[5].1);
    assert_eq!(world.act(4, stolen), Some(Refusal::NotPossessed));
    assert_eq!(world.act(0, registered(4, |_| ())), Some(Refusal::ValidatorExists));
    assert_eq!(world.act(4, registered(4, |_| ())), None);
    assert_eq!(world.stake(4), WEIGHT);
    assert_eq!(world.act(4, registered(5, |_| ())), Some(Refusal::ValidatorExists));
    assert_eq!(world.act(5, registered(4, |_| ())), Some(Refusal::KeyTaken));
    assert_eq!(world.act(5, registered(5, |_| ())), None);
    assert_eq!(world.act(6, registered(6, |_| ())), Some(Refusal::ValidatorsFull));
    // Consensus does not count them: they are not paid.
    world.wait(EPOCH_MS);
    assert_eq!(world.act(4, rewards(4)), Some(Refusal::NothingEarned));
}

#[test]
fn whoever_registers_when_numbers_end_is_refused_and_the_chain_goes_on() {
    let mut world = World::new();
    let key = ECONOMY.key(&());
    let mut record = ECONOMY.decode(&key, &world.state.get(&key).unwrap()).unwrap();
    record.next_validator = u32::MAX;
    world.state.apply(&[(key, Some(encode(&record)))].into());
    assert_eq!(world.act(4, registered(4, |_| ())), Some(Refusal::ValidatorsFull));
    assert_eq!(world.act(8, delegate(1, 5)), None);
}

#[test]
fn commissions_change_by_small_steps_and_not_beyond_the_promise() {
    let mut world = World::new();
    assert_eq!(world.act(8, commission(100)), Some(Refusal::NotOperator));
    assert_eq!(world.act(0, commission(1_100)), Some(Refusal::CommissionTooSoon));
    world.wait(15_000);
    assert_eq!(world.act(0, commission(1_501)), Some(Refusal::CommissionRange), "a step too far");
    assert_eq!(world.act(0, commission(1_500)), None);
    assert_eq!(world.act(0, commission(1_600)), Some(Refusal::CommissionTooSoon));
    for bps in [2_000, 2_500, 3_000] {
        world.wait(15_000);
        assert_eq!(world.act(0, commission(bps)), None);
    }
    world.wait(15_000);
    assert_eq!(world.act(0, commission(3_001)), Some(Refusal::CommissionRange), "a promise");
    assert!(!Commission { bps: 2, max_bps: 1, step_bps: 0 }.is_sound());
    assert!(!Commission { bps: 0, max_bps: 10_001, step_bps: 0 }.is_sound());
}

#[test]
fn stake_comes_at_once_and_leaves_after_its_time() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(9, 5)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, delegate(1, 0)), Some(Refusal::ZeroAmount));
    assert_eq!(world.act(8, delegate(1, WEALTH + 1)), Some(Refusal::InsufficientFunds));
    assert_eq!(world.act(8, undelegate(1, 1)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(8, delegate(1, 1_000)), None);
    assert_eq!(world.act(8, undelegate(9, 5)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, undelegate(1, 0)), Some(Refusal::ZeroAmount));
    assert_eq!(world.act(8, undelegate(1, 1_001)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(8, undelegate(1, 400)), None);
    assert_eq!((world.account(8), world.stake(1)), (WEALTH - 1_000, 4 * WEIGHT + 600));
    world.until_epoch(3);
    world.wait(29_000);
    assert_eq!(world.account(8), WEALTH - 1_000, "it is bound");
    world.wait(4_000);
    assert_eq!(world.account(8), WEALTH - 600);
}

#[test]
fn stake_stays_bound_while_evidence_counts_however_long_that_is() {
    let mut spec = network();
    spec.consensus.epoch_length = 1 << 10;
    let mut world = World::of(spec);
    assert_eq!(world.act(8, delegate(1, 1_000)), None);
    assert_eq!(world.act(8, undelegate(1, 400)), None);
    world.wait(100_000);
    assert_eq!(world.account(8), WEALTH - 1_000, "the epoch has not even ended");
    // It left in epoch 0, and its weight is in the set of epoch 1.
    world.until_epoch(2);
    world.wait(10_000);
    assert_eq!(world.account(8), WEALTH - 1_000, "faults of epoch 1 are still proven");
    world.until_epoch(3);
    world.wait(10_000);
    assert_eq!(world.account(8), WEALTH - 600);
}

#[test]
fn stake_that_moves_answers_for_where_it_was_and_then_arrives() {
    let mut world = World::new();
    assert_eq!(world.act(8, delegate(1, 1_000_000)), None);
    assert_eq!(world.act(8, redelegate(1, 1, 1)), Some(Refusal::SameValidator));
    assert_eq!(world.act(8, redelegate(1, 9, 1)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, redelegate(9, 1, 1)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, redelegate(1, 2, 0)), Some(Refusal::ZeroAmount));
    assert_eq!(world.act(8, redelegate(1, 2, 1_000_001)), Some(Refusal::NotDelegated));
    assert_eq!(world.act(8, redelegate(1, 2, 600_000)), None);
    assert_eq!(world.act(8, redelegate(1, 3, 300_000)), None);
    let epoch = world.spec.epoch_of(world.height);
    world.block(&[offence(3, epoch, 1)], vec![]);
    assert_eq!(world.act(8, redelegate(1, 3, 1)), Some(Refusal::ValidatorTombstoned));
    world.block(&[offence(1, 0, 6)], vec![]);
    world.until_epoch(3);
    world.wait(34_000);
    // A thousandth for the delay; the fourth validator takes no more, so its part comes back.
    assert_eq!(world.stake(2), 3 * WEIGHT + 599_400);
    assert_eq!(world.account(8), WEALTH - 1_000_000 + 299_700);
}

#[test]
fn rewards_are_taken_once() {
    let mut world = World::new();
    assert_eq!(world.act(8, rewards(9)), Some(Refusal::ValidatorUnknown));
    assert_eq!(world.act(8, rewards(1)), Some(Refusal::NothingEarned));
    assert_eq!(world.act(8, delegate(1, WEIGHT)), None);
    world.wait(EPOCH_MS);
    assert_eq!(world.act(8, undelegate(1, WEIGHT)), None, "rewards stay when stake leaves");
    assert_eq!(world.act(8, rewards(1)), None);
    assert!(world.account(8) > WEALTH);
    assert_eq!(world.act(8, rewards(1)), Some(Refusal::NothingEarned));
}

#[test]
fn who_is_away_is_jailed_loses_a_little_and_is_not_paid_until_it_asks() {
    let mut world = World::new();
    assert_eq!(world.act(8, Body::UnjailValidator), Some(Refusal::NotOperator));
    assert_eq!(world.act(2, Body::UnjailValidator), Some(Refusal::NotJailed));
    world.wait_with(EPOCH_MS, &[0, 1, 3]);
    assert_eq!(world.stake(2), 3 * WEIGHT * 99 / 100);
    assert_eq!(world.stake(3), 2 * WEIGHT, "the others lose nothing");
    assert_eq!(world.has(Purse::Earned(ValidatorId(2))), 0);
    assert_eq!(world.act(2, Body::UnjailValidator), Some(Refusal::JailNotOver));
    world.wait(EPOCH_MS);
    assert_eq!(world.has(Purse::Earned(ValidatorId(2))), 0, "it has not asked");
    assert_eq!(world.act(2, Body::UnjailValidator), None);
    world.wait(EPOCH_MS);
    assert_eq!(world.has(Purse::Earned(ValidatorId(2))), 0, "it has to be elected again");
    world.wait(3 * EPOCH_MS);
    assert!(world.has(Purse::Earned(ValidatorId(2))) > 0);
}

#[test]
fn an_outage_of_the_network_is_nobodys_fault() {
    let mut world = World::new();
    world.wait(4_000);
    // No block for a long time: the clock moves on by small steps, in slots that have blocks.
    world.now += 300_000;
    for _ in 0..400 {
        world.now += 1_000;
        world.block(&[], vec![]);
    }
    for (validator, weight) in (0..).zip(super::world::WEIGHTS) {
        assert_eq!(world.stake(validator), u128::from(weight) * WEIGHT);
    }
}

#[test]
fn after_an_outage_time_comes_back_at_twice_its_speed() {
    let mut world = World::new();
    world.wait(4_000);
    world.now += 60_000;
    let mut block = || {
        let before = world.time();
        world.block(&[], vec![]);
        let (passed, behind) = (world.time() - before, world.now - world.time());
        world.now += 250;
        (passed, behind)
    };
    assert_eq!(block(), (5_000, 55_000), "who waited has time");
    assert_eq!([block(), block()], [(500, 54_750), (500, 54_500)]);
    let later = (0..300).map(|_| block()).find(|(_, behind)| *behind == 0);
    assert_eq!((later, block()), (Some((500, 0)), (250, 0)), "then it goes as clocks do");
}

#[test]
fn a_network_that_starts_days_late_comes_to_its_time_by_steps() {
    let mut world = World::new();
    world.wait(4_000);
    let begun = world.time();
    world.now += 86_400_000 + 7_500;
    let passed = [(); 4].map(|()| {
        world.block(&[], vec![]);
        world.time() - begun
    });
    assert_eq!(passed, [5_000, 10_000, 10_000, 10_000], "a day stays, and clocks stand still");
}

#[test]
fn a_validator_that_lost_nearly_everything_takes_no_more() {
    let mut spec = network();
    if let Some(economy) = &mut spec.economy {
        economy.params.penalty.delay_bps = 1_000;
        // It stays a member, however little it has.
        economy.params.stake.seats = 0;
    }
    let (epoch_length, bond) = (spec.consensus.epoch_length, 3 * WEIGHT);
    let mut world = World::of(spec);
    // A tenth of what is there, three times in each epoch of consensus.
    while world.stake(2) * 65_536 >= bond {
        let epoch = world.height / epoch_length;
        world.block(&[6, 7, 8].map(|rule| offence(2, epoch, rule)), vec![]);
        for _ in 1..epoch_length {
            world.block(&[], vec![]);
        }
    }
    assert_eq!(world.act(8, delegate(2, 5)), Some(Refusal::ValidatorWorn));
    assert_eq!(world.act(2, undelegate(2, bond)), Some(Refusal::NotDelegated));
}
