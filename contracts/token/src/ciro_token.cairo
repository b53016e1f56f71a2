//! `CiroToken`: the token of the network, by the standard's names (EIP-20, SNIP-2), with votes.
//!
//! Invariants:
//! - balances sum to 10^27 units, which the constructor gives to one holder: none are made or
//!   burned after it;
//! - money moves by its owner's call, or within an allowance of the owner's, which shrinks by as
//!   much;
//! - the votes of an account are the balances of those who delegate to it: what is delegated to
//!   nobody does not vote, also that of an account which did not name itself;
//! - votes of a second that is over do not change, so that money which moves votes once;
//! - nobody owns the contract: there is no upgrade, no pause, no list of accounts.
use starknet::ContractAddress;

/// All units there are, 10^18 to a token.
pub const SUPPLY: u256 = 1_000_000_000_000_000_000_000_000_000;

/// What the standard has beside `IERC20`.
#[starknet::interface]
pub trait ICiroToken<T> {
    fn name(self: @T) -> ByteArray;
    fn symbol(self: @T) -> ByteArray;
    fn decimals(self: @T) -> u8;
    fn total_supply(self: @T) -> u256;
    /// What somebody may still move of an owner's.
    fn allowance(self: @T, owner: ContractAddress, spender: ContractAddress) -> u256;
    /// Lets somebody move so much of the caller's, instead of what was allowed before.
    fn approve(ref self: T, spender: ContractAddress, amount: u256) -> bool;
}

#[starknet::interface]
pub trait IVotes<T> {
    /// Lets somebody vote with all that the caller has and will have; zero for nobody.
    fn delegate(ref self: T, delegatee: ContractAddress);
    fn delegates(self: @T, account: ContractAddress) -> ContractAddress;
    fn get_votes(self: @T, account: ContractAddress) -> u256;
    /// The votes at the end of a second that is over.
    fn get_past_votes(self: @T, account: ContractAddress, timepoint: u64) -> u256;
}

/// The votes of an account from a second on.
#[derive(Copy, Drop)]
struct Checkpoint {
    time: u64,
    votes: u128,
}
/// In one felt, the time above the votes.
impl CheckpointPacking of starknet::storage_access::StorePacking<Checkpoint, felt252> {
    fn pack(value: Checkpoint) -> felt252 {
        value.time.into() * 0x100000000000000000000000000000000 + value.votes.into()
    }
    fn unpack(value: felt252) -> Checkpoint {
        let value: u256 = value.into();
        Checkpoint { time: value.high.try_into().unwrap(), votes: value.low }
    }
}

#[starknet::contract]
pub mod CiroToken {
    use core::num::traits::Zero;
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use starknet::{ContractAddress, get_block_timestamp, get_caller_address};
    use super::{Checkpoint, IVotes, SUPPLY};

