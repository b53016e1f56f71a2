//! An exchange that buys and sells at the price of what it holds.
use props::{deployed, refused};
use router::exchange::{
    Exchange, IExchangeDispatcherTrait, IExchangeSafeDispatcherTrait, ILiquidityDispatcherTrait,
    ILiquiditySafeDispatcherTrait, LOCKED, ONE, price,
};
use starknet::ContractAddress;
use starknet::testing::{pop_log_raw, set_block_timestamp, set_contract_address};
use super::dollar::{IDollarDispatcher, IDollarDispatcherTrait};
use super::{
    CIRO, Market, MarketTrait, PRICE, STABLE, START, begin, maker, opened, payer, rival, worker,
};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

const PAID: u256 = 1_000_000_000;
/// What it buys, and what that buys back.
const OUT: u256 = 9_960_069_810_399_032_164_931;
const BACK: u256 = 994_014_949;
/// All shares of what the maker has added: the root of the product.
const SHARES: u256 = 3_162_277_660_168_379_331;

fn a_trade_leaves_three_thousandths() {
    let m = begin();
    while pop_log_raw(m.at).is_some() {};
    set_contract_address(payer());
    assert(m.exchange.buy(PAID, OUT, worker()) == OUT, 'another amount');
    assert(m.tokens(worker()) == OUT, 'not paid');
    assert(m.tokens(payer()) == 3 * CIRO && m.dollars(payer()) == 100 * STABLE - PAID, 'payer');
    assert(m.exchange.reserves() == (STABLE + PAID, CIRO - OUT), 'other reserves');
    assert(m.dollars(m.at) == STABLE + PAID && m.tokens(m.at) == CIRO - OUT, 'not held');
    let (keys, data) = pop_log_raw(m.at).unwrap();
    let expected = array![selector!("Traded"), payer().into(), worker().into()];
    assert(keys == expected.span(), 'other keys');
    let expected = array![m.stable.into(), PAID.low.into(), 0, OUT.low.into(), 0];
    assert(data == expected.span(), 'other data');
    assert(m.liquidity.sell(OUT, BACK, worker()) == BACK, 'another amount back');
    assert(m.dollars(worker()) == BACK, 'not paid back');
    assert(m.exchange.reserves() == (STABLE + PAID - BACK, CIRO), 'other reserves after');
    assert(m.exchange.tokens() == (m.stable, m.ciro), 'other tokens');
}

#[feature("safe_dispatcher")]
fn who_adds_takes_out_its_part() {
    let m = begin();
    assert(m.liquidity.shares() == SHARES, 'other shares');
    assert(m.liquidity.shares_of(maker()) == SHARES - LOCKED, 'nothing locked');
    set_contract_address(rival());
    let half = m.liquidity.add(STABLE / 2, CIRO / 2, CIRO / 2);
    assert(half == SHARES / 2 && m.liquidity.shares_of(rival()) == half, 'not half');
    assert(m.exchange.reserves() == (STABLE / 2 * 3, CIRO / 2 * 3), 'not held');
    assert(m.tokens(rival()) == 3 * CIRO - CIRO / 2, 'not taken');
    // The three thousandths of a trade are for both.
    m.bought(payer(), STABLE);
    let (stable, ciro) = m.exchange.reserves();
    let all = m.liquidity.shares();
    set_contract_address(rival());
    refused(m.safe_liquidity.remove(half + 1, 0, 0), 'not your shares');
    let (third, other) = (stable * half / all, ciro * half / all);
    refused(m.safe_liquidity.remove(half, third + 1, other), 'another price');
    refused(m.safe_liquidity.remove(half, third, other + 1), 'another price');
    assert(m.liquidity.remove(half, third, other) == (third, other), 'another part');
    assert(m.tokens(rival()) == 3 * CIRO - CIRO / 2 + other, 'not paid');
    assert(m.dollars(rival()) == 100 * STABLE - STABLE / 2 + third, 'not paid back');
    refused(m.safe_liquidity.remove(1, 0, 0), 'not your shares');
    assert(m.liquidity.shares() == all - half, 'still counted');
    set_contract_address(maker());
    m.liquidity.remove(SHARES - LOCKED, 0, 0);
    // Something is left, with a price.
    let (stable, ciro) = m.exchange.reserves();
    assert(stable != 0 && ciro != 0 && m.liquidity.shares() == LOCKED, 'nothing left');
    assert(m.dollars(m.at) == stable && m.tokens(m.at) == ciro, 'not held any more');
    m.liquidity.add(STABLE, 0, CIRO);
}

