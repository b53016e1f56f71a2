//! Single rules.

use std::collections::BTreeMap;

use ciro_protocol::blob::BlobId;
use ciro_protocol::id::{JobId, KeyDigest, ModelId, OutputDigest, ProviderId};
use ciro_protocol::order::{JobOrder, Mode};
use ciro_protocol::tx::{Proven, ReleaseReason};
use ciro_protocol::wire::{List, Message};

use super::{order, settings, units};
use crate::queue::{JobOffer, Position};
use crate::worker::{
    Deed, Denial, Effect, FetchError, Head, Input, Place, ProveTask, Reason, Row, Settings,
    Sighting, Situation, Standing, State, Worker, decide, rank,
};

const JOB: JobId = JobId([7; 32]);

fn behind(situation: &Situation) -> Option<Head> {
    situation.head.map(|head| Head { behind: true, ..head })
}

fn head(height: u64, time_ms: u64) -> Head {
    let bond_free = units(1_000);
    Head { height, time_ms, behind: false, bond_free, active: true, jail_over: false }
}

#[test]
fn each_reason_not_to_claim_has_its_name() {
    let situation =
        Situation { head: Some(head(1, 10_000)), busy: 0, claiming: units(0), draining: false };
    type Change = fn(&mut Settings, &mut JobOrder, &mut Situation);
    let cases: [(Change, Result<(), Denial>); 28] = [
        (|_, _, _| {}, Ok(())),
        // Whoever registers a key once more: a proof is judged by its key.
        (|_, it, _| it.model = ModelId([2; 32]), Ok(())),
        (|it, _, _| it.listen_only = true, Err(Denial::ListenOnly)),
        (|_, _, it| it.draining = true, Err(Denial::Draining)),
        (|_, it, _| it.offer.mode = Mode::Direct(ProviderId(1)), Err(Denial::OtherProvider)),
        (
            |_, it, _| it.input.recipients = List::new(vec![ProviderId(3)]).unwrap(),
            Err(Denial::NotRecipient),
        ),
        (|it, _, _| it.models.clear(), Err(Denial::NotServed)),
        (|_, it, _| it.key = KeyDigest([2; 32]), Err(Denial::NotServed)),
        (|it, _, _| it.memory_mb = 99, Err(Denial::Memory)),
        (|_, it, _| it.offer.lease_ms = 1_499, Err(Denial::Lease)),
        (|it, _, _| it.bytes_per_s = 0, Err(Denial::Lease)),
        (|it, _, _| it.collateral_max = units(49), Err(Denial::Collateral)),
        (|_, it, _| it.input.bytes = (1 << 28) + 1, Err(Denial::Input)),
        (|it, _, _| it.cells_per_s = 0, Err(Denial::Lease)),
        (|_, it, _| it.offer.deadline_ms = 11_499, Err(Denial::Deadline)),
        (|_, it, _| it.offer.price_max = units(149), Err(Denial::PriceMax)),
        (|_, it, _| it.offer.ramp_start_ms = 9_900, Err(Denial::PriceNow)),
        (|_, it, _| it.offer.ramp_start_ms = 37_501, Err(Denial::PriceLate)),
        (|it, _, _| it.open_ms_max = 1_499, Err(Denial::Direct)),
        (
            |it, order, _| {
                it.models.values_mut().for_each(|served| served.prepare_ms = 1_000);
                order.offer.lease_ms = 2_499;
            },
            Err(Denial::Lease),
        ),
        (|_, _, it| it.head = None, Err(Denial::NoHead)),
        (
            |_, _, it| it.head = it.head.map(|head| Head { active: false, ..head }),
            Err(Denial::Inactive),
        ),
        (|_, _, it| it.busy = 2, Err(Denial::Capacity)),
        (|_, _, it| it.claiming = units(951), Err(Denial::Bond)),
        (|_, order, it| (order.offer.lease_ms, it.busy) = (2_999, 1), Err(Denial::Queue)),
        // Time may pass twice as fast.
        (|_, order, it| (order.offer.lease_ms, it.head) = (3_000, behind(it)), Ok(())),
        (|_, order, it| (order.offer.lease_ms, it.head) = (2_999, behind(it)), Err(Denial::Queue)),
        (
            |_, order, it| (order.offer.deadline_ms, it.head) = (12_999, behind(it)),
            Err(Denial::Queue),
        ),
    ];
    for (change, expected) in cases {
        let (mut settings, mut order, mut situation) = (settings(), order(0), situation);
        change(&mut settings, &mut order, &mut situation);
        assert_eq!(decide(&settings, &order, &situation), expected);
    }
}

