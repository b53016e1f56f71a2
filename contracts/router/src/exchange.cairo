//! `Exchange`: changes a stablecoin and CIRO into each other, at the price of what it holds.
//!
//! Whoever adds both has shares of what is held. Of what a trader pays three thousandths buy
//! nothing: they are for those who have shares.
//!
//! Invariants, for tokens that move what they are asked to and change no balance by themselves:
//! - the contract holds at least its reserves, whose product no trade makes smaller;
//! - who has shares takes out that part of both reserves, and no more; the first thousand shares
//!   are nobody's, so that something is left of both;
//! - `cumulative` grows by the last price of each second: what a second makes and undoes is not in
//!   it;
//! - what comes unasked is no reserve: it buys nothing and changes no price;
//! - nobody owns the contract: there is no upgrade, no pause, no other fee.
use starknet::ContractAddress;

/// The price of one unit of CIRO for a unit of the stablecoin.
pub const ONE: u256 = 0x10000000000000000;
/// Reserves are below it, so that products of two of them and all prices of all time have room.
const RESERVE_MAX: u256 = 0x1000000000000000000000000000000;
/// Shares that are nobody's.
pub const LOCKED: u256 = 1_000;

/// What a router asks of an exchange.
#[starknet::interface]
pub trait IExchange<T> {
    /// Takes so much of the stablecoin, which the caller has allowed, and pays somebody the CIRO
    /// that it buys: at least `least`, which is not 0. Returns how much it was.
    fn buy(ref self: T, amount: u256, least: u256, recipient: ContractAddress) -> u256;
    /// The stablecoin and CIRO, which never change.
    fn tokens(self: @T) -> (ContractAddress, ContractAddress);
    /// What is held of the stablecoin and of CIRO.
    fn reserves(self: @T) -> (u256, u256);
    /// The sum of the last prices of all seconds that are over.
    fn cumulative(self: @T) -> u256;
}

/// What sellers and those who have shares ask.
#[starknet::interface]
pub trait ILiquidity<T> {
    /// As `buy`, from CIRO to the stablecoin.
    fn sell(ref self: T, amount: u256, least: u256, recipient: ContractAddress) -> u256;
    /// Takes so much of the stablecoin from the caller, and CIRO in the proportion of reserves:
    /// between `least` and `most`, and `most` if nothing is held yet. Returns the caller's shares.
    fn add(ref self: T, stable: u256, least: u256, most: u256) -> u256;
    /// Pays the caller for shares, at least so much of the stablecoin and of CIRO. Returns both.
    fn remove(
        ref self: T, shares: u256, least_stable: u256, least_ciro: u256,
    ) -> (u256, u256);
    fn shares_of(self: @T, account: ContractAddress) -> u256;
    /// All shares.
    fn shares(self: @T) -> u256;
}

/// Units of CIRO for a unit of the stablecoin, in fractions of `ONE`; 0 while nothing is held.
pub fn price(stable: u256, ciro: u256) -> u256 {
    if stable == 0 {
        return 0;
    }
    ciro * ONE / stable
}
/// What `paid` into one reserve takes out of the other.
fn bought(paid: u256, into: u256, out_of: u256) -> u256 {
    let counted = paid * 997;
    counted * out_of / (into * 1_000 + counted)
}

#[derive(Copy, Drop, starknet::Store)]
struct Reserves {
    stable: u256,
    ciro: u256,
    /// The second of their last change.
    since: u64,
}

#[starknet::contract]
pub mod Exchange {
    use core::num::traits::Sqrt;
    use starknet::storage::{
        Map, StorageMapReadAccess, StorageMapWriteAccess, StoragePointerReadAccess,
        StoragePointerWriteAccess,
    };
    use starknet::{
        ContractAddress, get_block_timestamp, get_caller_address, get_contract_address,
    };
    use verifier::erc20::{pay, take};
    use super::{IExchange, LOCKED, RESERVE_MAX, Reserves, bought, price};

    #[storage]
    struct Storage {
        stable: ContractAddress,
        ciro: ContractAddress,
        reserves: Reserves,
        /// The sum of prices until the reserves changed.
        cumulative: u256,
        shares: Map<ContractAddress, u256>,
        all: u256,
    }
    #[event]
    #[derive(Drop, starknet::Event)]
    enum Event {
        Traded: Traded,
        Added: Added,
        Removed: Removed,
    }
    #[derive(Drop, starknet::Event)]
    struct Traded {
        #[key]
        trader: ContractAddress,
        #[key]
        recipient: ContractAddress,
        /// The token that was paid.
        token: ContractAddress,
        paid: u256,
        bought: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Added {
        #[key]
        account: ContractAddress,
        stable: u256,
        ciro: u256,
        shares: u256,
    }
    #[derive(Drop, starknet::Event)]
    struct Removed {
        #[key]
        account: ContractAddress,
        stable: u256,
        ciro: u256,
        shares: u256,
    }

