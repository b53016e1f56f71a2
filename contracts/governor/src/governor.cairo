//! `Governor`: does what holders of CIRO have decided, and nothing else. It is the last resort.
//!
//! It governs what is given to it: tokens that it holds, such as those of a treasury whose address
//! it is, and contracts that were deployed to obey its address, such as a `Bridge` whose guardian
//! it is. None of the others here does: nobody can change `Facts`, `JobEscrow`, the token or the
//! bonds, and so it cannot.
//!
//! Invariants, for a token whose supply is fixed and whose votes of the past are:
//! - it calls nobody but by a proposal's calls, all of them or none, once, in the order in which
//!   they were proposed;
//! - who proposes had a thousandth of the supply as votes in the second before;
//! - votes are those of the second before the proposal, each cast once, within a week that begins a
//!   day later;
//! - a proposal is executed if more votes are for it than against it, and a fifth of the supply is
//!   for it, within two weeks that begin a week after the vote's end;
//! - its proposer alone takes it back, before the vote;
//! - nobody owns the contract: there is no upgrade, no guardian, no rule that a vote changes.
use starknet::ContractAddress;
use starknet::account::Call;

/// Keeps the ids of proposals apart from other hashes.
const PROPOSAL: felt252 = 'ciro proposal v1';
/// Seconds from a proposal to its vote, of the vote, from there until it may be executed, and in
/// which it may.
pub const DELAY: u64 = 86_400;
pub const VOTE: u64 = 604_800;
pub const TIMELOCK: u64 = 604_800;
pub const GRACE: u64 = 1_209_600;
/// One in so many votes of the supply proposes, and has to be for a proposal.
const PROPOSES: u256 = 1_000;
const QUORUM: u256 = 5;
/// Felts of calls: an event has room for 300.
const FELTS_MAX: u32 = 250;

#[derive(Copy, Drop, Serde, PartialEq)]
pub enum Ballot {
    For,
    Against,
}

/// Where a proposal is.
#[derive(Copy, Drop, Serde, PartialEq)]
pub enum Phase {
    /// The vote has not begun.
    Waiting,
    Voting,
    Rejected,
    /// It is accepted, and may not be executed yet.
    Locked,
    Executable,
    Expired,
    Executed,
    Cancelled,
}

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Proposal {
    pub number: u64,
    pub proposer: ContractAddress,
    /// The block's time; zero if there is no such proposal.
    pub at: u64,
    pub votes_for: u256,
    pub votes_against: u256,
    pub is_executed: bool,
    pub is_cancelled: bool,
}

#[starknet::interface]
pub trait IGovernor<T> {
    /// Proposes calls, at most 250 felts of them. Returns the proposal's id.
    fn propose(ref self: T, calls: Span<Call>) -> felt252;
    /// Casts all votes that the caller had when it was proposed.
    fn vote(ref self: T, proposal: felt252, ballot: Ballot);
    /// Does what was decided; anybody may. A call that fails undoes all of it.
    fn execute(ref self: T, proposal: felt252, calls: Span<Call>);
    /// The proposer takes a proposal back.
    fn cancel(ref self: T, proposal: felt252);
    fn proposal(self: @T, proposal: felt252) -> Proposal;
    fn phase(self: @T, proposal: felt252) -> Phase;
    fn has_voted(self: @T, proposal: felt252, account: ContractAddress) -> bool;
    /// The id of the proposal of this number by somebody.
    fn id_of(self: @T, number: u64, proposer: ContractAddress, calls: Span<Call>) -> felt252;
}

#[starknet::contract]
pub mod Governor {
    use core::poseidon::poseidon_hash_span;
    use starknet::account::Call;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::syscalls::call_contract_syscall;
    use starknet::{
        ContractAddress, SyscallResultTrait, get_block_timestamp, get_caller_address,
        get_contract_address,
    };
    use token::ciro_token::{
        ICiroTokenDispatcher, ICiroTokenDispatcherTrait, IVotesDispatcher, IVotesDispatcherTrait,
    };
    use super::{
        Ballot, DELAY, FELTS_MAX, GRACE, IGovernor, PROPOSES, Phase, Proposal, QUORUM, TIMELOCK,
        VOTE,
    };

    #[storage]
    struct Storage {
        token: ContractAddress,
        supply: u256,
        proposed: u64,
        proposals: Map<felt252, Proposal>,
        /// By proposal and account.
        voted: Map<(felt252, ContractAddress), bool>,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Proposed: Proposed,
        Voted: Voted,
        Executed: Executed,
        Cancelled: Cancelled,
    }
    #[derive(Drop, starknet::Event)]
    struct Proposed {
        #[key]
        proposal: felt252,
        #[key]
        proposer: ContractAddress,
        calls: Span<Call>,
    }
    #[derive(Drop, starknet::Event)]
    struct Voted {
        #[key]
        proposal: felt252,
        #[key]
        account: ContractAddress,
        ballot: Ballot,
        votes: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Executed {
        #[key]
        proposal: felt252,
    }
    #[derive(Drop, starknet::Event)]
    struct Cancelled {
        #[key]
        proposal: felt252,
    }

