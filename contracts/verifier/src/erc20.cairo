//! What contracts here ask of a token, by the standard's names (EIP-20, SNIP-2).
use starknet::ContractAddress;

#[starknet::interface]
pub trait IERC20<T> {
    /// Moves the caller's own money; false if it does not.
    fn transfer(ref self: T, recipient: ContractAddress, amount: u256) -> bool;
    /// Moves what the sender has allowed the caller to move; false if it does not.
    fn transfer_from(
        ref self: T, sender: ContractAddress, recipient: ContractAddress, amount: u256,
    ) -> bool;
    fn balance_of(self: @T, account: ContractAddress) -> u256;
}

/// Takes exactly so much from somebody who has allowed it. A token that keeps a fee, or lies about
/// its success, is refused: what is held for one job would pay for another.
pub fn take(token: ContractAddress, from: ContractAddress, to: ContractAddress, amount: u256) {
    let coin = IERC20Dispatcher { contract_address: token };
    let before = coin.balance_of(to);
    assert(coin.transfer_from(from, to, amount), 'token: not taken');
    assert(coin.balance_of(to) == before + amount, 'token: another amount');
}

/// Pays somebody.
pub fn pay(token: ContractAddress, to: ContractAddress, amount: u256) {
    if amount != 0 {
        let coin = IERC20Dispatcher { contract_address: token };
        assert(coin.transfer(to, amount), 'token: not paid');
    }
}
