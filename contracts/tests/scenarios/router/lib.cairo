//! Histories of an exchange, and of payments that buy there.
pub mod dollar;
pub mod payments;
pub mod prices;
pub mod trades;
pub mod venue;

use dollar::{Dollar, IDollarDispatcher, IDollarDispatcherTrait};
use props::deploy;
use router::exchange::{
    Exchange, IExchangeDispatcher, IExchangeDispatcherTrait, IExchangeSafeDispatcher,
    ILiquidityDispatcher, ILiquidityDispatcherTrait, ILiquiditySafeDispatcher,
};
use starknet::ContractAddress;
use starknet::testing::{set_block_timestamp, set_contract_address};
use token::ciro_token::{CiroToken, ICiroTokenDispatcher, ICiroTokenDispatcherTrait, SUPPLY};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

pub const START: u64 = 1_000_000;
/// What the exchange holds at first: a million of a stablecoin of six decimals, and ten million
/// CIRO.
pub const STABLE: u256 = 1_000_000_000_000;
pub const CIRO: u256 = 10_000_000_000_000_000_000_000_000;
/// Units of CIRO for a unit of the stablecoin.
pub const PRICE: u256 = 10_000_000_000_000;

/// Who has added what the exchange holds.
pub fn maker() -> ContractAddress {
    'maker'.try_into().unwrap()
}
pub fn payer() -> ContractAddress {
    'payer'.try_into().unwrap()
}
pub fn rival() -> ContractAddress {
    'rival'.try_into().unwrap()
}
pub fn worker() -> ContractAddress {
    'worker'.try_into().unwrap()
}

#[derive(Copy, Drop)]
pub struct Market {
    pub stable: ContractAddress,
    pub ciro: ContractAddress,
    pub at: ContractAddress,
    pub exchange: IExchangeDispatcher,
    pub liquidity: ILiquidityDispatcher,
    pub safe: IExchangeSafeDispatcher,
    pub safe_liquidity: ILiquiditySafeDispatcher,
}

/// Nothing is held yet. All have a hundred times what it will hold of the stablecoin and three
/// times the CIRO, and let the exchange take it.
pub fn opened() -> Market {
    set_block_timestamp(START);
    set_contract_address(maker());
    let ciro = deploy(CiroToken::TEST_CLASS_HASH, array![maker().into()]);
    let stable = deploy(Dollar::TEST_CLASS_HASH, array![]);
    let at = deploy(Exchange::TEST_CLASS_HASH, array![stable.into(), ciro.into()]);
    for who in array![maker(), payer(), rival()] {
        IDollarDispatcher { contract_address: stable }.give(who, 100 * STABLE);
        set_contract_address(maker());
        IERC20Dispatcher { contract_address: ciro }.transfer(who, 3 * CIRO);
        set_contract_address(who);
        IDollarDispatcher { contract_address: stable }.approve(at, 100 * STABLE);
        ICiroTokenDispatcher { contract_address: ciro }.approve(at, SUPPLY);
    };
    Market {
        stable, ciro, at, exchange: IExchangeDispatcher { contract_address: at },
        liquidity: ILiquidityDispatcher { contract_address: at },
        safe: IExchangeSafeDispatcher { contract_address: at },
        safe_liquidity: ILiquiditySafeDispatcher { contract_address: at },
    }
}
/// The maker has added what there is at first.
pub fn begin() -> Market {
    let m = opened();
    set_contract_address(maker());
    m.liquidity.add(STABLE, 0, CIRO);
    m
}

#[generate_trait]
pub impl MarketImpl of MarketTrait {
    fn dollars(self: Market, who: ContractAddress) -> u256 {
        IERC20Dispatcher { contract_address: self.stable }.balance_of(who)
    }
    fn tokens(self: Market, who: ContractAddress) -> u256 {
        IERC20Dispatcher { contract_address: self.ciro }.balance_of(who)
    }
    /// Somebody buys CIRO at the exchange for so much of the stablecoin.
    fn bought(self: Market, by: ContractAddress, amount: u256) -> u256 {
        set_contract_address(by);
        self.exchange.buy(amount, 1, by)
    }
    fn sold(self: Market, by: ContractAddress, amount: u256) -> u256 {
        set_contract_address(by);
        self.liquidity.sell(amount, 1, by)
    }
}