#[test]
fn the_provider_with_more_capacity_ranks_first_more_often_and_ranks_differ() {
    let peers: BTreeMap<_, _> = [(ProviderId(0), 1), (ProviderId(1), 3), (ProviderId(2), 4)].into();
    let mut first = [0_u32; 3];
    for number in 0..200 {
        let job = JobId([number; 32]);
        let mut ranks = [0, 1, 2].map(|id| rank(job, ProviderId(id), &peers));
        let winner = ranks.iter().position(|rank| *rank == 0).unwrap();
        first[winner] += 1;
        ranks.sort_unstable();
        assert_eq!(ranks, [0, 1, 2]);
    }
    assert!(first[0] < first[1] && first[0] < first[2], "{first:?}");
    assert_eq!(rank(JOB, ProviderId(9), &peers), 0, "who is not listed waits for nobody");
}

#[test]
fn a_row_survives_its_encoding_within_its_bound() {
    let mut largest = order(u64::MAX / 2);
    largest.input.recipients = List::new(vec![ProviderId(u32::MAX); 16]).unwrap();
    largest.memo = ciro_protocol::wire::Bytes::new(vec![1; 64]).unwrap();
    let row = Row {
        job: JOB,
        attempt: 1,
        order: largest,
        state: State::GivenUp,
        reason: Some(Reason::Denied(Denial::Queue)),
        claim_until_ms: 1,
        lease_until_ms: 2,
        proven: None,
        heard: Place { height: 3, index: 4 },
    };
    assert_eq!(Row::from_bytes(&row.to_bytes()), Ok(row));
}

/// Is offered a job, and looks at its input before anything else.
fn looking(order: JobOrder) -> (Worker, JobOffer, Position) {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let offer = JobOffer { job: JOB, attempt: 1, order: order.clone() };
    let position = Position { partition: 0, offset: 9 };
    let effects = worker.step(0, Input::Offer(Box::new(offer.clone()), position));
    assert!(effects.contains(&Effect::Ack(position)));
    let task = ProveTask { job: JOB, attempt: 1, order };
    assert!(effects.contains(&Effect::Look(Box::new(task))));
    assert!(!sends(&effects), "nothing is claimed unseen");
    (worker, offer, position)
}

fn sends(effects: &[Effect]) -> bool {
    effects.iter().any(|effect| matches!(effect, Effect::Send { .. }))
}

/// Claims a job and wins it.
fn holding(order: JobOrder) -> Worker {
    let (mut worker, offer, position) = looking(order);
    let effects = worker.step(0, Input::Looked(JOB, 1, Ok(())));
    let place = |effect: &Effect, effects: &[Effect]| effects.iter().position(|it| it == effect);
    let claim = Effect::Send { deed: Deed::Claim, job: JOB, attempt: 1, until_ms: 14_000 };
    let claimed = place(&claim, &effects).unwrap();
    let saved = effects[..claimed].iter().rev().find_map(|effect| match effect {
        Effect::Save(row) => Some(row.state),
        _ => None,
    });
    assert_eq!(saved, Some(State::Claiming), "durable before it is sent");
    let again = worker.step(0, Input::Offer(Box::new(offer), position));
    assert_eq!(again, [Effect::Ack(position)], "twice is once");
    worker.step(1, Input::Ledger(won(2)));
    worker
}

fn won(height: u64) -> Sighting {
    let (provider, lease_until_ms) = (ProviderId(0), 18_000);
    let standing = Standing::Claimed { attempt: 1, provider, lease_until_ms };
    Sighting { place: Place { height, index: 0 }, time_ms: 10_000, job: JOB, standing }
}

