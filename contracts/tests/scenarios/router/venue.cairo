//! An exchange that is told what to say and to pay.
use starknet::ContractAddress;

#[starknet::interface]
pub trait IVenue<T> {
    /// What it says that it holds, and the sum of its prices.
    fn tell(ref self: T, stable: u256, ciro: u256, cumulative: u256);
    /// How much it pays, and how much less it takes than it might.
    fn deal(ref self: T, gives: u256, leaves: u256);
}

#[starknet::contract]
pub mod Venue {
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use verifier::erc20::{pay, take};

    #[storage]
    struct Storage {
        stablecoin: ContractAddress,
        token: ContractAddress,
        stable: u256,
        ciro: u256,
        cumulative: u256,
        gives: u256,
        leaves: u256,
    }

    #[constructor]
    fn constructor(ref self: ContractState, stable: ContractAddress, ciro: ContractAddress) {
        self.stablecoin.write(stable);
        self.token.write(ciro);
    }

    #[abi(embed_v0)]
    impl Telling of super::IVenue<ContractState> {
        fn tell(ref self: ContractState, stable: u256, ciro: u256, cumulative: u256) {
            self.stable.write(stable);
            self.ciro.write(ciro);
            self.cumulative.write(cumulative);
        }
        fn deal(ref self: ContractState, gives: u256, leaves: u256) {
            self.gives.write(gives);
            self.leaves.write(leaves);
        }
    }

    #[abi(embed_v0)]
    impl Trading of router::exchange::IExchange<ContractState> {
        fn buy(
            ref self: ContractState, amount: u256, least: u256, recipient: ContractAddress,
        ) -> u256 {
            let taken = amount - self.leaves.read();
            take(self.stablecoin.read(), get_caller_address(), get_contract_address(), taken);
            pay(self.token.read(), recipient, self.gives.read());
            least
        }
        fn tokens(self: @ContractState) -> (ContractAddress, ContractAddress) {
            (self.stablecoin.read(), self.token.read())
        }
        fn reserves(self: @ContractState) -> (u256, u256) {
            (self.stable.read(), self.ciro.read())
        }
        fn cumulative(self: @ContractState) -> u256 {
            self.cumulative.read()
        }
    }
}
