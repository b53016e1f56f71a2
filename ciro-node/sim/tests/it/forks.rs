//! More than a third of the stake conspires: every fork convicts a third, and nobody honest.

use ciro_sim::{Profile, Sweep};

/// Runs conspiracies of 40 % of the stake. That a fork convicts too little or anyone honest is a
/// violation.
fn check(nodes: usize, runs: u64) {
    let profile = Profile::Fork;
    let sweep = Sweep { seeds: 0..runs, nodes, blocks: 20, profile, jobs: 2, stop_early: false };
    let report = sweep.run();
    if let Some((seed, violation)) = report.violations.iter().next() {
        panic!("{violation}\n{}", sweep.replay_command(*seed));
    }
    let forks = u64::try_from(report.forks.len()).unwrap();
    assert!(forks > runs / 2, "{forks} of {runs} conspiracies fork the chain");
    assert!(report.forks.values().all(|culprits| !culprits.is_empty()));
}

#[test]
fn every_fork_of_four_replicas_convicts_its_authors() {
    check(4, 200);
}

#[test]
fn every_fork_of_ten_replicas_convicts_its_authors() {
    check(10, 40);
}
