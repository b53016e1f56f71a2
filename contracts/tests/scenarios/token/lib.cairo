//! Histories of the token and of what hands it out.
pub mod faucet;
pub mod money;
pub mod vesting;
pub mod votes;

use props::deploy;
use starknet::ContractAddress;
use starknet::testing::set_contract_address;
use token::ciro_token::CiroToken;
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

pub fn holder() -> ContractAddress {
    'holder'.try_into().unwrap()
}
pub fn other() -> ContractAddress {
    'other'.try_into().unwrap()
}
pub fn third() -> ContractAddress {
    'third'.try_into().unwrap()
}
pub fn nobody() -> ContractAddress {
    0.try_into().unwrap()
}

/// The holder has all.
pub fn begin() -> ContractAddress {
    let token = deploy(CiroToken::TEST_CLASS_HASH, array![holder().into()]);
    set_contract_address(holder());
    token
}
pub fn balance(contract_address: ContractAddress, account: ContractAddress) -> u256 {
    IERC20Dispatcher { contract_address }.balance_of(account)
}
/// The holder pays somebody.
pub fn pays(contract_address: ContractAddress, account: ContractAddress, amount: u256) {
    set_contract_address(holder());
    IERC20Dispatcher { contract_address }.transfer(account, amount);
}