    #[constructor]
    fn constructor(ref self: ContractState, stable: ContractAddress, ciro: ContractAddress) {
        assert(stable != ciro, 'one token');
        self.stable.write(stable);
        self.ciro.write(ciro);
    }

    #[abi(embed_v0)]
    impl Trading of super::IExchange<ContractState> {
        fn buy(
            ref self: ContractState, amount: u256, least: u256, recipient: ContractAddress,
        ) -> u256 {
            let (stable, ciro) = self.reserves();
            let out = bought(amount, stable, ciro);
            self.change(stable + amount, ciro - out);
            self.trade(self.tokens(), (amount, out), least, recipient)
        }
        fn tokens(self: @ContractState) -> (ContractAddress, ContractAddress) {
            (self.stable.read(), self.ciro.read())
        }
        fn reserves(self: @ContractState) -> (u256, u256) {
            let Reserves { stable, ciro, .. } = self.reserves.read();
            (stable, ciro)
        }
        fn cumulative(self: @ContractState) -> u256 {
            let Reserves { stable, ciro, since } = self.reserves.read();
            let seconds = get_block_timestamp() - since;
            self.cumulative.read() + price(stable, ciro) * seconds.into()
        }
    }

    #[abi(embed_v0)]
    impl Liquidity of super::ILiquidity<ContractState> {
        fn sell(
            ref self: ContractState, amount: u256, least: u256, recipient: ContractAddress,
        ) -> u256 {
            let (stable, ciro) = self.reserves();
            let out = bought(amount, ciro, stable);
            self.change(stable - out, ciro + amount);
            let (stablecoin, token) = self.tokens();
            self.trade((token, stablecoin), (amount, out), least, recipient)
        }

        fn add(ref self: ContractState, stable: u256, least: u256, most: u256) -> u256 {
            let ((held, other), all) = (self.reserves(), self.all.read());
            let (account, this) = (get_caller_address(), get_contract_address());
            let (ciro, made, given) = if all == 0 {
                let made: u256 = (stable * most).sqrt().into();
                assert(made > LOCKED, 'too little');
                (most, made, made - LOCKED)
            } else {
                // Rounded for the others.
                let made = stable * all / held;
                assert(made != 0, 'too little');
                ((stable * other + held - 1) / held, made, made)
            };
            assert(least <= ciro && ciro <= most, 'another price');
            self.all.write(all + made);
            self.shares.write(account, self.shares.read(account) + given);
            self.change(held + stable, other + ciro);
            self.emit(Added { account, stable, ciro, shares: given });
            let (stablecoin, token) = self.tokens();
            take(stablecoin, account, this, stable);
            take(token, account, this, ciro);
            given
        }

        fn remove(
            ref self: ContractState, shares: u256, least_stable: u256, least_ciro: u256,
        ) -> (u256, u256) {
            let account = get_caller_address();
            let has = self.shares.read(account);
            assert(has >= shares, 'not your shares');
            let ((held, other), all) = (self.reserves(), self.all.read());
            let (stable, ciro) = (held * shares / all, other * shares / all);
            assert(stable >= least_stable && ciro >= least_ciro, 'another price');
            self.shares.write(account, has - shares);
            self.all.write(all - shares);
            self.change(held - stable, other - ciro);
            self.emit(Removed { account, stable, ciro, shares });
            let (stablecoin, token) = self.tokens();
            pay(stablecoin, account, stable);
            pay(token, account, ciro);
            (stable, ciro)
        }

        fn shares_of(self: @ContractState, account: ContractAddress) -> u256 {
            self.shares.read(account)
        }
        fn shares(self: @ContractState) -> u256 {
            self.all.read()
        }
    }

    #[generate_trait]
    impl Private of PrivateTrait {
        /// Notes the price until now, and holds something else.
        fn change(ref self: ContractState, stable: u256, ciro: u256) {
            assert(stable < RESERVE_MAX && ciro < RESERVE_MAX, 'too much');
            self.cumulative.write(self.cumulative());
            self.reserves.write(Reserves { stable, ciro, since: get_block_timestamp() });
        }
        /// Moves what is paid and what it has bought, of one token and of another.
        fn trade(
            ref self: ContractState,
            tokens: (ContractAddress, ContractAddress),
            amounts: (u256, u256),
            least: u256,
            recipient: ContractAddress,
        ) -> u256 {
            let ((paid_in, paid_out), (paid, out)) = (tokens, amounts);
            assert(out != 0 && out >= least, 'too little');
            let (trader, this) = (get_caller_address(), get_contract_address());
            // It would be no reserve, and nobody's.
            assert(recipient != this, 'recipient: nobody');
            self.emit(Traded { trader, recipient, token: paid_in, paid, bought: out });
            take(paid_in, trader, this, paid);
            pay(paid_out, recipient, out);
            out
        }
    }
}
