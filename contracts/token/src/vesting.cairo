//! `Vesting`: pays a beneficiary over four years, and nothing in the first.
//!
//! Invariants:
//! - until a year after the start nothing is paid; from then on, of the sum that was fixed at
//!   first, at most the part that has passed of four years; after them all that is here, also what
//!   came unasked;
//! - the beneficiary alone is paid, whoever asks for it;
//! - what is not paid yet votes for nobody, since this contract delegates to nobody;
//! - nobody owns the contract: nobody can hasten it, stop it or take back what it holds.
use starknet::ContractAddress;

/// Seconds from the start in which nothing, and in which not everything is paid: one year and four.
pub const CLIFF: u64 = 31_536_000;
pub const DURATION: u64 = 126_144_000;

/// A grant, which is fixed.
#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Grant {
    pub token: ContractAddress,
    pub beneficiary: ContractAddress,
    /// The sum that is paid in four years. Whoever grants it sends it here.
    pub sum: u256,
    /// In seconds of the chain's time; at most four years from now.
    pub start: u64,
}

#[starknet::interface]
pub trait IVesting<T> {
    /// Pays the beneficiary what is due.
    fn release(ref self: T);
    /// What `release` would pay.
    fn releasable(self: @T) -> u256;
    /// What was paid.
    fn released(self: @T) -> u256;
    fn grant(self: @T) -> Grant;
}

#[starknet::contract]
pub mod Vesting {
    use core::num::traits::Zero;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{ContractAddress, get_block_timestamp, get_contract_address};
    use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait, pay};
    use super::{CLIFF, DURATION, Grant, IVesting};

    #[storage]
    struct Storage {
        grant: Grant,
        released: u256,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Released: Released,
    }
    #[derive(Drop, starknet::Event)]
    struct Released {
        #[key]
        beneficiary: ContractAddress,
        amount: u256,
    }

    #[constructor]
    fn constructor(ref self: ContractState, grant: Grant) {
        assert(grant.token != Zero::zero(), 'no token');
        assert(grant.beneficiary != Zero::zero(), 'no beneficiary');
        // So that a product of the sum and a time has room.
        assert(grant.sum.high == 0, 'sum: too large');
        // Such as one in milliseconds.
        assert(grant.start <= get_block_timestamp() + DURATION, 'start: too late');
        self.grant.write(grant);
    }

    #[abi(embed_v0)]
    impl Impl of super::IVesting<ContractState> {
        fn release(ref self: ContractState) {
            let amount = self.releasable();
            assert(amount != 0, 'nothing due');
            let Grant { token, beneficiary, .. } = self.grant.read();
            self.released.write(self.released.read() + amount);
            self.emit(Released { beneficiary, amount });
            pay(token, beneficiary, amount);
        }
        fn releasable(self: @ContractState) -> u256 {
            let Grant { token: contract_address, sum, start, .. } = self.grant.read();
            let now = get_block_timestamp();
            if now < start + CLIFF {
                return 0;
            }
            if now >= start + DURATION {
                return IERC20Dispatcher { contract_address }.balance_of(get_contract_address());
            }
            sum * (now - start).into() / DURATION.into() - self.released.read()
        }
        fn released(self: @ContractState) -> u256 {
            self.released.read()
        }
        fn grant(self: @ContractState) -> Grant {
            self.grant.read()
        }
    }
}
