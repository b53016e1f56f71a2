//! Payments that buy at an exchange where others buy, too.
use props::{deploy, deployed, refused};
use router::exchange::{
    IExchangeDispatcherTrait, ILiquidityDispatcherTrait, ONE,
};
use router::payment_router::{
    AGE_MAX, IPaymentRouterDispatcher, IPaymentRouterDispatcherTrait, IPaymentRouterSafeDispatcher,
    IPaymentRouterSafeDispatcherTrait, Payment, PaymentRouter, WINDOW,
};
use starknet::testing::{pop_log_raw, set_block_timestamp, set_contract_address};
use super::dollar::{IDollarDispatcher, IDollarDispatcherTrait};
use super::{
    CIRO, Market, MarketTrait, PRICE, STABLE, START, begin, maker, opened, payer, rival, worker,
};

/// A thousand dollars, and what they buy if nobody else does.
const PAID: u256 = 1_000_000_000;
const OUT: u256 = 9_960_069_810_399_032_164_931;

#[derive(Copy, Drop)]
struct Till {
    m: Market,
    router: IPaymentRouterDispatcher,
    safe: IPaymentRouterSafeDispatcher,
}

/// A router for an exchange with a tenth of what it holds for the least. The payer lets it take all
/// that it has; nobody has observed anything.
fn unobserved() -> Till {
    till(begin())
}
fn till(m: Market) -> Till {
    let calldata = array![m.at.into(), (STABLE / 10).low.into(), 0];
    let contract_address = deploy(PaymentRouter::TEST_CLASS_HASH, calldata);
    set_contract_address(payer());
    IDollarDispatcher { contract_address: m.stable }.approve(contract_address, 100 * STABLE);
    Till {
        m, router: IPaymentRouterDispatcher { contract_address },
        safe: IPaymentRouterSafeDispatcher { contract_address },
    }
}
/// Half an hour after the first observation.
fn ready() -> Till {
    let t = unobserved();
    t.router.observe();
    set_block_timestamp(START + WINDOW);
    t
}
/// The payer pays the worker.
fn payment(amount: u256) -> Payment {
    Payment { amount, least: 1, recipient: worker(), deadline: START + 100 * WINDOW }
}

fn a_payment_has_its_worth() {
    let t = ready();
    let here = t.router.contract_address;
    while pop_log_raw(here).is_some() {};
    set_contract_address(payer());
    // To the last second, and to the last unit.
    let exact = Payment { least: OUT, deadline: START + WINDOW, ..payment(PAID) };
    assert(t.router.pay(exact) == OUT, 'another amount');
    assert(t.m.tokens(worker()) == OUT, 'not paid');
    assert(t.m.dollars(payer()) == 100 * STABLE - PAID, 'not taken');
    assert(t.m.dollars(here) == 0 && t.m.tokens(here) == 0, 'something is left');
    assert(t.m.exchange.reserves() == (STABLE + PAID, CIRO - OUT), 'not bought there');
    assert(t.router.venue() == (t.m.at, STABLE / 10), 'another exchange');
    let (keys, data) = pop_log_raw(here).unwrap();
    assert(keys == array![selector!("Observed")].span() && data.len() == 2, 'not observed');
    let (keys, data) = pop_log_raw(here).unwrap();
    let expected = array![selector!("Paid"), payer().into(), worker().into()];
    assert(keys == expected.span(), 'other keys');
    assert(data == array![PAID.low.into(), 0, OUT.low.into(), 0].span(), 'other data');
}

/// What was sent to the router by mistake is nobody's.
fn what_comes_unasked_stays() {
    let t = ready();
    let here = t.router.contract_address;
    IDollarDispatcher { contract_address: t.m.stable }.give(here, 77);
    set_contract_address(payer());
    assert(t.router.pay(payment(PAID)) == OUT, 'another amount');
    assert(t.m.dollars(here) == 77, 'taken');
}

#[feature("safe_dispatcher")]
fn an_average_takes_half_an_hour() {
    let t = unobserved();
    set_contract_address(payer());
    refused(t.safe.average(), 'average: too short');
    refused(t.safe.pay(payment(PAID)), 'average: too short');
    t.router.observe();
    set_block_timestamp(START + WINDOW - 1);
    // Whoever asks, and however often.
    t.router.observe();
    refused(t.safe.average(), 'average: too short');
    refused(t.safe.pay(payment(PAID)), 'average: too short');
    set_block_timestamp(START + WINDOW);
    assert(t.router.average() == PRICE * ONE, 'another average');
    t.router.observe();
    assert(t.router.average() == PRICE * ONE, 'forgotten');
    // From the first observation until the second is half an hour old.
    t.m.bought(rival(), 15 * PAID);
    set_block_timestamp(START + 2 * WINDOW - 1);
    let whole = t.router.average();
    let (until, second) = (START + 2 * WINDOW, START + WINDOW);
    assert(whole > PRICE * ONE * 985 / 1000 && whole < PRICE * ONE * 986 / 1000, 'not the first');
    set_block_timestamp(until);
    let half = t.router.average();
    assert(half > PRICE * ONE * 970 / 1000 && half < PRICE * ONE * 971 / 1000, 'not the second');
    set_block_timestamp(second + AGE_MAX);
    assert(t.router.average() == half, 'too old');
    set_block_timestamp(second + AGE_MAX + 1);
    refused(t.safe.average(), 'average: too old');
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'average: too old');
    // What was refused has observed nothing; whoever wants to pay begins again.
    t.router.observe();
    refused(t.safe.average(), 'average: too old');
    set_block_timestamp(second + AGE_MAX + WINDOW);
    refused(t.safe.pay(payment(PAID)), 'average: too old');
    set_block_timestamp(second + AGE_MAX + WINDOW + 1);
    t.router.pay(payment(PAID));
}