fn state(worker: &Worker) -> (State, Option<Reason>) {
    let row = worker.rows().next().unwrap();
    (row.state, row.reason)
}

#[test]
fn a_child_is_killed_after_a_lease_and_a_fifth_and_the_job_goes_back() {
    let mut worker = holding(order(0));
    worker.step(1, Input::Blob(order(0).input.blob, Ok(())));
    assert_eq!(state(&worker).0, State::Proving);
    // Neither a clock that is set back nor a machine that slept counts for more than its step.
    worker.step(0, Input::Tick);
    worker.step(5_000, Input::Tick);
    let before = worker.step(9_599, Input::Tick);
    assert!(!before.contains(&Effect::Kill(JOB, 1)));
    let effects = worker.step(9_600, Input::Tick);
    assert!(effects.contains(&Effect::Kill(JOB, 1)));
    assert_eq!(state(&worker), (State::Releasing, Some(Reason::Killed)));
    assert_eq!(worker.busy(), 1, "until the ledger says that it is back");
    let standing = Standing::Over { attempt: 1 };
    let over = Sighting { place: Place { height: 3, index: 0 }, standing, ..won(3) };
    worker.step(9_600, Input::Ledger(over));
    assert_eq!((worker.busy(), state(&worker).0), (0, State::GivenUp));
}

#[test]
fn draining_lets_go_of_what_is_not_claimed_and_finishes_what_is_held() {
    let mut worker = holding(order(0));
    worker.step(1, Input::Drain);
    assert_eq!(state(&worker).0, State::Fetching);
    let offer = JobOffer { job: JobId([8; 32]), attempt: 1, order: order(0) };
    worker.step(1, Input::Offer(Box::new(offer), Position { partition: 0, offset: 10 }));
    let other = worker.rows().last().unwrap();
    assert_eq!(other.reason, Some(Reason::Denied(Denial::Draining)));
}

#[test]
fn a_direct_order_that_cannot_be_done_goes_back() {
    let mut direct = order(0);
    direct.offer.mode = Mode::Direct(ProviderId(0));
    direct.offer.lease_ms = 1_000;
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let offer = JobOffer { job: JOB, attempt: 1, order: direct };
    let effects =
        worker.step(0, Input::Offer(Box::new(offer), Position { partition: 0, offset: 0 }));
    assert!(effects.contains(&Effect::Ask(JOB)));
    assert!(!sends(&effects));
    let effects = worker.step(0, Input::Ledger(won(2)));
    assert_eq!(state(&worker), (State::Releasing, Some(Reason::Denied(Denial::Lease))));
    let (deed, until_ms) = (Deed::Release(ReleaseReason::NotServed), 14_000);
    assert!(effects.contains(&Effect::Send { deed, job: JOB, attempt: 1, until_ms }));
}

#[test]
fn an_input_that_cannot_be_had_or_read_is_not_claimed() {
    let (mut worker, ..) = looking(order(0));
    let effects = worker.step(1, Input::Looked(JOB, 1, Err(FetchError::Unreadable)));
    assert_eq!(state(&worker), (State::GivenUp, Some(Reason::Input)));
    assert!(!sends(&effects));
    // What is missing may come, and a disk that is full says nothing: it is looked at again.
    for later in [FetchError::Unavailable, FetchError::Local] {
        let (mut worker, ..) = looking(order(0));
        let effects = worker.step(1, Input::Looked(JOB, 1, Err(later)));
        assert_eq!(state(&worker), (State::Seen, None));
        assert!(!sends(&effects));
        let effects = worker.step(501, Input::Tick);
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Look(_))), "{effects:?}");
    }
}

#[test]
fn a_look_that_takes_longer_than_the_lease_ends() {
    let (mut worker, ..) = looking(order(0));
    worker.step(8_000, Input::Tick);
    assert_eq!(state(&worker).0, State::Waiting);
    worker.step(8_501, Input::Tick);
    assert_eq!(state(&worker).0, State::Seen);
    let effects = worker.step(8_502, Input::Looked(JOB, 1, Ok(())));
    assert_eq!((state(&worker).0, effects), (State::Seen, vec![]), "late is never");
    worker.step(9_001, Input::Tick);
    assert_eq!(state(&worker).0, State::Waiting, "it is looked at once more");
}