/// Whoever adds pays what rounding takes.
fn parts_are_rounded_for_the_others() {
    let m = begin();
    m.bought(payer(), 7);
    let (stable, ciro) = m.exchange.reserves();
    set_contract_address(rival());
    let shares = m.liquidity.add(3, 0, CIRO);
    let (_, after) = m.exchange.reserves();
    let added = after - ciro;
    assert(added * stable > 3 * ciro && (added - 1) * stable < 3 * ciro, 'not rounded up');
    assert(shares * stable <= 3 * SHARES, 'not rounded down');
}

fn what_comes_unasked_is_no_reserve() {
    let (m, other) = (begin(), STABLE / 3);
    set_contract_address(rival());
    IERC20Dispatcher { contract_address: m.stable }.transfer(m.at, other);
    IERC20Dispatcher { contract_address: m.ciro }.transfer(m.at, 5);
    assert(m.exchange.reserves() == (STABLE, CIRO), 'other reserves');
    assert(m.bought(payer(), PAID) == OUT, 'buys more');
}

/// What a second makes and undoes is not in the sum.
fn a_second_counts_by_its_last_price() {
    let m = begin();
    assert(m.exchange.cumulative() == 0, 'not over');
    set_block_timestamp(START + 10);
    let first = 10 * PRICE * ONE;
    assert(m.exchange.cumulative() == first, 'another sum');
    let got = m.bought(rival(), STABLE);
    assert(m.exchange.cumulative() == first, 'counts at once');
    m.sold(rival(), got);
    assert(m.exchange.cumulative() == first, 'counts what is undone');
    let (stable, ciro) = m.exchange.reserves();
    let last = price(stable, ciro);
    assert(last < PRICE * ONE && last > PRICE * ONE * 99 / 100, 'another price');
    set_block_timestamp(START + 20);
    assert(m.exchange.cumulative() == first + 10 * last, 'another last price');
    m.bought(payer(), PAID);
    assert(m.exchange.cumulative() == first + 10 * last, 'changed by a trade');
    let (stable, ciro) = m.exchange.reserves();
    set_block_timestamp(START + 21);
    assert(m.exchange.cumulative() == first + 10 * last + price(stable, ciro), 'not the new one');
    assert(price(0, 7) == 0 && price(4, 2) == ONE / 2, 'other prices');
}

/// A stablecoin that buys while it is paid.
#[feature("safe_dispatcher")]
fn a_token_that_calls_back_is_refused() {
    let m = begin();
    let dollar = IDollarDispatcher { contract_address: m.stable };
    dollar.give(m.stable, 1_000_000);
    dollar.call(m.at);
    set_contract_address(payer());
    refused(m.safe.buy(PAID, 1, payer()), 'token: another amount');
    refused(m.safe_liquidity.add(PAID, 0, CIRO), 'token: another amount');
    assert(m.exchange.reserves() == (STABLE, CIRO), 'other reserves');
    assert(m.dollars(m.stable) == 1_000_000, 'bought');
}

