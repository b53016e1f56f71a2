//! No rule of a contract is without a history of its breach: each is left out in turn, and some
//! history notices.

use std::ops::Range;

use ciro_contracts::{
    BOND, BRIDGE, CONSUMERS, GOVERNOR, Package, ROUTER, Rehearsal, Scenarios, TOKEN,
};
use starknet_types_core::felt::Felt as Felt252;

use crate::bridge::{self, BORDER};
use crate::consumers::{Proofs, STORIES, Told, diagnosis, game, loan, oracle};
use crate::evidence::{self, COURT};
use crate::governor::ASSEMBLY;
use crate::router::TILLS;
use crate::scenarios::{PROPS, histories};
use crate::token::PURSES;

/// A text that occurs once in a file, and what stands there instead.
type Change = (&'static str, &'static str);

/// The package with another text for one of its files. Tests may leak.
fn with(package: Package, path: &str, text: String) -> Package {
    let text: &'static str = Box::leak(text.into_boxed_str());
    let sources: Vec<_> = package
        .sources
        .iter()
        .map(|&(other, old)| (other, if other == path { text } else { old }))
        .collect();
    Package { sources: Box::leak(sources.into_boxed_slice()), ..package }
}

/// Where the statements of a text are that refuse something.
fn assertions(text: &str) -> impl Iterator<Item = Range<usize>> {
    text.match_indices(" assert(").map(|(at, _)| {
        let length = text[at..].find(");\n").expect("the end of an assertion") + 2;
        at + 1..at + length
    })
}

/// A file of a package, and the other packages that its histories need.
struct Subject<'a> {
    package: Package,
    path: &'a str,
    others: &'a [Package],
}

impl Subject<'_> {
    /// Leaves out each assertion, then makes each of the other changes, from a text that occurs
    /// once to another: histories notice all of them.
    #[track_caller]
    fn is_played(&self, changes: &[Change], notice: impl Fn(&Scenarios) -> bool) {
        let Self { package, path, others } = *self;
        let mut stages = Rehearsal::new(&[&[package][..], others].concat()).unwrap();
        let as_it_is = stages.scenarios().unwrap();
        assert!(!notice(&as_it_is), "{path}: a history fails though nothing is left out");
        let text = package.sources.iter().find(|(other, _)| *other == path).unwrap().1;
        let place = |(from, to): &Change| {
            let places: Vec<usize> = text.match_indices(from).map(|(at, _)| at).collect();
            let [at] = places[..] else { panic!("{path}: {from}: {places:?}") };
            (at..at + from.len(), *to)
        };
        let left_out = assertions(text).map(|range| (range, ""));
        let mut unnoticed = vec![];
        for (range, to) in left_out.chain(changes.iter().map(place)) {
            let changed = [&text[..range.start], to, &text[range.end..]].concat();
            let changed = with(package, path, changed);
            if !notice(&stages.with(changed).unwrap()) {
                unnoticed.push(format!("{} => {to}", &text[range]));
            }
        }
        assert!(unnoticed.is_empty(), "{path}: {unnoticed:#?}");
    }

    /// As [`Self::is_played`], by all histories of these files of a package.
    #[track_caller]
    fn is_played_by(&self, package: Package, files: &[&str], changes: &[Change]) {
        let names: Vec<String> = files.iter().flat_map(|file| histories(package, file)).collect();
        self.is_played(changes, |stage| names.iter().any(|name| fails(stage, name, &[])));
    }
}

/// Whether a history does not come to its end.
fn fails(stage: &Scenarios, name: &str, arguments: &[Vec<Felt252>]) -> bool {
    let arguments: Vec<&[Felt252]> = arguments.iter().map(Vec::as_slice).collect();
    stage.play(name, &arguments).unwrap().is_err()
}

