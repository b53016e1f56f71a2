//! `Loan`: lends to whoever a model gives a score that is high enough.
//!
//! A bureau says by their hash which inputs describe an account. Whoever it has described proves
//! what the model makes of them, bound to this contract and to the account, and has a loan.
//!
//! Invariants:
//! - a loan is for an account that the bureau described, and for a fact that the model gives the
//!   description the score, which is the floor or above;
//! - a description is good for one loan, and an account has one at a time;
//! - the bureau moves no money, the lender takes what is not lent, and nobody owns the contract.
use starknet::ContractAddress;

const CONTEXT: felt252 = 'ciro loan v1';

#[derive(Copy, Drop, Serde, starknet::Store)]
pub struct Terms {
    pub facts: ContractAddress,
    pub model: felt252,
    pub bureau: ContractAddress,
    pub lender: ContractAddress,
    pub token: ContractAddress,
    /// What is paid, and what is paid back.
    pub lent: u256,
    pub due: u256,
    /// The lowest score that is enough.
    pub floor: i32,
}

#[starknet::interface]
pub trait ILoan<T> {
    /// The bureau's word that inputs describe an account, in place of what it said before.
    fn describe(ref self: T, account: ContractAddress, input_hash: felt252);
    /// Lends to the caller, whose score is proven.
    fn borrow(ref self: T, score: i32);
    /// Pays back the caller's loan.
    fn repay(ref self: T);
    /// Gives the lender what is not lent.
    fn withdraw(ref self: T, amount: u256);
    fn is_lent_to(self: @T, account: ContractAddress) -> bool;
    /// What an account's proof is bound to.
    fn context_of(self: @T, account: ContractAddress) -> felt252;
}

#[starknet::contract]
pub mod Loan {
    use core::poseidon::poseidon_hash_span;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{ContractAddress, get_caller_address, get_contract_address};
    use verifier::erc20::{pay, take};
    use verifier::facts::{IFactsDispatcher, IFactsDispatcherTrait};
    use super::super::integers::hash_of;
    use super::{ILoan, Terms};

    #[storage]
    struct Storage {
        terms: Terms,
        /// The hash of the inputs that describe an account.
        descriptions: Map<ContractAddress, felt252>,
        lent: Map<ContractAddress, bool>,
    }

    #[constructor]
    fn constructor(ref self: ContractState, terms: Terms) {
        self.terms.write(terms);
    }

    #[abi(embed_v0)]
    impl Impl of super::ILoan<ContractState> {
        fn describe(ref self: ContractState, account: ContractAddress, input_hash: felt252) {
            assert(get_caller_address() == self.terms.read().bureau, 'not the bureau');
            self.descriptions.write(account, input_hash);
        }
        fn borrow(ref self: ContractState, score: i32) {
            let Terms { facts, model, token, lent, floor, .. } = self.terms.read();
            let account = get_caller_address();
            let input_hash = self.descriptions.read(account);
            assert(input_hash != 0, 'not described');
            assert(!self.lent.read(account), 'lent already');
            assert(score >= floor, 'score: too low');
            let facts = IFactsDispatcher { contract_address: facts };
            let context = self.context_of(account);
            let fact = facts.fact_of(model, context, input_hash, hash_of(array![score].span()));
            assert(facts.is_valid(fact), 'not proven');
            self.descriptions.write(account, 0);
            self.lent.write(account, true);
            pay(token, account, lent);
        }
        fn repay(ref self: ContractState) {
            let account = get_caller_address();
            assert(self.lent.read(account), 'not lent');
            let Terms { token, due, .. } = self.terms.read();
            self.lent.write(account, false);
            take(token, account, get_contract_address(), due);
        }
        fn withdraw(ref self: ContractState, amount: u256) {
            let Terms { lender, token, .. } = self.terms.read();
            assert(get_caller_address() == lender, 'not the lender');
            pay(token, lender, amount);
        }
        fn is_lent_to(self: @ContractState, account: ContractAddress) -> bool {
            self.lent.read(account)
        }
        fn context_of(self: @ContractState, account: ContractAddress) -> felt252 {
            let here: felt252 = get_contract_address().into();
            poseidon_hash_span(array![super::CONTEXT, here, account.into()].span())
        }
    }
}
