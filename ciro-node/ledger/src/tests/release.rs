//! Who may claim a job, what giving it back costs, and whose job it can end.

use ciro_protocol::amount::Amount;
use ciro_protocol::blob::BlobId;
use ciro_protocol::event::{Event, Purse};
use ciro_protocol::id::{InputDigest, JobId, KeyDigest, ProviderId};
use ciro_protocol::model::Listing;
use ciro_protocol::order::{Class, Input, JobOrder, Mode, Needs, Offer, Policy, Region, Route};
use ciro_protocol::provider::{Ask, Asks, DirectKeys, DirectTerms, Profile};
use ciro_protocol::receipt::{Outcome, RefundReason};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::text::Text;
use ciro_protocol::tx::{
    Body, Claim, RegisterModel, RegisterProvider, Release, ReleaseReason, Renew, SetAsks, Transfer,
    UpdateModel,
};
use ciro_protocol::wire::{Bytes, List};

use super::support::{GENESIS_MS, PEOPLE, batch, card, key, spec, units, unsigned};
use crate::state::{JOBS, PURSES, View as _};
use crate::{Block, MemoryState, check_invariants, execute, genesis};

const REQUESTER: usize = 0;
/// Accounts of the providers 0, 1 and 2.
const PROVIDERS: [usize; 3] = [4, 5, 6];
const COLLATERAL: u128 = 1_000;
/// The part of the collateral that a job costs which is given back: `release_bps`.
const PART: u128 = 50;

struct Market {
    state: MemoryState,
    height: u64,
    /// Ledger time beside a millisecond for each block.
    waited_ms: u64,
    order: JobOrder,
    ended: Vec<RefundReason>,
}

fn listed(keys: &[u8]) -> DirectKeys {
    let keys = keys.iter().map(|key| KeyDigest([*key; 32])).collect();
    DirectKeys::Listed(List::new(keys).unwrap())
}

fn listing(providers: &[u32]) -> Listing {
    let providers = List::new(providers.iter().copied().map(ProviderId).collect()).unwrap();
    Listing { providers, price_hint: units(1) }
}

fn asks(keys: DirectKeys) -> Asks {
    let (collateral_max, lease_min_ms) = (units(COLLATERAL), 2_000);
    let direct = Some(DirectTerms { keys, collateral_max, lease_min_ms, input_bytes_max: 1_000 });
    let prices = List::new(vec![Ask { class: Class::Xs, price: units(100) }]).unwrap();
    Asks { prices, capacity: 4, direct, sealing: None }
}

impl Market {
    /// A model with the keys 1 and 2, and three providers with terms for these keys.
    fn new(keys: &DirectKeys) -> Self {
        Self::of(keys, &[])
    }

    /// The same with a model that is listed for some providers.
    fn of(keys: &DirectKeys, providers: &[u32]) -> Self {
        let mut state = MemoryState::default();
        state.commit(&genesis(spec()).unwrap().1).unwrap();
        let card = card(REQUESTER, 1, vec![key(1, Route::Tensor), key(2, Route::Tensor)]);
        let order = JobOrder {
            model: card.id(),
            key: KeyDigest([1; 32]),
            input: Input {
                blob: BlobId([3; 32]),
                bytes: 10,
                statement: InputDigest([4; 32]),
                recipients: List::default(),
            },
            offer: Offer {
                mode: Mode::Open,
                price_min: units(100),
                price_max: units(100),
                ramp_start_ms: GENESIS_MS,
                ramp_ms: 0,
                lease_ms: 20_000,
                deadline_ms: GENESIS_MS + 60_000,
                collateral: units(COLLATERAL),
                attempts_max: 3,
            },
            policy: Policy { bits: 100, proven: false },
            needs: Needs::default(),
            memo: Bytes::default(),
        };
        let mut market = Self { state, height: 0, waited_ms: 0, order, ended: Vec::new() };
        let register = Box::new(RegisterModel { card, listing: listing(providers) });
        market.must(REQUESTER, Body::RegisterModel(register));
        for account in PROVIDERS {
            let profile = Profile {
                name: Text::new("provider").unwrap(),
                region: Region::new(*b"DE").unwrap(),
                memory_mb: 1_000,
            };
            let (asks, bond) = (asks(keys.clone()), units(8_000));
            market.must(account, Body::RegisterProvider(RegisterProvider { profile, asks, bond }));
        }
        market
    }

    /// Executes a transaction in a block of its own.
    fn run(&mut self, account: usize, body: Body) -> (JobId, Option<Refusal>) {
        self.height += 1;
        let time_ms = GENESIS_MS + self.height + self.waited_ms;
        let tx = unsigned(account, self.height, time_ms + 1_000, body);
        let id = tx.body.id().into();
        let batches = [batch(self.height, time_ms, vec![tx])];
        let block = Block { height: self.height, batches: &batches, punish: &[] };
        let outcome = execute(&spec(), &self.state, &block).unwrap();
        self.state.commit(&outcome.writes).unwrap();
        check_invariants(&self.state).unwrap();
        for event in outcome.events {
            if let Event::JobEnded { receipt } = event {
                let Outcome::Refunded { reason } = receipt.outcome else { panic!("{receipt:?}") };
                self.ended.push(reason);
            }
        }
        (id, outcome.receipts[0].refused)
    }