/// While nothing is held there is no price, and what is averaged with nothing is too little.
#[feature("safe_dispatcher")]
fn an_empty_exchange_has_no_average() {
    let t = till(opened());
    t.router.observe();
    set_block_timestamp(START + WINDOW);
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'exchange: shallow');
    set_contract_address(maker());
    t.m.liquidity.add(STABLE, 0, CIRO);
    t.router.observe();
    set_block_timestamp(START + WINDOW + WINDOW / 2);
    assert(t.router.average() == PRICE * ONE / 3, 'another average');
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'price: apart');
    set_block_timestamp(START + 2 * WINDOW);
    t.router.pay(payment(PAID));
}

/// Whoever moves the price within a second moves no average: payments wait.
#[feature("safe_dispatcher")]
fn a_price_of_a_moment_is_no_price() {
    let t = ready();
    let got = t.m.bought(rival(), STABLE);
    assert(t.router.average() == PRICE * ONE, 'moved');
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'price: apart');
    t.m.sold(rival(), got);
    // In the other direction.
    let dollars = t.m.sold(rival(), CIRO / 10);
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'price: apart');
    t.m.bought(rival(), dollars);
    assert(t.router.average() == PRICE * ONE, 'moved after all');
    set_contract_address(payer());
    t.router.pay(payment(PAID));
}

/// Four seconds, at a price as far off as you like, are four of half an hour's.
fn a_price_of_a_block_moves_an_average_little() {
    let t = unobserved();
    t.router.observe();
    set_block_timestamp(START + WINDOW - 4);
    let got = t.m.bought(rival(), 50 * STABLE);
    set_block_timestamp(START + WINDOW);
    t.m.sold(rival(), got);
    let average = t.router.average();
    assert(average < PRICE * ONE, 'not moved');
    assert(average >= PRICE * ONE * (WINDOW - 4).into() / WINDOW.into(), 'moved far');
}

/// Between two trades of somebody else a payment has what it named, or is not made. A small one is
/// not worth it.
#[feature("safe_dispatcher")]
fn a_sandwich_is_bounded() {
    let t = ready();
    // As far as it goes.
    let got = t.m.bought(rival(), 15 * PAID);
    set_contract_address(payer());
    let careful = Payment { least: OUT * 99 / 100, ..payment(PAID) };
    refused(t.safe.pay(careful), 'too little');
    let paid = t.router.pay(payment(PAID));
    assert(paid >= PAID * PRICE * 95 / 100, 'less than 95 hundredths');
    t.m.sold(rival(), got);
    assert(t.m.dollars(rival()) < 100 * STABLE, 'a sandwich is worth it');
    // A little farther.
    t.m.bought(rival(), 16 * PAID);
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID)), 'price: apart');
}

#[feature("safe_dispatcher")]
fn a_large_payment_is_refused() {
    let t = ready();
    set_contract_address(payer());
    refused(t.safe.pay(payment(STABLE / 20)), 'slippage');
    assert(t.m.dollars(payer()) == 100 * STABLE, 'taken');
    // Also one that is large together with others.
    t.router.pay(payment(16 * PAID));
    refused(t.safe.pay(payment(PAID)), 'price: apart');
}

#[feature("safe_dispatcher")]
fn a_shallow_exchange_is_refused() {
    let t = ready();
    set_contract_address(maker());
    let shares = t.m.liquidity.shares();
    t.m.liquidity.remove(shares * 91 / 100, 0, 0);
    set_contract_address(payer());
    refused(t.safe.pay(payment(PAID / 100)), 'exchange: shallow');
}

#[feature("safe_dispatcher")]
fn payments_that_cannot_be_are_refused() {
    let t = ready();
    let class = PaymentRouter::TEST_CLASS_HASH;
    refused(deployed(class, array![t.m.at.into(), 0, 0]), 'no depth');
    refused(deployed(class, array![worker().into(), 1, 0]), 'CONTRACT_NOT_DEPLOYED');
    set_contract_address(payer());
    let late = Payment { deadline: START + WINDOW - 1, ..payment(PAID) };
    refused(t.safe.pay(late), 'deadline passed');
    refused(t.safe.pay(payment(0)), 'no amount');
    refused(t.safe.pay(Payment { least: OUT + 1, ..payment(PAID) }), 'too little');
    let here = t.router.contract_address;
    for recipient in array![0.try_into().unwrap(), here, t.m.at, t.m.stable, t.m.ciro] {
        refused(t.safe.pay(Payment { recipient, ..payment(PAID) }), 'recipient: nobody');
    };
    let dollar = IDollarDispatcher { contract_address: t.m.stable };
    dollar.set_fee(1);
    refused(t.safe.pay(payment(PAID)), 'token: another amount');
    dollar.set_fee(0);
    set_contract_address(rival());
    refused(t.safe.pay(payment(PAID)), 'token: not taken');
    assert(t.m.exchange.reserves() == (STABLE, CIRO), 'traded');
}
