//! Bugs that other implementations shipped, put back one at a time: the simulator must find each.

use ciro_consensus::Mutation;
use ciro_sim::{Profile, Sweep, SweepReport};

/// The seeds in which a bug must show.
const SEEDS: u64 = 2000;

/// Runs seeds with a bug until one breaks a property.
fn hunt(mutation: Mutation, profile: Profile, nodes: usize) -> SweepReport {
    let sweep = Sweep { seeds: 0..SEEDS, nodes, blocks: 20, profile, jobs: 1, stop_early: true };
    sweep.run_with(|_, genesis| genesis.with_mutation(mutation))
}

/// Demands that a bug is found, by breaking one of the properties that it must break.
fn check(mutation: Mutation, profile: Profile, nodes: usize, properties: &[&str]) {
    let report = hunt(mutation, profile, nodes);
    let Some((seed, violation)) = report.violations.iter().next() else {
        panic!("{mutation:?} is not found in {SEEDS} seeds of profile {profile}");
    };
    assert!(properties.contains(&violation.name()), "{mutation:?}, seed {seed}: {violation}");
    assert!(report.stats.runs <= SEEDS);
}

#[test]
fn a_view_change_that_is_never_repeated() {
    check(Mutation::LostViewChange, Profile::Mixed, 4, &["liveness"]);
}

#[test]
fn a_watermark_test_on_the_wrong_set() {
    check(Mutation::WatermarkOnWrongSet, Profile::Mixed, 4, &["prompt views"]);
}

#[test]
fn a_proposal_dropped_at_the_edge_of_the_window() {
    let broken = ["no needless wait", "no needless view change"];
    check(Mutation::DropAtWindowEdge, Profile::Jitter, 4, &broken);
}

#[test]
fn a_view_timer_that_starts_too_early() {
    check(Mutation::EarlyViewTimer, Profile::Mixed, 4, &["no replica races ahead"]);
}

#[test]
fn an_idle_timer_taken_for_the_commit_timer() {
    check(Mutation::IdleTimerOnly, Profile::Mixed, 4, &["liveness"]);
}

#[test]
fn a_commit_that_forbids_another_view() {
    check(Mutation::CommitLock, Profile::Mixed, 4, &["liveness"]);
}

#[test]
fn a_quorum_of_two_thirds_where_there_are_more_replicas() {
    let broken = ["agreement", "equal state", "no halt", "certificates"];
    check(Mutation::CountedQuorum, Profile::Partition, 6, &broken);
}

#[test]
fn a_checkpoint_claimed_by_a_replica_that_lags() {
    let broken = ["total order", "equal state", "no halt", "no honest replica accused"];
    check(Mutation::ClaimedCheckpoint, Profile::Mixed, 4, &broken);
}

#[test]
fn the_same_runs_without_a_bug_break_nothing() {
    for (profile, nodes) in [(Profile::Mixed, 4), (Profile::Jitter, 4), (Profile::Partition, 6)] {
        let sweep = Sweep { seeds: 0..50, nodes, blocks: 20, profile, jobs: 1, stop_early: true };
        assert!(sweep.run().violations.is_empty(), "{profile}");
    }
}