    fn must(&mut self, account: usize, body: Body) -> JobId {
        let (id, refused) = self.run(account, body);
        assert_eq!(refused, None);
        id
    }

    fn order(&mut self, mode: Mode, key: u8) -> (JobId, Option<Refusal>) {
        let mut order = self.order.clone();
        (order.key, order.offer.mode) = (KeyDigest([key; 32]), mode);
        order.offer.attempts_max = if mode == Mode::Open { 3 } else { 1 };
        self.run(REQUESTER, Body::Order(Box::new(order)))
    }

    /// Lists the model for other providers, and returns the time of that.
    fn list(&mut self, providers: &[u32]) -> u64 {
        let (model, listing) = (self.order.model, listing(providers));
        self.must(REQUESTER, Body::UpdateModel(UpdateModel { model, listing }));
        GENESIS_MS + self.height + self.waited_ms
    }

    /// Orders at a time, and checks whom the order is listed for.
    #[track_caller]
    fn order_for(&mut self, time_ms: u64, providers: &[u32]) {
        let next_ms = |market: &Self| GENESIS_MS + market.height + 1 + market.waited_ms;
        // No block moves the clock by more than five seconds.
        while next_ms(self) + 4_000 < time_ms {
            self.waited_ms += 4_000;
            let (to, amount) = (PEOPLE[8], units(1));
            self.must(REQUESTER, Body::Transfer(Transfer { to, amount }));
        }
        self.waited_ms += time_ms - next_ms(self);
        self.order.offer.deadline_ms = time_ms + 60_000;
        let (job, refused) = self.order(Mode::Open, 1);
        assert_eq!(refused, None);
        let value = self.state.get(&JOBS.key(&job)).unwrap();
        let record = JOBS.decode(&[], &value).unwrap();
        let found: Vec<u32> = record.listed.iter().map(|it| it.0).collect();
        assert_eq!((found.as_slice(), record.opened_ms), (providers, time_ms));
    }

    /// Orders of provider 0, who takes it.
    fn direct(&mut self, key: u8) -> JobId {
        let (job, refused) = self.order(Mode::Direct(ProviderId(0)), key);
        assert_eq!(refused, None);
        job
    }

    /// Gives a job back, and returns what that takes of the bond.
    fn release(&mut self, provider: usize, job: JobId, reason: ReleaseReason) -> u128 {
        let attempt = self.attempt(job).unwrap();
        self.must(PROVIDERS[provider], Body::Release(Release { job, attempt, reason }));
        8_000 - self.bond(provider)
    }

    fn bond(&self, provider: usize) -> u128 {
        let purse = Purse::Bond(ProviderId(u32::try_from(provider).unwrap()));
        let value = self.state.get(&PURSES.key(&purse));
        value.map_or(Amount::ZERO, |value| PURSES.decode(&[], &value).unwrap()).units()
    }

    /// The attempt at hand of a job that is not ended.
    fn attempt(&self, job: JobId) -> Option<u8> {
        let value = self.state.get(&JOBS.key(&job));
        value.map(|value| JOBS.decode(&[], &value).unwrap().attempt)
    }
}

/// Otherwise an owner could draw orders with one listing, and choose with another who claims them.
#[test]
fn who_may_claim_is_whom_the_listing_named_when_the_order_came() {
    let mut market = Market::of(&listed(&[1]), &[2]);
    let (job, _) = market.order(Mode::Open, 1);
    market.list(&[]);
    let claim = Body::Claim(Claim { job, attempt: 1 });
    assert_eq!(market.run(PROVIDERS[0], claim.clone()).1, Some(Refusal::NotListed));
    market.must(PROVIDERS[2], claim);
}

/// Otherwise an owner could draw orders with an open listing, close it, and be the only one to
/// claim those that come after that.
#[test]
fn a_listing_that_leaves_somebody_out_begins_when_no_earlier_order_is_valid() {
    let mut market = Market::new(&listed(&[1]));
    let last_ms = market.list(&[2]) + 60_000;
    market.order_for(last_ms, &[]);
    market.order_for(last_ms + 1, &[2]);
    // Whom the order names is who may claim it.
    let (job, _) = market.order(Mode::Open, 1);
    let claim = Body::Claim(Claim { job, attempt: 1 });
    assert_eq!(market.run(PROVIDERS[0], claim.clone()).1, Some(Refusal::NotListed));
    market.must(PROVIDERS[2], claim);
    // The last word about what follows counts, and its time begins with it.
    let last_ms = market.list(&[0]) + 60_000;
    market.order_for(last_ms - 30_000, &[2]);
    let later_ms = market.list(&[1]) + 60_000;
    market.order_for(last_ms + 1, &[2]);
    market.order_for(later_ms, &[2]);
    market.order_for(later_ms + 1, &[1]);
}

