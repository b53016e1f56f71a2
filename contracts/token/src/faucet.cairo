//! `Faucet`: gives test money to whoever asks.
//!
//! Invariants:
//! - it exists on the test network alone;
//! - an account is given `PORTION` once a day, and all of them at most `PER_DAY`, days of UTC;
//! - money comes in by transfers, and goes out by `drip` alone;
//! - nobody owns the contract: there is no upgrade, no pause, no list of accounts.
use starknet::ContractAddress;

/// Units for an account, a thousand tokens, and for all of them in a day.
pub const PORTION: u256 = 1_000_000_000_000_000_000_000;
pub const PER_DAY: u256 = 100_000_000_000_000_000_000_000;
/// Seconds.
const DAY: u64 = 86_400;

#[starknet::interface]
pub trait IFaucet<T> {
    /// Gives an account its portion.
    fn drip(ref self: T, account: ContractAddress);
    /// What is left of today's money.
    fn left(self: @T) -> u256;
}

#[starknet::contract]
pub mod Faucet {
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_block_timestamp, get_tx_info};
    use verifier::erc20::pay;
    use super::{DAY, IFaucet, PER_DAY, PORTION};

    #[storage]
    struct Storage {
        token: ContractAddress,
        /// The day of the last portion.
        today: u64,
        /// What was given on that day.
        given: u256,
        /// The first day on which an account may have another portion.
        next: Map<ContractAddress, u64>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress) {
        assert(get_tx_info().unbox().chain_id == 'SN_SEPOLIA', 'not a test network');
        self.token.write(token);
    }

    #[abi(embed_v0)]
    impl Impl of super::IFaucet<ContractState> {
        fn drip(ref self: ContractState, account: ContractAddress) {
            let today = get_block_timestamp() / DAY;
            assert(self.next.read(account) <= today, 'had its portion');
            let left = self.left();
            assert(left >= PORTION, 'dry today');
            self.next.write(account, today + 1);
            self.today.write(today);
            self.given.write(PER_DAY - left + PORTION);
            pay(self.token.read(), account, PORTION);
        }
        fn left(self: @ContractState) -> u256 {
            if self.today.read() == get_block_timestamp() / DAY {
                PER_DAY - self.given.read()
            } else {
                PER_DAY
            }
        }
    }
}
