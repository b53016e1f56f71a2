//! Random histories of jobs, stake, slashes, claims and votes: the ledger and the naive model agree
//! on everything, to the last unit, and every invariant holds after every block.
//!
//! `CIRO_HISTORIES=10000` plays as many, `CIRO_HISTORIES=77..78` the one of this seed alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use ciro_protocol::batch::Batch;
use ciro_protocol::chain::ChainSpec;
use ciro_protocol::event::Purse;
use ciro_protocol::id::{JobId, ProviderId, SubmitterId};
use ciro_protocol::receipt::TxReceipt;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;

use super::answers::{HAPPENINGS, Kind};
use super::economy::{Play as Stake, Set, Whole, check_changes};
use super::naive::{Job, Naive, Status};
use super::networks::Network;
use super::play::{Dice, Play as Market};
use super::support::{GENESIS_MS, PEOPLE, chain, spec};
use crate::invariant::all;
use crate::job::State;
use crate::mutation::{Mutation, Rule};
use crate::state::{
    CHAIN, ENDED, JOBS, LAUNCHES, MemoryState, Overlay, PARAMS, POOLS, PROPOSALS, PROVIDERS,
    PURSES, Phase, PlainState, SEATS_MAX, SETS, SPEC, Seat, StateError, VALIDATORS,
};
use crate::{Block, check_invariants, execute, genesis, holding};

/// Histories that every run of the tests plays. Fewer, asked for by name, need not meet everything.
const SEEDS: u64 = 240;
/// Each kind of transaction is executed once at least in so many histories.
const SUCCESS_IN: u64 = 10;

/// What happened in histories.
#[derive(Default)]
struct Seen {
    /// Each kind of transaction with each answer.
    answers: BTreeMap<(Kind, Option<Refusal>), u64>,
    /// What nobody sent a transaction for.
    happened: BTreeMap<&'static str, u64>,
}

/// A history.
struct History<'a> {
    network: Network,
    spec: ChainSpec,
    dice: Dice,
    state: PlainState,
    whole: Whole,
    time: u64,
    /// Some validators are often away for a while.
    away: [bool; 6],
    sent: Vec<SignedTx>,
    seen: &'a mut Seen,
}

/// Plays one history and returns where ledger and model first differ.
fn play(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let network = Network::of(seed);
    let spec = network.spec();
    let mut state = PlainState::default();
    state.apply(&genesis(spec.clone()).unwrap().1);
    let mut history = History {
        network,
        dice: Dice::new(seed),
        state,
        whole: Whole::new(&spec),
        time: GENESIS_MS,
        away: [false; 6],
        sent: Vec::new(),
        seen,
        spec,
    };
    for height in 1..=network.blocks() {
        history.block(height).map_err(|difference| format!("block {height}: {difference}"))?;
    }
    let History { whole, seen, .. } = history;
    for (what, count) in whole.market.happened {
        *seen.happened.entry(what).or_default() += count;
    }
    Ok(())
}

impl History<'_> {
    fn block(&mut self, height: u64) -> Result<(), String> {
        let outage = if self.dice.one_in(40) { 20_000 } else { 0 };
        self.time += self.dice.below(4_500) + outage;
        let times = self.ticks();
        let (focus, launches) = (self.network.focus(), self.network.launches());
        let mut play = Stake { dice: &mut self.dice, whole: &self.whole, focus, launches };
        let punish = self.network.faults(height, &mut play);
        // The model executes first: what people do follows from what they see within the block too.
        self.whole.begin(&times, &punish);
        let (mut txs, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..self.dice.below(20) {
            let tx = self.transaction();
            expected.push(self.whole.execute(&tx));
            self.sent.push(tx.clone());
            txs.push(tx);
        }
        self.whole.end();
        let batches = batches(height, &times, &txs);
        let block = Block { height, batches: &batches, punish: &punish };
        let outcome = execute(&self.spec, &self.state, &block).map_err(|it| it.to_string())?;
        self.state.apply(&outcome.writes);
        assert_eq!(outcome.receipts.len(), txs.len());
        for ((receipt, expected), tx) in outcome.receipts.iter().zip(&expected).zip(&txs) {
            self.answer(tx, receipt, *expected)?;
        }
        compare(&self.state, &self.whole)?;
        check_changes(&self.state, &self.spec, height);
        check_invariants(&self.state).map_err(|broken| broken.to_string())
    }

    /// Compares an answer with the model's.
    fn answer(
        &mut self,
        tx: &SignedTx,
        receipt: &TxReceipt,
        (fee, refused): (u128, Option<Refusal>),
    ) -> Result<(), String> {
        let body = &tx.body.body;
        *self.seen.answers.entry((Kind::of(body), receipt.refused)).or_default() += 1;
        if (receipt.fee.units(), receipt.refused) == (fee, refused) {
            return Ok(());
        }
        Err(format!("{body:?}: {receipt:?}, expected {fee} {refused:?}"))
    }

    /// Draws who is there, and what their clocks say.
    fn ticks(&mut self) -> Vec<(u32, u64)> {
        for member in &mut self.away {
            if self.dice.one_in(12) {
                *member = !*member && self.dice.one_in(2);
            }
        }
        let there = (0..).zip(self.away).filter(|(_, away)| !away);
        there.map(|(member, _)| (member, self.time - self.dice.below(800))).collect()
    }

    /// Draws what somebody does, on the market or with stake.
    fn transaction(&mut self) -> SignedTx {
        let (whole, salt) = (&self.whole, self.sent.len() as u64);
        let stake = self.dice.one_in(2);
        let (focus, launches) = (self.network.focus(), self.network.launches());
        let done = stake.then(|| Stake { dice: &mut self.dice, whole, focus, launches }.next());
        let (dice, sent) = (&mut self.dice, &self.sent);
        let mut market = Market { dice, naive: &whole.market, sent, salt };
        let done = done.unwrap_or_else(|| market.next());
        market.transaction(done)
    }
}