#[test]
fn to_list_another_provider_too_takes_no_time_and_ends_what_was_to_follow() {
    let mut market = Market::of(&listed(&[1]), &[0]);
    for providers in [&[1, 0][..], &[]] {
        let last_ms = market.list(&[2]) + 60_000;
        let now_ms = market.list(providers);
        market.order_for(now_ms + 1, providers);
        market.order_for(last_ms + 1, providers);
    }
}

/// Without collateral, three claims and three releases would end anybody's job for nothing.
#[test]
fn an_order_asks_for_a_part_of_its_price_as_collateral() {
    let mut market = Market::new(&listed(&[1]));
    for (price, collateral, refused) in [
        (1_000, 0, Some(Refusal::CollateralTooSmall)),
        (1_000, 99, Some(Refusal::CollateralTooSmall)),
        (1_000, 100, None),
        (9, 0, None),
        (0, 0, None),
    ] {
        let offer = &mut market.order.offer;
        (offer.price_min, offer.price_max) = (Amount::ZERO, units(price));
        offer.collateral = units(collateral);
        assert_eq!(market.order(Mode::Open, 1).1, refused, "{price} {collateral}");
    }
}

/// Two words that an input cannot be had once ended any job, for nothing.
#[test]
fn who_says_that_an_input_cannot_be_had_pays_for_the_claim_and_ends_no_job() {
    let mut market = Market::new(&listed(&[1]));
    let (job, _) = market.order(Mode::Open, 1);
    for (provider, attempt) in [(0, 1), (1, 2)] {
        market.must(PROVIDERS[provider], Body::Claim(Claim { job, attempt }));
        assert_eq!(market.release(provider, job, ReleaseReason::InputUnavailable), PART);
        assert_eq!(market.attempt(job), Some(attempt + 1), "another may try");
    }
    market.must(PROVIDERS[2], Body::Claim(Claim { job, attempt: 3 }));
    assert_eq!(market.release(2, job, ReleaseReason::NotServed), PART);
    assert_eq!(market.ended, [RefundReason::AttemptsSpent]);
}

#[test]
fn a_direct_order_is_for_a_key_that_the_provider_lists_or_it_is_refused() {
    let mut market = Market::new(&listed(&[2]));
    let to = Mode::Direct(ProviderId(0));
    assert_eq!(market.order(to, 1).1, Some(Refusal::DirectNotServed));
    assert_eq!(market.bond(0), 8_000, "nothing is at stake");
    assert_eq!(market.order(to, 2).1, None);
    assert_eq!(market.bond(0), 8_000 - COLLATERAL);
    let mut none = Market::new(&listed(&[]));
    assert_eq!(none.order(to, 1).1, Some(Refusal::DirectNotServed));
    let mut any = Market::new(&DirectKeys::Any);
    assert_eq!(any.order(to, 1).1, None);
}

#[test]
fn what_nobody_asked_the_provider_for_goes_back_for_nothing() {
    for (keys, reason, refund) in [
        (listed(&[1]), ReleaseReason::InputUnavailable, RefundReason::InputUnavailable),
        (DirectKeys::Any, ReleaseReason::InputUnavailable, RefundReason::InputUnavailable),
        (DirectKeys::Any, ReleaseReason::NotServed, RefundReason::NotServed),
    ] {
        let mut market = Market::new(&keys);
        let job = market.direct(1);
        assert_eq!(market.release(0, job, reason), 0, "{keys:?} {reason:?}");
        assert_eq!(market.ended, [refund]);
    }
}

#[test]
fn what_the_provider_said_that_it_serves_costs_it_a_part_of_the_collateral() {
    for (keys, reason) in [
        (listed(&[1]), ReleaseReason::NotServed),
        (listed(&[1]), ReleaseReason::Unable),
        (DirectKeys::Any, ReleaseReason::Unable),
    ] {
        let mut market = Market::new(&keys);
        let job = market.direct(1);
        assert_eq!(market.release(0, job, reason), PART, "{keys:?} {reason:?}");
        assert_eq!(market.ended, [RefundReason::AttemptsSpent]);
    }
}

#[test]
fn terms_that_change_while_an_order_is_held_change_nothing_for_it() {
    let mut market = Market::new(&listed(&[1]));
    let job = market.direct(1);
    market.must(PROVIDERS[0], Body::SetAsks(SetAsks { asks: asks(DirectKeys::Any) }));
    assert_eq!(market.release(0, job, ReleaseReason::NotServed), PART);
    let mut market = Market::new(&DirectKeys::Any);
    let job = market.direct(1);
    market.must(PROVIDERS[0], Body::SetAsks(SetAsks { asks: asks(listed(&[2])) }));
    assert_eq!(market.release(0, job, ReleaseReason::NotServed), 0);
}

/// Otherwise a provider could keep what it was asked for as long as leases can be renewed, and
/// owe nothing.
#[test]
fn who_renews_the_lease_of_a_direct_order_has_taken_it_on() {
    for reason in [ReleaseReason::InputUnavailable, ReleaseReason::NotServed] {
        let mut market = Market::new(&DirectKeys::Any);
        let job = market.direct(1);
        market.must(PROVIDERS[0], Body::Renew(Renew { job, attempt: 1 }));
        assert_eq!(market.release(0, job, reason), PART, "{reason:?}");
    }
}
