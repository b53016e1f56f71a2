//! Histories of proposals.
pub mod proposals;
pub mod target;
pub mod votes;

use governor::governor::{
    Ballot, DELAY, Governor, IGovernorDispatcher, IGovernorDispatcherTrait,
    IGovernorSafeDispatcher, TIMELOCK, VOTE,
};
use props::deploy;
use starknet::ContractAddress;
use starknet::account::Call;
use starknet::testing::{set_block_timestamp, set_contract_address};
use target::{ITargetDispatcher, Target};
use token::ciro_token::{CiroToken, IVotesDispatcher, IVotesDispatcherTrait, SUPPLY};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

pub const START: u64 = 1_000_000;
/// What the governor holds.
pub const TREASURE: u256 = 500;

/// Has what nobody else has, and does not vote.
pub fn holder() -> ContractAddress {
    'holder'.try_into().unwrap()
}
/// A fifth of the supply.
pub fn fifth() -> ContractAddress {
    'fifth'.try_into().unwrap()
}
/// A tenth.
pub fn tenth() -> ContractAddress {
    'tenth'.try_into().unwrap()
}
/// A thousandth.
pub fn small() -> ContractAddress {
    'small'.try_into().unwrap()
}
pub fn other() -> ContractAddress {
    'other'.try_into().unwrap()
}

#[derive(Copy, Drop)]
pub struct Assembly {
    pub coin: IERC20Dispatcher,
    pub votes: IVotesDispatcher,
    pub at: ContractAddress,
    pub governor: IGovernorDispatcher,
    pub safe: IGovernorSafeDispatcher,
    pub target: ITargetDispatcher,
}

/// Everybody has voted for nothing yet, and names itself.
pub fn begin() -> Assembly {
    set_block_timestamp(START - 10);
    let token = deploy(CiroToken::TEST_CLASS_HASH, array![holder().into()]);
    let at = deploy(Governor::TEST_CLASS_HASH, array![token.into()]);
    let target = deploy(Target::TEST_CLASS_HASH, array![]);
    let (coin, votes) = (
        IERC20Dispatcher { contract_address: token }, IVotesDispatcher { contract_address: token },
    );
    let parts = array![
        (fifth(), SUPPLY / 5), (tenth(), SUPPLY / 10), (small(), SUPPLY / 1_000), (other(), 0),
    ];
    for (who, amount) in parts {
        set_contract_address(holder());
        coin.transfer(who, amount);
        set_contract_address(who);
        votes.delegate(who);
    };
    set_contract_address(holder());
    coin.transfer(at, TREASURE);
    set_block_timestamp(START);
    Assembly {
        coin, votes, at, governor: IGovernorDispatcher { contract_address: at },
        safe: IGovernorSafeDispatcher { contract_address: at },
        target: ITargetDispatcher { contract_address: target },
    }
}

/// When a vote begins and ends of what was proposed at first, and when it may be executed.
pub fn begins() -> u64 {
    START + DELAY
}
pub fn ends() -> u64 {
    START + DELAY + VOTE
}
pub fn unlocks() -> u64 {
    START + DELAY + VOTE + TIMELOCK
}

#[generate_trait]
pub impl AssemblyImpl of AssemblyTrait {
    /// A call of the target.
    fn call(self: Assembly, selector: felt252, calldata: Array<felt252>) -> Call {
        Call { to: self.target.contract_address, selector, calldata: calldata.span() }
    }
    /// A payment out of the treasury.
    fn payment(self: Assembly, to: ContractAddress, amount: u256) -> Call {
        let calldata = array![to.into(), amount.low.into(), amount.high.into()].span();
        Call { to: self.coin.contract_address, selector: selector!("transfer"), calldata }
    }
    fn proposed(self: Assembly, by: ContractAddress, calls: Array<Call>) -> felt252 {
        set_contract_address(by);
        self.governor.propose(calls.span())
    }
    fn voted(self: Assembly, proposal: felt252, by: ContractAddress, ballot: Ballot) {
        set_contract_address(by);
        self.governor.vote(proposal, ballot);
    }
    /// A proposal of now that a fifth votes for, when it may be executed.
    fn accepted(self: Assembly, calls: Array<Call>) -> felt252 {
        let proposal = self.proposed(small(), calls);
        set_block_timestamp(begins());
        self.voted(proposal, fifth(), Ballot::For);
        set_block_timestamp(unlocks());
        set_contract_address(other());
        proposal
    }
}
