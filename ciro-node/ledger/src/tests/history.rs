//! Random histories: the ledger and the naive model agree on everything, and every invariant holds
//! after every block.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::batch::Batch;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{JobId, ProviderId};
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::SignedTx;

use super::naive::{Job, Naive, Status};
use super::play::{Dice, Play, nonzero};
use super::support::{GENESIS_MS, batch, spec};
use crate::invariant::all;
use crate::job::State;
use crate::mutation::Mutation;
use crate::state::{ENDED, JOBS, MemoryState, PROVIDERS, PURSES, Phase, SPEC, StateError};
use crate::{Block, check_invariants, execute, genesis};

/// Blocks of one history.
const BLOCKS: u64 = 60;
/// Histories that are played.
const SEEDS: u64 = 300;

/// What happened in histories: each kind of transaction with each answer.
type Seen = BTreeMap<(&'static str, Option<Refusal>), u64>;

/// Plays one history and returns where ledger and model first differ.
fn play(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    let spec = spec();
    let (_, writes) = genesis(spec.clone()).unwrap();
    let mut state = MemoryState::default();
    state.commit(&writes).unwrap();
    let mut naive = Naive::new(spec.clone());
    let (mut sent, mut salt, mut time): (Vec<SignedTx>, u64, u64) = (Vec::new(), 0, GENESIS_MS);
    for height in 1..=BLOCKS {
        time += dice.below(3_000);
        if dice.one_in(30) {
            time += 30_000;
        }
        // The model executes first: what people do follows from what they see within the block too.
        naive.begin(height == 1, time);
        let (mut txs, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..dice.below(12) {
            salt += 1;
            let tx = Play { dice: &mut dice, naive: &naive, sent: &sent, salt }.transaction();
            expected.push(naive.execute(&tx));
            sent.push(tx.clone());
            txs.push(tx);
        }
        naive.end();
        let batches: [Batch; 1] = [batch(height, time, txs)];
        let outcome = execute(&spec, &state, &Block { height, batches: &batches, punish: &[] });
        let outcome = outcome.map_err(|error| format!("block {height}: {error}"))?;
        state.commit(&outcome.writes).unwrap();
        let answers = outcome.receipts.iter().zip(&expected).zip(batches[0].txs.iter());
        for ((receipt, (fee, refused)), tx) in answers {
            *seen.entry((tx.body.body.kind(), receipt.refused)).or_default() += 1;
            if (receipt.fee.units(), receipt.refused) != (*fee, *refused) {
                return Err(format!("block {height}: {receipt:?}, expected {fee} {refused:?}"));
            }
        }
        compare(&state, &naive).map_err(|difference| format!("block {height}: {difference}"))?;
        check_invariants(&state).map_err(|broken| format!("block {height}: {broken}"))?;
    }
    Ok(())
}

/// Compares money, jobs and providers.
fn compare(state: &MemoryState, naive: &Naive) -> Result<(), String> {
    let damaged = |error: StateError| error.to_string();
    let purses = all(state, PURSES).map_err(damaged)?;
    let purses: BTreeMap<Purse, u128> =
        purses.into_iter().map(|(purse, amount)| (purse, amount.units())).collect();
    let expected = nonzero(naive);
    if purses != expected {
        let differing = purses.keys().chain(expected.keys());
        let differing = differing.filter(|it| purses.get(it) != expected.get(it));
        let differing: BTreeSet<_> = differing.collect();
        return Err(format!("purses differ: {differing:?}"));
    }
    let mut jobs: BTreeMap<JobId, (State, u8)> = BTreeMap::new();
    for (id, record) in all(state, JOBS).map_err(damaged)? {
        let at = match record.phase {
            Phase::Open => State::Open,
            Phase::Claimed(_) => State::Claimed,
        };
        jobs.insert(id, (at, record.attempt));
    }
    for (id, ended) in all(state, ENDED).map_err(damaged)? {
        let at = if ended.settled { State::Settled } else { State::Refunded };
        if jobs.insert(id, (at, 0)).is_some() {
            return Err(format!("job {id} is both running and ended"));
        }
    }
    let expected = naive.jobs.iter().map(|(id, job)| (*id, place(job)));
    if jobs != expected.collect() {
        return Err("jobs differ".to_owned());
    }
    for (id, record) in all(state, PROVIDERS).map_err(damaged)? {
        let ProviderId(number) = id;
        let provider = &naive.providers[number as usize];
        let ours = (record.jailed_until_ms, record.settled, record.lost);
        if ours != (provider.jail, provider.settled, provider.lost) {
            return Err(format!("provider {id} differs"));
        }
    }
    Ok(())
}

fn place(job: &Job) -> (State, u8) {
    match job.status {
        Status::Open => (State::Open, job.attempt),
        Status::Held { .. } => (State::Claimed, job.attempt),
        Status::Settled => (State::Settled, 0),
        Status::Refunded => (State::Refunded, 0),
    }
}

#[test]
fn random_histories_agree_with_the_naive_model_and_meet_every_answer() {
    let mut seen = Seen::new();
    for seed in 0..SEEDS {
        if let Err(difference) = play(seed, &mut seen) {
            panic!("seed {seed}, {difference}");
        }
    }
    let missing: Vec<_> =
        expected_answers().into_iter().filter(|it| !seen.contains_key(it)).collect();
    assert!(missing.is_empty(), "histories never met {missing:?}");
    let surprising: Vec<_> = seen.keys().filter(|it| !expected_answers().contains(it)).collect();
    assert!(surprising.is_empty(), "nobody expects {surprising:?}");
}

#[test]
fn every_mutation_of_the_transition_table_is_found() {
    for mutation in Mutation::ALL {
        let found =
            (0..SEEDS).find(|seed| mutation.during(|| play(*seed, &mut Seen::new())).is_err());
        assert!(found.is_some(), "{mutation:?} is not found in {SEEDS} histories");
    }
}

/// What a transaction of a job's holder may meet.
const HOLDER: [Refusal; 6] = [
    Refusal::JobUnknown,
    Refusal::JobNotClaimed,
    Refusal::JobSettled,
    Refusal::JobRefunded,
    Refusal::WrongAttempt,
    Refusal::NotHolder,
];

/// Why a provider may not hold a job, whoever asks.
const ELIGIBLE: [Refusal; 10] = [
    Refusal::ProviderUnknown,
    Refusal::ProviderJailed,
    Refusal::ProviderInactive,
    Refusal::ClassNotOffered,
    Refusal::RegionMismatch,
    Refusal::MemoryTooSmall,
    Refusal::NotListed,
    Refusal::NotRecipient,
    Refusal::CapacityFull,
    Refusal::CollateralUnaffordable,
];

/// Each kind of transaction with each answer that it can get.
fn expected_answers() -> BTreeSet<(&'static str, Option<Refusal>)> {
    use Refusal as R;
    let mut answers = BTreeSet::new();
    for (kind, refusals) in of_members().into_iter().chain(of_jobs()) {
        answers.insert((kind, None));
        answers.extend(refusals.into_iter().map(|refusal| (kind, Some(refusal))));
        let always = [R::Expired, R::ValidityTooLong, R::Duplicate];
        answers.extend(always.map(|refusal| (kind, Some(refusal))));
        if kind != "faucet" {
            let paid = [R::FeeAboveMax, R::FeeUnaffordable];
            answers.extend(paid.map(|refusal| (kind, Some(refusal))));
        }
    }
    answers
}

fn of_members() -> Vec<(&'static str, Vec<Refusal>)> {
    use Refusal as R;
    let own = vec![R::ModelUnknown, R::NotOwner, R::ModelRetired];
    let model = vec![R::NotOwner, R::NoKeys, R::RouteClosed, R::ModelTooLarge, R::ModelExists];
    let unbond =
        vec![R::ProviderUnknown, R::ZeroAmount, R::ProviderJailed, R::ProviderHolds, R::BondLocked];
    vec![
        ("transfer", vec![R::ZeroAmount, R::InsufficientFunds]),
        ("faucet", vec![R::FaucetTaken, R::FaucetDry]),
        ("register_model", model),
        ("update_model", own.clone()),
        ("retire_model", own),
        ("register_provider", vec![R::ProviderExists, R::AsksRange, R::BondTooSmall]),
        ("set_asks", vec![R::ProviderUnknown, R::AsksRange]),
        ("add_bond", vec![R::ProviderUnknown, R::ZeroAmount]),
        ("unbond", unbond),
        ("unjail", vec![R::ProviderUnknown, R::NotJailed, R::JailNotOver]),
    ]
}

fn of_jobs() -> Vec<(&'static str, Vec<Refusal>)> {
    use Refusal as R;
    let with = |own: &[Refusal], shared: &[Refusal]| [own, shared].concat();
    let order = [
        R::ModelUnknown,
        R::ModelRetired,
        R::KeyUnknown,
        R::PolicyTooWeak,
        R::PolicyUnmet,
        R::PriceRange,
        R::LeaseRange,
        R::DeadlineRange,
        R::AttemptsRange,
        R::CollateralTooSmall,
        R::InputTooLarge,
        R::InsufficientFunds,
        R::AskAbovePrice,
        R::DirectNotOffered,
        R::DirectNotServed,
        R::DirectTermsUnmet,
    ];
    let ended = [R::JobUnknown, R::JobClaimed, R::JobSettled, R::JobRefunded];
    let claim = with(&ended, &[R::WrongAttempt, R::DeadlinePassed, R::FailedBefore]);
    let submit = [R::DeadlinePassed, R::VerifierInactive, R::WrongKey, R::WrongInput];
    vec![
        ("order", with(&order, &ELIGIBLE)),
        ("cancel", with(&ended, &[R::NotRequester])),
        ("claim", with(&claim, &ELIGIBLE)),
        ("release", HOLDER.to_vec()),
        ("renew", with(&HOLDER, &[R::DeadlinePassed, R::RenewalsSpent])),
        ("submit_proof", with(&HOLDER, &submit)),
        ("report_fraud", HOLDER.to_vec()),
    ]
}

#[test]
fn the_first_state_keeps_its_specification() {
    let spec = spec();
    let (_, writes) = genesis(spec.clone()).unwrap();
    let mut state = MemoryState::default();
    state.commit(&writes).unwrap();
    assert_eq!(check_invariants(&state), Ok(()));
    let kept = all(&state, SPEC).unwrap();
    assert_eq!(kept.get(&()), Some(&spec));
}