/// Whoever orders directly could fill a provider's places with inputs that nobody can read.
#[test]
fn a_direct_order_with_a_bad_input_does_not_wait_for_a_child() {
    let mut worker = holding(order(0));
    assert_eq!(state(&worker).0, State::Fetching, "the one child is taken");
    let (job, mut direct) = (JobId([8; 32]), order(0));
    direct.offer.mode = Mode::Direct(ProviderId(0));
    let offer = JobOffer { job, attempt: 1, order: direct.clone() };
    worker.step(1, Input::Offer(Box::new(offer), Position { partition: 0, offset: 10 }));
    let effects = worker.step(1, Input::Ledger(Sighting { job, ..won(2) }));
    let task = ProveTask { job, attempt: 1, order: direct };
    assert!(effects.contains(&Effect::Look(Box::new(task))));
    let effects = worker.step(2, Input::Looked(job, 1, Err(FetchError::Unreadable)));
    let (deed, until_ms) = (Deed::Release(ReleaseReason::InputUnavailable), 14_000);
    assert!(effects.contains(&Effect::Send { deed, job, attempt: 1, until_ms }));
}

/// Whoever orders pays little for it, and inputs are long: no more of them are fetched than jobs
/// could be held.
#[test]
fn as_many_inputs_are_looked_at_as_there_are_places() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let mut looks = 0;
    for number in 0..5 {
        let offer = JobOffer { job: JobId([number; 32]), attempt: 1, order: order(0) };
        let position = Position { partition: 0, offset: number.into() };
        let effects = worker.step(0, Input::Offer(Box::new(offer), position));
        looks += effects.iter().filter(|effect| matches!(effect, Effect::Look(_))).count();
    }
    assert_eq!(looks, 2);
    // A place that becomes free is the next one's.
    let effects = worker.step(0, Input::Looked(JobId([0; 32]), 1, Err(FetchError::Unavailable)));
    let looks = effects.iter().filter(|effect| matches!(effect, Effect::Look(_))).count();
    assert_eq!(looks, 1);
}

/// Whether the ledger says of an attempt that is over that it is held after all, any number of
/// times, it takes one place among those that make room.
#[test]
fn an_attempt_that_ends_again_and_again_is_forgotten_once() {
    let mut worker = holding(order(0));
    for round in 1..=20 {
        let standing = Standing::Over { attempt: 1 };
        let over =
            Sighting { place: Place { height: 2 * round + 1, index: 0 }, standing, ..won(0) };
        worker.step(1, Input::Ledger(over));
        assert_eq!(state(&worker).0, State::GivenUp);
        assert_eq!(worker.over.len(), 1);
        worker.step(1, Input::Ledger(won(2 * round + 2)));
        assert_eq!(state(&worker).0, State::Releasing);
        assert_eq!(worker.over.len(), 0);
    }
}

/// Brings an order of attempt 1 to a worker, as the job of a number.
fn offered(worker: &mut Worker, number: u8, order: JobOrder) -> Vec<Effect> {
    let offer = JobOffer { job: JobId([number; 32]), attempt: 1, order };
    let position = Position { partition: 0, offset: number.into() };
    worker.step(0, Input::Offer(Box::new(offer), position))
}

fn looks_at(effects: &[Effect], number: u8) -> bool {
    let at = |effect: &Effect| matches!(effect, Effect::Look(it) if it.job.0 == [number; 32]);
    effects.iter().any(at)
}

