//! A token that may keep a fee, refuse a recipient, or call back.
use starknet::ContractAddress;

#[starknet::interface]
pub trait ICoin<T> {
    fn approve(ref self: T, spender: ContractAddress, amount: u256) -> bool;
    fn give(ref self: T, to: ContractAddress, amount: u256);
    fn set_fee(ref self: T, fee: u256);
    fn refuse(ref self: T, who: ContractAddress);
    /// The next transfer first has a worker paid for a job.
    fn call(ref self: T, escrow: ContractAddress, job: felt252, worker: ContractAddress);
}

#[starknet::contract]
pub mod Coin {
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use core::num::traits::Zero;
    use starknet::{ContractAddress, get_caller_address};
    use super::super::stage::OUTPUT;
    use verifier::escrow::{IJobEscrowDispatcher, IJobEscrowDispatcherTrait};

    #[storage]
    struct Storage {
        balances: Map<ContractAddress, u256>,
        allowances: Map<(ContractAddress, ContractAddress), u256>,
        refused: Map<ContractAddress, bool>,
        fee: u256,
        escrow: ContractAddress,
        job: felt252,
        worker: ContractAddress,
    }

    #[abi(embed_v0)]
    impl Coins of super::ICoin<ContractState> {
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
        fn refuse(ref self: ContractState, who: ContractAddress) {
            self.refused.write(who, true);
        }
        fn call(
            ref self: ContractState, escrow: ContractAddress, job: felt252, worker: ContractAddress,
        ) {
            self.escrow.write(escrow);
            self.job.write(job);
            self.worker.write(worker);
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
            let contract_address = self.escrow.read();
            if contract_address != Zero::zero() {
                self.escrow.write(Zero::zero());
                let escrow = IJobEscrowDispatcher { contract_address };
                escrow.claim_proven(self.job.read(), self.worker.read(), OUTPUT);
            }
            let has = self.balances.read(from);
            if has < amount || self.refused.read(to) {
                return false;
            }
            self.balances.write(from, has - amount);
            self.balances.write(to, self.balances.read(to) + amount - self.fee.read());
            true
        }
    }
}
