use ciro_protocol::amount::Amount;
use ciro_protocol::id::{KeyDigest, ModelId, OutputDigest, TxId};
use ciro_protocol::order::Class;
use ciro_protocol::receipt::{RefundReason, Settlement};
use ciro_protocol::sign::{Address, SecretKey};

use super::*;

const JOB: JobId = JobId([7; 32]);
const HOLDER: ProviderId = ProviderId(3);

fn address(name: &str) -> Address {
    SecretKey::from_seed(name.as_bytes()).address()
}

fn units(units: u128) -> Amount {
    Amount::from_units(units).unwrap()
}

fn moved(from: Purse, to: Purse, amount: u128, why: Why) -> Event {
    Event::Moved(Movement { from, to, amount: units(amount), why })
}

fn paid_in() -> Vec<Event> {
    let requester = Purse::Account(address("requester"));
    vec![
        moved(Purse::Faucet, requester, 100, Why::Faucet),
        moved(requester, Purse::Escrow(JOB), 50, Why::Escrow),
        Event::JobOpened { job: JOB, class: Class::Xs, attempt: 1 },
    ]
}

fn claimed(attempt: u8) -> Event {
    let (job, provider) = (JOB, HOLDER);
    Event::JobClaimed { job, attempt, provider, price: units(30), lease_until_ms: 1 }
}

fn receipt(outcome: Outcome, refund: u128) -> Event {
    let receipt = Receipt {
        job: JOB,
        requester: address("requester"),
        model: ModelId([0; 32]),
        key: KeyDigest([0; 32]),
        input: ciro_protocol::id::InputDigest([0; 32]),
        attempts: 1,
        escrow: units(50),
        refund: units(refund),
        opened_ms: 0,
        ended_ms: 0,
        height: 2,
        outcome,
    };
    Event::JobEnded { receipt: Box::new(receipt) }
}

fn settled_by(provider: ProviderId) -> Event {
    let settlement = Settlement {
        provider,
        price: units(30),
        market_fee: units(1),
        output: OutputDigest([0; 32]),
        bundle: ciro_protocol::blob::BlobId([0; 32]),
        verifier: 1,
        claimed_ms: 0,
        tx: TxId([0; 32]),
    };
    receipt(Outcome::Settled(settlement), 20)
}

fn paid() -> Vec<Event> {
    let escrow = Purse::Escrow(JOB);
    vec![
        moved(escrow, Purse::Treasury, 1, Why::MarketFee),
        moved(escrow, Purse::Account(address("provider")), 29, Why::Price),
        moved(escrow, Purse::Account(address("requester")), 20, Why::Refund),
    ]
}

fn history() -> Vec<Event> {
    let collateral = Purse::Collateral(JOB);
    let mut events = vec![moved(Purse::Treasury, Purse::Bond(HOLDER), 10, Why::Bond)];
    events.extend(paid_in());
    events.push(moved(Purse::Bond(HOLDER), collateral, 5, Why::Collateral));
    events.push(claimed(1));
    events.extend(paid());
    events.push(moved(collateral, Purse::Bond(HOLDER), 5, Why::Collateral));
    events.push(settled_by(HOLDER));
    events
}

/// The invariants that events break, one a block.
fn broken_by(events: Vec<Event>) -> Vec<Invariant> {
    let mut books = Books::new(&spec());
    let last = events.len() as u64;
    // All of it in one block, since a block is what is whole.
    for (seq, event) in (1..).zip(events) {
        books.enter(&EventRecord { seq, height: 1, time_ms: 1, event });
    }
    books.close_block();
    assert_eq!(books.seq(), last);
    Invariant::ALL.into_iter().filter(|it| books.violations.of(*it).next().is_some()).collect()
}

fn spec() -> ChainSpec {
    let genesis = include_str!("../../../../../../../ciro-sdk/src/client/test_genesis.json");
    let genesis: ciro_protocol::chain::Genesis = serde_json::from_str(genesis).unwrap();
    genesis.spec
}

#[test]
fn an_honest_history_breaks_nothing() {
    assert_eq!(broken_by(history()), []);
}

#[test]
fn a_job_that_ends_twice_or_for_another_holder_is_found() {
    let mut twice = history();
    twice.push(settled_by(HOLDER));
    assert_eq!(broken_by(twice), [Invariant::I1]);
    let mut other = history();
    *other.last_mut().unwrap() = settled_by(ProviderId(4));
    assert_eq!(broken_by(other), [Invariant::I1]);
}

#[test]
fn a_claim_of_another_attempt_and_one_of_a_held_job_are_found() {
    let mut wrong = paid_in();
    wrong.push(claimed(2));
    assert_eq!(broken_by(wrong), [Invariant::I1]);
    let mut twice = paid_in();
    twice.extend([claimed(1), claimed(1)]);
    assert_eq!(broken_by(twice), [Invariant::I1]);
}

#[test]
fn money_from_nowhere_is_found() {
    let mut more = history();
    more.push(moved(Purse::Account(address("nobody")), Purse::Burned, 1, Why::Transfer));
    assert_eq!(broken_by(more), [Invariant::I2]);
}

#[test]
fn escrow_that_is_left_or_taken_too_early_is_found() {
    let mut left = history();
    left.retain(|event| !matches!(event, Event::Moved(it) if it.why == Why::Refund));
    assert_eq!(broken_by(left), [Invariant::I2, Invariant::I3]);
    let mut early = paid_in();
    let requester = Purse::Account(address("requester"));
    early.push(moved(Purse::Escrow(JOB), requester, 50, Why::Refund));
    assert_eq!(broken_by(early), [Invariant::I3]);
}

#[test]
fn collateral_of_nobody_is_found() {
    let mut kept = history();
    kept.retain(
        |event| !matches!(event, Event::Moved(it) if matches!(it.from, Purse::Collateral(_))),
    );
    assert_eq!(broken_by(kept), [Invariant::I3]);
}

#[test]
fn a_receipt_that_says_something_else_than_happened_is_found() {
    let mut events = paid_in();
    let requester = Purse::Account(address("requester"));
    events.push(moved(Purse::Escrow(JOB), requester, 50, Why::Refund));
    let reason = RefundReason::Cancelled;
    events.push(receipt(Outcome::Refunded { reason }, 50));
    assert_eq!(broken_by(events.clone()), []);
    *events.last_mut().unwrap() = receipt(Outcome::Refunded { reason }, 49);
    assert_eq!(broken_by(events), [Invariant::I2]);
}