/// Returns a batch of each validator that is there, and one of all transactions.
fn batches(height: u64, times: &[(u32, u64)], txs: &[SignedTx]) -> Vec<Batch> {
    let batch = |submitter: u32, time_ms, txs| Batch {
        chain: chain(),
        submitter: SubmitterId(submitter.into()),
        signer: PEOPLE[0],
        nonce: height,
        time_ms,
        txs: List::new(txs).unwrap(),
        attachments: List::default(),
    };
    let ticks = times.iter().map(|(member, time)| batch(*member, *time, vec![]));
    let mut batches: Vec<Batch> = ticks.collect();
    batches.push(batch(99, 0, txs.to_vec()));
    batches
}

/// Compares everything that both have.
fn compare(state: &PlainState, whole: &Whole) -> Result<(), String> {
    let damaged = |error: StateError| error.to_string();
    compare_time(state, &whole.market).map_err(damaged)??;
    compare_money(state, &whole.market).map_err(damaged)??;
    compare_jobs(state, &whole.market).map_err(damaged)??;
    compare_stake(state, whole).map_err(damaged)?
}

/// What a comparison finds, if the state can be read.
type Compared = Result<Result<(), String>, StateError>;

fn compare_time(state: &PlainState, naive: &Naive) -> Compared {
    let record = Overlay::new(state).expect(CHAIN, &())?;
    Ok(if record.time_ms == naive.now { Ok(()) } else { Err("clocks differ".to_owned()) })
}

fn compare_money(state: &PlainState, naive: &Naive) -> Compared {
    let purses = all(state, PURSES)?;
    let purses: BTreeMap<Purse, u128> =
        purses.into_iter().map(|(purse, amount)| (purse, amount.units())).collect();
    if purses == naive.money {
        return Ok(Ok(()));
    }
    let differing = purses.keys().chain(naive.money.keys());
    let differing = differing.filter(|it| purses.get(it) != naive.money.get(it));
    let differing: BTreeSet<_> = differing.collect();
    Ok(Err(format!("purses differ: {differing:?}")))
}

fn compare_jobs(state: &PlainState, naive: &Naive) -> Compared {
    let mut jobs: BTreeMap<JobId, (State, u8)> = BTreeMap::new();
    for (id, record) in all(state, JOBS)? {
        let at = match record.phase {
            Phase::Open => State::Open,
            Phase::Claimed(_) => State::Claimed,
        };
        jobs.insert(id, (at, record.attempt));
    }
    for (id, ended) in all(state, ENDED)? {
        let at = if ended.settled { State::Settled } else { State::Refunded };
        if jobs.insert(id, (at, 0)).is_some() {
            return Ok(Err(format!("job {id} is both running and ended")));
        }
    }
    if jobs != naive.jobs.iter().map(|(id, job)| (*id, place(job))).collect() {
        return Ok(Err("jobs differ".to_owned()));
    }
    let providers = all(state, PROVIDERS)?;
    if providers.len() != naive.providers.len() {
        return Ok(Err("there are other providers".to_owned()));
    }
    for (ProviderId(number), record) in providers {
        let provider = &naive.providers[number as usize];
        let got = (record.account, record.jailed_until_ms, record.settled, record.lost);
        if got != (provider.account, provider.jail, provider.settled, provider.lost) {
            return Ok(Err(format!("provider {number} differs")));
        }
    }
    Ok(Ok(()))
}

