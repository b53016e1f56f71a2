//! A stablecoin that may keep a fee, or call an exchange back.
use starknet::ContractAddress;

#[starknet::interface]
pub trait IDollar<T> {
    fn approve(ref self: T, spender: ContractAddress, amount: u256) -> bool;
    fn give(ref self: T, to: ContractAddress, amount: u256);
    fn set_fee(ref self: T, fee: u256);
    /// The next transfer first buys at an exchange, for its own money.
    fn call(ref self: T, exchange: ContractAddress);
}

#[starknet::contract]
pub mod Dollar {
    use core::num::traits::Zero;
    use router::exchange::{IExchangeDispatcher, IExchangeDispatcherTrait};
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};

    #[storage]
    struct Storage {
        balances: Map<ContractAddress, u256>,
        allowances: Map<(ContractAddress, ContractAddress), u256>,
        fee: u256,
        exchange: ContractAddress,
    }

    #[abi(embed_v0)]
    impl Dollars of super::IDollar<ContractState> {
        fn approve(ref self: ContractState, spender: ContractAddress, amount: u256) -> bool {
            self.allowances.write((get_caller_address(), spender), amount);
            true
        }
        fn give(ref self: ContractState, to: ContractAddress, amount: u256) {
            self.balances.write(to, self.balances.read(to) + amount);
        }
        fn set_fee(ref self: ContractState, fee: u256) {
            self.fee.write(fee);
        }
        fn call(ref self: ContractState, exchange: ContractAddress) {
            self.exchange.write(exchange);
        }
    }

    #[abi(embed_v0)]
    impl Erc20 of verifier::erc20::IERC20<ContractState> {
        fn transfer(ref self: ContractState, recipient: ContractAddress, amount: u256) -> bool {
            self.shift(get_caller_address(), recipient, amount)
        }
        fn transfer_from(
            ref self: ContractState,
            sender: ContractAddress,
            recipient: ContractAddress,
            amount: u256,
        ) -> bool {
            let contract_address = self.exchange.read();
            if contract_address != Zero::zero() {
                self.exchange.write(Zero::zero());
                let this = get_contract_address();
                self.allowances.write((this, contract_address), 1_000_000);
                IExchangeDispatcher { contract_address }.buy(1_000_000, 1, this);
            }
            let place = (sender, get_caller_address());
            let allowed = self.allowances.read(place);
            if allowed < amount {
                return false;
            }
            self.allowances.write(place, allowed - amount);
            self.shift(sender, recipient, amount)
        }
        fn balance_of(self: @ContractState, account: ContractAddress) -> u256 {
            self.balances.read(account)
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        fn shift(
            ref self: ContractState, from: ContractAddress, to: ContractAddress, amount: u256,
        ) -> bool {
            let has = self.balances.read(from);
            if has < amount {
                return false;
            }
            self.balances.write(from, has - amount);
            self.balances.write(to, self.balances.read(to) + amount - self.fee.read());
            true
        }
    }
}
