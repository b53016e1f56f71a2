//! Test money, so much a day.
use props::{deploy, deployed, refused};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_chain_id, set_contract_address};
use super::{balance, begin, other, pays, third};
use token::faucet::{
    Faucet, IFaucetDispatcher, IFaucetDispatcherTrait, IFaucetSafeDispatcher,
    IFaucetSafeDispatcherTrait, PER_DAY, PORTION,
};

const DAY: u64 = 86_400;

/// A faucet with so much money, at the end of a day.
fn filled(amount: u256) -> (ContractAddress, ContractAddress) {
    let token = begin();
    set_chain_id('SN_SEPOLIA');
    set_block_timestamp(100 * DAY - 1);
    let faucet = deploy(Faucet::TEST_CLASS_HASH, array![token.into()]);
    pays(token, faucet, amount);
    set_contract_address(third());
    (token, faucet)
}

#[feature("safe_dispatcher")]
fn an_account_has_a_portion_a_day() {
    let (token, contract_address) = filled(10 * PORTION);
    let faucet = IFaucetDispatcher { contract_address };
    let safe = IFaucetSafeDispatcher { contract_address };
    faucet.drip(other());
    assert(balance(token, other()) == 1000 * 1_000_000_000_000_000_000, 'another portion');
    assert(balance(token, third()) == 0, 'paid who asked');
    refused(safe.drip(other()), 'had its portion');
    faucet.drip(third());
    assert(faucet.left() == PER_DAY - 2 * PORTION, 'not counted');
    // The next day.
    set_block_timestamp(100 * DAY);
    assert(faucet.left() == PER_DAY, 'not a new day');
    faucet.drip(other());
    refused(safe.drip(other()), 'had its portion');
    assert(balance(token, other()) == 2 * PORTION, 'not twice');
    assert(balance(token, contract_address) == 7 * PORTION, 'another rest');
}

#[feature("safe_dispatcher")]
fn a_day_has_its_limit() {
    let (token, contract_address) = filled(2 * PER_DAY);
    let faucet = IFaucetDispatcher { contract_address };
    let safe = IFaucetSafeDispatcher { contract_address };
    for at in 0..100_u32 {
        let at: felt252 = at.into();
        faucet.drip((at + 1).try_into().unwrap());
    };
    assert(faucet.left() == 0, 'more than a day');
    refused(safe.drip(other()), 'dry today');
    assert(balance(token, contract_address) == PER_DAY, 'another rest');
    set_block_timestamp(100 * DAY);
    faucet.drip(other());
    assert(faucet.left() == PER_DAY - PORTION, 'not a new day');
}

#[feature("safe_dispatcher")]
fn an_empty_faucet_gives_nothing() {
    let (token, contract_address) = filled(PORTION - 1);
    let safe = IFaucetSafeDispatcher { contract_address };
    refused(safe.drip(other()), 'not enough');
    pays(token, contract_address, 1);
    // What was refused does not count.
    IFaucetDispatcher { contract_address }.drip(other());
    assert(balance(token, other()) == PORTION, 'not a portion');
}

fn there_is_a_faucet_on_the_test_network_alone() {
    let token = begin();
    for network in array!['SN_MAIN', 0, 'SN_SEPOLIA2'] {
        set_chain_id(network);
        refused(deployed(Faucet::TEST_CLASS_HASH, array![token.into()]), 'not a test network');
    };
    set_chain_id('SN_SEPOLIA');
    deploy(Faucet::TEST_CLASS_HASH, array![token.into()]);
}
