//! What a governor calls: it notes who called, fails, or calls back.
use starknet::ContractAddress;

#[starknet::interface]
pub trait ITarget<T> {
    /// Notes a value and its caller.
    fn note(ref self: T, value: felt252);
    fn fail(ref self: T);
    /// Tries, the first time, to have a proposal executed which calls this alone, while it is.
    fn enter(ref self: T);
    /// Which proposal of whom `enter` tries.
    fn aim(ref self: T, governor: ContractAddress, proposal: felt252);
    /// What was noted last, by whom, and how often anything was.
    fn noted(self: @T) -> (felt252, ContractAddress, u32);
    /// For a token without money.
    fn total_supply(self: @T) -> u256;
}

#[starknet::contract]
pub mod Target {
    use governor::governor::{IGovernorSafeDispatcher, IGovernorSafeDispatcherTrait};
    use props::refused;
    use starknet::account::Call;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use super::ITarget;

    #[storage]
    struct Storage {
        value: felt252,
        by: ContractAddress,
        count: u32,
        governor: ContractAddress,
        proposal: felt252,
    }

    #[abi(embed_v0)]
    impl Impl of super::ITarget<ContractState> {
        fn note(ref self: ContractState, value: felt252) {
            self.value.write(value);
            self.by.write(get_caller_address());
            self.count.write(self.count.read() + 1);
        }
        fn fail(ref self: ContractState) {
            core::panic_with_felt252('as it was told')
        }
        #[feature("safe_dispatcher")]
        fn enter(ref self: ContractState) {
            self.note('entered');
            if self.count.read() != 1 {
                return;
            }
            let governor = IGovernorSafeDispatcher { contract_address: self.governor.read() };
            let to = get_contract_address();
            let call = Call { to, selector: selector!("enter"), calldata: array![].span() };
            let again = governor.execute(self.proposal.read(), array![call].span());
            refused(again, 'not executable');
        }
        fn aim(ref self: ContractState, governor: ContractAddress, proposal: felt252) {
            self.governor.write(governor);
            self.proposal.write(proposal);
        }
        fn noted(self: @ContractState) -> (felt252, ContractAddress, u32) {
            (self.value.read(), self.by.read(), self.count.read())
        }
        fn total_supply(self: @ContractState) -> u256 {
            0
        }
    }
}
