//! What histories begin with: a judge who is told what to say, a token, an escrow, and people.
use core::starknet::SyscallResultTrait;
use starknet::ContractAddress;
use starknet::syscalls::deploy_syscall;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::coin::{Coin, ICoinDispatcher, ICoinDispatcherTrait};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};
use verifier::escrow::{
    IJobEscrowDispatcher, IJobEscrowDispatcherTrait, IJobEscrowSafeDispatcher, Job, JobEscrow, Terms,
};

/// Who knows which facts are proven.
#[starknet::interface]
pub trait IJudge<T> {
    fn tell(ref self: T, fact: felt252, at: u64);
}

#[starknet::contract]
pub mod Judge {
    use starknet::storage::{Map, StorageMapReadAccess, StorageMapWriteAccess};
    use verifier::facts::Rest;

    #[storage]
    struct Storage {
        proven: Map<felt252, u64>,
    }

    #[abi(embed_v0)]
    impl Telling of super::IJudge<ContractState> {
        fn tell(ref self: ContractState, fact: felt252, at: u64) {
            self.proven.write(fact, at);
        }
    }

    #[abi(embed_v0)]
    impl Facts of verifier::facts::IFacts<ContractState> {
        fn prove(ref self: ContractState, model: felt252, proof: Rest) -> felt252 {
            core::panic_with_felt252('a judge proves nothing')
        }
        fn is_valid(self: @ContractState, fact: felt252) -> bool {
            self.proven.read(fact) != 0
        }
        fn proven_at(self: @ContractState, fact: felt252) -> u64 {
            self.proven.read(fact)
        }
        fn model_of(self: @ContractState, key: Rest) -> felt252 {
            core::poseidon::poseidon_hash_span(key.data)
        }
        fn fact_of(
            self: @ContractState,
            model: felt252,
            context: felt252,
            input_hash: felt252,
            output_hash: felt252,
        ) -> felt252 {
            verifier::facts::fact(model, context, input_hash, output_hash)
        }
    }
}

pub const MODEL: felt252 = 'model';
pub const INPUT: felt252 = 'input';
pub const OUTPUT: felt252 = 'output';
pub const PRICE: u256 = 1000;
pub const BOND: u256 = 301;
pub const WINDOW: u64 = 3_600;
pub const DEADLINE: u64 = 90_000;
pub const GRACE: u64 = 3_600;
pub const START: u64 = 1_000;
const MONEY: u256 = 1_000_000;

#[derive(Copy, Drop)]
pub struct Stage {
    pub judge: ContractAddress,
    pub token: ContractAddress,
    pub escrow: IJobEscrowDispatcher,
    pub safe: IJobEscrowSafeDispatcher,
}

pub fn client() -> ContractAddress {
    'client'.try_into().unwrap()
}
pub fn worker() -> ContractAddress {
    'worker'.try_into().unwrap()
}
pub fn rival() -> ContractAddress {
    'rival'.try_into().unwrap()
}

pub fn deploy(class: starknet::ClassHash, calldata: Array<felt252>) -> ContractAddress {
    let (address, _) = deploy_syscall(class, 0, calldata.span(), false).unwrap_syscall();
    address
}

/// Everybody has the same money and lets the escrow take it.
pub fn begin() -> Stage {
    set_block_timestamp(START);
    let judge = deploy(Judge::TEST_CLASS_HASH, array![]);
    let token = deploy(Coin::TEST_CLASS_HASH, array![]);
    let address = deploy(JobEscrow::TEST_CLASS_HASH, array![judge.into()]);
    let coin = ICoinDispatcher { contract_address: token };
    for who in array![client(), worker(), rival()] {
        coin.give(who, MONEY);
        set_contract_address(who);
        coin.approve(address, MONEY);
    };
    Stage {
        judge, token, escrow: IJobEscrowDispatcher { contract_address: address },
        safe: IJobEscrowSafeDispatcher { contract_address: address },
    }
}

#[generate_trait]
pub impl StageImpl of StageTrait {
    fn terms(self: Stage) -> Terms {
        Terms {
            model: MODEL, input_hash: INPUT, token: self.token, price: PRICE, deadline: DEADLINE,
            window: WINDOW, bond: BOND,
        }
    }
    /// The client opens a job.
    fn opened(self: Stage) -> felt252 {
        set_contract_address(client());
        self.escrow.open(self.terms())
    }
    /// The judge hears of a proof that is bound to a worker.
    fn proven(self: Stage, job: felt252, by: ContractAddress, output: felt252, at: u64) {
        let context = self.escrow.context_of(job, by);
        let fact = verifier::facts::fact(MODEL, context, INPUT, output);
        IJudgeDispatcher { contract_address: self.judge }.tell(fact, at);
    }
    fn job(self: Stage, job: felt252) -> Job {
        self.escrow.job(job)
    }
    /// Somebody claims without a proof.
    fn claimed(self: Stage, job: felt252, by: ContractAddress, output: felt252) {
        set_contract_address(by);
        self.escrow.claim_bonded(job, output);
    }
    fn challenged(self: Stage, job: felt252, by: ContractAddress) {
        set_contract_address(by);
        self.escrow.challenge(job);
    }
    fn held(self: Stage) -> u256 {
        self.balance(self.escrow.contract_address)
    }
    fn balance(self: Stage, who: ContractAddress) -> u256 {
        IERC20Dispatcher { contract_address: self.token }.balance_of(who)
    }
    /// What somebody has more than at first.
    fn won(self: Stage, who: ContractAddress, amount: u256) {
        assert(self.balance(who) == MONEY + amount, 'another gain');
    }
    fn lost(self: Stage, who: ContractAddress, amount: u256) {
        assert(self.balance(who) + amount == MONEY, 'another loss');
    }
}

/// A call was refused with this word.
pub fn refused<T, +Drop<T>>(result: Result<T, Array<felt252>>, word: felt252) {
    match result {
        Result::Ok(_) => core::panic_with_felt252('not refused'),
        Result::Err(words) => {
            if *words.at(0) != word {
                core::panic_with_felt252(*words.at(0));
            }
        },
    }
}
