//! Random histories of stake, slashes, claims and votes: the ledger and the naive model agree to
//! the last unit, and every invariant holds after every block.

use std::collections::{BTreeMap, BTreeSet};

use ciro_protocol::batch::Batch;
use ciro_protocol::economy::Offence;
use ciro_protocol::event::{ProposalStatus, Purse};
use ciro_protocol::id::SubmitterId;
use ciro_protocol::refusal::Refusal;
use ciro_protocol::tx::SignedTx;
use ciro_protocol::wire::List;

use super::super::play::Dice;
use super::super::support::{GENESIS_MS, chain};
use super::naive::Naive;
use super::play::Play;
use super::world::{PEOPLE, network, unsigned};
use crate::invariant::all;
use crate::mutation::Rule;
use crate::state::{PARAMS, POOLS, PROPOSALS, PURSES, PlainState, StateError};
use crate::{Block, check_invariants, execute, genesis, holding};

/// Blocks of one history.
const BLOCKS: u64 = 70;
/// Histories that every run of the tests plays.
const SEEDS: u64 = 150;
/// Histories that are played by name.
const SEEDS_ALL: u64 = 10_000;

/// What happened in histories: each kind of operation with each answer, and each end of a vote.
#[derive(Default)]
struct Seen {
    answers: BTreeMap<(&'static str, Option<Refusal>), u64>,
    ends: BTreeMap<String, u64>,
    slashed: u64,
}

/// Plays one history and returns where ledger and model first differ.
fn play(seed: u64, seen: &mut Seen) -> Result<(), String> {
    let mut dice = Dice::new(seed ^ 0x65_636f_6e6f_6d79);
    let spec = network();
    let (_, writes) = genesis(spec.clone()).unwrap();
    let mut state = PlainState::default();
    state.apply(&writes);
    let mut naive = Naive::new(&spec);
    let (mut salt, mut time) = (0, GENESIS_MS);
    // Some validators are often away for a while.
    let mut away = [false; 4];
    for height in 1..=BLOCKS {
        time += dice.below(4_500);
        let times = ticks(&mut dice, time, &mut away);
        let mut punish: Vec<Offence> = Vec::new();
        // Consensus proves faults of those who vote.
        if dice.one_in(25) {
            punish.push(Play { dice: &mut dice, naive: &naive }.fault());
        }
        if height == 1 {
            punish.clear();
        }
        naive.begin(&times, &punish);
        let (mut txs, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..dice.below(10) {
            salt += 1;
            let (person, body) = Play { dice: &mut dice, naive: &naive }.next();
            let tx = unsigned(person, salt, naive.now, body);
            expected.push(naive.execute(&tx));
            txs.push(tx);
        }
        naive.end();
        let batches = batches(height, &times, txs);
        let outcome = execute(&spec, &state, &Block { height, batches: &batches, punish: &punish });
        let outcome = outcome.map_err(|error| format!("block {height}: {error}"))?;
        state.apply(&outcome.writes);
        let sent = batches.last().unwrap().txs.iter();
        for ((receipt, refused), tx) in outcome.receipts.iter().zip(&expected).zip(sent) {
            let kind = tx.body.body.kind();
            *seen.answers.entry((kind, receipt.refused)).or_default() += 1;
            if receipt.refused != *refused {
                let body = &tx.body.body;
                let got = receipt.refused;
                return Err(format!("block {height}: {body:?}: {got:?}, expected {refused:?}"));
            }
        }
        compare(&state, &naive).map_err(|difference| format!("block {height}: {difference}"))?;
        check_invariants(&state).map_err(|broken| format!("block {height}: {broken}"))?;
    }
    for proposal in &naive.proposals {
        *seen.ends.entry(format!("{:?}", proposal.status)).or_default() += 1;
    }
    seen.slashed += u64::from(naive.has(Purse::Burned) > 0);
    Ok(())
}

/// Draws who is there, and what their clocks say.
fn ticks(dice: &mut Dice, time: u64, away: &mut [bool; 4]) -> Vec<(u32, u64)> {
    for member in away.iter_mut() {
        if dice.one_in(12) {
            *member = !*member && dice.one_in(2);
        }
    }
    let there = (0..).zip(*away).filter(|(_, away)| !away);
    there.map(|(member, _)| (member, time - dice.below(800))).collect()
}

/// Returns a batch of each validator that is there, and one of all transactions.
fn batches(height: u64, times: &[(u32, u64)], txs: Vec<SignedTx>) -> Vec<Batch> {
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
    batches.push(batch(99, 0, txs));
    batches
}

/// Compares all money, and where validators and proposals stand.
fn compare(state: &PlainState, naive: &Naive) -> Result<(), String> {
    let damaged = |error: StateError| error.to_string();
    let purses = all(state, PURSES).map_err(damaged)?;
    let purses: BTreeMap<Purse, u128> =
        purses.into_iter().map(|(purse, amount)| (purse, amount.units())).collect();
    if purses != naive.money {
        let differing = purses.keys().chain(naive.money.keys());
        let differing = differing.filter(|it| purses.get(it) != naive.money.get(it));
        let differing: BTreeSet<_> = differing.collect();
        return Err(format!("purses differ: {differing:?}"));
    }
    let pools = all(state, POOLS).map_err(damaged)?;
    if pools.len() != naive.validators.len() {
        return Err("there are other validators".to_owned());
    }
    for (id, pool) in pools {
        let expected = &naive.validators[&id.0];
        if (pool.jailed_until_ms, pool.tombstoned) != (expected.jail, expected.dead) {
            return Err(format!("validator {id} stands elsewhere"));
        }
        for (account, member) in &expected.members {
            let held = holding(state, id, *account).map_err(damaged)?;
            let got = held.map_or((0, 0), |it| (it.amount.units(), it.earned.units()));
            if got != (naive.worth(id.0, &member.shares), member.owed()) {
                return Err(format!("{account} holds {got:?} at validator {id}"));
            }
        }
    }
    let proposals = all(state, PROPOSALS).map_err(damaged)?;
    let got: Vec<ProposalStatus> = proposals.values().map(|it| it.status).collect();
    let expected: Vec<ProposalStatus> = naive.proposals.iter().map(|it| it.status).collect();
    if got != expected {
        return Err(format!("proposals stand at {got:?}, expected {expected:?}"));
    }
    let params = all(state, PARAMS).map_err(damaged)?;
    if params.get(&()) == Some(&naive.params) {
        Ok(())
    } else {
        Err("parameters differ".to_owned())
    }
}

fn play_all(seeds: u64, least: u64) {
    let mut seen = Seen::default();
    for seed in 0..seeds {
        if let Err(difference) = play(seed, &mut seen) {
            panic!("seed {seed}, {difference}");
        }
    }
    for answer in expected_answers() {
        let count = seen.answers.get(&answer).copied().unwrap_or_default();
        let wanted = if answer.1.is_none() { least } else { 1 };
        assert!(count >= wanted, "histories met {answer:?} {count} times, not {wanted}");
    }
    let surprising: Vec<_> =
        seen.answers.keys().filter(|it| !expected_answers().contains(it)).collect();
    assert!(surprising.is_empty(), "nobody expects {surprising:?}");
    for end in ["NoQuorum", "Rejected", "Vetoed", "Executed", "Failed"] {
        assert!(seen.ends.contains_key(end), "no vote ended so: {end} of {:?}", seen.ends);
    }
    assert!(seen.slashed > seeds / 2, "{} of {seeds} histories slashed", seen.slashed);
    for ((kind, refused), count) in &seen.answers {
        let answer = refused.map_or("done", Refusal::name);
        println!("{kind:20} {answer:24} {count:8}");
    }
    println!("votes ended as {:?}", seen.ends);
}

#[test]
fn random_histories_agree_with_the_naive_model_to_the_last_unit() {
    play_all(SEEDS, 5);
}

#[test]
fn every_rule_of_the_economy_that_is_left_out_is_found() {
    for rule in Rule::ALL {
        let found = (0..SEEDS).find(|seed| rule.during(|| finds(*seed)));
        assert!(found.is_some(), "{rule:?} is not found in {SEEDS} histories");
    }
}

/// Whether a history differs, or leads to a state that the ledger or the model takes for broken.
fn finds(seed: u64) -> bool {
    std::panic::catch_unwind(|| play(seed, &mut Seen::default())).map_or(true, |it| it.is_err())
}

/// `cargo test --workspace --lib -- --ignored ten_thousand_histories`.
#[test]
#[ignore = "minutes: asked for by name"]
fn ten_thousand_histories_agree_with_the_naive_model_to_the_last_unit() {
    play_all(SEEDS_ALL, 1_000);
}

/// Each kind of operation with each answer that it can get.
fn expected_answers() -> BTreeSet<(&'static str, Option<Refusal>)> {
    use Refusal as R;
    let by_kind: [(&str, &[Refusal]); 12] = [
        ("claim_grant", &[R::GrantUnknown, R::NotGrantee, R::NothingVested]),
        ("claim_airdrop", &[R::AirdropClosed, R::NoShare, R::AirdropTaken]),
        (
            "register_validator",
            &[
                R::ValidatorExists,
                R::KeyTaken,
                R::CommissionRange,
                R::SelfBondTooSmall,
                R::NotPossessed,
                R::ValidatorsFull,
                R::InsufficientFunds,
            ],
        ),
        ("set_commission", &[R::NotOperator, R::CommissionRange, R::CommissionTooSoon]),
        (
            "delegate",
            &[R::ValidatorUnknown, R::ZeroAmount, R::ValidatorTombstoned, R::InsufficientFunds],
        ),
        ("undelegate", &[R::ValidatorUnknown, R::ZeroAmount, R::NotDelegated, R::BondHeld]),
        (
            "redelegate",
            &[
                R::SameValidator,
                R::ValidatorUnknown,
                R::ValidatorTombstoned,
                R::ZeroAmount,
                R::NotDelegated,
                R::BondHeld,
            ],
        ),
        ("claim_rewards", &[R::ValidatorUnknown, R::NothingEarned]),
        (
            "unjail_validator",
            &[R::NotOperator, R::ValidatorTombstoned, R::NotJailed, R::JailNotOver],
        ),
        ("report_offence", &[R::ValidatorUnknown, R::OffenceKnown, R::OffenceOutOfTime]),
        ("propose", &[R::ProposalUnsound, R::ProposalsFull, R::InsufficientFunds]),
        (
            "vote",
            &[
                R::ValidatorUnknown,
                R::ProposalUnknown,
                R::VotingOver,
                R::NotDelegated,
                R::StakeTooLate,
                R::VotedSo,
            ],
        ),
    ];
    let each = by_kind.into_iter().flat_map(|(kind, refusals)| {
        let refused = refusals.iter().map(move |refusal| (kind, Some(*refusal)));
        refused.chain(std::iter::once((kind, None)))
    });
    each.collect()
}
