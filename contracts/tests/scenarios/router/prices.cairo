//! Payments at an exchange that says what it is told: where exactly they are refused.
use props::{deploy, refused};
use router::exchange::ONE;
use router::payment_router::{
    IPaymentRouterDispatcher, IPaymentRouterDispatcherTrait, IPaymentRouterSafeDispatcher,
    IPaymentRouterSafeDispatcherTrait, Payment, PaymentRouter, WINDOW,
};
use starknet::testing::{set_block_timestamp, set_contract_address};
use super::dollar::{IDollarDispatcher, IDollarDispatcherTrait};
use super::venue::{IVenueDispatcher, IVenueDispatcherTrait, Venue};
use super::{Market, MarketTrait, STABLE, START, maker, opened, payer, worker};
use verifier::erc20::{IERC20Dispatcher, IERC20DispatcherTrait};

/// What the exchange has to hold, and says that it holds; for a unit of it, a hundred CIRO.
const DEPTH: u256 = 1_000_000;
const PRICE: u256 = 100;
const PAID: u256 = 1_000;

#[derive(Copy, Drop)]
struct Till {
    m: Market,
    venue: IVenueDispatcher,
    router: IPaymentRouterDispatcher,
    safe: IPaymentRouterSafeDispatcher,
}

/// The average is `PRICE` since half an hour, before which there were other prices.
fn begin() -> Till {
    let m = opened();
    let contract_address = deploy(Venue::TEST_CLASS_HASH, array![m.stable.into(), m.ciro.into()]);
    let venue = IVenueDispatcher { contract_address };
    set_contract_address(maker());
    IERC20Dispatcher { contract_address: m.ciro }.transfer(contract_address, 1_000 * PAID * PRICE);
    let calldata = array![contract_address.into(), DEPTH.low.into(), 0];
    let contract_address = deploy(PaymentRouter::TEST_CLASS_HASH, calldata);
    let router = IPaymentRouterDispatcher { contract_address };
    let safe = IPaymentRouterSafeDispatcher { contract_address };
    let t = Till { m, venue, router, safe };
    set_contract_address(payer());
    IDollarDispatcher { contract_address: m.stable }.approve(contract_address, STABLE);
    venue.tell(DEPTH, DEPTH * PRICE, 7 * ONE);
    venue.deal(PAID * PRICE, 0);
    router.observe();
    set_block_timestamp(START + WINDOW);
    t.holds(DEPTH, DEPTH * PRICE);
    t
}

#[generate_trait]
impl TillImpl of TillTrait {
    /// The exchange says that it holds so much, after half an hour at `PRICE`.
    fn holds(self: Till, stable: u256, ciro: u256) {
        self.venue.tell(stable, ciro, 7 * ONE + PRICE * ONE * WINDOW.into());
    }
}
fn payment() -> Payment {
    Payment { amount: PAID, least: 1, recipient: worker(), deadline: START + WINDOW }
}

#[feature("safe_dispatcher")]
fn a_price_may_be_three_hundredths_off() {
    let t = begin();
    assert(t.router.average() == PRICE * ONE, 'another average');
    t.holds(DEPTH, 97 * DEPTH - 1);
    refused(t.safe.pay(payment()), 'price: apart');
    t.holds(DEPTH, 103 * DEPTH + 1);
    refused(t.safe.pay(payment()), 'price: apart');
    t.holds(DEPTH, 97 * DEPTH);
    t.router.pay(payment());
    t.holds(DEPTH, 103 * DEPTH);
    t.router.pay(payment());
}

#[feature("safe_dispatcher")]
fn an_exchange_holds_enough() {
    let t = begin();
    t.holds(DEPTH - 1, (DEPTH - 1) * PRICE);
    refused(t.safe.pay(payment()), 'exchange: shallow');
    t.holds(0, 0);
    refused(t.safe.pay(payment()), 'exchange: shallow');
    t.holds(DEPTH, DEPTH * PRICE);
    t.router.pay(payment());
}

#[feature("safe_dispatcher")]
fn a_payment_gives_ninety_five_hundredths() {
    let t = begin();
    t.venue.deal(PAID * 95 - 1, 0);
    refused(t.safe.pay(payment()), 'slippage');
    t.venue.deal(PAID * 95, 0);
    // What the exchange says that it gives is not believed.
    refused(t.safe.pay(Payment { least: PAID * 95 + 1, ..payment() }), 'too little');
    assert(t.m.tokens(worker()) == 0, 'paid');
    assert(t.router.pay(Payment { least: PAID * 95, ..payment() }) == PAID * 95, 'another amount');
    assert(t.m.tokens(worker()) == PAID * 95, 'not paid');
    // What the recipient has already does not count.
    t.venue.deal(PAID * 95 - 1, 0);
    refused(t.safe.pay(payment()), 'slippage');
}

#[feature("safe_dispatcher")]
fn an_exchange_takes_all_that_is_paid() {
    let t = begin();
    t.venue.deal(PAID * PRICE, 1);
    refused(t.safe.pay(payment()), 'exchange: left some');
    t.venue.deal(PAID * PRICE, 0);
    t.router.pay(payment());
    assert(t.m.dollars(t.router.contract_address) == 0, 'something is left');
}