fn place(job: &Job) -> (State, u8) {
    match job.status {
        Status::Open => (State::Open, job.attempt),
        Status::Held { .. } => (State::Claimed, job.attempt),
        Status::Settled => (State::Settled, 0),
        Status::Refunded => (State::Refunded, 0),
    }
}

/// Compares what everybody has where, where validators and proposals stand, and parameters.
fn compare_stake(state: &PlainState, whole: &Whole) -> Compared {
    let pools = all(state, POOLS)?;
    if pools.len() != whole.validators.len() {
        return Ok(Err("there are other validators".to_owned()));
    }
    for (id, pool) in pools {
        let expected = &whole.validators[&id.0];
        let stands = (pool.jailed_until_ms, pool.tombstoned, pool.proven);
        if stands != (expected.jail, expected.dead, expected.has_run) {
            return Ok(Err(format!("validator {id} stands elsewhere")));
        }
        for (account, member) in &expected.members {
            let held = holding(state, id, *account)?;
            let got = held.map_or((0, 0), |it| (it.amount.units(), it.earned.units()));
            if got != (whole.worth(id.0, &member.shares), member.owed()) {
                return Ok(Err(format!("{account} holds {got:?} at validator {id}")));
            }
        }
    }
    if let Err(difference) = compare_seats(state, whole)? {
        return Ok(Err(difference));
    }
    if let Err(difference) = compare_votes(state, whole)? {
        return Ok(Err(difference));
    }
    match all(state, PARAMS)?.get(&()) {
        Some(params) if *params != whole.params => Ok(Err("parameters differ".to_owned())),
        _ => Ok(Ok(())),
    }
}

/// Compares who votes, in the epoch of the next block and in those before and after it.
fn compare_seats(state: &PlainState, whole: &Whole) -> Compared {
    let members = all(state, VALIDATORS)?.into_iter().map(|(id, it)| {
        let missed = usize::try_from(it.joined_slots).unwrap_or(usize::MAX);
        (id, (it.key, it.stake, it.time_ms, missed))
    });
    let expected =
        whole.seated.iter().map(|(id, it)| (*id, (it.key, it.weight, it.clock, it.missed.len())));
    let (members, expected): (Vec<_>, Vec<_>) = (members.collect(), expected.collect());
    if members != expected {
        return Ok(Err(format!("members are {members:?}, expected {expected:?}")));
    }
    if whole.market.spec.economy.is_none() {
        let known = all(state, SETS)?.len();
        return Ok(if known == 0 { Ok(()) } else { Err("who votes is elected".to_owned()) });
    }
    let last = whole.sets.keys().next_back().copied().unwrap_or_default();
    let kept = whole.sets.iter().filter(|(epoch, _)| **epoch + 4 > last);
    let kept: BTreeMap<u64, Set> = kept.map(|(epoch, set)| (*epoch, set.clone())).collect();
    let set = |seats: List<Seat, SEATS_MAX>| -> Set {
        seats.iter().map(|seat| (seat.id, (seat.key, seat.weight))).collect()
    };
    let got: BTreeMap<u64, Set> =
        all(state, SETS)?.into_iter().map(|(epoch, seats)| (epoch, set(seats))).collect();
    Ok(if got == kept { Ok(()) } else { Err(format!("sets are {got:?}, expected {kept:?}")) })
}

/// Compares where proposals and launches stand.
fn compare_votes(state: &PlainState, whole: &Whole) -> Compared {
    let got = all(state, PROPOSALS)?.into_values().map(|it| (it.status, it.failure));
    let expected = whole.proposals.iter().map(|it| (it.status, it.failure));
    let (got, expected): (Vec<_>, Vec<_>) = (got.collect(), expected.collect());
    if got != expected {
        return Ok(Err(format!("proposals stand at {got:?}, expected {expected:?}")));
    }
    let got = all(state, LAUNCHES)?.into_values().map(|it| (it.status, usize::from(it.paid)));
    let expected = whole.launches.iter().map(|launch| {
        let paid = launch.milestones.iter().filter(|(_, paid)| *paid).count();
        (launch.status, paid)
    });
    let (got, expected): (Vec<_>, Vec<_>) = (got.collect(), expected.collect());
    if got != expected {
        return Ok(Err(format!("launches stand at {got:?}, expected {expected:?}")));
    }
    Ok(Ok(()))
}

/// The seeds that are asked for.
#[expect(clippy::disallowed_methods, reason = "a test is told by it what to play")]
fn seeds() -> Range<u64> {
    let Ok(asked) = std::env::var("CIRO_HISTORIES") else { return 0..SEEDS };
    let (from, to) = asked.split_once("..").unwrap_or(("0", &asked));
    let number = |text: &str| text.parse().expect("CIRO_HISTORIES is a number, or two: `7..9`");
    number(from)..number(to)
}

