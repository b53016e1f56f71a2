//! What histories begin with: a judge who is told what to say, a token, an escrow, and people.
use props::deploy;
use props::judge::{IJudgeDispatcher, IJudgeDispatcherTrait, Judge};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::coin::{Coin, ICoinDispatcher, ICoinDispatcherTrait};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};
use verifier::escrow::{
    IJobEscrowDispatcher, IJobEscrowDispatcherTrait, IJobEscrowSafeDispatcher, Job, JobEscrow, Terms,
};

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

/// With a judge who is told what to say.
pub fn begin() -> Stage {
    begin_before(deploy(Judge::TEST_CLASS_HASH, array![]))
}
/// Everybody has the same money and lets the escrow take it.
pub fn begin_before(judge: ContractAddress) -> Stage {
    set_block_timestamp(START);
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