#[feature("safe_dispatcher")]
fn trades_that_cannot_be_are_refused() {
    let m = opened();
    refused(deployed(Exchange::TEST_CLASS_HASH, array![7, 7]), 'one token');
    set_contract_address(maker());
    refused(m.safe_liquidity.add(1_000, 0, 1_000), 'too little');
    refused(m.safe_liquidity.add(STABLE, CIRO + 1, CIRO), 'another price');
    m.liquidity.add(STABLE, CIRO, CIRO);
    refused(m.safe_liquidity.add(STABLE, CIRO + 1, 2 * CIRO), 'another price');
    refused(m.safe_liquidity.add(STABLE, 0, CIRO - 1), 'another price');
    refused(m.safe_liquidity.add(0, 0, CIRO), 'too little');
    set_contract_address(payer());
    refused(m.safe.buy(0, 0, payer()), 'too little');
    refused(m.safe.buy(PAID, OUT + 1, payer()), 'too little');
    refused(m.safe.buy(PAID, 1, m.at), 'recipient: nobody');
    // A unit of CIRO buys nothing.
    refused(m.safe_liquidity.sell(1, 0, payer()), 'too little');
    let most = 0x1000000000000000000000000000000;
    refused(m.safe.buy(most - STABLE, 1, payer()), 'too much');
    refused(m.safe.buy(most - STABLE - 1, 1, payer()), 'token: not taken');
    refused(m.safe_liquidity.sell(most - CIRO, 1, payer()), 'too much');
    refused(m.safe_liquidity.sell(most - CIRO - 1, 1, payer()), 'not allowed');
    set_contract_address(worker());
    refused(m.safe.buy(PAID, 1, worker()), 'token: not taken');
    IDollarDispatcher { contract_address: m.stable }.set_fee(1);
    set_contract_address(payer());
    refused(m.safe.buy(PAID, 1, payer()), 'token: another amount');
    refused(m.safe_liquidity.add(PAID, 0, CIRO), 'token: another amount');
    assert(m.exchange.reserves() == (STABLE, CIRO), 'other reserves');
}

/// Many trades of some accounts, which a seed draws: no trade makes the product smaller, what is
/// held is held, and prices add up.
fn a_long_history_adds_up(seed: Array<felt252>) {
    let m = begin();
    let accounts = array![maker(), payer(), rival()].span();
    let mut state: u256 = (*seed.at(0)).into();
    let (mut now, mut sum) = (START, 0);
    for _ in 0..40_u32 {
        state = (state * 6364136223846793005 + 1442695040888963407) % 0x10000000000000000;
        let draws: u32 = (state / 0x100000000).try_into().unwrap();
        let who = *accounts.at(draws % 3);
        let part: u256 = (draws / 3 % 1000 + 1).into();
        let (stable, ciro) = m.exchange.reserves();
        let seconds: u64 = (draws / 3000 % 3).into();
        now += seconds;
        sum += price(stable, ciro) * seconds.into();
        set_block_timestamp(now);
        set_contract_address(who);
        let all = m.liquidity.shares();
        match draws / 9000 % 4 {
            0 => { m.bought(who, stable * part / 4_000); },
            1 => { m.sold(who, ciro * part / 10_000); },
            2 => { m.liquidity.add(stable * part / 20_000, 0, CIRO); },
            _ => { m.liquidity.remove(m.liquidity.shares_of(who) * part / 2_000, 0, 0); },
        }
        let (after, other) = m.exchange.reserves();
        // The square of what a share has of both, times those of all shares.
        let shares = m.liquidity.shares();
        assert(after * other * all * all >= stable * ciro * shares * shares, 'a share has less');
        assert(m.dollars(m.at) == after && m.tokens(m.at) == other, 'not held');
        assert(m.exchange.cumulative() == sum, 'another sum');
        adds_up(m, accounts);
    };
    for who in accounts {
        set_contract_address(*who);
        m.liquidity.remove(m.liquidity.shares_of(*who), 0, 0);
    };
    assert(m.liquidity.shares() == LOCKED, 'more is locked');
}
fn adds_up(m: Market, accounts: Span<ContractAddress>) {
    let mut shares = LOCKED;
    for who in accounts {
        shares += m.liquidity.shares_of(*who);
    };
    assert(m.liquidity.shares() == shares, 'other shares');
}