    #[storage]
    struct Storage {
        balances: Map<ContractAddress, u256>,
        /// By owner and spender.
        allowances: Map<(ContractAddress, ContractAddress), u256>,
        delegates: Map<ContractAddress, ContractAddress>,
        /// How many checkpoints each account has, and which, from the oldest on.
        counts: Map<ContractAddress, u32>,
        checkpoints: Map<(ContractAddress, u32), Checkpoint>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Transfer: Transfer,
        Approval: Approval,
        DelegateChanged: DelegateChanged,
        DelegateVotesChanged: DelegateVotesChanged,
    }
    #[derive(Drop, starknet::Event)]
    struct Transfer {
        #[key]
        from: ContractAddress,
        #[key]
        to: ContractAddress,
        value: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Approval {
        #[key]
        owner: ContractAddress,
        #[key]
        spender: ContractAddress,
        value: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct DelegateChanged {
        #[key]
        delegator: ContractAddress,
        #[key]
        from_delegate: ContractAddress,
        #[key]
        to_delegate: ContractAddress,
    }
    #[derive(Drop, starknet::Event)]
    struct DelegateVotesChanged {
        #[key]
        delegate: ContractAddress,
        previous_votes: u256,
        new_votes: u256,
    }

    #[constructor]
    fn constructor(ref self: ContractState, holder: ContractAddress) {
        assert(holder != Zero::zero(), 'no holder');
        self.balances.write(holder, SUPPLY);
        self.emit(Transfer { from: Zero::zero(), to: holder, value: SUPPLY });
    }

    #[abi(embed_v0)]
    impl Erc20 of verifier::erc20::IERC20<ContractState> {
        fn transfer(ref self: ContractState, recipient: ContractAddress, amount: u256) -> bool {
            self.move_money(get_caller_address(), recipient, amount);
            true
        }
        fn transfer_from(
            ref self: ContractState,
            sender: ContractAddress,
            recipient: ContractAddress,
            amount: u256,
        ) -> bool {
            let place = (sender, get_caller_address());
            let allowed = self.allowances.read(place);
            assert(allowed >= amount, 'not allowed');
            self.allowances.write(place, allowed - amount);
            self.move_money(sender, recipient, amount);
            true
        }
        fn balance_of(self: @ContractState, account: ContractAddress) -> u256 {
            self.balances.read(account)
        }
    }

    #[abi(embed_v0)]
    impl Token of super::ICiroToken<ContractState> {
        fn name(self: @ContractState) -> ByteArray {
            "Ciro"
        }
        fn symbol(self: @ContractState) -> ByteArray {
            "CIRO"
        }
        fn decimals(self: @ContractState) -> u8 {
            18
        }
        fn total_supply(self: @ContractState) -> u256 {
            SUPPLY
        }
        fn allowance(
            self: @ContractState, owner: ContractAddress, spender: ContractAddress,
        ) -> u256 {
            self.allowances.read((owner, spender))
        }
        fn approve(ref self: ContractState, spender: ContractAddress, amount: u256) -> bool {
            let owner = get_caller_address();
            self.allowances.write((owner, spender), amount);
            self.emit(Approval { owner, spender, value: amount });
            true
        }
    }

    #[abi(embed_v0)]
    impl Votes of super::IVotes<ContractState> {
        fn delegate(ref self: ContractState, delegatee: ContractAddress) {
            let delegator = get_caller_address();
            let from_delegate = self.delegates.read(delegator);
            self.delegates.write(delegator, delegatee);
            self.emit(DelegateChanged { delegator, from_delegate, to_delegate: delegatee });
            self.move_votes(from_delegate, delegatee, self.balances.read(delegator));
        }
        fn delegates(self: @ContractState, account: ContractAddress) -> ContractAddress {
            self.delegates.read(account)
        }
        fn get_votes(self: @ContractState, account: ContractAddress) -> u256 {
            self.votes_before(account, self.counts.read(account))
        }
        fn get_past_votes(
            self: @ContractState, account: ContractAddress, timepoint: u64,
        ) -> u256 {
            assert(timepoint < get_block_timestamp(), 'not past');
            // Checkpoints below `low` are of then or older, those from `high` on are newer.
            let (mut low, mut high) = (0, self.counts.read(account));
            while low != high {
                let middle = (low + high) / 2;
                if self.checkpoints.read((account, middle)).time > timepoint {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            };
            self.votes_before(account, low)
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        fn move_money(
            ref self: ContractState, from: ContractAddress, to: ContractAddress, amount: u256,
        ) {
            assert(to != Zero::zero(), 'to nobody');
            let has = self.balances.read(from);
            assert(has >= amount, 'not enough');
            self.balances.write(from, has - amount);
            self.balances.write(to, self.balances.read(to) + amount);
            self.emit(Transfer { from, to, value: amount });
            self.move_votes(self.delegates.read(from), self.delegates.read(to), amount);
        }
        fn move_votes(
            ref self: ContractState, from: ContractAddress, to: ContractAddress, amount: u256,
        ) {
            if from == to || amount == 0 {
                return;
            }
            if from != Zero::zero() {
                let votes = self.get_votes(from);
                self.checkpoint(from, votes, votes - amount);
            }
            if to != Zero::zero() {
                let votes = self.get_votes(to);
                self.checkpoint(to, votes, votes + amount);
            }
        }
        /// Notes new votes, in place of those of the same second.
        fn checkpoint(ref self: ContractState, account: ContractAddress, from: u256, to: u256) {
            let count = self.counts.read(account);
            let time = get_block_timestamp();
            let is_new = count == 0 || self.checkpoints.read((account, count - 1)).time != time;
            let at = if is_new {
                self.counts.write(account, count + 1);
                count
            } else {
                count - 1
            };
            // Nobody has more than the supply.
            let votes = to.try_into().unwrap();
            self.checkpoints.write((account, at), Checkpoint { time, votes });
            let event = DelegateVotesChanged {
                delegate: account, previous_votes: from, new_votes: to,
            };
            self.emit(event);
        }
        /// The votes in the last of an account's first checkpoints.
        fn votes_before(self: @ContractState, account: ContractAddress, count: u32) -> u256 {
            if count == 0 {
                return 0;
            }
            self.checkpoints.read((account, count - 1)).votes.into()
        }
    }
}
