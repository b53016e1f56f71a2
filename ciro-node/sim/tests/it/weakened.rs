//! Checks of this protocol, left out one at a time: the adversaries must find each that matters.

use ciro_consensus::Mutation;
use ciro_sim::{Behaviour, Profile, Sweep};

/// The seeds in which a missing check must show, over all settings.
const SEEDS: u64 = 3000;

/// Settings in which checks are left out: kind, validators, seeds.
const SETTINGS: [(Profile, usize, u64); 5] = [
    (Profile::Byzantine, 4, 800),
    (Profile::Mixed, 4, 1000),
    (Profile::Crash, 4, 400),
    (Profile::Byzantine, 7, 500),
    (Profile::Mixed, 6, 300),
];

/// Runs seeds of a few settings with a check left out until one breaks a property; returns how many
/// it took.
fn hunt(mutation: impl Into<Option<Mutation>>) -> Option<(u64, String)> {
    let mutation = mutation.into();
    let mut runs = 0;
    for (profile, nodes, seeds) in SETTINGS {
        let sweep =
            Sweep { seeds: 0..seeds, nodes, blocks: 20, profile, jobs: 1, stop_early: true };
        let report = sweep.run_with(|plan, genesis| {
            // A third of the runs as they are drawn, a third with strategists alone, a third with
            // withholders alone.
            let all = [None, Some(Behaviour::Strategist), Some(Behaviour::Withhold)];
            if let Some(behaviour) = all[usize::try_from(plan.seed % 3).unwrap()] {
                plan.behaviours.values_mut().for_each(|it| *it = behaviour);
            }
            match mutation {
                Some(mutation) => genesis.with_mutation(mutation),
                None => genesis,
            }
        });
        runs += report.stats.runs;
        if let Some(violation) = report.violations.values().next() {
            return Some((runs, violation.to_string()));
        }
    }
    assert_eq!(runs, SEEDS);
    None
}

/// Hunts for every `step`-th weakened check from `first` on.
fn check_all(first: usize, step: usize) {
    let all = Mutation::WEAKENED.into_iter().skip(first).step_by(step);
    let missed: Vec<Mutation> = all.filter(|mutation| hunt(*mutation).is_none()).collect();
    assert_eq!(missed, [], "not found in {SEEDS} runs");
}

#[test]
fn every_check_that_is_left_out_is_missed_first_half() {
    check_all(0, 2);
}

#[test]
fn every_check_that_is_left_out_is_missed_second_half() {
    check_all(1, 2);
}

#[test]
fn the_same_runs_with_every_check_break_nothing() {
    assert_eq!(hunt(None), None);
}

#[test]
fn what_is_called_equivalent_breaks_nothing() {
    for (mutation, reason) in Mutation::EQUIVALENT {
        if let Some((runs, violation)) = hunt(mutation) {
            panic!("{mutation:?} after {runs} runs, though {reason}: {violation}");
        }
    }
}
