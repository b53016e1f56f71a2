//! What giving a job back costs, and whose job it can end.

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
    Body, Claim, RegisterModel, RegisterProvider, Release, ReleaseReason, Renew, SetAsks,
};
use ciro_protocol::wire::{Bytes, List};

use super::support::{GENESIS_MS, batch, card, key, spec, units, unsigned};
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
    order: JobOrder,
    ended: Vec<RefundReason>,
}

fn listed(keys: &[u8]) -> DirectKeys {
    let keys = keys.iter().map(|key| KeyDigest([*key; 32])).collect();
    DirectKeys::Listed(List::new(keys).unwrap())
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
        let mut market = Self { state, height: 0, order, ended: Vec::new() };
        let listing = Listing { providers: List::default(), price_hint: units(1) };
        let register = Box::new(RegisterModel { card, listing });
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
        let time_ms = GENESIS_MS + self.height;
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