/// The rules of a file of the token's package.
#[track_caller]
fn purses(path: &str, files: &[&str], changes: &[Change]) {
    let subject = Subject { package: TOKEN, path, others: &[PROPS, PURSES] };
    subject.is_played_by(PURSES, files, changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_token_is_played() {
    let changes = [
        ("self.allowances.write(place, allowed - amount);", ""),
        ("let place = (sender, get_caller_address());", "let place = (sender, recipient);"),
        ("self.balances.write(from, has - amount);", ""),
        ("self.balances.write(to, self.balances.read(to) + amount);", ""),
        ("self.move_votes(self.delegates.read(from), self.delegates.read(to), amount);", ""),
        ("self.move_votes(from_delegate, delegatee, self.balances.read(delegator));", ""),
        ("self.delegates.write(delegator, delegatee);", ""),
        ("if from != Zero::zero() {", "if false {"),
        ("votes - amount", "votes"),
        ("votes + amount", "votes"),
        (".time > timepoint", ".time >= timepoint"),
        (".time != time;", ".time == time;"),
    ];
    purses("ciro_token.cairo", &["money", "votes"], &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_vesting_is_played() {
    let changes = [
        ("if now < start + CLIFF {", "if now < start {"),
        ("if now >= start + DURATION {", "if now > start + DURATION {"),
        (" - self.released.read()\n", "\n"),
        ("self.released.write(self.released.read() + amount);", ""),
        ("pay(token, beneficiary, amount);", "pay(token, starknet::get_caller_address(), amount);"),
    ];
    purses("vesting.cairo", &["vesting"], &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_faucet_is_played() {
    let changes = [
        ("self.next.write(account, today + 1);", ""),
        (", today + 1);", ", today + 2);"),
        ("self.today.write(today);", ""),
        ("PER_DAY - left + PORTION", "PORTION"),
        ("self.token.read(), account,", "self.token.read(), starknet::get_caller_address(),"),
    ];
    purses("faucet.cairo", &["faucet"], &changes);
}

/// The rules of a file of the examples, by histories without proofs.
#[track_caller]
fn stories(path: &str, told: &[Told], changes: &[Change]) {
    let others = [TOKEN, PROPS, STORIES];
    Subject { package: CONSUMERS, path, others: &others }.is_played(changes, |stage| {
        told.iter().any(|(name, arguments)| fails(stage, &format!("stories::{name}"), arguments))
    });
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_loan_is_played() {
    let changes = [
        ("self.descriptions.write(account, 0);", ""),
        ("self.lent.write(account, true);", ""),
        ("self.lent.write(account, false);", ""),
        ("array![super::CONTEXT, here, account.into()]", "array![super::CONTEXT, here]"),
        ("array![super::CONTEXT, here, account.into()]", "array![super::CONTEXT, account.into()]"),
    ];
    let low = ("loan::a_low_score_has_no_loan", vec![]);
    stories("loan.cairo", &[loan(Proofs::Told), low], &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_oracle_is_played() {
    let changes = [("if round > self.latest.read() {", "if true {")];
    let told = [oracle(Proofs::Told)];
    stories("oracle.cairo", &told, &changes);
    stories("integers.cairo", &told, &[]);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_game_is_played() {
    let changes = [
        ("get_block_timestamp() + REPLY", "get_block_timestamp()"),
        ("self.begun.write(game + 1);", ""),
    ];
    let rules = ("game::a_game_ends_by_the_rules", vec![]);
    let told = [game(Proofs::Told), rules];
    stories("game.cairo", &told, &changes);
    let changes = [
        ("== 0x1ff", "== 0x1fe"),
        (" && (best == 9 || score > highest)", ""),
        ("(taken & bit(cell)) == 0 && ", ""),
        ("score > highest", "score >= highest"),
    ];
    stories("noughts.cairo", &told, &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_diagnosis_is_played() {
    let changes = [
        ("array![super::CONTEXT, here, case.into()]", "array![super::CONTEXT, here]"),
        ("self.opened.write(case + 1);", ""),
    ];
    stories("diagnosis.cairo", &[diagnosis(Proofs::Told)], &changes);
}

/// The rules of a file about bonds. Addresses depend on the text, and signatures on addresses.
#[track_caller]
fn court(path: &str, changes: &[Change]) {
    Subject { package: BOND, path, others: &[TOKEN, PROPS, COURT] }
        .is_played(changes, |stage| !evidence::all_is_well(stage));
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_judge_is_played() {
    let changes = [
        ("prepared_in >= view ||", "prepared_in > view ||"),
        (" || later == earlier", ""),
        ("Option::None => earlier.is_none()", "Option::None => true"),
        ("number.high % 0x8000000000000000000000000000000", "number.high"),
    ];
    court("judge.cairo", &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_bonds_is_played() {
    let changes = [
        ("array![super::POSSESSION, here, key, owner.into()]", "array![super::POSSESSION, here]"),
        ("self.punished.write((key, epoch, rule), true);", ""),
        ("3 * convicted >= ", "3 * convicted > "),
        ("leaves_at: now + WAIT, convicted_at", "leaves_at: now, convicted_at"),
        (" && convicted >= LEAST", ""),
        ("convicted >= LEAST", "convicted > LEAST"),
        ("self.captures.write(captures + 1);", ""),
        ("self.captured_at.write(now);", ""),
        ("self.weight.write(weight - convicted);", ""),
        ("self.convicted.write(0);", ""),
        ("self.convicted.write(convicted);", ""),
        ("bond.convicted_in == self.captures.read()", "true"),
        ("bonded_in: self.captures.read()", "bonded_in: 0"),
        ("convicted_in: captures, ", ""),
        ("self.captures.read() > bond.convicted_in", "false"),
        ("bond.bonded_in < bond.convicted_in", "true"),
        ("bond.bonded_in < bond.convicted_in", "false"),
        ("bond.convicted_at < until", "bond.convicted_at <= until"),
        ("weight: 0, left: 0, ", ""),
        ("pay(token, by, bounty);", ""),
        ("taken - bounty", "taken"),
    ];
    court("validator_bond.cairo", &changes);
}

/// The rules of a file of the bridge. Its address depends on the text, and messages on addresses.
#[track_caller]
fn border(path: &str, changes: &[Change]) {
    Subject { package: BRIDGE, path, others: &[TOKEN, BOND, PROPS, BORDER] }
        .is_played(changes, |stage| !bridge::all_is_well(stage));
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_certificates_is_played() {
    let changes = [
        ("3 * signed > 2 * total", "3 * signed >= 2 * total"),
        ("least = place + 1;", "least = place;"),
        ("kind.into(), 0,", "kind.into(), 1,"),
    ];
    border("checkpoint.cairo", &changes);
    let changes = [("network, bridge.into(),", "0, bridge.into(),")];
    border("outbox.cairo", &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_bridge_is_played() {
    let changes = [
        ("self.deposits.write(number + 1);", ""),
        ("end - length < seq", "end - length <= seq"),
        ("if time + TRUST > self.trusted_until.read() {", "if true {"),
        ("self.trusted_until.write(time + TRUST);", ""),
        ("now >= outbox.at + DELAY", "now > outbox.at + DELAY"),
        ("self.paid.write(leaf, paid + amount);", "self.paid.write(leaf, amount);"),
        ("self.day.write(now / DAY);", ""),
        ("self.left.write(left - amount);", ""),
        ("min(due, min(left, held))", "min(due, left)"),
        ("min(due, min(left, held))", "min(due, held)"),
        ("self.round.write(self.round.read() + 1);", ""),
        ("if share > FLOOR {", "if true {"),
        ("if share > FLOOR {", "if false {"),
        ("get_block_timestamp() < self.trusted_until.read()", "true"),
        ("captured_at >= self.named_at.read()", "captured_at > self.named_at.read()"),
        ("self.named_at.write(now);", ""),
    ];
    border("bridge.cairo", &changes);
}

/// The rules of a file of the router's package.
#[track_caller]
fn tills(path: &str, files: &[&str], changes: &[Change]) {
    let subject = Subject { package: ROUTER, path, others: &[TOKEN, PROPS, TILLS] };
    subject.is_played_by(TILLS, files, changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_exchange_is_played() {
    let changes = [
        ("paid * 997", "paid * 1_000"),
        ("(into * 1_000 + counted)", "(into * 1_000)"),
        ("ciro - out);", "ciro);"),
        ("self.change(stable - out, ", "self.change(stable, "),
        ("made - LOCKED", "made"),
        (" + held - 1) / held", ") / held"),
        ("self.all.write(all + made);", ""),
        ("self.all.write(all - shares);", ""),
        ("self.shares.write(account, has - shares);", ""),
        ("self.change(held + stable, other + ciro);", ""),
        ("self.change(held - stable, other - ciro);", ""),
        ("self.cumulative.write(self.cumulative());", ""),
        ("ciro, since: get_block_timestamp()", "ciro, since: 0"),
        ("pay(paid_out, recipient, out);", "pay(paid_out, trader, out);"),
    ];
    tills("exchange.cairo", &["trades"], &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_payments_is_played() {
    let changes = [
        ("self.observe();", ""),
        ("if time >= newer.time + WINDOW {", "if true {"),
        ("let since = if is_old {", "let since = if true {"),
        ("let since = if is_old {", "let since = if false {"),
        ("self.older.write(newer);", ""),
        ("cumulative() - since.cumulative)", "cumulative())"),
        ("(time - since.time)", "WINDOW"),
        ("spot - average", "0"),
        ("average - spot", "0"),
        ("(WHOLE - SLIPPAGE)", "WHOLE"),
        (" - had;", ";"),
        ("Zero::zero(), get_contract_address(), ", "get_contract_address(), "),
        ("Zero::zero(), get_contract_address(), ", "Zero::zero(), "),
        ("self.exchange.read(), stablecoin, ciro,", "stablecoin, ciro,"),
        ("self.exchange.read(), stablecoin, ciro,", "self.exchange.read(), ciro,"),
        ("self.exchange.read(), stablecoin, ciro,", "self.exchange.read(), stablecoin,"),
    ];
    tills("payment_router.cairo", &["payments", "prices"], &changes);
}

#[test]
#[ignore = "compiles contracts for minutes: .ci/run rules"]
fn every_rule_of_the_governor_is_played() {
    let changes = [
        ("account, at - 1)", "account, at)"),
        ("votes * PROPOSES >= ", "votes * PROPOSES > "),
        ("self.proposed.write(number + 1);", ""),
        ("self.voted.write((proposal, account), true);", ""),
        ("votes_for: votes_for + votes", "votes_for: votes"),
        ("votes_against: votes_against + votes", "votes_against: votes"),
        ("is_executed: true", "is_executed: false"),
        ("is_cancelled: true", "is_cancelled: false"),
        ("votes_for <= votes_against", "votes_for < votes_against"),
        ("votes_for * QUORUM < ", "votes_for * QUORUM <= "),
        ("age < DELAY {", "age <= DELAY {"),
        ("age < DELAY + VOTE {", "age <= DELAY + VOTE {"),
        ("age < DELAY + VOTE + TIMELOCK {", "age <= DELAY + VOTE + TIMELOCK {"),
        ("+ TIMELOCK + GRACE {", "+ TIMELOCK + GRACE + 1 {"),
        ("here, number.into(), proposer.into()]", "here, number.into()]"),
        ("array![super::PROPOSAL, here, number", "array![super::PROPOSAL, number"),
    ];
    let others = [TOKEN, PROPS, ASSEMBLY];
    let subject = Subject { package: GOVERNOR, path: "governor.cairo", others: &others };
    subject.is_played_by(ASSEMBLY, &["votes", "proposals"], &changes);
}