impl Seen {
    /// Checks that histories have met all that there is, and nothing else.
    fn check(&self, histories: u64) {
        let mut missing = Vec::new();
        for kind in Kind::ALL {
            let count = |answer| self.answers.get(&(*kind, answer)).copied().unwrap_or_default();
            if count(None) < histories / SUCCESS_IN {
                missing.push(format!("{kind:?} succeeded {} times", count(None)));
            }
            let unmet = kind.refusals().filter(|refusal| count(Some(*refusal)) == 0);
            missing.extend(unmet.map(|refusal| format!("{kind:?} never met {refusal:?}")));
        }
        let happened = HAPPENINGS.iter().filter(|it| !self.happened.contains_key(*it));
        missing.extend(happened.map(|it| format!("never: {it}")));
        assert!(missing.is_empty(), "in {histories} histories {missing:#?}");
    }

    /// Finds answers and happenings that nobody expects.
    fn surprises(&self) -> Vec<String> {
        let answers = self.answers.keys().filter(|(kind, refused)| {
            refused.is_some_and(|refused| kind.refusals().all(|it| it != refused))
        });
        let answers = answers.map(|it| format!("{it:?}"));
        let happened = self.happened.keys().filter(|it| !HAPPENINGS.contains(it));
        answers.chain(happened.map(|it| (*it).to_owned())).collect()
    }

    fn print(&self) {
        for ((kind, refused), count) in &self.answers {
            let answer = refused.map_or("done", Refusal::name);
            println!("{:20} {answer:24} {count:9}", format!("{kind:?}"));
        }
        for (what, count) in &self.happened {
            println!("{what:45} {count:9}");
        }
    }
}

#[test]
fn random_histories_agree_with_the_naive_model_and_meet_every_answer() {
    let (seeds, mut seen) = (seeds(), Seen::default());
    for seed in seeds.clone() {
        if let Err(difference) = play(seed, &mut seen) {
            panic!("seed {seed}, {difference}; CIRO_HISTORIES={seed}..{} plays it", seed + 1);
        }
    }
    seen.print();
    assert_eq!(seen.surprises(), Vec::<String>::new(), "nobody expects that");
    let histories = seeds.end.saturating_sub(seeds.start);
    if histories >= SEEDS {
        seen.check(histories);
    }
}

/// Whether a history differs, or leads to a state that the ledger or the model takes for broken.
fn finds(seed: u64) -> bool {
    std::panic::catch_unwind(|| play(seed, &mut Seen::default())).map_or(true, |it| it.is_err())
}

#[test]
fn every_mutation_of_the_transition_table_is_found() {
    for mutation in Mutation::ALL {
        let found = (0..SEEDS).find(|seed| mutation.during(|| finds(*seed)));
        println!("{mutation:?}: {found:?}");
        assert!(found.is_some(), "{mutation:?} is not found in {SEEDS} histories");
    }
}

#[test]
fn every_rule_of_the_economy_that_is_left_out_is_found() {
    for rule in Rule::ALL {
        let found = (0..SEEDS).find(|seed| rule.during(|| finds(*seed)));
        println!("{rule:?}: {found:?}");
        assert!(found.is_some(), "{rule:?} is not found in {SEEDS} histories");
    }
}

#[test]
fn the_naive_model_shares_no_code_with_the_ledger() {
    let sources = [
        include_str!("naive/mod.rs"),
        include_str!("naive/job.rs"),
        include_str!("naive/member.rs"),
        include_str!("economy/naive/mod.rs"),
        include_str!("economy/naive/launches.rs"),
        include_str!("economy/naive/offences.rs"),
        include_str!("economy/naive/seats.rs"),
        include_str!("economy/naive/stake.rs"),
        include_str!("economy/naive/votes.rs"),
    ];
    for source in sources {
        assert!(!source.contains("crate::"), "the model names the ledger");
    }
}

#[test]
fn networks_of_histories_are_sound_and_their_first_states_keep_the_invariants() {
    for network in Network::ALL {
        let spec = network.spec();
        assert_eq!(spec.check(), Ok(()), "{network:?}");
        let mut state = PlainState::default();
        state.apply(&genesis(spec.clone()).unwrap().1);
        assert_eq!(check_invariants(&state), Ok(()), "{network:?}");
        assert_eq!(compare(&state, &Whole::new(&spec)), Ok(()), "{network:?}");
        assert!((0..SEEDS).any(|seed| Network::of(seed) == network));
    }
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
