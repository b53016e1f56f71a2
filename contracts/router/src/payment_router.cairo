//! `PaymentRouter`: takes a stablecoin and pays in CIRO, which it buys at an exchange.
//!
//! A price of a moment can be made by whoever has much money for a moment. So what a payment gives
//! is compared with the average price of at least half an hour, from sums that the exchange keeps
//! and the router notes.
//!
//! Invariants:
//! - a recipient has at least what the payer named, and at least 95 hundredths of what the average
//!   gives; or nothing moves;
//! - an average is of half an hour at least and begins two hours ago at most;
//! - while the price is more than 3 hundredths off the average, or the exchange holds less of the
//!   stablecoin than was fixed at first, nothing is bought;
//! - the router holds nothing of anybody's when a call is over, and pays neither itself nor a
//!   contract that it knows, which would keep it for nobody;
//! - nobody owns the contract: there is no upgrade, no pause, no fee, no other exchange.
//!
//! The exchange was named at deployment, with its tokens: its class hash says what it is. One that
//! lies about its prices is believed; what it pays is looked at, what it says it pays is not.
use starknet::ContractAddress;

/// Seconds that an average has at least, and that it may begin ago.
pub const WINDOW: u64 = 1_800;
pub const AGE_MAX: u64 = 7_200;
/// So many parts are all. How many of them the price may be off the average, and a payment may give
/// less than by the average.
const WHOLE: u256 = 10_000;
const APART: u256 = 300;
const SLIPPAGE: u256 = 500;

/// What a payer asks for.
#[derive(Copy, Drop, Serde)]
pub struct Payment {
    /// Units of the stablecoin, which the router may take of the caller.
    pub amount: u256,
    /// The least units of CIRO that the recipient is to have.
    pub least: u256,
    pub recipient: ContractAddress,
    /// The last second in which it may be made.
    pub deadline: u64,
}

/// What the exchange knew at a time.
#[derive(Copy, Drop, starknet::Store)]
struct Observation {
    /// Zero if there is none.
    time: u64,
    cumulative: u256,
}

#[starknet::interface]
pub trait IPaymentRouter<T> {
    /// Takes the caller's stablecoin and pays the recipient in CIRO. Returns how much it was.
    fn pay(ref self: T, payment: Payment) -> u256;
    /// Notes what the exchange knows, for averages of half an hour later: as payments do, which are
    /// refused if nobody has for two hours.
    fn observe(ref self: T);
    /// The average price, as the exchange counts prices. Refused where a payment would be.
    fn average(self: @T) -> u256;
    /// The exchange, and how much of the stablecoin it has to hold.
    fn venue(self: @T) -> (ContractAddress, u256);
}

/// What the router asks of the stablecoin besides.
#[starknet::interface]
trait IApprove<T> {
    fn approve(ref self: T, spender: ContractAddress, amount: u256) -> bool;
}

