//! Convictions of several keys, and whose bonds are of a capture. Evidence of forks, one for each
//! key, and all signatures come from outside.
use bond::validator_bond::{
    IValidatorBondDispatcherTrait, IValidatorBondSafeDispatcherTrait, WAIT,
};
use props::refused;
use starknet::testing::set_block_timestamp;
use super::bonds::{MONEY, START, StageTrait, bonded, owners, treasury};
use super::evidence;

/// Convicts with little are no capture, also where nobody else has anything: the last of these has
/// what is missing.
fn little_captures_nothing(
    about: Array<felt252>,
    signatures: Array<felt252>,
    first: Array<felt252>,
    second: Array<felt252>,
    third: Array<felt252>,
    fourth: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![9_998, 1]);
    s.convicts(0, evidence(first));
    s.convicts(1, evidence(second));
    assert(s.bonds.captured_at() == 0, 'captured by little');
    s.weighs(9_999, 9_999);
    s.puts_up(2, 1, signatures.span());
    s.convicts(2, evidence(third));
    assert(s.bonds.captured_at() == START, 'not captured');
    s.weighs(0, 0);
    // Nothing is left to capture.
    set_block_timestamp(START + 1);
    s.puts_up(3, 1, signatures.span());
    s.convicts(3, evidence(fourth));
    assert(s.bonds.captured_at() == START, 'captured again');
    s.weighs(1, 1);
}

/// Whoever convicts a key of its own after a capture keeps nobody here any longer.
fn a_capture_is_of_its_second(
    about: Array<felt252>,
    signatures: Array<felt252>,
    first: Array<felt252>,
    second: Array<felt252>,
    third: Array<felt252>,
    fourth: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![20_000, 30_000, 0, 10_000]);
    let owners = owners();
    s.left(3);
    s.convicts(0, evidence(first));
    assert(s.bonds.captured_at() == START, 'not captured');
    s.weighs(40_000, 0);
    set_block_timestamp(START + 1);
    s.puts_up(2, 100, signatures.span());
    s.convicts(2, evidence(third));
    assert(s.bonds.captured_at() == START, 'captured again');
    s.weighs(40_100, 100);
    set_block_timestamp(START + WAIT);
    s.withdraws(3);
    s.has(*owners.at(3), MONEY);
    s.withdraws(0);
    s.has(*owners.at(0), MONEY - 20_000);
    s.weighs(30_100, 100);
    // It was not here at the capture.
    set_block_timestamp(START + 1 + WAIT);
    s.withdraws(2);
    s.has(*owners.at(2), MONEY - 5);
    s.weighs(30_000, 0);
    assert(s.bonds.bond_of(*s.keys.at(1)).left != 0, 'another bond was taken');
}

/// Who was here at a capture and is convicted within 28 days loses everything, however little
/// convicts have by then.
fn who_was_here_is_of_it(
    about: Array<felt252>,
    signatures: Array<felt252>,
    first: Array<felt252>,
    second: Array<felt252>,
    third: Array<felt252>,
    fourth: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![20_000, 4_000, 4_000, 32_000]);
    let owners = owners();
    s.convicts(0, evidence(first));
    set_block_timestamp(START + WAIT - 1);
    s.convicts(1, evidence(second));
    set_block_timestamp(START + WAIT);
    s.convicts(2, evidence(third));
    assert(s.bonds.captured_at() == START, 'captured again');
    s.weighs(40_000, 8_000);
    set_block_timestamp(START + 2 * WAIT);
    s.withdraws(1);
    s.withdraws(2);
    s.weighs(32_000, 0);
    s.has(*owners.at(1), MONEY - 4_000);
    s.has(*owners.at(2), MONEY - 200);
}

/// A third of what a capture has left is another, also in the same second, and also by those who
/// came after it. Convicts count once.
#[feature("safe_dispatcher")]
fn captures_follow_each_other(
    about: Array<felt252>,
    signatures: Array<felt252>,
    first: Array<felt252>,
    second: Array<felt252>,
    third: Array<felt252>,
    fourth: Array<felt252>,
) {
    let s = bonded(about.span(), signatures.span(), array![20_000, 20_000, 0, 20_000]);
    let owners = owners();
    s.convicts(0, evidence(first));
    s.weighs(40_000, 0);
    s.convicts(1, evidence(second));
    s.weighs(20_000, 0);
    assert(s.bonds.captured_at() == START, 'not captured');
    set_block_timestamp(START + 1);
    s.puts_up(2, 10_000, signatures.span());
    s.convicts(2, evidence(third));
    assert(s.bonds.captured_at() == START + 1, 'not captured again');
    s.weighs(20_000, 0);
    s.left(3);
    set_block_timestamp(START + WAIT);
    refused(s.safe.withdraw(*s.keys.at(0)), 'captured');
    set_block_timestamp(START + 1 + WAIT);
    for at in 0..4_u32 {
        s.withdraws(at);
    };
    s.weighs(0, 0);
    s.has(*owners.at(0), MONEY - 20_000);
    s.has(*owners.at(1), MONEY - 20_000);
    s.has(*owners.at(2), MONEY - 10_000);
    s.has(*owners.at(3), MONEY);
    s.has(s.bonds.contract_address, 0);
    s.has(treasury(), 49_875);
}