/// Whoever fills the table with what pays only tomorrow would blind the worker for a day.
#[test]
fn offers_that_pay_later_make_room_for_one_that_pays_now() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let mut late = order(0);
    (late.offer.ramp_start_ms, late.offer.deadline_ms) = (80_000_000, 86_400_000);
    for number in 0..10 {
        let effects = offered(&mut worker, number, late.clone());
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Again(_))));
    }
    assert!(worker.rows().all(|row| row.state == State::Seen));
    let effects = offered(&mut worker, 10, order(0));
    assert!(looks_at(&effects, 10), "{effects:?}");
    let again = Effect::Again(Some(Position { partition: 0, offset: 9 }));
    assert!(effects.contains(&again), "what made room may be claimed later");
    // What pays no sooner than all others is let go, until it is brought again.
    let effects = offered(&mut worker, 11, late);
    let position = Position { partition: 0, offset: 11 };
    assert_eq!(effects, [Effect::Again(Some(position)), Effect::Ack(position)]);
    assert_eq!(worker.rows().count(), 10);
}

#[test]
fn a_price_is_looked_at_again_once_a_block_says_that_it_is_reached() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let mut rising = order(10_000);
    rising.offer.deadline_ms = 60_000;
    assert!(!looks_at(&offered(&mut worker, 1, rising), 1));
    assert!(!looks_at(&worker.step(600, Input::Head(head(2, 10_999))), 1));
    assert!(looks_at(&worker.step(600, Input::Head(head(3, 11_000))), 1));
}

#[test]
fn an_input_that_could_not_be_had_makes_room_for_an_order_that_comes() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    for number in 0..10 {
        offered(&mut worker, number, order(0));
    }
    let effects = offered(&mut worker, 10, order(0));
    let again = Effect::Again(Some(Position { partition: 0, offset: 10 }));
    assert!(effects.contains(&again), "all others are worth as much");
    assert!(worker.rows().all(|row| row.job != JobId([10; 32])));
    worker.step(0, Input::Looked(JobId([0; 32]), 1, Err(FetchError::Unavailable)));
    offered(&mut worker, 10, order(0));
    assert!(worker.rows().all(|row| row.job != JobId([0; 32])));
    assert!(worker.rows().any(|row| row.job == JobId([10; 32])));
}

/// Gives a direct order to a worker that holds it until a ledger time.
fn given(worker: &mut Worker, number: u8, lease_until_ms: u64) {
    let mut direct = order(0);
    direct.offer.mode = Mode::Direct(ProviderId(0));
    offered(worker, number, direct);
    let standing = Standing::Claimed { attempt: 1, provider: ProviderId(0), lease_until_ms };
    let sighting = Sighting { job: JobId([number; 32]), standing, ..won(2) };
    worker.step(1, Input::Ledger(sighting));
}

fn row(worker: &Worker, number: u8) -> (State, Option<Reason>) {
    let row = worker.rows().find(|row| row.job == JobId([number; 32])).unwrap();
    (row.state, row.reason)
}

/// Whoever orders can choose an id, and so the place that it has among others.
#[test]
fn the_job_whose_lease_ends_first_is_begun_first() {
    let mut worker = holding(order(0));
    given(&mut worker, 8, 30_000);
    given(&mut worker, 9, 20_000);
    assert_eq!((row(&worker, 8).0, row(&worker, 9).0), (State::Held, State::Held));
    // The one child becomes free.
    worker.step(2, Input::Blob(order(0).input.blob, Err(FetchError::Local)));
    assert_eq!((row(&worker, 8).0, row(&worker, 9).0), (State::Held, State::Fetching));
}

/// A lease that ends costs all of the collateral, giving back a part of it.
#[test]
fn a_job_that_waits_for_a_child_goes_back_before_its_lease_ends_in_vain() {
    let mut worker = holding(order(0));
    given(&mut worker, 8, 15_000);
    worker.step(1, Input::Head(head(2, 14_000)));
    worker.step(600, Input::Tick);
    assert_eq!(row(&worker, 8), (State::Held, None), "there is just enough time");
    worker.step(700, Input::Head(head(3, 14_001)));
    let effects = worker.step(1_200, Input::Tick);
    assert_eq!(row(&worker, 8), (State::Releasing, Some(Reason::Late)));
    let (deed, until_ms) = (Deed::Release(ReleaseReason::Unable), 18_001);
    let job = JobId([8; 32]);
    assert!(effects.contains(&Effect::Send { deed, job, attempt: 1, until_ms }), "{effects:?}");
}