#[starknet::contract]
pub mod PaymentRouter {
    use core::num::traits::Zero;
    use starknet::storage::{StoragePointerReadAccess, StoragePointerWriteAccess};
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait, take};
    use super::super::exchange::{IExchangeDispatcher, IExchangeDispatcherTrait, ONE, price};
    use super::{
        AGE_MAX, APART, IApproveDispatcher, IApproveDispatcherTrait, IPaymentRouter, Observation,
        Payment, SLIPPAGE, WHOLE, WINDOW,
    };

    #[storage]
    struct Storage {
        exchange: ContractAddress,
        stablecoin: ContractAddress,
        ciro: ContractAddress,
        depth: u256,
        /// The last observation, and one that is older by `WINDOW` at least.
        newer: Observation,
        older: Observation,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Paid: Paid,
        Observed: Observed,
    }
    #[derive(Drop, starknet::Event)]
    struct Paid {
        #[key]
        payer: ContractAddress,
        #[key]
        recipient: ContractAddress,
        stable: u256,
        ciro: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Observed {
        cumulative: u256,
    }

    /// An exchange, and how much of the stablecoin it has to hold: a price of little money is cheap
    /// to make.
    #[constructor]
    fn constructor(ref self: ContractState, exchange: ContractAddress, depth: u256) {
        assert(depth != 0, 'no depth');
        let (stablecoin, ciro) = IExchangeDispatcher { contract_address: exchange }.tokens();
        self.exchange.write(exchange);
        self.stablecoin.write(stablecoin);
        self.ciro.write(ciro);
        self.depth.write(depth);
    }

    #[abi(embed_v0)]
    impl Impl of super::IPaymentRouter<ContractState> {
        fn pay(ref self: ContractState, payment: Payment) -> u256 {
            let Payment { amount, least, recipient, deadline } = payment;
            assert(get_block_timestamp() <= deadline, 'deadline passed');
            assert(amount != 0, 'no amount');
            self.assert_somebody(recipient);
            self.observe();
            let average = self.average();
            self.assert_sound(average);
            let (payer, this) = (get_caller_address(), get_contract_address());
            let stablecoin = IERC20Dispatcher { contract_address: self.stablecoin.read() };
            let ciro = IERC20Dispatcher { contract_address: self.ciro.read() };
            let (held, had) = (stablecoin.balance_of(this), ciro.balance_of(recipient));
            let exchange = self.venue_at();
            take(stablecoin.contract_address, payer, this, amount);
            let IERC20Dispatcher { contract_address } = stablecoin;
            IApproveDispatcher { contract_address }.approve(exchange.contract_address, amount);
            exchange.buy(amount, least, recipient);
            let paid = ciro.balance_of(recipient) - had;
            assert(paid >= least, 'too little');
            let fair = amount * average / ONE;
            assert(paid * WHOLE >= fair * (WHOLE - SLIPPAGE), 'slippage');
            assert(stablecoin.balance_of(this) == held, 'exchange: left some');
            self.emit(Paid { payer, recipient, stable: amount, ciro: paid });
            paid
        }

        fn observe(ref self: ContractState) {
            let newer = self.newer.read();
            let time = get_block_timestamp();
            if time >= newer.time + WINDOW {
                let cumulative = self.venue_at().cumulative();
                self.older.write(newer);
                self.newer.write(Observation { time, cumulative });
                self.emit(Observed { cumulative });
            }
        }

        fn average(self: @ContractState) -> u256 {
            let (newer, time) = (self.newer.read(), get_block_timestamp());
            // Then a payment of now would make it the older one.
            let is_old = time >= newer.time + WINDOW;
            let since = if is_old {
                newer
            } else {
                self.older.read()
            };
            assert(since.time != 0, 'average: too short');
            assert(time <= since.time + AGE_MAX, 'average: too old');
            (self.venue_at().cumulative() - since.cumulative) / (time - since.time).into()
        }

        fn venue(self: @ContractState) -> (ContractAddress, u256) {
            (self.exchange.read(), self.depth.read())
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        fn venue_at(self: @ContractState) -> IExchangeDispatcher {
            IExchangeDispatcher { contract_address: self.exchange.read() }
        }
        /// Refuses a recipient that could do nothing with what it is paid.
        fn assert_somebody(self: @ContractState, recipient: ContractAddress) {
            let (stablecoin, ciro) = (self.stablecoin.read(), self.ciro.read());
            let nobody = array![
                Zero::zero(), get_contract_address(), self.exchange.read(), stablecoin, ciro,
            ];
            for address in nobody {
                assert(recipient != address, 'recipient: nobody');
            };
        }
        /// Refuses an exchange that holds little, or whose price is far from the average.
        fn assert_sound(self: @ContractState, average: u256) {
            let (stable, ciro) = self.venue_at().reserves();
            assert(stable >= self.depth.read(), 'exchange: shallow');
            let spot = price(stable, ciro);
            let apart = if spot > average {
                spot - average
            } else {
                average - spot
            };
            assert(apart * WHOLE <= average * APART, 'price: apart');
        }
    }
}
