//! Money that is made, moved and allowed.
use props::{deployed, refused};
use starknet::testing::{pop_log_raw, set_contract_address};
use super::{balance, begin, holder, nobody, other, third};
use token::ciro_token::{CiroToken, ICiroTokenDispatcher, ICiroTokenDispatcherTrait, SUPPLY};
use verifier::erc20::{
    IERC20Dispatcher, IERC20DispatcherTrait, IERC20SafeDispatcher, IERC20SafeDispatcherTrait,
};

fn all_money_is_made_at_once() {
    let contract_address = begin();
    let token = ICiroTokenDispatcher { contract_address };
    assert(SUPPLY == 1_000_000_000 * 1_000_000_000_000_000_000, 'another supply');
    assert(token.total_supply() == SUPPLY, 'another total');
    assert(balance(contract_address, holder()) == SUPPLY, 'not all');
    assert(token.name() == "Ciro" && token.symbol() == "CIRO", 'another name');
    assert(token.decimals() == 18, 'other decimals');
    let (keys, data) = pop_log_raw(contract_address).unwrap();
    assert(keys == array![selector!("Transfer"), 0, holder().into()].span(), 'other keys');
    assert(data == array![SUPPLY.low.into(), SUPPLY.high.into()].span(), 'other data');
    refused(deployed(CiroToken::TEST_CLASS_HASH, array![0]), 'no holder');
}

#[feature("safe_dispatcher")]
fn money_moves_by_its_owner() {
    let contract_address = begin();
    let coin = IERC20Dispatcher { contract_address };
    let safe = IERC20SafeDispatcher { contract_address };
    pop_log_raw(contract_address).unwrap();
    assert(coin.transfer(other(), 100), 'not moved');
    let (keys, data) = pop_log_raw(contract_address).unwrap();
    let expected = array![selector!("Transfer"), holder().into(), other().into()];
    assert(keys == expected.span(), 'other keys');
    assert(data == array![100, 0].span(), 'other data');
    assert(balance(contract_address, holder()) == SUPPLY - 100, 'holder');
    assert(balance(contract_address, other()) == 100, 'other');
    set_contract_address(other());
    refused(safe.transfer(third(), 101), 'not enough');
    refused(safe.transfer(nobody(), 1), 'to nobody');
    coin.transfer(other(), 100);
    assert(balance(contract_address, other()) == 100, 'to oneself');
    coin.transfer(third(), 100);
    assert(balance(contract_address, other()) == 0, 'not all');
    assert(balance(contract_address, third()) == 100, 'third');
}

#[feature("safe_dispatcher")]
fn an_allowance_is_used_up() {
    let contract_address = begin();
    let coin = IERC20Dispatcher { contract_address };
    let safe = IERC20SafeDispatcher { contract_address };
    let token = ICiroTokenDispatcher { contract_address };
    pop_log_raw(contract_address).unwrap();
    assert(token.approve(other(), 100), 'not approved');
    let (keys, data) = pop_log_raw(contract_address).unwrap();
    let expected = array![selector!("Approval"), holder().into(), other().into()];
    assert(keys == expected.span(), 'other keys');
    assert(data == array![100, 0].span(), 'other data');
    refused(safe.transfer_from(holder(), third(), 1), 'not allowed');
    set_contract_address(other());
    refused(safe.transfer_from(holder(), third(), 101), 'not allowed');
    refused(safe.transfer_from(third(), other(), 1), 'not allowed');
    assert(coin.transfer_from(holder(), third(), 60), 'not moved');
    assert(balance(contract_address, third()) == 60, 'third');
    assert(balance(contract_address, holder()) == SUPPLY - 60, 'holder');
    assert(token.allowance(holder(), other()) == 40, 'not used up');
    refused(safe.transfer_from(holder(), third(), 41), 'not allowed');
    // Instead of what is left.
    set_contract_address(holder());
    token.approve(other(), 7);
    assert(token.allowance(holder(), other()) == 7, 'added up');
    // What the owner has not.
    set_contract_address(third());
    token.approve(other(), 1000);
    set_contract_address(other());
    refused(safe.transfer_from(third(), other(), 61), 'not enough');
    assert(token.allowance(third(), other()) == 1000, 'used up by a refusal');
}