    #[constructor]
    fn constructor(ref self: ContractState, token: ContractAddress) {
        let supply = ICiroTokenDispatcher { contract_address: token }.total_supply();
        assert(supply != 0, 'token: no supply');
        self.token.write(token);
        self.supply.write(supply);
    }

    #[abi(embed_v0)]
    impl Impl of super::IGovernor<ContractState> {
        fn propose(ref self: ContractState, calls: Span<Call>) -> felt252 {
            let (proposer, at) = (get_caller_address(), get_block_timestamp());
            assert(!calls.is_empty(), 'no calls');
            let mut felts = array![];
            calls.serialize(ref felts);
            assert(felts.len() <= FELTS_MAX, 'calls: too long');
            let votes = self.votes_before(at, proposer);
            assert(votes * PROPOSES >= self.supply.read(), 'too few votes');
            let number = self.proposed.read();
            self.proposed.write(number + 1);
            let proposal = self.id_of(number, proposer, calls);
            let new = Proposal {
                number, proposer, at, votes_for: 0, votes_against: 0, is_executed: false,
                is_cancelled: false,
            };
            self.proposals.write(proposal, new);
            self.emit(Proposed { proposal, proposer, calls });
            proposal
        }

        fn vote(ref self: ContractState, proposal: felt252, ballot: Ballot) {
            let (entry, account) = (self.proposal(proposal), get_caller_address());
            assert(self.phase(proposal) == Phase::Voting, 'no vote now');
            assert(!self.voted.read((proposal, account)), 'voted already');
            let votes = self.votes_before(entry.at, account);
            assert(votes != 0, 'no votes');
            self.voted.write((proposal, account), true);
            let Proposal { votes_for, votes_against, .. } = entry;
            let counted = match ballot {
                Ballot::For => Proposal { votes_for: votes_for + votes, ..entry },
                Ballot::Against => Proposal { votes_against: votes_against + votes, ..entry },
            };
            self.proposals.write(proposal, counted);
            self.emit(Voted { proposal, account, ballot, votes });
        }

        fn execute(ref self: ContractState, proposal: felt252, calls: Span<Call>) {
            let entry = self.proposal(proposal);
            assert(self.phase(proposal) == Phase::Executable, 'not executable');
            let named = self.id_of(entry.number, entry.proposer, calls);
            assert(named == proposal, 'other calls');
            // Before the calls, which may come back.
            self.proposals.write(proposal, Proposal { is_executed: true, ..entry });
            self.emit(Executed { proposal });
            for call in calls {
                let Call { to, selector, calldata } = *call;
                call_contract_syscall(to, selector, calldata).unwrap_syscall();
            };
        }

        fn cancel(ref self: ContractState, proposal: felt252) {
            let entry = self.proposal(proposal);
            assert(get_caller_address() == entry.proposer, 'not the proposer');
            assert(self.phase(proposal) == Phase::Waiting, 'not before the vote');
            self.proposals.write(proposal, Proposal { is_cancelled: true, ..entry });
            self.emit(Cancelled { proposal });
        }

        fn proposal(self: @ContractState, proposal: felt252) -> Proposal {
            let entry = self.proposals.read(proposal);
            assert(entry.at != 0, 'no such proposal');
            entry
        }

        fn phase(self: @ContractState, proposal: felt252) -> Phase {
            let Proposal {
                at, votes_for, votes_against, is_executed, is_cancelled, ..
            } = self.proposal(proposal);
            let age = get_block_timestamp() - at;
            if is_executed {
                Phase::Executed
            } else if is_cancelled {
                Phase::Cancelled
            } else if age < DELAY {
                Phase::Waiting
            } else if age < DELAY + VOTE {
                Phase::Voting
            } else if votes_for <= votes_against || votes_for * QUORUM < self.supply.read() {
                Phase::Rejected
            } else if age < DELAY + VOTE + TIMELOCK {
                Phase::Locked
            } else if age < DELAY + VOTE + TIMELOCK + GRACE {
                Phase::Executable
            } else {
                Phase::Expired
            }
        }

        fn has_voted(self: @ContractState, proposal: felt252, account: ContractAddress) -> bool {
            self.voted.read((proposal, account))
        }

        fn id_of(
            self: @ContractState, number: u64, proposer: ContractAddress, calls: Span<Call>,
        ) -> felt252 {
            let here: felt252 = get_contract_address().into();
            let mut named = array![super::PROPOSAL, here, number.into(), proposer.into()];
            calls.serialize(ref named);
            poseidon_hash_span(named.span())
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        /// Somebody's votes at the end of the second before: nobody can gather votes for a proposal
        /// that is made, and money that is lent within a block has none.
        fn votes_before(self: @ContractState, at: u64, account: ContractAddress) -> u256 {
            IVotesDispatcher { contract_address: self.token.read() }.get_past_votes(account, at - 1)
        }
    }
}
