//! Thousands of runs with every kind of fault: no property may break in any of them.
//!
//! A failure prints the command that replays it.

use std::ops::Range;

use ciro_sim::{Profile, Stats, Sweep};

/// Runs seeds and demands that nothing breaks.
fn check(profile: Profile, nodes: usize, blocks: u64, seeds: Range<u64>) -> Stats {
    let runs = seeds.end - seeds.start;
    let sweep = Sweep { seeds, nodes, blocks, profile, jobs: 2, stop_early: false };
    let report = sweep.run();
    let first = report.violations.iter().next();
    if let Some((seed, violation)) = first {
        let count = report.violations.len();
        panic!("{count} of {runs} runs break; {violation}\n{}", sweep.replay_command(*seed));
    }
    assert_eq!(report.stats.runs, runs);
    assert!(report.stats.blocks >= runs * blocks, "every run has its blocks");
    report.stats
}

/// Ten thousand runs of four replicas and twenty blocks, a quarter in each test so that they run
/// side by side.
fn mixed_quarter(quarter: u64) {
    let stats = check(Profile::Mixed, 4, 20, 2500 * quarter..2500 * (quarter + 1));
    // Faults that never strike would prove nothing.
    assert!(stats.view_changes > 2500 && stats.accusations > 500, "{stats:?}");
}

#[test]
fn four_replicas_survive_everything_first_quarter() {
    mixed_quarter(0);
}

#[test]
fn four_replicas_survive_everything_second_quarter() {
    mixed_quarter(1);
}

#[test]
fn four_replicas_survive_everything_third_quarter() {
    mixed_quarter(2);
}

#[test]
fn four_replicas_survive_everything_last_quarter() {
    mixed_quarter(3);
}

#[test]
fn seven_replicas_survive_everything() {
    check(Profile::Mixed, 7, 20, 0..500);
}

#[test]
fn ten_replicas_survive_everything() {
    check(Profile::Mixed, 10, 20, 0..500);
}

#[test]
fn thirty_one_replicas_survive_everything() {
    check(Profile::Mixed, 31, 20, 0..30);
}

#[test]
fn a_hundred_replicas_survive_everything() {
    check(Profile::Mixed, 100, 10, 0..1);
}

#[test]
fn nothing_happens_in_calm_runs() {
    let stats = check(Profile::Calm, 4, 20, 0..200);
    assert_eq!((stats.view_changes, stats.accusations), (0, 0));
}

#[test]
fn nothing_waits_for_re_sending_where_nothing_is_lost() {
    let stats = check(Profile::Jitter, 4, 20, 0..100);
    assert_eq!((stats.view_changes, stats.accusations), (0, 0));
}

#[test]
fn crashes_pauses_and_torn_writes_are_survived() {
    check(Profile::Crash, 4, 20, 0..500);
}

#[test]
fn partitions_and_loss_are_survived() {
    check(Profile::Partition, 4, 20, 0..500);
}

#[test]
fn misbehaving_replicas_are_survived_and_accused() {
    let stats = check(Profile::Byzantine, 5, 20, 0..300);
    assert!(stats.accusations > 0);
}

#[test]
fn joining_and_leaving_is_survived() {
    check(Profile::Churn, 4, 30, 0..200);
}