/// While the ledger catches up, a lease lasts half as long as it says.
#[test]
fn a_job_that_waits_goes_back_earlier_while_the_ledger_catches_up() {
    let behind = |height, time_ms| Input::Head(Head { behind: true, ..head(height, time_ms) });
    let mut worker = holding(order(0));
    given(&mut worker, 8, 15_000);
    worker.step(1, behind(2, 13_000));
    worker.step(600, Input::Tick);
    assert_eq!(row(&worker, 8), (State::Held, None), "there is just enough time");
    worker.step(700, behind(3, 13_001));
    worker.step(1_200, Input::Tick);
    assert_eq!(row(&worker, 8), (State::Releasing, Some(Reason::Late)));
}

#[test]
fn a_job_that_pays_its_work_and_not_its_fees_is_not_claimed() {
    let situation =
        Situation { head: Some(head(1, 10_000)), busy: 0, claiming: units(0), draining: false };
    for (fees, expected) in [(150, Ok(())), (151, Err(Denial::PriceMax))] {
        let mut settings = settings();
        settings.models.values_mut().for_each(|served| served.fees = units(fees));
        assert_eq!(decide(&settings, &order(0), &situation), expected, "{fees}");
    }
}

/// Whoever orders pays little for it, and a disk that has to keep each offer is slow.
#[test]
fn an_offer_that_is_denied_at_once_leaves_no_trace_on_the_disk() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let mut cheap = order(0);
    cheap.offer.price_max = units(149);
    for number in 0..30 {
        let effects = offered(&mut worker, number, cheap.clone());
        let written = |it: &Effect| matches!(it, Effect::Save(_) | Effect::Forget(..));
        assert!(!effects.iter().any(written), "{effects:?}");
    }
    assert_eq!(worker.rows().count(), 10);
    assert!(worker.rows().all(|row| row.reason == Some(Reason::Denied(Denial::PriceMax))));
}

/// Each transaction pays for the bytes of the bundle, whether it settles the job or comes too late.
#[test]
fn a_proof_is_one_transaction_until_it_expires() {
    let mut worker = holding(order(0));
    worker.step(1, Input::Blob(order(0).input.blob, Ok(())));
    let proven = Proven {
        verifier: 1,
        key_blob: BlobId([1; 32]),
        bundle: BlobId([2; 32]),
        bundle_bytes: 30,
        key: order(0).key,
        input: order(0).input.statement,
        output: OutputDigest([6; 32]),
    };
    worker.step(1, Input::Proof(JOB, 1, Ok(proven)));
    let submit = |until_ms| {
        let deed = Deed::Submit(proven);
        Effect::Send { deed, job: JOB, attempt: 1, until_ms }
    };
    let sent = |effects: Vec<Effect>| {
        let sends = effects.into_iter().filter(|it| matches!(it, Effect::Send { .. }));
        sends.collect::<Vec<_>>()
    };
    assert_eq!(sent(worker.step(1, Input::Stored(proven.bundle))), [submit(14_000)]);
    let again = worker.step(600, Input::Head(head(2, 11_100)));
    assert_eq!(sent(again), [submit(14_000)]);
    let last = worker.step(1_200, Input::Head(head(3, 14_000)));
    assert_eq!(sent(last), [submit(14_000)]);
    let next = worker.step(1_800, Input::Head(head(4, 14_001)));
    assert_eq!(sent(next), [submit(18_001)]);
}

/// It would be denied for good, though its key could be learned again.
#[test]
fn what_waits_for_a_key_that_is_forgotten_comes_again() {
    let mut worker = Worker::new(settings(), vec![]);
    worker.step(0, Input::Head(head(1, 10_000)));
    let mut rising = order(10_000);
    rising.offer.deadline_ms = 60_000;
    offered(&mut worker, 1, rising);
    let served = settings().models;
    assert!(worker.step(1, Input::Models(served)).is_empty());
    let effects = worker.step(1, Input::Models(BTreeMap::new()));
    assert_eq!(effects, [Effect::Again(Some(Position { partition: 0, offset: 1 }))]);
    assert_eq!(worker.rows().count(), 0);
}
