//! A loan for a score that is proven.
use consumers::loan::{
    ILoanDispatcher, ILoanDispatcherTrait, ILoanSafeDispatcher, ILoanSafeDispatcherTrait, Loan,
    Terms,
};
use props::judge::Judge;
use props::{deploy, refused};
use starknet::ContractAddress;
use starknet::testing::set_contract_address;
use super::{InferenceTrait, facts, inference, integers, rival};
use token::ciro_token::{CiroToken, ICiroTokenDispatcher, ICiroTokenDispatcherTrait, SUPPLY};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};
use verifier::facts::IFactsDispatcher;

const LENT: u256 = 100;
const DUE: u256 = 107;
const FLOOR: i32 = 650;

fn lender() -> ContractAddress {
    'lender'.try_into().unwrap()
}
fn bureau() -> ContractAddress {
    'bureau'.try_into().unwrap()
}
fn borrower() -> ContractAddress {
    'borrower'.try_into().unwrap()
}

#[derive(Copy, Drop)]
struct Stage {
    facts: IFactsDispatcher,
    coin: IERC20Dispatcher,
    loan: ILoanDispatcher,
    safe: ILoanSafeDispatcher,
}

/// A contract for a model, with money for three loans.
fn begin(facts: IFactsDispatcher, model: felt252) -> Stage {
    let token = deploy(CiroToken::TEST_CLASS_HASH, array![lender().into()]);
    let terms = Terms {
        facts: facts.contract_address, model, bureau: bureau(), lender: lender(), token, lent: LENT,
        due: DUE, floor: FLOOR,
    };
    let mut calldata = array![];
    terms.serialize(ref calldata);
    let contract_address = deploy(Loan::TEST_CLASS_HASH, calldata);
    let coin = IERC20Dispatcher { contract_address: token };
    set_contract_address(lender());
    coin.transfer(contract_address, 3 * LENT);
    Stage {
        facts, coin, loan: ILoanDispatcher { contract_address },
        safe: ILoanSafeDispatcher { contract_address },
    }
}
/// The bureau describes an account.
fn describes(s: Stage, account: ContractAddress, input_hash: felt252) {
    set_contract_address(bureau());
    s.loan.describe(account, input_hash);
}

/// What the borrower's proof is to be bound to.
fn context(about: Array<felt252>) -> felt252 {
    begin(facts(), *about.at(0)).loan.context_of(borrower())
}

/// Of an inference, its score, and the proof for the borrower.
#[feature("safe_dispatcher")]
fn a_proven_score_has_one_loan(
    about: Array<felt252>, scores: Array<felt252>, proof: Array<felt252>,
) {
    let i = inference(about, proof);
    let score = *integers(scores).at(0);
    let s = begin(i.facts(), i.model);
    set_contract_address(borrower());
    refused(s.safe.describe(borrower(), i.input_hash), 'not the bureau');
    refused(s.safe.borrow(score), 'not described');
    describes(s, borrower(), i.input_hash);
    describes(s, rival(), i.input_hash);
    set_contract_address(borrower());
    refused(s.safe.borrow(score), 'not proven');
    // Whoever sends the proof, and has the same inputs: it is the borrower's.
    set_contract_address(rival());
    i.prove(s.facts, s.loan.context_of(borrower()));
    refused(s.safe.borrow(score), 'not proven');
    set_contract_address(borrower());
    refused(s.safe.borrow(score + 1), 'not proven');
    describes(s, borrower(), i.input_hash + 1);
    set_contract_address(borrower());
    refused(s.safe.borrow(score), 'not proven');
    describes(s, borrower(), i.input_hash);
    set_contract_address(borrower());
    s.loan.borrow(score);
    assert(s.coin.balance_of(borrower()) == LENT, 'not lent');
    assert(s.loan.is_lent_to(borrower()), 'not noted');
    refused(s.safe.borrow(score), 'not described');
    describes(s, borrower(), i.input_hash);
    set_contract_address(borrower());
    refused(s.safe.borrow(score), 'lent already');
    // In another contract for the same model the proof is none.
    let other = begin(s.facts, i.model);
    describes(other, borrower(), i.input_hash);
    set_contract_address(borrower());
    refused(other.safe.borrow(score), 'not proven');
    pays_back(s, score);
}

#[feature("safe_dispatcher")]
fn pays_back(s: Stage, score: i32) {
    refused(s.safe.repay(), 'not allowed');
    let here = s.loan.contract_address;
    ICiroTokenDispatcher { contract_address: s.coin.contract_address }.approve(here, DUE);
    refused(s.safe.repay(), 'not enough');
    assert(s.loan.is_lent_to(borrower()), 'forgotten');
    set_contract_address(lender());
    s.coin.transfer(borrower(), DUE - LENT);
    set_contract_address(rival());
    refused(s.safe.repay(), 'not lent');
    set_contract_address(borrower());
    s.loan.repay();
    assert(s.coin.balance_of(here) == 2 * LENT + DUE, 'not repaid');
    // Another description, another loan.
    s.loan.borrow(score);
    assert(s.coin.balance_of(borrower()) == LENT, 'not lent again');
    for other in array![borrower(), bureau(), rival()] {
        set_contract_address(other);
        refused(s.safe.withdraw(1), 'not the lender');
    };
    set_contract_address(lender());
    s.loan.withdraw(LENT + DUE);
    assert(s.coin.balance_of(lender()) == SUPPLY - LENT, 'not withdrawn');
    refused(s.safe.withdraw(1), 'not enough');
}

/// Whether it is proven or not.
#[feature("safe_dispatcher")]
fn a_low_score_has_no_loan() {
    let judge = deploy(Judge::TEST_CLASS_HASH, array![]);
    let s = begin(IFactsDispatcher { contract_address: judge }, 77);
    describes(s, borrower(), 1);
    set_contract_address(borrower());
    refused(s.safe.borrow(FLOOR - 1), 'score: too low');
    // The lowest one that is enough: the next thing to be missing is a proof.
    refused(s.safe.borrow(FLOOR), 'not proven');
}
