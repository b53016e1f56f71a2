//! Checks of this protocol, left out one at a time: the adversaries must find each.

use ciro_consensus::Mutation;
use ciro_sim::{Behaviour, Profile, Sweep};

/// The seeds in which a missing check must show, over all settings.
const SEEDS: u64 = 3000;

/// Runs seeds of a few settings with a check left out until one breaks a property; returns how many it took.
fn hunt(mutation: Mutation) -> Option<(u64, String)> {
    let settings =
        [(Profile::Byzantine, 4, 1500), (Profile::Mixed, 4, 1000), (Profile::Mixed, 7, 500)];
    let mut runs = 0;
    for (profile, nodes, seeds) in settings {
        let sweep =
            Sweep { seeds: 0..seeds, nodes, blocks: 20, profile, jobs: 1, stop_early: true };
        let report = sweep.run_with(|plan, genesis| {
            // Half of the runs as they are drawn, half with strategists alone.
            if plan.seed % 2 == 1 {
                plan.behaviours.values_mut().for_each(|it| *it = Behaviour::Strategist);
            }
            genesis.with_mutation(mutation)
        });
        runs += report.stats.runs;
        if let Some(violation) = report.violations.values().next() {
            return Some((runs, violation.to_string()));
        }
    }
    assert_eq!(runs, SEEDS);
    None
}

/// What the adversaries do not find. Stopping the chain with a withheld certificate takes a coalition that leads two
/// views in a row and gives both the same block another content; theirs do not plan that far. The unit tests
/// `a_leader_counts_a_claim_only_with_its_content` and `what_a_replica_voted_for_stays_here_when_a_view_begins_with_something_else`
/// of the consensus crate fail without the check.
const NOT_FOUND: [Mutation; 1] = [Mutation::UnfilledClaims];

#[test]
fn every_check_that_is_left_out_is_missed() {
    let unmissed: Vec<Mutation> = Mutation::WEAKENED
        .into_iter()
        .filter(|mutation| !NOT_FOUND.contains(mutation))
        .filter(|mutation| match hunt(*mutation) {
            Some((runs, violation)) => {
                println!("{mutation:?}: {runs} runs, {}", violation.split(':').next().unwrap());
                false
            }
            None => true,
        })
        .collect();
    assert_eq!(unmissed, []);
}
